"""
The vendor's token service: an account makes tokens with its e-mail address and API key, and asks for scopes and credit.
It has the address of the gateway; :mod:`.environments` tells how one process is production and sandbox at once.
"""
