"""
Waiting for a delivery: what the sensor, the send operators and the trigger share.

``waiting_operator`` is the base of the operators, ``shared_client`` lets all waits of one event loop share a client,
and ``trigger_event`` is what a trigger tells its task. How to poll, and how often, belongs to the core
(``gateway.polling``, ``gateway.poll_interval``).
"""
