"""What a connection says: every form of a host, every bad value by name, and never a token in clear."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from rich.pretty import pretty_repr

from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.account import Account, missing_scopes
from airflow_provider_messaggisms.gateway.addresses import HOSTS
from airflow_provider_messaggisms.gateway.settings import FIELDS, Settings
from tests.gateway.answers import json_values

TOKEN = "tok-3f9a8b7c6d5e4f"


def settings(
    host: str | None = None,
    *,
    schema: str | None = None,
    port: int | None = None,
    password: str | None = TOKEN,
    login: str | None = None,
    **extra: Any,
) -> Settings:
    return Settings.from_connection(host=host, schema=schema, port=port, login=login, password=password, extra=extra)


# --- where the gateway is ---------------------------------------------------------------------------------------------


def test_without_a_host_it_is_the_vendors_production() -> None:
    assert settings().base_url == settings("").base_url == settings(" ").base_url == "https://ws.messaggisms.com"


@pytest.mark.parametrize("name", HOSTS)
def test_the_environment_chooses_the_vendors_host(name: str) -> None:
    assert settings(environment=name).base_url == HOSTS[name]
    assert HOSTS[name].startswith("https://")


@pytest.mark.parametrize(
    ("parts", "base_url"),
    [
        ({"host": "http://127.0.0.1:8025"}, "http://127.0.0.1:8025"),
        ({"host": "http://127.0.0.1", "port": 8025}, "http://127.0.0.1:8025"),
        ({"host": "127.0.0.1", "schema": "http", "port": 8025}, "http://127.0.0.1:8025"),
        ({"host": "127.0.0.1:8025", "schema": "http"}, "http://127.0.0.1:8025"),
        ({"host": "HTTP://LOCALHOST:8025/"}, "http://localhost:8025"),
        ({"host": "localhost", "schema": "HTTP"}, "http://localhost"),
        ({"host": "http://127.9.9.9"}, "http://127.9.9.9"),
        ({"host": "http://[::1]:8025"}, "http://[::1]:8025"),
        ({"host": "::1", "schema": "http", "port": 8025}, "http://[::1]:8025"),
        ({"host": "[::1]", "schema": "http", "port": 8025}, "http://[::1]:8025"),
        ({"host": "sms.example"}, "https://sms.example"),
        ({"host": " sms.example "}, "https://sms.example"),
        ({"host": "sms.example", "port": 8443}, "https://sms.example:8443"),
        ({"host": "sms.example", "schema": "https", "port": 8443}, "https://sms.example:8443"),
        ({"host": "https://sms.example:8443", "port": 1}, "https://sms.example:8443"),
        ({"host": "ws.messaggisms.com", "port": 443}, "https://ws.messaggisms.com"),
        ({"host": "https://sms.example/gateway/v1/"}, "https://sms.example/gateway/v1"),
        ({"host": "https://2001:db8::5"}, None),
        ({"host": "2001:db8::5", "port": 8443}, "https://[2001:db8::5]:8443"),
        ({"host": "https://münchen.example"}, "https://münchen.example"),
        ({"host": "sms.example", "environment": "sandbox"}, "https://sms.example"),
        ({"host": "sms.example."}, "https://sms.example."),
    ],
)
def test_a_host_is_honoured_in_every_form(parts: dict[str, Any], base_url: str | None) -> None:
    if base_url is None:
        with pytest.raises(ConfigurationError, match="field host"):
            settings(**parts)
    else:
        assert settings(**parts).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "http://sms.example",
        "http://10.0.0.1:8025",
        "http://0.0.0.0:8025",
        "http://[::]:8025",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "http://127.1",
        "http://2130706433",
        "http://0x7f.0.0.1",
        "http://[::ffff:10.0.0.1]",
        "http://ws.messaggisms.com",
    ],
)
def test_a_token_is_never_sent_in_clear_but_to_this_machine(host: str) -> None:
    for parts in ({"host": host}, {"host": host.removeprefix("http://"), "schema": "http"}):
        with pytest.raises(ConfigurationError, match="field host: the token would travel in clear"):
            settings(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        "ftp://sms.example",
        "file:///etc/passwd",
        "http://",
        "https://",
        "https://:443",
        "https://sms.example:port",
        "https://sms.example:99999",
        "https://user:pass@sms.example",
        "http://127.0.0.1@sms.example",
        "http://127.0.0.1:80@sms.example",
        "https://sms.example?x=1",
        "https://sms.example/#top",
        "https://sms example",
        "https://sms.example\\@other.example",
        "http://127.0.0.1\\.other.example",
        "https://sms.example/a b",
        "https://sms.example/gàteway",
        "https://[::1",
        "https://a..b",
        "https://" + "a" * 64 + ".example",
        "https://" + "ü" * 63 + ".example",
        "sms.example, other.example",
    ],
)
def test_what_is_no_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(ConfigurationError, match="connection, field host: it is not a host"):
        settings(host)


@pytest.mark.parametrize("port", [99999, 65536, 0, -5])
def test_what_is_no_port_is_refused_by_name(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"connection, field port: '{port}' is not a port from 1 to 65535"):
        settings("127.0.0.1", schema="http", port=port)


@given(st.text(max_size=40), st.sampled_from(["", "http", "https", "ftp", "://"]), st.none() | st.integers(0, 70_000))
def test_plain_http_is_for_loopback_however_it_is_written(host: str, schema: str, port: int | None) -> None:
    try:
        base_url = settings(host, schema=schema, port=port).base_url
    except ConfigurationError:
        return
    url = urlsplit(base_url)
    assert base_url == base_url.strip()
    assert url.scheme == "https" or url.hostname in ("localhost", "::1") or str(url.hostname).startswith("127.")


# --- who we are -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", [None, "", "  ", "\n"])
def test_a_missing_token_is_named(password: str | None) -> None:
    with pytest.raises(ConfigurationError, match="connection, field password: it is empty"):
        settings(password=password)


@pytest.mark.parametrize("password", ["Bearer abc d", "two words", "tökèn", "a\nb", "a\x00b", "a\x7fb"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ConfigurationError, match="connection, field password") as caught:
        settings(password=password)
    assert password not in str(caught.value)


def test_a_token_loses_the_blanks_that_copying_added() -> None:
    assert settings(password=f" {TOKEN}\n").token == TOKEN


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer  ", " BEARER\t"])
def test_bearer_in_front_of_a_pasted_token_is_stripped(prefix: str) -> None:
    assert settings(password=f"{prefix}{TOKEN}").token == TOKEN


def test_a_token_is_in_no_repr() -> None:
    found = settings()
    for shown in (repr(found), str(found), pretty_repr(found), f"{found}"):
        assert TOKEN not in shown


# --- the account ------------------------------------------------------------------------------------------------------

LOGIN, API_KEY = "ops@acme.example", "key-7d1c0b9a8e"


def account(host: str | None = None, **parts: Any) -> Account:
    found = settings(host, **{"login": LOGIN, "password": API_KEY, "auth": "account", **parts}).account
    assert found is not None
    return found


def test_an_account_is_the_email_address_with_the_api_key() -> None:
    found = account()
    assert found.authorization == "Basic " + b64encode(f"{LOGIN}:{API_KEY}".encode()).decode()
    assert (found.base_url, found.ttl_seconds) == ("https://oauth.openapi.com", 30 * 86_400)
    assert settings(login=LOGIN, password=API_KEY, auth="account").token == ""
    assert settings(login="anything", password=TOKEN).account is None


@pytest.mark.parametrize(
    ("parts", "token_service", "scope"),
    [
        ({}, "https://oauth.openapi.com", "PUT:ws.messaggisms.com/messages"),
        ({"environment": "sandbox"}, "https://test.oauth.openapi.com", "PUT:test.ws.messaggisms.com/messages"),
        ({"host": "test.ws.messaggisms.com"}, "https://test.oauth.openapi.com", "PUT:test.ws.messaggisms.com/messages"),
        (
            {"host": "http://127.0.0.1:8025", "token_host": "http://127.0.0.1:8025/"},
            "http://127.0.0.1:8025",
            "PUT:127.0.0.1/messages",
        ),
        (
            {"environment": "sandbox", "token_host": " proxy.example/oauth "},
            "https://proxy.example/oauth",
            "PUT:test.ws.messaggisms.com/messages",
        ),
    ],
)
def test_the_token_service_and_the_scopes_follow_the_gateway(
    parts: dict[str, Any], token_service: str, scope: str
) -> None:
    found = account(**parts)
    assert found.base_url == token_service
    assert found.scopes == tuple(f"{method}{scope[3:]}" for method in ("GET", "POST", "PUT", "DELETE"))


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"login": None}, "login"),
        ({"login": "ops"}, "login"),
        ({"login": "ops:x@acme.example"}, "login"),
        ({"password": ""}, "password"),
        ({"password": "two words"}, "password"),
        ({"host": "sms.example"}, "token_host"),
        ({"token_host": "http://oauth.example"}, "token_host"),
        ({"token_host": "https://a b"}, "token_host"),
        ({"token_ttl_days": 366}, "token_ttl_days"),
        ({"token_ttl_days": 0}, "token_ttl_days"),
        ({"auth": "basic"}, "auth"),
    ],
)
def test_a_bad_part_of_an_account_is_refused_by_the_name_of_its_field(parts: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"connection, field {field}: ") as caught:
        account(**parts)
    assert API_KEY not in str(caught.value)


def test_an_account_shows_neither_its_key_nor_its_owner() -> None:
    found = settings(login=LOGIN, password=API_KEY, auth="account")
    for value in (found, found.account):
        for shown in (repr(value), str(value), pretty_repr(value), f"{value}"):
            assert not [secret for secret in (LOGIN, *account().secrets) if secret in shown]
    assert set(account().secrets) == {API_KEY, account().authorization.removeprefix("Basic ")}


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        (["GET:a/messages", "PUT:a/messages"], []),
        (["get:A/messages/", "put:a/messages"], []),
        (["*:a/*"], []),
        (["GET:a/messages", "PUT:b/messages"], ["PUT:a/messages"]),
        (["GET:ab/messages", "PUT:a/messages2"], ["GET:a/messages", "PUT:a/messages"]),
        ([], ["GET:a/messages", "PUT:a/messages"]),
    ],
)
def test_the_scopes_that_a_token_lacks_are_named(granted: list[str], missing: list[str]) -> None:
    assert missing_scopes(["GET:a/messages", "PUT:a/messages"], granted) == missing


# --- what is usual there ----------------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_form() -> None:
    found = settings()
    assert (found.sender, found.timeout_seconds, found.timezone) == (None, 30.0, "Europe/Rome")
    assert (found.default_region, found.timestamp_send_format, found.unknown_fields) == (None, None, ())
    for name, field in FIELDS.items():
        default = field["schema"].get("default")
        if name not in ("auth", "environment"):
            assert getattr(found, name, None) == default


@pytest.mark.parametrize("nothing", ["", None, "***"])  # the last is Airflow's mask
def test_an_empty_field_of_the_form_counts_as_absent(nothing: Any) -> None:
    assert settings(**dict.fromkeys(FIELDS, nothing)) == settings()


def test_every_field_of_the_form_is_read() -> None:
    found = settings(
        environment="sandbox",
        sender=" Depot ",
        timeout_seconds="12.5",
        timezone="America/New_York",
        default_region=" it ",
        timestamp_send_format="%d-%m-%Y %H:%M",
        max_sockets=" 500 ",
    )
    assert found.base_url == HOSTS["sandbox"]
    assert (found.sender, found.timeout_seconds, found.timezone) == ("Depot", 12.5, "America/New_York")
    assert (found.default_region, found.timestamp_send_format) == ("IT", "%d-%m-%Y %H:%M")
    assert found.max_sockets == 500


def test_a_sender_of_digits_may_be_a_number() -> None:
    assert settings(sender=40404).sender == "40404"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "prod"),
        ("environment", "Production"),
        ("environment", 1),
        ("environment", ["production"]),
        ("environment", {}),
        ("sender", ["Depot"]),
        ("sender", {"a": 1}),
        ("sender", True),
        ("sender", 1.5),
        ("sender", "Acme & Sons Very Long"),
        ("sender", "ab"),
        ("sender", "+39 349 123 4567"),
        ("timeout_seconds", "soon"),
        ("timeout_seconds", 0),
        ("timeout_seconds", 0.99),
        ("timeout_seconds", -1),
        ("timeout_seconds", 120.1),
        ("timeout_seconds", "nan"),
        ("timeout_seconds", "inf"),
        ("timeout_seconds", True),
        ("timeout_seconds", [30]),
        ("timezone", "Rome"),
        ("timezone", "Europe"),
        ("timezone", "europe rome"),
        ("timezone", "../../etc/passwd"),
        ("timezone", "/etc/localtime"),
        ("timezone", "a\x00b"),
        ("timezone", 1),
        ("timezone", ["UTC"]),
        ("default_region", "ITA"),
        ("default_region", "I"),
        ("default_region", "39"),
        ("default_region", 39),
        ("default_region", ["IT"]),
        ("timestamp_send_format", 1.5),
        ("timestamp_send_format", ["%d"]),
        ("max_sockets", 0),
        ("max_sockets", 501),
        ("max_sockets", -1),
        ("max_sockets", 1.5),
        ("max_sockets", "many"),
        ("max_sockets", True),
        ("max_sockets", [20]),
        ("max_sockets", "9" * 30),
        ("max_sockets", "20.5"),
        ("auth", "Account"),
        ("auth", ["token"]),
        ("token_ttl_days", "a month"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"connection, field {name}: "):
        settings(**{name: value})


@pytest.mark.parametrize("seconds", [1, 120, "1", "120", 45.5])
def test_a_time_out_may_be_a_second_to_two_minutes(seconds: Any) -> None:
    assert settings(timeout_seconds=seconds).timeout_seconds == float(seconds)


@pytest.mark.parametrize("written", [20, 20.0, "20", "20.0", " 20 "])
def test_a_whole_number_is_read_in_whatever_form_it_comes(written: Any) -> None:
    assert settings(max_sockets=written).max_sockets == 20


def test_unknown_fields_are_listed_in_their_order() -> None:
    found = settings(timeout=30, Sender="x", default_region="IT", zone="", other=None)
    assert found.unknown_fields == ("Sender", "timeout")


@given(st.dictionaries(st.sampled_from(list(FIELDS)) | st.text(max_size=10), json_values, max_size=4))
def test_any_extra_is_read_or_refused(extra: dict[str, Any]) -> None:
    try:
        found = Settings.from_connection(host="", schema="", port=None, password=TOKEN, extra=extra)
    except ConfigurationError as error:
        refused = str(error)
        assert any(f"connection, field {name}: " in refused for name in (*FIELDS, "login"))
    else:
        assert not set(found.unknown_fields) & set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_the_form_describes_each_field_and_allows_to_leave_it_empty(name: str) -> None:
    field = FIELDS[name]
    assert field["label"]
    assert field["description"].endswith(".")
    Draft7Validator.check_schema(field["schema"])
    assert "null" in field["schema"]["type"]
