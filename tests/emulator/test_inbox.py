"""The inbox page in a real headless Chromium: what a user sees there, and can do."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.browser import Page, start_chromium
from tests.emulator.conftest import Call
from tests.emulator.foreign_site import foreign_site

ADA, BOB, UNKNOWN, STUCK = "+39-3491234567", "+39-3497654321", "+39-3330000001", "+39-3330000004"
ORIGIN = {"dag_id": "nightly", "run_id": "manual__2026-05-20", "task_id": "alarm", "map_index": 3}
Send = Callable[..., str]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    driver = start_chromium()
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium: Chrome, messaggisms_gateway: Gateway) -> Iterator[Page]:
    """The page, not yet opened. At the end, the browser has no errors and made requests to the emulator only."""
    page = Page(chromium, messaggisms_gateway.url)
    page.emulate()
    yield page
    assert page.errors() == []
    assert {urlsplit(url).netloc for url in page.requests()} <= {urlsplit(page.url).netloc}


@pytest.fixture
def send(call: Call) -> Send:
    """Send an SMS through the gateway's API: ``send(text, number, ...)``; returns the message's id."""

    def sending(body: str, *numbers: str, sender: str = "Ops", dag: dict[str, Any] | None = None, **more: Any) -> str:
        custom = {"custom": json.dumps({"airflow": {"key": "k", **dag}})} if dag else {}
        message = {"sender": sender, "body": body, "recipients": list(numbers or [ADA]), "options": custom | more}
        answer = call("POST", "/messages/", message)
        assert answer.status == 201, answer.raw
        return str(answer.json["data"][0]["id"])

    return sending


def test_an_sms_appears_without_reloading(page: Page, send: Send) -> None:
    page.open()
    page.run("window.since = 'the beginning'")
    send("Città piena: 100 €\nand a second line", sender="Alarm", dag=ORIGIN, flash=True)
    page.until(lambda: page.texts() == ["Città piena: 100 €\nand a second line"])
    (words,) = page.all(".sms")
    shown = " ".join(words.split())
    for part in (ADA, "from Alarm", "1 part · GSM-7 · €0.05 · flash", "accepted"):
        assert part in shown
    assert "DAG nightly · task alarm · map index 3 · run manual__2026-05-20" in shown
    assert page.read("#credit") == "€99.95"
    assert page.read("#news") == f"New SMS to {ADA} from Alarm: Città piena: 100 €\nand a second line".replace(
        "\n", " "
    )
    assert page.run("return window.since") == "the beginning"


def test_the_newest_is_on_top_and_states_change_with_time(page: Page, send: Send, call: Call) -> None:
    send("first")
    call("POST", "/_emulator/advance", {"seconds": 2})
    send("second", UNKNOWN)
    page.open()
    assert page.texts() == ["second", "first"]
    assert page.states() == ["accepted", "at the operator"]
    page.button("+10 s").click()
    page.until(lambda: page.states() == ["Failed: undeliverable", "delivered"])
    assert page.all(".sms [data-is=mark]") == ["✕", "✓"]
    assert page.read("#news") == "1 SMS failed"
    page.button("History").click()
    steps = [" ".join(step.split()[1:]) for step in page.all("[data-is=history] li")]
    assert steps == [
        "accepted PENDING_ACCEPTED",
        "on its way to the operator PENDING_ENROUTE",
        "undeliverable UNDELIVERABLE_NOT_DELIVERED",
    ]


def test_search_and_filters_work_and_survive_a_reload(page: Page, send: Send, call: Call) -> None:
    send("disk full", STUCK, dag=ORIGIN)
    send("disk empty", UNKNOWN, sender="Nightly", dag=ORIGIN | {"dag_id": "weekly"})
    send("disk", ADA)
    call("POST", "/_emulator/advance", {"seconds": 10})
    page.open()
    assert page.texts() == ["disk", "disk empty", "disk full"]
    page.choose("outcome", "failed")
    page.until(lambda: page.texts() == ["disk empty"])
    assert page.read("#count") == "1 SMS matches, of 3."
    page.button("Show all").click()
    page.until(lambda: len(page.texts()) == 3)
    page.choose("dag", "nightly")
    page.until(lambda: page.texts() == ["disk full"])
    page.choose("dag", "")
    page.choose("sender", "Ops")
    page.until(lambda: page.texts() == ["disk", "disk full"])
    page.one("#text").send_keys("FULL")
    page.until(lambda: page.texts() == ["disk full"])
    page.driver.refresh()
    page.until(lambda: page.texts() == ["disk full"])
    assert page.one("#text").get_attribute("value") == "FULL"
    page.one("#text").send_keys("er")
    page.until(lambda: page.read("#count") == "0 SMS match, of 3.")


def test_a_phone_shows_its_sms_and_its_number_is_in_no_url(page: Page, send: Send, call: Call) -> None:
    send("first", ADA, BOB)
    send("never arrives", STUCK)
    call("POST", "/_emulator/advance", {"seconds": 10})
    send("second", ADA)
    page.open("#outcome=delivered")
    page.until(lambda: page.texts() == ["first", "first"])
    page.button(ADA).click()
    page.until(lambda: page.texts() == ["first", "second"])
    assert page.read("h2") == f"Phone {ADA}"
    assert page.driver.current_url.endswith("/#phone=%2B39-3491234567")
    send("third", ADA)
    page.until(lambda: page.texts() == ["first", "second", "third"])
    page.driver.refresh()
    page.until(lambda: page.texts() == ["first", "second", "third"])
    page.open(f"#phone={STUCK}")
    page.until(lambda: page.texts() == ["never arrives"])
    page.driver.back()
    assert not [url for url in page.requests() if "39" in urlsplit(url).path + urlsplit(url).query]


def test_leaving_a_phone_returns_to_the_search(page: Page, send: Send) -> None:
    send("disk", ADA)
    send("fire", ADA)
    page.open("#text=disk")
    page.until(lambda: page.texts() == ["disk"])
    page.button(ADA).click()
    page.until(lambda: page.texts() == ["disk", "fire"])
    page.button("← All messages").click()
    page.until(lambda: page.texts() == ["disk"])


def test_a_user_can_decide_a_stuck_sms(page: Page, send: Send, call: Call, messaggisms_gateway: Gateway) -> None:
    send("hello", STUCK)
    call("POST", "/_emulator/advance", {"seconds": 10})
    page.open()
    assert page.states() == ["Stuck: at the operator"]
    page.button("Expired").click()
    page.until(lambda: page.states() == ["Failed: expired"])
    assert page.all(".decide") == []
    assert [sms.state for sms in messaggisms_gateway.inbox()] == ["EXPIRED_EXPIRED"]


def test_clearing_asks_first_and_keeps_the_messages(page: Page, send: Send, call: Call) -> None:
    message_id = send("hello")
    page.open()
    page.button("Clear inbox…").click()
    page.button("Keep them").click()
    assert page.texts() == ["hello"]
    page.button("Clear inbox…").click()
    page.button("Clear").click()
    page.until(lambda: page.texts() == [])
    assert page.read("#empty h2") == "No SMS yet"
    assert call("GET", f"/messages/{message_id}").status == 200


HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "</p></template><svg/onload=document.title='owned'>",
    "{{constructor.constructor('document.title=1')()}} ${document.title=1} &lt;b&gt;",
    "\u202egnirts desrever a\u202c \u0000\u0007",
    "javascript:document.title='owned'",
]


def test_markup_in_an_sms_is_shown_as_text_and_does_not_run(page: Page, send: Send) -> None:
    for text in HOSTILE:
        send(text, sender="<b>x</b>", dag=dict.fromkeys(("dag_id", "task_id", "run_id"), text))
    page.open()
    title = page.driver.title
    assert len(page.texts()) == len(HOSTILE)
    page.button(ADA).click()
    page.until(lambda: page.read("h2") == f"Phone {ADA}")
    assert set(page.texts()) == {text.strip() for text in HOSTILE}
    page.open(f"#dag={HOSTILE[0]}&sender={HOSTILE[1]}&text={HOSTILE[2]}&phone={HOSTILE[3]}")
    assert page.driver.title == title
    assert page.run("return document.querySelectorAll('main :is(img, script, svg, b:not([data-is]))').length") == 0


def test_the_policy_refuses_inner_html(page: Page) -> None:
    page.open()
    page.run("try { document.body.innerHTML = '<img src=x>' } catch (error) { window.refused = error.name }")
    assert page.run("return window.refused") == "TypeError"
    assert any("TrustedHTML" in error for error in page.errors())


def test_the_empty_page_shows_a_working_curl_and_the_connection(
    page: Page, call: Call, messaggisms_gateway: Gateway
) -> None:
    page.open()
    _, _, header, _, body, url = shlex.split(page.read("#curl"))
    assert url == f"{messaggisms_gateway.url}/messages/"
    name, _, value = header.partition(": ")
    assert call("POST", "/messages/", body, headers={name: value}, token=None).status == 201
    page.until(lambda: page.texts() == ["Hello!"])
    connection = page.one("#connection").get_attribute("textContent")
    assert connection
    _, _, shown = shlex.split(connection)[1].partition("=")
    assert json.loads(shown) == json.loads(messaggisms_gateway.connection)


@pytest.fixture
def running() -> Iterator[str]:
    """The address of an emulator with a running clock and a token of its own."""
    command = [sys.executable, "-m", "airflow_provider_messaggisms.emulator", "--stop-with-stdin"]
    command += ["--port", "0", "--speed", "60", "--token", "not-the-default"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().rpartition(" ")[2].strip()
        process.terminate()


def test_a_running_clock_has_no_buttons_and_a_secret_token_is_hidden(chromium: Chrome, running: str) -> None:
    page = Page(chromium, running)
    page.open()
    assert "Clock in Rome, 60 times as fast" in page.read("header")
    assert page.all("#advance button") == []
    before = page.read("#now")
    page.until(lambda: page.read("#now") != before)
    assert "Bearer TOKEN'" in page.read("#curl")
    assert page.read("#chosen") == "TOKEN is the token that the emulator was started with."
    assert "not-the-default" not in page.driver.page_source
    page.forget()


def test_messages_that_reach_no_phone_are_mentioned(page: Page, call: Call) -> None:
    body = {"sender": "Ops", "body": "hello", "recipients": [ADA]}
    call("POST", "/messages/", body | {"transaction": True})
    page.open()
    assert page.read("#held") == "At the gateway, on no phone: 1 transaction is open."


def test_all_controls_can_be_used_with_the_keyboard(page: Page, send: Send, call: Call) -> None:
    send("hello", STUCK)
    call("POST", "/_emulator/advance", {"seconds": 10})
    page.open()
    walk = ["Skip to the messages", "+1 s", "+10 s", "+1 min", "+1 h", "+1 day"]
    walk += ["Search", "State", "Sender", "DAG", "Clear inbox…"]
    walk += [STUCK, "Delivered", "Undeliverable", "Expired", "Rejected", "History"]
    for stop in walk:
        page.press(Keys.TAB)
        assert page.focused().startswith(stop)
        assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid", stop
        if stop == "+10 s":
            before = page.read("#now")
            page.press(Keys.ENTER)
            page.until(lambda before=before: page.read("#now") != before)  # type: ignore[misc]
    page.press(Keys.ENTER)
    assert page.all(".sms details[open]")
    page.go_back(2)
    page.press(Keys.SPACE)
    page.until(lambda: page.states() == ["Failed: expired"])
    assert page.run("return document.activeElement.className") == "sms"
    page.go_back(1)
    page.press(Keys.ENTER)
    page.until(lambda: page.focused() == "Keep them")
    page.press(Keys.TAB, Keys.ENTER)
    page.until(lambda: page.texts() == [])


def test_ten_thousand_sms_are_counted_and_fifty_are_shown(page: Page, send: Send, messaggisms_gateway: Gateway) -> None:
    messaggisms_gateway.reset(credit=1_000)
    send("hello", *(f"+39-349{i:07d}" for i in range(10_000)))
    page.open()
    page.until(lambda: len(page.texts()) == 50)
    assert page.read("#count") == "9,999 SMS. The newest 50 are shown."
    page.button("Show more").click()
    page.until(lambda: len(page.texts()) == 100)
    page.one("#text").send_keys("349 0004321")
    page.until(lambda: page.all(".sms [data-is=number]") == ["+39-3490004321"])


def test_all_words_have_enough_contrast_in_light_and_dark(page: Page, send: Send, call: Call) -> None:
    def check_contrast() -> None:
        for scheme in ("dark", "light"):
            page.emulate(scheme=scheme)
            assert page.faint_words() == []

    page.open()
    check_contrast()
    send("hello", ADA, UNKNOWN, STUCK)
    call("POST", "/_emulator/advance", {"seconds": 10})
    send("on its way", STUCK)
    page.until(lambda: len(page.texts()) == 4)
    check_contrast()
    page.open(f"#phone={STUCK}")
    check_contrast()


@pytest.mark.parametrize("fragment", ["", f"#phone={STUCK}"])
def test_a_narrow_screen_needs_no_horizontal_scrolling(page: Page, send: Send, fragment: str) -> None:
    page.emulate(width=320)
    send("x" * 300, STUCK, dag=ORIGIN | {"run_id": "y" * 200})
    page.open(fragment)
    assert page.texts() == ["x" * 300]
    assert page.run("return document.documentElement.scrollWidth") <= 320


def test_the_page_reports_a_lost_emulator_and_recovers(page: Page, send: Send) -> None:
    page.open()
    network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": True})
    page.until(lambda: page.read("#trouble") == "The emulator does not answer.")
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": False})
    send("hello")
    page.until(lambda: page.texts() == ["hello"])
    assert page.read("#trouble") == ""
    page.errors()


def test_a_page_of_another_site_cannot_act_or_read_or_frame(
    chromium: Chrome, messaggisms_gateway: Gateway, send: Send
) -> None:
    page = Page(chromium, messaggisms_gateway.url)
    send("secret")
    with foreign_site(page.url) as address:
        chromium.get(address)
        page.until(lambda: chromium.title != "busy")
    assert chromium.title.split() == ["fulfilled"] * 2 + ["rejected"] * 3
    assert [sms.state for sms in messaggisms_gateway.inbox()] == ["PENDING_ACCEPTED"]
    assert any("frame-ancestors" in error for error in page.errors())
    page.forget()
