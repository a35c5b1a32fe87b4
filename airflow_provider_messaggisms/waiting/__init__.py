"""
Waiting for a delivery: what the sensor, the send operators and the trigger share.

``waiting_operator`` is the base of the operators, ``shared_client`` gives all waits of an event loop one client, and
``trigger_event`` is what a trigger tells its task. When to poll and how to judge belongs to the core
(``gateway.polling``).
"""
