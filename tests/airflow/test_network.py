"""The way to the gateway: certificates and proxies of the environment, honoured by both faces alike."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from airflow_provider_messaggisms import exceptions as errors
from airflow_provider_messaggisms.gateway.settings import Settings
from airflow_provider_messaggisms.transport.async_transport import AsyncTransport
from tests.airflow.carriers import READ, SEND, TOKEN, Open, closed_port
from tests.airflow.puppet import (
    Puppet,
    Server,
    Tunnel,
    success,
)


@pytest.fixture
def puppet() -> Iterator[Puppet]:
    with Puppet() as server:
        server.answers(success([]))
        yield server


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "bundle.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def serving(authority: trustme.CA, *names: str) -> Puppet:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    server = Puppet(context)
    server.answers(success([]))
    return server


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_environments_ca_bundle_is_used_over_one_connection(
    open_transport: Open, authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(bundle))
    with serving(authority, "127.0.0.1") as server:
        transport = open_transport(server.url)
        assert [transport.send(request).status for request in (READ, SEND, READ)] == [200, 200, 200]
        assert (len(server.asked), server.accepted) == (3, 1)


def test_the_ca_bundle_may_be_a_directory(
    open_transport: Open, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An empty folder trusts no certificate. Filling one takes OpenSSL's tool, which names files by their hash.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    with (
        serving(authority, "127.0.0.1") as server,
        pytest.raises(errors.OutcomeUnknownError, match="certificate verify failed"),
    ):
        open_transport(server.url).send(SEND)


@pytest.mark.parametrize("names", [("127.0.0.1",), ("gateway.example",)], ids=["unknown authority", "other name"])
def test_an_untrusted_certificate_ends_the_exchange(
    open_transport: Open,
    authority: trustme.CA,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
) -> None:
    if names != ("127.0.0.1",):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with serving(authority, *names) as server:
        with pytest.raises(errors.OutcomeUnknownError, match="certificate verify failed"):
            open_transport(server.url).send(SEND)
        assert server.asked == []


class Greeter(Server):
    """Speaks no TLS, and speaks first."""

    def serve(self, raw: socket.socket) -> None:
        raw.sendall(b"220 mail.example ESMTP\r\n")
        raw.recv(1)


def test_a_server_that_speaks_no_tls_ends_the_exchange(open_transport: Open) -> None:
    with Greeter() as server, pytest.raises(errors.OutcomeUnknownError):
        open_transport(f"https://{server.address}").send(SEND)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_bundle_that_cannot_be_read_is_named(
    open_transport: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "lost.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with pytest.raises(errors.ConfigurationError, match=r"REQUESTS_CA_BUNDLE .*lost\.pem"):
        open_transport(f"https://{closed_port()}").send(SEND)


async def test_an_unreadable_ca_bundle_is_named_before_the_first_exchange(
    bare_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "lost.pem"))
    await AsyncTransport(Settings("http://127.0.0.1:1", TOKEN)).prepare()
    with pytest.raises(errors.ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        await AsyncTransport(Settings("https://127.0.0.1:1", TOKEN)).prepare()


# --- proxies ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    with Tunnel() as server:
        yield server


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_environments_proxy_is_used_for_https_and_never_sees_the_token(
    open_transport: Open,
    authority: trustme.CA,
    bundle: Path,
    tunnel: Tunnel,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    scheme: str,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv(name, scheme + tunnel.address)
    with serving(authority, "127.0.0.1") as server:
        transport = open_transport(server.url)
        transport.send(READ)
        transport.send(SEND)
        transport.close()
        assert [asked.method for asked in server.asked] == ["GET", "POST"]
        assert [(asked.method, asked.path) for asked in tunnel.asked] == [("CONNECT", server.address)]
        assert "authorization" not in tunnel.asked[0].headers


@pytest.mark.parametrize("unless", ["127.0.0.1", "*"])
def test_no_proxy_is_honoured(
    open_transport: Open,
    authority: trustme.CA,
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    unless: str,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("HTTPS_PROXY", f"http://{closed_port()}")
    monkeypatch.setenv("NO_PROXY", unless)
    with serving(authority, "127.0.0.1") as server:
        assert open_transport(server.url).send(READ).status == 200


@pytest.mark.parametrize("address", ["http://{}", "{}", "http://[broken"])
def test_a_proxy_that_is_not_there_means_not_sent(
    open_transport: Open, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address.format(closed_port()))
    with pytest.raises(errors.NotSentError):
        open_transport("https://gateway.example").send(SEND)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_plain_http_never_leaves_this_machine_through_a_proxy(
    open_transport: Open, puppet: Puppet, tunnel: Tunnel, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"http://{tunnel.address}")
    assert open_transport(puppet.url).send(SEND).status == 200
    assert tunnel.asked == []
