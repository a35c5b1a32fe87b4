"""
A local MessaggiSMS gateway: the same seven calls, credit that costs nothing, SMS that reach no real phone. The vendor's
token service is at the same address.

Start it with ``messaggisms-emulator`` (or ``python -m airflow_provider_messaggisms.emulator``). Give an Airflow
connection its address as host and ``emulator-token`` as password, or the e-mail address and API key that it prints.
Open its address in a browser to see the SMS. In tests, use the fixture ``messaggisms_gateway``.

The sandbox is under the path ``/sandbox``, with tokens and an API key of its own, which begin with ``sandbox-``. A
production token or key is a wrong one there, and the reverse.

It shares no code with the client: otherwise both could misread the same field in the same way, and each test would
pass. Its rooms, each of which imports only those before it:

=====================  =============================================================================================
:mod:`.account`        the account and its rules: messages, credit, states, clock
:mod:`.http`           the gateway's API over HTTP
:mod:`.token_service`  the vendor's token service: its tokens with their rules, and its API over HTTP
:mod:`.control`        what a test does to the emulator: reset, clock, scripted faults, log of requests
:mod:`.inbox`          the web page of the inbox and its search
=====================  =============================================================================================

:mod:`.app` puts them together, :mod:`.server` and :mod:`.__main__` make a process of it, and :mod:`.pytest_plugin`
starts that process for tests.

Documented by the vendor, and emulated
    The calls, their parameters and required fields, the JSON of their responses with all quirks, the statuses and
    codes of their errors (:mod:`.account.api_errors`, first half; :mod:`.http.serialization`). Senders of 3 to 11
    characters or 3 to 14 digits. Numbers in another form than ``+39-3491234567`` are counted as invalid. ``{{name}}``
    is filled from ``fields``. A transaction goes out when a PUT closes it. A day may be written from either end. One
    realtime message a minute. No refund for a deleted message, and no DELETE once it is on its way. Parts of 160/153
    and 70/67 characters.

    Tokens: ``POST``, ``GET``, ``PATCH`` and ``DELETE /tokens``, with a name, scopes, a lifetime of at most a year and
    pages of at most 100; ``GET /scopes`` and ``GET /wallet``; Basic authentication by e-mail address and API key. A
    PATCH with a refresh token makes a new token and deletes the old one. A token works until it expires or is deleted,
    in its own environment, for the methods of its scopes.

Seen by users of the vendor, and emulated
    * A wrong token gets 401 with the code 125.22, no token gets 401 without ``error`` and ``data``; the texts of 402:
      :mod:`.account.api_errors`.
    * The faults ``expired_token``, ``minimal_401``, ``not_enabled``, ``trace``, ``sparse``, ``json_message`` and the
      ``text`` of ``no_credit``: :mod:`.control.fault_script`.

Assumed, each in one place
    * The responses to a missing scope, a wrong type, invalid JSON or a second realtime message, and the texts of the
      other errors: :mod:`.account.api_errors`, second half.
    * ``GET /messages/{id}`` refuses an unknown id like one in a wrong form: :meth:`.SmsAccount.message`.
    * A message for a later day may be moved and cancelled until that day begins, in Rome. A day that has begun means
      now: :meth:`.SmsAccount.update`, :meth:`.SmsAccount.delete`.
    * Prices, and that a test costs nothing: :mod:`.account.stored_message`, :mod:`.account.sms_account`.
    * The list of messages goes back to the first one. There is no rate limit unless a fault is scripted, and the
      recipients of a call are limited only by the size of its body.
    * The values of a message's ``state`` and ``statistics``, and when they change: :mod:`.http.serialization`.
    * Strict types: ``null`` is not "absent", ``custom`` is a string, a field's value is a string or a number, a
      priority is 1000 at most: :mod:`.account.request_bodies`.
    * Which numbers fail, how, and after how many seconds: :mod:`.account.message_states`.
    * What a callback contains and when it is sent: :mod:`.http.callbacks`.
    * Of scopes the host is checked when a token is made: it is the vendor's host of the environment, or any host that
      can be the emulator's. ``*`` stands for all methods or paths: :mod:`.token_service.scopes`.
    * The default lifetime of a token is 30 days, and more than a year becomes a year:
      :mod:`.token_service.token_bodies`.
    * Expired tokens stay in the list. An account without tokens gets 404/120. A PATCH with the account's login changes
      a token in place. Of a token's limits ``totalRequests`` is enforced, with 403: :mod:`.token_service.token_store`.
    * A wrong e-mail address or API key gets 401/140: :mod:`.token_service.token_errors`.
    * What ``GET /scopes/{id}`` says of limits, requirements and prices: :mod:`.token_service.token_routes`.
    * Where two behaviours are equally likely there is a switch, and a client must accept both:
      :mod:`.account.personality`.

Not emulated
    Operators, queues and ``priority`` (it only costs more), TLS, several accounts. Both environments share messages and
    credit, and the sandbox's SMS are in the inbox too. Of the token service: callbacks, errors, statistics,
    subscriptions, transactions of the wallet, and the limits of a token other than ``totalRequests``.

Limits
    Nothing is saved to disk: a restart forgets everything, so an outage is a fault and not a restart. A body may have
    32 MiB. Up to 2,000,000 recipients are kept, and the oldest messages are forgotten first. The logs keep the last
    10,000 requests and 1,000 callbacks. Up to 10,000 tokens are kept. Callbacks reach loopback addresses only.
"""

from __future__ import annotations

DEFAULT_TOKEN = "emulator-token"  # noqa: S105 - valid only at an emulator
DEFAULT_EMAIL = "emulator@example.com"
DEFAULT_API_KEY = "emulator-key"
DEFAULT_PORT = 8025
