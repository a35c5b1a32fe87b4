"""
Questions that the vendor's documentation leaves open. A probe reports what it finds. There is no right answer.

No probe sends a real SMS: it simulates (``test: true``), or requests something that is refused anyway.
"""

from __future__ import annotations

import json
import queue
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from tests.contract.scenarios import NOWHERE, sent
from tests.contract.suite import must, probe
from tests.contract.target import Answer, Target
from tests.progress import SILENCE_SECONDS

BURST = 30


def type_of(answer: Answer, name: str) -> str:
    """Return the name of the type of an envelope's field."""
    if answer.envelope is None or name not in answer.envelope:
        return "absent"
    return "number" if isinstance(answer.envelope[name], int | float) else type(answer.envelope[name]).__name__


def credit_after(answer: Answer) -> float:
    """Return the credit after a message was accepted. A refused message says nothing about the cost."""
    sent(answer)
    must("credit" in (answer.envelope or {}), "the answer shows no credit")
    return float((answer.envelope or {})["credit"])


def accepted_or(answer: Answer) -> str:
    return f"accepted ({answer.status})" if answer.status < 300 else f"refused: {answer.seen}"


@probe("What does a wrong token get? And none?")
def bad_tokens(gateway: Target) -> str:
    wrong, none = (gateway.ask("GET", "/messages/", token=token) for token in ("wrong", None))
    return f"wrong: {wrong.shape}; none: {none.shape}"


@probe("Does a test (simulated) message cost credit?")
def cost_of_a_test(gateway: Target) -> str:
    before, after = (credit_after(gateway.send()) for _ in range(2))
    return "no" if before == after else "yes"


@probe("Is a test message in the list, and in which order is the list?")
def order_of_the_list(gateway: Target) -> str:
    first, second = sent(gateway.send())["id"], sent(gateway.send())["id"]
    ids = [entry["id"] for entry in gateway.ask("GET", "/messages/").data or []]
    if first not in ids or second not in ids:
        return "not in the list"
    return "newest first" if ids.index(second) < ids.index(first) else "oldest first"


@probe("How far back does the list reach?")
def reach_of_the_list(gateway: Target) -> str:
    sent(gateway.send())
    stamps = [int(entry["timestamp"]) / 1000 for entry in gateway.ask("GET", "/messages/").data]
    days = (max(stamps) - min(stamps)) / 86_400
    return f"{'more than 100' if len(stamps) > 100 else 'up to 100'} messages over {days:.0f} days"


@probe("Of which type is credit in the answers to POST, GET, PUT, and GET of recipients?")
def types_of_credit(gateway: Target) -> str:
    post = gateway.send(transaction=True)
    message_id = sent(post)["id"]
    answers = {
        "POST": post,
        "GET": gateway.ask("GET", f"/messages/{message_id}"),
        "PUT": gateway.put(message_id, "nonsense", transaction=True),
        "recipients": gateway.ask("GET", f"/messages/{message_id}/recipients/"),
    }
    gateway.ask("DELETE", f"/messages/{message_id}")
    return ", ".join(f"{name}: {type_of(answer, 'credit')}" for name, answer in answers.items())


@probe("Which status has a PUT that worked?")
def status_of_put(gateway: Target) -> str:
    message_id = sent(gateway.send(transaction=True))["id"]
    answer = gateway.put(message_id, "nonsense", transaction=True)
    gateway.ask("DELETE", f"/messages/{message_id}")
    return str(answer.status)


@probe("Is a PUT with an empty list of recipients accepted?")
def empty_put(gateway: Target) -> str:
    message_id = sent(gateway.send(transaction=True))["id"]
    answer = gateway.put(message_id, transaction=True)
    gateway.ask("DELETE", f"/messages/{message_id}")
    return accepted_or(answer)


@probe("Is a repeated number sent to twice, in one call and in a later one?")
def repeated_numbers(gateway: Target) -> str:
    twice = [gateway.recipient, gateway.recipient]
    first = sent(gateway.send(transaction=True, recipients=twice))
    later = gateway.put(first["id"], gateway.recipient, transaction=True).data
    gateway.ask("DELETE", f"/messages/{first['id']}")
    in_one = first["recipients"]["valid"]["count"]
    added = later["recipients"]["valid"]["count"] - in_one
    return f"in one call: {'sent twice' if in_one == 2 else 'merged'}; later: {'sent again' if added else 'merged'}"


@probe("How does custom, sent as a string that holds a JSON object, come back? And is an object accepted?")
def custom(gateway: Target) -> str:
    message = sent(gateway.send(options={"custom": '{"a": 1}'}))
    shown = sent(gateway.ask("GET", f"/messages/{message['id']}"))["options"].get("custom")
    as_object = gateway.send(options={"custom": {"a": 1}})
    back = "object" if isinstance(shown, dict) else type(shown).__name__
    return f"comes back as {back}; an object is {accepted_or(as_object)}"


@probe("What does GET return for an id that is well formed but unknown? And for a deleted message?")
def unknown_id(gateway: Target) -> str:
    deleted = sent(gateway.send(transaction=True))["id"]
    gateway.ask("DELETE", f"/messages/{deleted}")
    unknown, gone = (gateway.ask("GET", f"/messages/{one}") for one in (NOWHERE, deleted))
    return f"unknown: {unknown.seen}; deleted: {gone.seen}"


