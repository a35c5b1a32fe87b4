"""The tree of errors: what a DAG author may rely on when catching them."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from airflow_provider_messaggisms import exceptions
from airflow_provider_messaggisms.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DeliveryError,
    GatewayError,
    GatewayUnavailableError,
    InsufficientCreditError,
    InvalidRequestError,
    MessageLockedError,
    MessageNotFoundError,
    MessaggiSmsError,
    NotSentError,
    OutcomeUnknownError,
    ProtocolError,
    RateLimitedError,
    TransportError,
)

TREE = {
    MessaggiSmsError: Exception,
    ConfigurationError: MessaggiSmsError,
    TransportError: MessaggiSmsError,
    NotSentError: TransportError,
    OutcomeUnknownError: TransportError,
    ProtocolError: MessaggiSmsError,
    GatewayError: MessaggiSmsError,
    AuthenticationError: GatewayError,
    InsufficientCreditError: GatewayError,
    MessageNotFoundError: GatewayError,
    MessageLockedError: GatewayError,
    InvalidRequestError: GatewayError,
    RateLimitedError: GatewayError,
    GatewayUnavailableError: GatewayError,
    DeliveryError: MessaggiSmsError,
}
#: What a retry may cure.
TRANSIENT = {
    MessaggiSmsError,
    TransportError,
    NotSentError,
    OutcomeUnknownError,
    ProtocolError,
    GatewayError,
    RateLimitedError,
    GatewayUnavailableError,
}

EXAMPLES = [
    ConfigurationError("sender: missing"),
    NotSentError("refused"),
    OutcomeUnknownError("silence"),
    ProtocolError("not JSON", status=200),
    GatewayError(200, None, ""),
    MessageLockedError(422, 212, "Closed", route="PUT /messages/{id}", retry_after_seconds=3.0),
    RateLimitedError(429, None, "Slowly", retry_after_seconds=3.0),
    DeliveryError("1 of 2 not delivered", report={"failed": [1]}),
]


def test_the_tree_has_these_classes_and_no_others() -> None:
    classes = {kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)}
    assert classes == set(TREE)
    assert {kind: kind.__bases__[0] for kind in classes} == TREE


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^( *(?:[│├└─ ]+)?)(\w+Error)\b", exceptions.__doc__ or "", re.MULTILINE)
    depth_of = {name: (len(branch) - 4) // 4 for branch, name in drawn}
    assert depth_of == {kind.__name__: len(kind.__mro__) - len(Exception.__mro__) - 1 for kind in TREE} | {
        "ConfigurationError": 1  # ValueError stands in its ancestry too
    }


def test_a_bad_argument_is_a_value_error_too() -> None:
    assert issubclass(ConfigurationError, ValueError)


@pytest.mark.parametrize("kind", TREE)
def test_permanent_is_what_no_retry_can_cure(kind: type[MessaggiSmsError]) -> None:
    assert kind.permanent == (kind not in TRANSIENT)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (GatewayError(200, None, ""), "the gateway answered HTTP 200, no code: no message"),
        (GatewayError(404, 203, "None"), "the gateway answered HTTP 404, code 203: None"),
        (GatewayError(404, 0, "x", route="GET /y"), "GET /y: the gateway answered HTTP 404, code 0: x"),
    ],
)
def test_a_gateway_error_says_what_it_knows(error: GatewayError, text: str) -> None:
    assert str(error) == text


def test_a_delivery_error_keeps_a_report_of_its_own() -> None:
    report = {"failed": 1}
    error = DeliveryError("lost", report=report)
    report["failed"] = 2
    assert error.report == {"failed": 1}
    assert DeliveryError("lost").report == {}


@pytest.mark.parametrize("error", EXAMPLES)
def test_an_error_survives_copying_and_the_way_to_another_process(error: MessaggiSmsError) -> None:
    error.after_lost_answer = True
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (twin.args, vars(twin)) == (error.args, vars(error))
        assert str(twin) == str(error)
