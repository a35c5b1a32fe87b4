"""
What an Airflow connection of type ``messaggisms`` says: where the gateway is, how to authenticate, and the defaults.

:data:`FIELDS` lists the extra fields of the connection form once: Airflow 3 reads them from the provider's description,
Airflow 2.11 from the hook, and :meth:`Settings.from_connection` checks a connection against them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.account import (
    DEFAULT_TTL_DAYS,
    MAX_TTL_DAYS,
    Account,
    read_account,
    read_secret,
)
from airflow_provider_messaggisms.gateway.addresses import HOSTS, read_address
from airflow_provider_messaggisms.gateway.quiet_hours import QuietHours, read_quiet_hours
from airflow_provider_messaggisms.gateway.redaction import RedactedStruct
from airflow_provider_messaggisms.gateway.sender import check_sender

#: Id of the connection where a task names none.
DEFAULT_CONN_ID = "messaggisms_default"

CONNECT_TIMEOUT_SECONDS = 10.0
DEFAULT_TIMEOUT_SECONDS = 30.0
#: Well below the 300 s after which Airflow gives up a task without a heartbeat and starts its next try.
MAX_TIMEOUT_SECONDS = 120.0

#: Enough for two hundred looks a second at a gateway that takes a tenth of a second to answer.
DEFAULT_MAX_SOCKETS = 20
MAX_SOCKETS = 500

DEFAULT_TIMEZONE = "Europe/Rome"

#: What Airflow's form shows, and may store, in a field whose name looks like a secret, as ``token_ttl_days`` does.
_AIRFLOWS_MASK = "***"

#: Extra fields of the connection, in the form that Airflow's ``provider_info.schema.json`` calls ``conn-fields``.
FIELDS: dict[str, dict[str, Any]] = {
    "auth": {
        "label": "Authentication",
        "description": "token: the password is a token. account: login and password are the account's e-mail address "
        "and API key, and a token is found or made when it is needed.",
        "schema": {"type": ["string", "null"], "enum": ["token", "account"], "default": "token"},
    },
    "environment": {
        "label": "Environment",
        "description": "Which of the vendor's hosts to use. A host given above wins.",
        "schema": {"type": ["string", "null"], "enum": list(HOSTS), "default": "production"},
    },
    "sender": {
        "label": "Sender",
        "description": "Shown on the phone: 3 to 11 letters and digits, or 3 to 14 digits. A task may name its own.",
        "schema": {"type": ["string", "null"]},
    },
    "timeout_seconds": {
        "label": "Read time-out (seconds)",
        "description": f"How long to wait for an answer, 1 to {MAX_TIMEOUT_SECONDS:.0f}.",
        "schema": {
            "type": ["number", "null"],
            "minimum": 1,
            "maximum": MAX_TIMEOUT_SECONDS,
            "default": DEFAULT_TIMEOUT_SECONDS,
        },
    },
    "token_host": {
        "label": "Token service",
        "description": "Only with an account: the address of the token service, if it is not the vendor's own.",
        "schema": {"type": ["string", "null"]},
    },
    "token_ttl_days": {
        "label": "Life of a token (days)",
        "description": f"Only with an account: how long a new token lives, 1 to {MAX_TTL_DAYS}; empty: "
        f"{DEFAULT_TTL_DAYS}.",
        # No default here: Airflow masks it in its form, because of the field's name, and stores the mask.
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_TTL_DAYS},
    },
    "timezone": {
        "label": "Time zone",
        "description": "Where a day begins for scheduled messages, as an IANA name.",
        "schema": {"type": ["string", "null"], "default": DEFAULT_TIMEZONE},
    },
    "quiet_hours": {
        "label": "Quiet hours",
        "description": "From when to when send operators hold back, such as 21:00-08:00, in the time zone above.",
        "schema": {"type": ["string", "null"]},
    },
    "default_region": {
        "label": "Default region",
        "description": "Two letters, such as IT: the country of numbers written without an international prefix.",
        "schema": {"type": ["string", "null"]},
    },
    "price_per_part_eur": {
        "label": "Price of one SMS part (EUR)",
        "description": "Without VAT. For estimates and max_price_eur, instead of the last price that the gateway told.",
        "schema": {"type": ["number", "null"], "minimum": 0},
    },
    "timestamp_send_format": {
        "label": "Format of scheduled times",
        "description": "Only for accounts whose gateway takes a time of day in timestamp_send: a strftime format.",
        "schema": {"type": ["string", "null"]},
    },
    "console_url": {
        "label": "Address of a message's page",
        "description": "Where Airflow's UI leads from a task to its message; {message_id} stands for the id.",
        "schema": {"type": ["string", "null"]},
    },
    "installation": {
        "label": "Installation",
        "description": "A name for this Airflow, if another Airflow with the same base URL shares the account.",
        "schema": {"type": ["string", "null"]},
    },
    "max_sockets": {
        "label": "Sockets",
        "description": f"How many sockets all deferred waits of one triggerer share, 1 to {MAX_SOCKETS}.",
        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_SOCKETS, "default": DEFAULT_MAX_SOCKETS},
    },
}


class Settings(RedactedStruct, frozen=True):
    """
    A checked connection.

    :param base_url: Scheme, host, port and an optional path, without a slash at the end.
    :param token: The bearer token; empty until there is one if the connection has an account. Not in the ``repr``.
    :param sender: Default sender of all messages, or ``None``.
    :param timeout_seconds: How long to wait for an answer. 1 to 120, default 30.
    :param timezone: IANA name of the zone in which the gateway's days begin. Default Europe/Rome.
    :param quiet_hours: When send operators hold back, or ``None``. Alarms do not.
    :param default_region: ISO 3166 code of numbers written without a prefix, or ``None``.
    :param timestamp_send_format: ``strftime`` form of scheduled times, or ``None``: days only.
    :param console_url: http(s) address of the page of a message, with ``{message_id}`` in it, or ``None``.
    :param installation: What tells this Airflow from others that share the account, or ``None``: its base URL does.
    :param max_sockets: How many sockets all waits of one event loop share. 1 to 500, default 20.
    :param price_per_part_eur: What one SMS part costs, without VAT, for estimates; ``None`` if unknown.
    :param account: The account to find or make a token with; ``None`` if the connection holds a token.
    :param unknown_fields: Unknown names in the connection's extra, most likely typing errors.
    """

    _shown = (
        "base_url",
        "sender",
        "timeout_seconds",
        "timezone",
        "quiet_hours",
        "default_region",
        "timestamp_send_format",
        "price_per_part_eur",
        "unknown_fields",
    )
    base_url: str
    token: str
    sender: str | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    timezone: str = DEFAULT_TIMEZONE
    quiet_hours: QuietHours | None = None
    default_region: str | None = None
    timestamp_send_format: str | None = None
    console_url: str | None = None
    max_sockets: int = DEFAULT_MAX_SOCKETS
    price_per_part_eur: float | None = None
    account: Account | None = None
    installation: str | None = None
    unknown_fields: tuple[str, ...] = ()

    @property
    def environment(self) -> str:
        """Which of the vendor's hosts it leads to: ``production``, ``sandbox``, or ``other``."""
        return next((name for name, url in HOSTS.items() if url == self.base_url), "other")

    @property
    def authorization(self) -> str:
        """The value of the header ``Authorization``."""
        return f"Bearer {self.token}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no log and no error may show. An account's API key is not among it: the gateway never gets it."""
        return (self.token,)

    @classmethod
    def from_connection(
        cls,
        *,
        host: str | None,
        schema: str | None,
        port: int | None,
        password: str | None,
        extra: Mapping[str, Any],
        login: str | None = None,
    ) -> Settings:
        """
        Check the parts of an Airflow connection.

        An empty value counts as absent, because a form leaves it empty. So does Airflow's mask, which a form may store.

        :raises ConfigurationError: A part is missing or invalid; the text names it.
        """
        if not isinstance(extra, Mapping):
            raise ConfigurationError("connection, field extra: it is not a JSON object")
        given = {name: value for name, value in extra.items() if value not in (None, "", _AIRFLOWS_MASK)}
        environment = _one_of("environment", given, tuple(HOSTS))
        base_url = HOSTS[environment]
        if host and host.strip():
            base_url = read_address("host", host.strip(), (schema or "").strip(), port)
        timeout_seconds = _timeout(given.get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS))
        ttl_days = _whole("token_ttl_days", given.get("token_ttl_days", DEFAULT_TTL_DAYS), MAX_TTL_DAYS)
        account = None
        if _one_of("auth", given, ("token", "account")) == "account":
            account = read_account(
                gateway=base_url,
                login=login,
                password=password,
                token_host=given.get("token_host"),
                ttl_days=ttl_days,
                timeout_seconds=timeout_seconds,
            )
        return cls(
            base_url=base_url,
            token="" if account else _token(password),
            account=account,
            sender=_sender(given.get("sender")),
            timeout_seconds=timeout_seconds,
            timezone=(timezone := _timezone(given.get("timezone", DEFAULT_TIMEZONE))),
            quiet_hours=_quiet_hours(given.get("quiet_hours"), timezone),
            default_region=_region(given.get("default_region")),
            timestamp_send_format=_text("timestamp_send_format", given.get("timestamp_send_format")),
            console_url=_console_url(given.get("console_url")),
            max_sockets=_whole("max_sockets", given.get("max_sockets", DEFAULT_MAX_SOCKETS), MAX_SOCKETS),
            price_per_part_eur=_price(given.get("price_per_part_eur")),
            installation=_text("installation", given.get("installation")),
            unknown_fields=tuple(sorted(name for name in given if name not in FIELDS)),
        )

    def page_of(self, message_id: str) -> str | None:
        """Give the address of a message's page, if it has one. Plain http leads to the emulator: it has an inbox."""
        shown = quote(str(message_id), safe="")
        if self.console_url:
            return self.console_url.replace("{message_id}", shown)
        return None if self.base_url.startswith("https:") else f"{self.base_url}/#text={shown}"


