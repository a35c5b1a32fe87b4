"""
Checks of what the vendor documents. Each scenario has the sentence that it checks, in our words.

All but one simulate (``test: true``). The one that sends an SMS is marked with ``sms=1``.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.contract.suite import must, scenario
from tests.contract.target import Answer, Target

NOWHERE = "0" * 24
NONSENSE = "not-an-id"
FINAL_GROUPS = (2, 4, 5)
DELIVERED_TO_HANDSET = 5
PATIENCE = 60
MESSAGE_FIELDS = {"id", "sender", "body", "recipients", "options", "transaction", "statistics", "price", "state"}
RECIPIENT_FIELDS = {"number", "body", "sms", "state", "price", "fields", "message_id", "i", "id"}


def must_be_refused(answer: Answer, status: int, code: int) -> None:
    envelope = answer.envelope or {}
    must((answer.status, answer.error) == (status, code), answer.seen)
    must(envelope.get("success") is False, f"success is {envelope.get('success')!r}")
    must(answer.data is None, "data is not null")


def must_work(answer: Answer, *statuses: int) -> Answer:
    envelope = answer.envelope or {}
    must(answer.status in (statuses or (200,)), answer.seen)
    must(envelope.get("success") is True and envelope.get("error") is None, answer.seen)
    return answer


def sent(answer: Answer) -> dict[str, Any]:
    """Return the one message in the response to a POST or a GET."""
    must_work(answer, 200, 201)
    must(isinstance(answer.data, list) and len(answer.data) == 1, "data is not a list of one")
    message = answer.data[0]
    must(isinstance(message, dict) and set(message) >= MESSAGE_FIELDS, f"the message has only {sorted(message)}")
    return dict(message)


def recipients_of(gateway: Target, message_id: str) -> list[dict[str, Any]]:
    answer = must_work(gateway.ask("GET", f"/messages/{message_id}/recipients/"))
    must(isinstance(answer.data, list), "data is not a list")
    return list(answer.data)


@scenario("The list shows sender, timestamp and id of each message, or is 404 with error 203 if there is none.")
def the_list(gateway: Target) -> None:
    empty = gateway.ask("GET", "/messages/")
    if empty.status == 404:
        must_be_refused(empty, 404, 203)
    message = sent(gateway.send())
    answer = must_work(gateway.ask("GET", "/messages/"))
    entries = {entry["id"]: set(entry) for entry in answer.data}
    must(message["id"] in entries, "the new message is not in the list")
    must(entries[message["id"]] == {"sender", "timestamp", "id"}, f"an entry has {sorted(entries[message['id']])}")


@scenario("A POST returns 201 with a list of one message, in state 0, with its recipients counted.")
def a_send(gateway: Target) -> None:
    answer = must_work(gateway.send(), 201)
    message = sent(answer)
    must(message["state"] == 0, f"state is {message['state']!r}")
    must(message["test"] is True, "test is not true")
    must(message["recipients"]["valid"]["count"] == 1, "not one valid recipient")
    must(message["statistics"]["total"] == 1, "statistics do not count one")
    must("credit" in (answer.envelope or {}), "no credit")


@scenario("A POST without sender, body or recipients is 422 with error 302.")
def what_a_send_needs(gateway: Target) -> None:
    complete = {"sender": "contract", "body": "contract test", "recipients": gateway.recipient, "test": True}
    for name in ("sender", "body", "recipients"):
        lacking = {key: value for key, value in complete.items() if key != name}
        must_be_refused(gateway.ask("POST", "/messages/", lacking), 422, 302)


@scenario("Recipients are a number, a list of numbers, or an object with number and fields.")
def forms_of_recipients(gateway: Target) -> None:
    person = {"number": gateway.recipient, "fields": {"name": "Anna"}}
    for form in (gateway.recipient, [gateway.recipient], person):
        message = sent(gateway.send(recipients=form))
        must(message["recipients"]["valid"]["count"] == 1, f"{type(form).__name__}: not one valid recipient")


@scenario("A number in another form than +39-number is counted among the invalid, and the others are sent to.")
def invalid_numbers(gateway: Target) -> None:
    recipients = sent(gateway.send(recipients=[gateway.recipient, "nonsense"]))["recipients"]
    must(recipients["valid"]["count"] == 1, f"{recipients['valid']['count']} valid")
    must(recipients["invalid"]["total"] == 1, f"{recipients['invalid']['total']} invalid")
    must(recipients["invalid"]["list"] == ["nonsense"], "the list does not show what was written")


@scenario("A placeholder {{name}} in the body is filled from a recipient's fields.")
def placeholders(gateway: Target) -> None:
    person = {"number": gateway.recipient, "fields": {"name": "Anna"}}
    message = sent(gateway.send(body="contract test for {{name}}", recipients=person))
    (recipient,) = recipients_of(gateway, message["id"])
    must(recipient["body"] == "contract test for Anna", "the placeholder is not filled")


@scenario("A text of 161 GSM-7 characters is cut into parts of 153: two SMS.")
def parts(gateway: Target) -> None:
    message = sent(gateway.send(body="a" * 161))
    (recipient,) = recipients_of(gateway, message["id"])
    must(recipient["sms"] == 2, f"sms is {recipient['sms']!r}")
    must(message["statistics"]["sms_total"] == 2, f"sms_total is {message['statistics']['sms_total']!r}")


@scenario("GET of a message returns 200 with a list of one; an invalid id is 406 with error 202.")
def one_message(gateway: Target) -> None:
    message_id = sent(gateway.send())["id"]
    shown = gateway.ask("GET", f"/messages/{message_id}")
    must(sent(shown)["id"] == message_id, "another id")
    must_be_refused(gateway.ask("GET", f"/messages/{NONSENSE}"), 406, 202)


@scenario("The recipients of a message are a list; a single one, requested by number, is a list of one.")
def recipients(gateway: Target) -> None:
    message_id = sent(gateway.send())["id"]
    (recipient,) = recipients_of(gateway, message_id)
    must(set(recipient) >= RECIPIENT_FIELDS, f"a recipient has only {sorted(recipient)}")
    must(recipient["number"] == gateway.recipient, "another number")
    one = must_work(gateway.ask("GET", gateway.recipient_path(message_id)))
    must(isinstance(one.data, list) and len(one.data) == 1, "not a list of one")


@scenario("Recipients of an unknown message, or an unknown recipient, are 404 with 203; an invalid id 406 with 202.")
def unknown_recipients(gateway: Target) -> None:
    must_be_refused(gateway.ask("GET", f"/messages/{NOWHERE}/recipients/"), 404, 203)
    must_be_refused(gateway.ask("GET", f"/messages/{NONSENSE}/recipients/"), 406, 202)
    message_id = sent(gateway.send())["id"]
    must_be_refused(gateway.ask("GET", gateway.recipient_path(message_id, "+39-3330000000")), 404, 203)
    must_be_refused(gateway.ask("GET", gateway.recipient_path(NONSENSE)), 406, 202)


@scenario("A transaction takes recipients by PUT, which returns one message, until a PUT closes it: then 422/212.")
def a_transaction(gateway: Target) -> None:
    message = sent(gateway.send(transaction=True, recipients=["nonsense", gateway.recipient]))
    must(message["transaction"] is True, "it is not open")
    added = must_work(gateway.put(message["id"], "more nonsense", transaction=True), 200)
    must(isinstance(added.data, dict), "data is not an object")
    must(added.data["recipients"]["invalid"]["total"] == 2, "what was added is not counted")
    closed = must_work(gateway.put(message["id"], "more nonsense", transaction=False), 200)
    must(closed.data["transaction"] is False, "it is not closed")
    must_be_refused(gateway.put(message["id"], gateway.recipient, transaction=False), 422, 212)


@scenario("PUT to an unknown message is 404 with error 211, to an invalid id 406 with error 210.")
def put_nowhere(gateway: Target) -> None:
    must_be_refused(gateway.put(NOWHERE, gateway.recipient), 404, 211)
    must_be_refused(gateway.put(NONSENSE, gateway.recipient), 406, 210)


@scenario("DELETE of a message that is not yet on its way returns 200 with an empty list and no credit.")
def a_delete(gateway: Target) -> None:
    message_id = sent(gateway.send(transaction=True))["id"]
    answer = must_work(gateway.ask("DELETE", f"/messages/{message_id}"))
    must(answer.data == [], "data is not an empty list")
    must("credit" not in (answer.envelope or {}), "there is a credit")
    must_be_refused(gateway.ask("DELETE", f"/messages/{message_id}"), 404, 219)


@scenario("DELETE of an unknown message is 404/219, of an invalid id 406/218, without an id 400/217.")
def delete_nowhere(gateway: Target) -> None:
    must_be_refused(gateway.ask("DELETE", f"/messages/{NOWHERE}"), 404, 219)
    must_be_refused(gateway.ask("DELETE", f"/messages/{NONSENSE}"), 406, 218)
    must_be_refused(gateway.ask("DELETE", "/messages/"), 400, 217)


@scenario("A day to send on is written 2026-12-24 or 24-12-2026, and shown in epoch milliseconds.")
def days(gateway: Target) -> None:
    day = date.today() + timedelta(days=30)
    shown = set()
    for form in ("%Y-%m-%d", "%d-%m-%Y"):
        message = sent(gateway.send(options={"timestamp_send": day.strftime(form)}))
        shown.add(message["options"]["timestamp_send"])
        gateway.ask("DELETE", f"/messages/{message['id']}")
    must(len(shown) == 1, "the two forms mean different days")
    must(str(shown.pop()).isdecimal(), "not epoch milliseconds in a string")


@scenario("An SMS ends in a final state, with a report; then its DELETE is 422 with error 221.", sms=1)
def a_delivery(gateway: Target) -> None:
    message_id = sent(gateway.send(test=False))["id"]
    for _ in range(PATIENCE):
        (recipient,) = recipients_of(gateway, message_id)
        status = recipient.get("report", {}).get("status", {})
        if status.get("groupId") in FINAL_GROUPS or status.get("id") == DELIVERED_TO_HANDSET:
            break
        gateway.pause(2)
    else:
        must(False, f"still {recipient.get('state_description')} after {PATIENCE} polls, 2 s apart")
    must("permanent" in recipient["report"].get("error", {}), "the report does not say whether an error is permanent")
    must_be_refused(gateway.ask("DELETE", f"/messages/{message_id}"), 422, 221)
