"""
The gateway's API over HTTP: its routes, the JSON of its responses, the check of the token, the callbacks it makes.
It also keeps other web pages away from the emulator.
"""
