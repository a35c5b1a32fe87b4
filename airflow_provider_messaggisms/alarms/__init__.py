"""
Alarms: from the context of one of Airflow's callbacks to one SMS that says what happened.

``events`` reads the context, ``template_context`` completes it for templates, ``wording`` finds the words, ``alarm``
makes what is sent, ``deduplication`` sends it once with the help of ``local_lock``, and ``deadline`` ends it in time.
"""
