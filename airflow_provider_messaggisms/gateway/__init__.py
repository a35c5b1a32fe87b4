"""
The core: everything this package knows about the gateway, and nothing else.

No I/O, no clock, no Airflow, no HTTP library: values go in, values come out, so all of it is tested in milliseconds.
``calls`` builds a :class:`~airflow_provider_messaggisms.gateway.wire.Call` for each ability of the gateway (what to
ask, how to read the answer, whether asking twice does harm); the transports carry it; ``retry`` decides on repeats.
"""
