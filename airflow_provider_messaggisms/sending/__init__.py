"""
What the send operators are made of: an SMS that is sent once, to one recipient or to a hundred thousand.

``sending_operator`` is their base, ``exactly_once`` keeps the promise, ``task_state`` remembers what earlier tries did,
``transactions`` sends to many in chunks, and ``recipient_files`` reads the recipients from a file.
"""
