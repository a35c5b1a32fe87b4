"""The verdict over every state of the contract, every rule, and undocumented states."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from airflow_provider_messaggisms.exceptions import ConfigurationError, DeliveryError
from airflow_provider_messaggisms.gateway.delivery import (
    MAX_FAILURES_NAMED,
    SUMMARY_ABOVE,
    DeliveryCounts,
    Outcome,
    Verdict,
    check_reachable,
    is_large,
    judge,
    outcome_of,
    state_of,
    worth_reading,
)
from airflow_provider_messaggisms.gateway.delivery_rule import Rule
from airflow_provider_messaggisms.gateway.models import (
    Delivery,
    Invalid,
    Message,
    RecipientCounts,
    Report,
    ReportError,
    Statistics,
    Status,
    Valid,
)

NUMBER = "+39-3471112223"
ALL = Rule()
AT_OPERATOR_IS_ENOUGH = Rule(accept_delivered_to_operator=True)


def sms(name: str | None = None, *, group: int | None = None, **more: Any) -> Delivery:
    """A recipient whose report has this status."""
    status = Status(name=name, groupId=group, description=f"described {name}")
    return Delivery(number=NUMBER, price=0.05, report=Report(status=status, **more))


HANDSET, OPERATOR = sms("DELIVERED_TO_HANDSET", group=3), sms("DELIVERED_TO_OPERATOR", group=3)
ENROUTE, GONE = sms("PENDING_ENROUTE", group=1), sms("UNDELIVERABLE_NOT_DELIVERED", group=2)
ODD = sms("TELEPORTED", group=9)


# --- one recipient ----------------------------------------------------------------------------------------------------

PENDING, DELIVERED, FAILED = Outcome.PENDING, Outcome.DELIVERED, Outcome.FAILED


@pytest.mark.parametrize(
    ("name", "group", "outcome"),
    [
        ("PENDING_WAITING_DELIVERY", 1, PENDING),
        ("PENDING_ENROUTE", 1, PENDING),
        ("PENDING_ACCEPTED", 1, PENDING),
        ("PENDING", None, PENDING),
        ("DELIVERED_TO_OPERATOR", 3, PENDING),
        ("DELIVERED_TO_HANDSET", 3, DELIVERED),
        ("DELIVERED", 3, DELIVERED),
        ("UNDELIVERABLE_REJECTED_OPERATOR", 2, FAILED),
        ("UNDELIVERABLE_NOT_DELIVERED", 2, FAILED),
        ("EXPIRED_EXPIRED", 4, FAILED),
        ("EXPIRED_UNKNOWN", 4, FAILED),
        ("REJECTED_NETWORK", 5, FAILED),
        ("REJECTED_NOT_ENOUGH_CREDITS", 5, FAILED),
        ("REJECTED_ANYTHING_NEW", None, FAILED),
        ("DELIVERED_TO_MOON", 3, None),
        ("DELIVERED_TO_MOON", None, None),
        ("TELEPORTED", None, None),
        ("TELEPORTED", 9, None),
        ("TELEPORTED", 3, None),
        ("TELEPORTED", 1, PENDING),
        ("TELEPORTED", 2, FAILED),
        ("TELEPORTED", 4, FAILED),
        ("TELEPORTED", 5, FAILED),
        ("delivered", None, None),
        ("UNDELIVERABLENESS", None, None),
    ],
)
def test_each_status_has_its_fate(name: str, group: int | None, outcome: Outcome | None) -> None:
    assert outcome_of(sms(name, group=group), ALL) is outcome


def test_delivered_to_the_operator_is_final_only_if_the_rule_says_so() -> None:
    assert outcome_of(OPERATOR, ALL) is Outcome.PENDING
    assert outcome_of(OPERATOR, AT_OPERATOR_IS_ENOUGH) is Outcome.DELIVERED
    assert outcome_of(sms("DELIVERED_TO_MOON"), AT_OPERATOR_IS_ENOUGH) is None
    by_id_alone = Delivery(state="DELIVERED", report=Report(status=Status(id=2, groupId=3)))
    assert outcome_of(by_id_alone, ALL) is Outcome.PENDING


@pytest.mark.parametrize(
    ("recipient", "state"),
    [
        (Delivery(), "NOT_DISPATCHED"),
        (Delivery(state=""), "NOT_DISPATCHED"),
        (Delivery(state="DELIVERED"), "DELIVERED"),
        (Delivery(state="DELIVERED", state_description="DELIVERED_TO_OPERATOR"), "DELIVERED_TO_OPERATOR"),
        (
            Delivery(state="DELIVERED", state_description="DELIVERED_TO_HANDSET", report=Report()),
            "DELIVERED_TO_HANDSET",
        ),
        (
            Delivery(state="PENDING", state_description="X", report=Report(status=Status(name="EXPIRED_EXPIRED"))),
            "EXPIRED_EXPIRED",
        ),
        (Delivery(state="PENDING", report=Report(status=Status(name=None))), "PENDING"),
        (Delivery(state="DELIVERED", report=Report(status=Status(id=2, groupId=3))), "DELIVERED_TO_OPERATOR"),
        (Delivery(state="DELIVERED", report=Report(status=Status(id=5, groupId=3))), "DELIVERED_TO_HANDSET"),
        (Delivery(state="DELIVERED", report=Report(status=Status(id=99, groupId=3))), "DELIVERED"),
        (Delivery(report=Report(status=Status(id=2, name="EXPIRED_EXPIRED"))), "EXPIRED_EXPIRED"),
    ],
)
def test_the_most_precise_word_for_a_state_counts(recipient: Delivery, state: str) -> None:
    assert state_of(recipient) == state


def test_what_has_not_been_dispatched_is_pending() -> None:
    assert outcome_of(Delivery(), ALL) is outcome_of(Delivery(), AT_OPERATOR_IS_ENOUGH) is Outcome.PENDING


@given(st.text(), st.none() | st.integers(), st.booleans())
def test_no_undocumented_state_is_ever_called_delivered(name: str, group: int | None, accept: bool) -> None:
    known = {"DELIVERED", "DELIVERED_TO_HANDSET"} | ({"DELIVERED_TO_OPERATOR"} if accept else set())
    outcome = outcome_of(sms(name, group=group), Rule(accept_delivered_to_operator=accept))
    assert (outcome is Outcome.DELIVERED) == (name in known)


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), "1", None, True, [1]])
def test_a_share_outside_its_limits_is_refused_by_name(share: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^min_delivered: "):
        Rule(min_delivered=share)


@pytest.mark.parametrize("accept", ["yes", 1, None])
def test_a_flag_that_is_none_is_refused_by_name(accept: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^accept_delivered_to_operator: "):
        Rule(accept_delivered_to_operator=accept)


@pytest.mark.parametrize(
    ("share", "total", "allowed"),
    [
        (1.0, 7, 0),
        (1, 7, 0),
        (0.0, 7, 7),
        (0.5, 7, 3),
        (0.5, 8, 4),
        (0.9, 10, 1),
        (0.29, 100, 71),
        (0.07, 100, 93),
        (0.999, 100, 0),
        (1.0, 0, 0),
    ],
)
def test_a_share_allows_so_many_failures(share: float, total: int, allowed: int) -> None:
    assert Rule(share).failures_allowed(total) == allowed


@given(st.integers(1, 100_000), st.integers(0, 100_000))
def test_a_share_written_as_a_fraction_is_met_by_exactly_that_many(total: int, wanted: int) -> None:
    wanted = min(wanted, total)
    assert Rule(wanted / total).failures_allowed(total) == total - wanted


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipients", "rule", "outcome"),
    [
        ([], ALL, PENDING),
        ([], Rule(0.0), PENDING),
        ([HANDSET], ALL, DELIVERED),
        ([HANDSET, HANDSET], ALL, DELIVERED),
        ([HANDSET, ENROUTE], ALL, PENDING),
        ([HANDSET, OPERATOR], ALL, PENDING),
        ([HANDSET, OPERATOR], AT_OPERATOR_IS_ENOUGH, DELIVERED),
        ([HANDSET, Delivery()], ALL, PENDING),
        ([HANDSET, ODD], ALL, PENDING),
        ([GONE], ALL, FAILED),
        ([GONE, ENROUTE, ENROUTE], ALL, FAILED),
        ([GONE, HANDSET], Rule(0.5), DELIVERED),
        ([GONE, ENROUTE], Rule(0.5), PENDING),
        ([GONE, GONE, ENROUTE, HANDSET], Rule(0.75), FAILED),
        ([HANDSET, HANDSET, ENROUTE], Rule(0.5), PENDING),
        ([GONE, GONE], Rule(0.0), DELIVERED),
        ([GONE, ENROUTE], Rule(0.0), PENDING),
        ([GONE, ODD], ALL, FAILED),
    ],
)
def test_the_verdict_is_final_when_all_are_or_when_the_rule_cannot_be_met(
    recipients: list[Delivery], rule: Rule, outcome: Outcome
) -> None:
    assert judge("m1", recipients, rule).outcome is outcome


def test_the_report_is_plain_json_with_counts_price_and_each_failure() -> None:
    error = ReportError(name="EC_UNKNOWN_SUBSCRIBER", description=f"{NUMBER} is unknown", permanent=True)
    lost = sms("UNDELIVERABLE_NOT_DELIVERED", error=error)
    report = judge("m1", iter([HANDSET, lost, ENROUTE, sms("EXPIRED_EXPIRED")]), Rule(0.5)).report
    assert json.loads(json.dumps(report)) == report
    assert report["failed"] == [
        {
            "index": 1,
            "number": "+39-*******223",
            "state": "UNDELIVERABLE_NOT_DELIVERED",
            "reason": "+39-*******223 is unknown",
            "permanent": True,
        },
        {
            "index": 3,
            "number": "+39-*******223",
            "state": "EXPIRED_EXPIRED",
            "reason": "described EXPIRED_EXPIRED",
            "permanent": None,
        },
    ]
    counts = {name: report[name] for name in ("message_id", "total", "delivered", "failed_count", "pending")}
    assert counts == {"message_id": "m1", "total": 4, "delivered": 1, "failed_count": 2, "pending": 1}
    assert report["price_eur"] == 0.2
    assert report["states"] == {
        "DELIVERED_TO_HANDSET": 1,
        "UNDELIVERABLE_NOT_DELIVERED": 1,
        "PENDING_ENROUTE": 1,
        "EXPIRED_EXPIRED": 1,
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ReportError(description="Nobody there", name="EC"), "Nobody there"),
        (ReportError(name="EC_ABSENT"), "EC_ABSENT"),
        (ReportError(), "described REJECTED_NETWORK"),
        (ReportError(id=0, description="No Error", permanent=False), "described REJECTED_NETWORK"),
        (ReportError(name="NO_ERROR", description="No Error", permanent=False), "described REJECTED_NETWORK"),
        (ReportError(id=1, description="Nobody there"), "Nobody there"),
        (None, "described REJECTED_NETWORK"),
    ],
)
def test_the_reason_is_the_most_telling_word_of_the_gateway(error: ReportError | None, reason: str) -> None:
    (failure,) = judge("m1", [sms("REJECTED_NETWORK", error=error)], ALL).report["failed"]
    assert (failure["reason"], failure["permanent"]) == (reason, None)


def test_a_failure_without_any_report_still_has_a_reason() -> None:
    failure = judge("m1", [Delivery(state="EXPIRED_EXPIRED")], ALL).report["failed"][0]
    assert failure["reason"] == "the gateway gives no reason"
    assert failure["number"] == "***"


def test_a_recipient_without_a_price_costs_nothing() -> None:
    assert judge("m1", [HANDSET, Delivery(state="DELIVERED")], ALL).report["price_eur"] == 0.05


def test_a_report_names_no_more_failures_than_fit_but_counts_all() -> None:
    report = judge("m1", [GONE] * (MAX_FAILURES_NAMED + 5), ALL).report
    assert report["failed_count"] == MAX_FAILURES_NAMED + 5
    assert [failure["index"] for failure in report["failed"]] == list(range(MAX_FAILURES_NAMED))


def test_unknown_states_are_told_once_each() -> None:
    assert judge("m1", [ODD, sms("BEAMED"), ODD], ALL).unknown_states == ("TELEPORTED", "BEAMED")


def test_the_error_of_a_failed_verdict_says_how_many_and_the_first_of_them() -> None:
    verdict = judge("m1", [HANDSET, sms("EXPIRED_EXPIRED", error=ReportError(name="EC_ABSENT")), GONE], ALL)
    error = verdict.error()
    assert isinstance(error, DeliveryError)
    assert str(error) == (
        "message m1: 2 of 3 not delivered, 1 delivered; the first: +39-*******223 EXPIRED_EXPIRED (EC_ABSENT)"
    )
    assert error.report == verdict.report


@pytest.mark.parametrize(
    ("recipients", "sentence"),
    [
        ([], "message m1: 0 of 0 delivered (no recipients yet)"),
        ([HANDSET, HANDSET, ENROUTE], "message m1: 2 of 3 delivered (2 DELIVERED_TO_HANDSET, 1 PENDING_ENROUTE)"),
        ([ENROUTE], "message m1: not yet delivered to +39-*******223: PENDING_ENROUTE"),
        ([OPERATOR], "message m1: not yet delivered to +39-*******223: DELIVERED_TO_OPERATOR"),
        ([HANDSET], "message m1: delivered to +39-*******223"),
        (
            [GONE],
            "message m1: not delivered to +39-*******223: UNDELIVERABLE_NOT_DELIVERED "
            "(described UNDELIVERABLE_NOT_DELIVERED)",
        ),
    ],
)
def test_a_sentence_says_how_things_stand(recipients: list[Delivery], sentence: str) -> None:
    assert judge("m1", recipients, ALL).sentence() == sentence


@pytest.mark.parametrize(
    ("sent", "done", "after"),
    [
        ("2026-05-20T12:00:00.000+0200", "2026-05-20T12:00:04.400+0200", " after 4 s"),
        ("2026-05-20T12:00:00.000+0200", "2026-05-20T10:01:59.000+0000", " after 119 s"),
        ("2026-05-20T12:00:00+0200", "2026-05-20T12:02:00+0200", " after 2 min"),
        ("2026-05-20T12:00:00+0200", "2026-05-20T14:00:00+0200", " after 2 h"),
        ("2026-05-20T12:00:04+0200", "2026-05-20T12:00:00+0200", ""),
        ("2026-05-20T12:00:00", "2026-05-20T12:00:04+0200", ""),
        ("at noon", "later", ""),
        (None, "2026-05-20T12:00:04+0200", ""),
        ("2026-05-20T12:00:00+0200", None, ""),
    ],
)
def test_the_sentence_over_one_sms_tells_how_long_it_took(sent: str | None, done: str | None, after: str) -> None:
    found = judge("m1", [sms("DELIVERED_TO_HANDSET", sentAt=sent, doneAt=done)], ALL)
    assert found.sentence() == f"message m1: delivered to +39-*******223{after}"


states = st.sampled_from([HANDSET, OPERATOR, ENROUTE, GONE, ODD, Delivery(), sms("EXPIRED_EXPIRED")])


@given(st.lists(states, max_size=30), st.floats(0, 1), st.booleans(), st.integers(0, 30))
def test_the_counts_agree_with_the_recipients_however_they_come_in(
    recipients: list[Delivery], share: float, accept: bool, border: int
) -> None:
    rule = Rule(share, accept)
    verdict = judge("m1", recipients, rule)
    outcomes = [outcome_of(one, rule) for one in recipients]
    report = verdict.report
    assert report["total"] == len(recipients) == sum(report["states"].values())
    assert report["delivered"] == outcomes.count(Outcome.DELIVERED)
    assert report["failed_count"] == outcomes.count(Outcome.FAILED)
    assert report["pending"] == outcomes.count(Outcome.PENDING) + outcomes.count(None)
    assert [failure["index"] for failure in report["failed"]] == [
        n for n, f in enumerate(outcomes) if f is Outcome.FAILED
    ]
    if verdict.outcome is Outcome.DELIVERED:
        assert report["pending"] == 0
        assert report["delivered"] >= round(share * len(recipients), 9)
    if verdict.outcome is Outcome.FAILED:
        assert report["delivered"] + report["pending"] < share * len(recipients) + 1e-6
    in_two_parts = DeliveryCounts().add(recipients[:border]).add(recipients[border:]).verdict("m1", rule)
    assert (in_two_parts.outcome, in_two_parts.report) == (verdict.outcome, report)


def test_no_verdict_shows_a_number() -> None:
    verdict = judge("m1", [sms("EXPIRED_EXPIRED", error=ReportError(description=f"call {NUMBER}")), HANDSET], ALL)
    for shown in (verdict.sentence(), str(verdict.error()), repr(verdict), pretty_repr(verdict), str(verdict.report)):
        assert "3471112223" not in shown
    assert isinstance(verdict, Verdict)


# --- the summary ------------------------------------------------------------------------------------------------------


def summary(valid: int = 0, **statistics: Any) -> Message:
    return Message(id="m1", recipients=RecipientCounts(valid=Valid(count=valid)), statistics=Statistics(**statistics))


def test_a_message_is_large_by_its_statistics_or_else_by_its_recipients() -> None:
    assert not is_large(summary(total=SUMMARY_ABOVE))
    assert is_large(summary(total=SUMMARY_ABOVE + 1))
    assert is_large(summary(valid=SUMMARY_ABOVE + 1))
    assert is_large(summary(valid=SUMMARY_ABOVE + 1, total=0))
    assert not is_large(summary())


@pytest.mark.parametrize(("valid", "invalid", "transaction"), [(1, 2, False), (0, 0, False), (0, 2, True)])
def test_a_message_is_reachable_while_it_has_or_may_get_a_valid_recipient(
    valid: int, invalid: int, transaction: bool
) -> None:
    counts = RecipientCounts(valid=Valid(count=valid), invalid=Invalid(total=invalid))
    check_reachable(Message(id="m1", recipients=counts, transaction=transaction))


@pytest.mark.parametrize("transaction", [False, None])
def test_a_message_with_invalid_recipients_alone_has_failed(transaction: bool | None) -> None:
    message = Message(
        id="m1", recipients=RecipientCounts(invalid=Invalid(total=2, list=[NUMBER, "12"])), transaction=transaction
    )
    with pytest.raises(DeliveryError) as caught:
        check_reachable(message)
    assert str(caught.value) == "message m1: 0 delivered; the gateway calls all recipients invalid (2)"
    assert set(caught.value.report) == set(judge("m1", [], ALL).report)
    assert caught.value.report["delivered"] == 0
    json.dumps(caught.value.report)


@pytest.mark.parametrize(
    ("statistics", "rule", "worth"),
    [
        ({"total": 100, "delivered": 99, "error": 0}, ALL, False),
        ({"total": 100, "delivered": 100, "error": 0}, ALL, True),
        ({"total": 100, "delivered": 0, "error": 1}, ALL, True),
        ({"total": 100, "delivered": 0, "error": 50}, Rule(0.5), False),
        ({"total": 100, "delivered": 0, "error": 51}, Rule(0.5), True),
        ({"total": 100, "delivered": 60, "error": 40}, Rule(0.5), True),
        ({"total": 100}, ALL, False),
        ({"total": 100, "sent": 100}, ALL, False),
        ({"total": 100, "sent": 100}, AT_OPERATOR_IS_ENOUGH, True),
        ({}, ALL, True),
    ],
)
def test_the_recipients_are_worth_reading_when_the_summary_shows_an_end(
    statistics: dict[str, int], rule: Rule, worth: bool
) -> None:
    assert worth_reading(summary(**statistics), rule) is worth


def test_what_comes_over_the_wire_is_judged() -> None:
    wire = b'[{"number": "+39-3471112223", "state": "PENDING", "report": []}, {"state": "DELIVERED", "price": "0.05"}]'
    verdict = judge("m1", msgspec.json.decode(wire, type=list[Delivery], strict=False), ALL)
    assert verdict.outcome is Outcome.PENDING
    assert verdict.report["states"] == {"PENDING": 1, "DELIVERED": 1}
    assert verdict.report["price_eur"] == 0.05
