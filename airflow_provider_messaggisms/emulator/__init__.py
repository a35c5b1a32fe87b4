"""
A local MessaggiSMS gateway: the same seven calls, credit that is not money, SMS that reach no phone.

Start it with ``messaggisms-emulator`` (or ``python -m airflow_provider_messaggisms.emulator``), give an Airflow
connection its address as host and ``emulator-token`` as password, and look at what the phones received at its address
in a browser. In tests, ask for the fixture ``messaggisms_gateway``. It shares no code with the client, so that a field
misread there cannot be misread here in the same way.

Documented by the vendor, and imitated
    The calls, their parameters and required fields, the shapes of their answers with all their quirks, and the
    statuses and codes of their errors (:mod:`.refusals`, first half; :mod:`.schema`). Senders of 3 to 11 characters or
    3 to 14 digits. Numbers in any other form than ``+39-3491234567`` are counted as invalid. ``{{name}}`` is filled
    from ``fields``. A transaction goes out once a PUT closes it. A day may be written from either end. One realtime
    message a minute. No refund for what is deleted, and no deleting of what is on its way. Parts of 160/153 and 70/67.

Assumed, each in one place
    * What a bad token, a missing scope, a wrong type, unreadable JSON or a second realtime message gets, and the texts
      of all errors: :mod:`.refusals`, second half.
    * An unknown id is refused by ``GET /messages/{id}`` like one in the wrong form: :meth:`.store.Store.message`.
    * A message for a later day may be moved and cancelled until that day begins, in Rome; a day that has begun means
      now: :meth:`.store.Store.amend`, :meth:`.store.Store.delete`.
    * Prices, and that a test costs nothing: :mod:`.store`.
    * The list of messages forgets nothing; there is no rate limit unless a fault is scripted, and no limit to the
      recipients of a call but the size of its body: :mod:`.store`, :mod:`.responses`.
    * The values of a message's ``state`` and ``statistics``, and when they change: :mod:`.answers`.
    * Strictness: ``null`` is not "absent", ``custom`` is a string, a field's value is a string or a number, a priority
      is 1000 at most: :mod:`.payload`.
    * Which numbers fail, how, and after how many seconds: :mod:`.fates`.
    * What a callback holds and when it comes: :mod:`.callbacks`.
    * Where both ways are equally likely there is a switch, and a client must stand both: :mod:`.personality`.

Not imitated
    Operators, queues and ``priority`` (it only costs more), the vendor's token service and the expiry of tokens (but a
    fault ``expired_token``), a token's scopes beyond the HTTP method, TLS, several accounts. Nothing is kept on disk: a
    restart forgets everything, which is why an outage is a fault and not a restart. Of 256 MiB of messages (about
    800,000 recipients) the oldest are forgotten; the last 10,000 requests and 1,000 callbacks are remembered. Bodies up
    to 32 MiB and heads up to 256 KiB are read, and a call may fill in 50 million characters. Up to 10,000 connections
    are open at a time, or as many as the system permits. Callbacks reach loopback addresses only.
"""

from __future__ import annotations

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - opens nothing but an emulator
DEFAULT_PORT = 8025
