"""
Transports: one :class:`~airflow_provider_messaggisms.gateway.wire.Request` in, one ``Response`` out.

``sync_transport`` uses requests and serves workers, ``async_transport`` uses aiohttp and serves event loops.
``exchange`` holds what both share, and ``network`` finds proxies and certificates. They know nothing of the gateway but
its address and the token.
"""