@probe("Can a message for a later day be moved by PUT, and cancelled, outside a transaction?")
def later_day(gateway: Target) -> str:
    day, other = ((date.today() + timedelta(days=days)).isoformat() for days in (30, 31))
    message_id = sent(gateway.send(options={"timestamp_send": day}))["id"]
    moved = gateway.put(message_id, "nonsense", options={"timestamp_send": other})
    deleted = gateway.ask("DELETE", f"/messages/{message_id}")
    return f"moving: {accepted_or(moved)}; cancelling: {accepted_or(deleted)}"


@probe("Is a time of day accepted in timestamp_send? A past day?")
def times_and_past_days(gateway: Target) -> str:
    later = (datetime.now() + timedelta(days=30)).strftime("%Y-%m-%d 12:00:00")
    past = (date.today() - timedelta(days=2)).isoformat()
    answers = {"time": later, "past day": past}
    found = {name: gateway.send(options={"timestamp_send": text}) for name, text in answers.items()}
    for answer in found.values():
        if answer.status < 300:
            gateway.ask("DELETE", f"/messages/{sent(answer)['id']}")
    return "; ".join(f"{name}: {accepted_or(answer)}" for name, answer in found.items())


@probe("Is the report missing before a message goes out? Which state is shown then?")
def before_departure(gateway: Target) -> str:
    message_id = sent(gateway.send(transaction=True))["id"]
    (recipient,) = gateway.ask("GET", f"/messages/{message_id}/recipients/").data
    gateway.ask("DELETE", f"/messages/{message_id}")
    return f"report {'there' if 'report' in recipient else 'missing'}, state {recipient.get('state_description')}"


@probe("Which states and statistics does a (simulated) message go through?")
def states(gateway: Target) -> str:
    message_id = sent(gateway.send())["id"]
    seen: list[str] = []
    for _ in range(15):
        message = sent(gateway.ask("GET", f"/messages/{message_id}"))
        counts = message["statistics"]
        state = f"{message['state']} (sent {counts['sent']}, delivered {counts['delivered']})"
        if state not in seen:
            seen.append(state)
        gateway.pause(1)
    return " -> ".join(seen)


@probe("What does a body get that is not JSON, has a wrong type, or a null?")
def broken_bodies(gateway: Target) -> str:
    answers = {
        "no JSON": gateway.ask("POST", "/messages/", b"{"),
        "wrong type": gateway.send(body=["x"]),
        "null": gateway.send(priority=None),
    }
    return "; ".join(f"{name}: {accepted_or(answer)}" for name, answer in answers.items())


@probe("What does a sender of 12 letters get? A priority below 1?")
def out_of_range(gateway: Target) -> str:
    sender, priority = gateway.send(sender="twelveletter"), gateway.send(priority=0.5)
    return f"sender: {accepted_or(sender)}; priority: {accepted_or(priority)}"


@probe("What does a second realtime message within a minute get?")
def realtime(gateway: Target) -> str:
    first, second = (gateway.send(options={"realtime": True}) for _ in range(2))
    return f"first: {accepted_or(first)}; second: {accepted_or(second)}"


@probe("Is a message accepted if all recipients are invalid? If the list is empty?")
def no_valid_recipient(gateway: Target) -> str:
    invalid, empty = gateway.send(recipients=["nonsense"]), gateway.send(recipients=[])
    return f"all invalid: {accepted_or(invalid)}; empty: {accepted_or(empty)}"


@probe("Which forms of a number are valid: +39347..., 39347..., +39-347...?")
def forms_of_numbers(gateway: Target) -> str:
    prefix, _, rest = gateway.recipient.partition("-")
    forms = {"+39347...": prefix + rest, "39347...": prefix[1:] + rest, "+39-347...": gateway.recipient}
    found = []
    for form, number in forms.items():
        answer = gateway.send(recipients=[number])
        valid = answer.status < 300 and sent(answer)["recipients"]["valid"]["count"] == 1
        found.append(f"{form} {'valid' if valid else 'invalid'}, {accepted_or(answer)}")
    return "; ".join(found)


@probe("Does a placeholder without a field stay as it is?")
def placeholder_without_field(gateway: Target) -> str:
    message = sent(gateway.send(body="contract {{name}} test"))
    (recipient,) = gateway.ask("GET", f"/messages/{message['id']}/recipients/").data
    return {"contract {{name}} test": "stays", "contract  test": "is left out"}.get(recipient["body"], "something else")


@probe("Do paths work without their closing slash?")
def closing_slash(gateway: Target) -> str:
    sent(gateway.send())
    return accepted_or(gateway.ask("GET", "/messages"))


@probe(f"Is there a rate limit below {BURST} calls in a row?")
def rate_limit(gateway: Target) -> str:
    sent(gateway.send())
    statuses = [gateway.ask("GET", "/messages/").status for _ in range(BURST)]
    limited = [number for number, status in enumerate(statuses, start=1) if status != 200]
    return f"{statuses[limited[0] - 1]} from call {limited[0]}" if limited else "none met"


@probe("What does a callback contain, and how many are there?")
def callback(gateway: Target) -> str:
    if not gateway.is_local:
        return "not tried: the gateway must be able to reach this machine"
    inbound: queue.Queue[bytes] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            inbound.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        gateway.send(options={"callback_url": f"http://127.0.0.1:{server.server_port}/"})
        gateway.pause(10)
        bodies = [json.loads(inbound.get(timeout=SILENCE_SECONDS)) for _ in range(3)]
        server.shutdown()
        thread.join()
    return f"the message as GET shows it ({len(bodies[0])} fields), at each change of a recipient's state"


@probe("How many recipients does one call take at most?")
def most_recipients(gateway: Target) -> str:
    return "not tried: it would need other people's numbers"
