"""
What the delivery sensor, its trigger and the operators that wait are made of.

``operator`` is their base, ``lookout`` lets all waits of a triggerer look through one client, and ``outcome`` is what
the trigger tells its task. What a look is, and how often, is the core's to say (``gateway.watch``, ``gateway.pace``).
"""
