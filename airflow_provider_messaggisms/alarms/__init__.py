"""
Alarms: from the context of one of Airflow's callbacks to one SMS that says what happened.

``events`` reads the context and ``template_context`` completes it for templates. ``alarm`` makes what is sent, with the
words of ``wording``. ``dispatch`` sends it in time, with ``deadline`` and ``dag_processor``; ``deduplication`` sends it
once, with ``local_lock``. ``reporting`` says in the log what became of it.
"""
