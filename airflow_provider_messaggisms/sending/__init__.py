"""
What the send operators are made of: an SMS that is sent once, to one or to a hundred thousand, whatever the task meets.

``operator`` is the base of the send operators, ``once`` keeps the promise, ``transactions`` sends to many in chunks,
and ``recipient_files`` reads from a file to whom.
"""
