"""The fixture that teams use in their own tests, in a pytest process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_messaggisms.emulator.account.personality import Personality
from airflow_provider_messaggisms.emulator.pytest_plugin import Exchange, Gateway
from tests.emulator.conftest import Call

pytest_plugins = ["pytester"]

SEND = {
    "sender": "ops",
    "body": "Ciao {{name}}",
    "recipients": {"number": "+39-3491234567", "fields": {"name": "Anna"}},
}


def test_an_sms_has_all_its_details(messaggisms_gateway: Gateway, call: Call) -> None:
    custom = '{"airflow": {"key": "k", "dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}, "custom": 1}'
    answer = call("POST", "/messages/", SEND | {"options": {"custom": custom}})
    messaggisms_gateway.advance(10)
    (sms,) = messaggisms_gateway.inbox()
    assert (sms.number, sms.sender, sms.text, sms.parts) == ("+39-3491234567", "ops", "Ciao Anna", 1)
    assert (sms.state, sms.delivered, sms.message_id) == ("DELIVERED_TO_HANDSET", True, answer.json["data"][0]["id"])
    assert sms.airflow == {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
    assert sms.custom == custom
    assert messaggisms_gateway.requests() == [Exchange("POST", "/messages/", 201)]
    assert messaggisms_gateway.credit == 99.95


@pytest.mark.parametrize("custom", ["x", "[]", "{", '{"airflow": 5}', '{"airflow": {"dag_id": []}}', "[" * 5000])
def test_a_custom_of_another_client_is_accepted(messaggisms_gateway: Gateway, call: Call, custom: str) -> None:
    assert call("POST", "/messages/", SEND | {"options": {"custom": custom}}).status == 201
    (sms,) = messaggisms_gateway.inbox()
    assert not sms.airflow
    assert sms.custom == custom


def test_a_connection_can_have_the_account_instead_of_a_token(messaggisms_gateway: Gateway) -> None:
    for gateway in (messaggisms_gateway, messaggisms_gateway.sandbox):
        connection = json.loads(gateway.account_connection)
        assert connection == {
            "conn_type": "messaggisms",
            "login": "emulator@example.com",
            "password": gateway.api_key,
            "host": gateway.url,
            "extra": {"auth": "account", "token_host": gateway.url},
        }


def test_the_inbox_can_be_filtered_and_a_stuck_sms_decided(messaggisms_gateway: Gateway, call: Call) -> None:
    for number in ("+39-3490000005", "+39-3491234567", "+39-3490000005"):
        call("POST", "/messages/", SEND | {"recipients": number})
    messaggisms_gateway.advance(10)
    stuck = messaggisms_gateway.inbox(number="+39-3490000005")
    assert len(stuck) == 2
    assert messaggisms_gateway.inbox(message_id=stuck[0].message_id) == stuck[:1]
    assert messaggisms_gateway.inbox(limit=1) == stuck[:1]
    messaggisms_gateway.decide(stuck[0], "EXPIRED_EXPIRED")
    assert [sms.state for sms in messaggisms_gateway.inbox()] == [
        "EXPIRED_EXPIRED",
        "DELIVERED_TO_HANDSET",
        "PENDING_ENROUTE",
    ]


def test_each_test_finds_an_empty_gateway_and_a_connection_to_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import json, os, urllib.request
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_turn(messaggisms_gateway, turn):
            connection = json.loads(os.environ["AIRFLOW_CONN_MESSAGGISMS_DEFAULT"])
            assert connection["conn_type"] == "messaggisms"
            assert connection["host"] == messaggisms_gateway.url
            assert messaggisms_gateway.inbox() == []
            body = {"sender": "ops", "body": "hello", "recipients": "+39-3491234567"}
            request = urllib.request.Request(
                messaggisms_gateway.url + "/messages/",
                json.dumps(body).encode(),
                {"Authorization": "Bearer " + connection["password"]},
            )
            urllib.request.urlopen(request).close()
            assert len(messaggisms_gateway.inbox()) == 1

        def test_afterwards():
            assert "AIRFLOW_CONN_MESSAGGISMS_DEFAULT" not in os.environ
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_the_gateway_can_have_another_personality(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import json, urllib.request

        def test_custom(messaggisms_gateway):
            body = {"sender": "ops", "body": "x", "recipients": "+39-3491234567", "options": {"custom": "{}"}}
            request = urllib.request.Request(
                messaggisms_gateway.url + "/messages/",
                json.dumps(body).encode(),
                {"Authorization": "Bearer " + messaggisms_gateway.token},
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["data"][0]["options"]["custom"] == "{}"
        """
    )
    chosen = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--messaggisms-personality=custom_echo=string")
    chosen.assert_outcomes(passed=1)
    unknown = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--messaggisms-personality=mood=bad")
    unknown.assert_outcomes(errors=1)
    unknown.stdout.fnmatch_lines("*--messaggisms-personality mood=bad: use one of *custom_echo*")


def test_the_contrary_gateway_of_the_makefile_differs_in_every_switch() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    (contrary,) = re.findall(r"^CONTRARY = (.*)$", makefile, re.MULTILINE)
    assert dict(switch.split("=") for switch in contrary.split()) == {
        name: values[1] for name, values in Personality.choices().items()
    }


def test_an_invalid_argument_raises_the_emulators_reason(messaggisms_gateway: Gateway) -> None:
    with pytest.raises(ValueError, match=r"fault.*'explode'"):
        messaggisms_gateway.fail_next("explode")
    with pytest.raises(ValueError, match="limit"):
        messaggisms_gateway.inbox(limit=10_001)


def test_the_plugin_loads_neither_fastapi_nor_airflow() -> None:
    script = (
        "import sys, airflow_provider_messaggisms.emulator.pytest_plugin\n"
        "print(sorted({'fastapi', 'starlette', 'uvicorn', 'airflow', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
