"""
What the notifier is made of: Airflow calls back, and one telephone rings, once, with words that say what happened.

``events`` reads Airflow's contexts, ``texts`` finds the words, ``silencing`` keeps an alarm to one SMS with the help of
``local_lock``, and ``deadline`` ends it all in time.
"""