def _token(password: str | None) -> str:
    """Check a token. ``Bearer `` in front of it is a part of the header, copied with it."""
    return read_secret(re.sub(r"(?i)\A\s*bearer\s+", "", password or ""), "the gateway's token")


def _one_of(name: str, given: Mapping[str, Any], choices: tuple[str, ...]) -> str:
    """Read a choice; the first one is the default."""
    value = given.get(name, choices[0])
    if value not in choices:
        raise ConfigurationError(
            f"connection, field {name}: {str(value)[:40]!r} is unknown; use one of {', '.join(choices)}"
        )
    return str(value)


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ConfigurationError(f"connection, field {name}: expected a text, got {type(value).__name__}")
    return str(value).strip() or None


def _sender(value: Any) -> str | None:
    sender = _text("sender", value)
    try:
        return sender and check_sender(sender)
    except ConfigurationError as error:
        raise ConfigurationError(f"connection, field {error}") from None


def _timeout(value: Any) -> float:
    try:
        seconds = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 1 <= seconds <= MAX_TIMEOUT_SECONDS:
        raise ConfigurationError(
            f"connection, field timeout_seconds: {str(value)[:40]!r} is not a number "
            f"from 1 to {MAX_TIMEOUT_SECONDS:.0f}"
        )
    return seconds


def _price(value: Any) -> float | None:
    if value is None:
        return None
    try:
        price = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        price = -1.0
    if not 0 <= price < float("inf"):
        raise ConfigurationError(
            f"connection, field price_per_part_eur: {str(value)[:40]!r} is not a price of 0 or more"
        )
    return price


def _console_url(value: Any) -> str | None:
    url = _text("console_url", value)
    if url is not None and not (re.match(r"https?://[^/?#\s]", url) and "{message_id}" in url):
        raise ConfigurationError("connection, field console_url: expected an http(s) address with {message_id} in it")
    return url


def _whole(name: str, value: Any, most: int) -> int:
    """Read a whole number of 1 or more; ``20``, ``20.0`` and ``"20"`` are alike, as forms and exports write them."""
    found = re.fullmatch(r"([0-9]{1,9})(?:\.0{1,9})?", str(value).strip(), re.ASCII)
    if not found or not 1 <= int(found[1]) <= most:
        raise ConfigurationError(
            f"connection, field {name}: {str(value)[:40]!r} is not a whole number from 1 to {most}"
        )
    return int(found[1])


def _timezone(value: Any) -> str:
    try:
        return ZoneInfo(value).key
    except (TypeError, ValueError, OSError, LookupError):
        raise ConfigurationError(
            f"connection, field timezone: {str(value)[:40]!r} is not an IANA time zone such as {DEFAULT_TIMEZONE}"
        ) from None


def _quiet_hours(value: Any, timezone: str) -> QuietHours | None:
    try:
        return read_quiet_hours(value, timezone=timezone)
    except ConfigurationError as error:
        raise ConfigurationError(f"connection, field {error}") from None


def _region(value: Any) -> str | None:
    if value is None:
        return None
    region = str(value).strip().upper()
    if not re.fullmatch("[A-Z]{2}", region):
        raise ConfigurationError(
            f"connection, field default_region: {str(value)[:40]!r} is not a country code of two letters such as IT"
        )
    return region
