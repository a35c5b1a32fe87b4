"""
A real headless Chromium with the inbox page, as a user sees it: words to read, buttons to press.

The browser's errors and requests are recorded, so that each test can check at its end that there were no errors and no
requests to other hosts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_SECONDS = 10
FLAGS = (
    "--headless",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1000",
)
T = TypeVar("T")
_VISIBLE = "[...document.querySelectorAll(arguments[0])].filter((element) => element.checkVisibility())"


def start_chromium() -> webdriver.Chrome:
    """Start the browser, or fail and say how to get it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.fail(
            "chromium or chromedriver is missing: the inbox page is tested in a real browser. "
            "On Debian: apt-get install -y chromium chromium-driver",
            pytrace=False,
        )
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


# The words whose contrast to their background is below 4.5 (WCAG 2.1, 1.4.3).
_FAINT = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  const colour = getComputedStyle(element).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" && element.parentElement ? ground(element.parentElement) : colour;
};
const contrast = (element) => {
  const [low, high] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const worded = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility()
  && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
if (worded.length < 10) throw new Error("there are no words on the page");
return worded.filter((element) => contrast(element) < 4.5).map((element) => element.textContent);
"""


class Page:
    """
    The inbox page of an emulator.

    :param url: The emulator's address.
    """

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.forget()

    def open(self, fragment: str = "") -> None:
        """Load the page, and wait until it shows the first response."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/{fragment}")
        self.until(lambda: self.read("#credit") != "–")

    def forget(self) -> None:
        """Drop the recorded errors and requests."""
        self._log("browser")
        self._log("performance")

    # --- reading --------------------------------------------------------------------------------------------------

    def until(self, condition: Callable[[], T]) -> T:
        """Wait until a condition holds, without a reload."""
        waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.05)
        return waiting.until(lambda _: condition())

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def read(self, selector: str) -> str:
        """Return the words that a user sees there."""
        return self.one(selector).text

    def all(self, selector: str) -> list[str]:
        """Return the text of each visible element, in one call: the page may change between two calls."""
        texts = self.run(f"return {_VISIBLE}.map((element) => element.textContent)", selector)
        return [str(text).strip() for text in texts]

    def texts(self) -> list[str]:
        """Return the texts of the SMS on the page, from top to bottom."""
        return self.all(".sms .text")

    def states(self) -> list[str]:
        """Return the states of the SMS on the page, from top to bottom."""
        return self.all(".sms [data-is=state]")

    def faint_words(self) -> list[str]:
        """Return the visible words with too little contrast."""
        return [str(words) for words in self.run(_FAINT)]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def errors(self) -> list[str]:
        """Return and drop the browser's errors, violations of the page's policy included."""
        return self._log("browser")

    def requests(self) -> list[str]:
        """Return and drop the URLs of the browser's requests."""
        events = [json.loads(entry)["message"] for entry in self._log("performance")]
        sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if urlsplit(url).scheme not in ("about", "data")]

    def _log(self, kind: str) -> list[str]:
        entries = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries]

    # --- doing ----------------------------------------------------------------------------------------------------

    def button(self, name: str) -> WebElement:
        """Return the first visible button or link with this name."""
        named = f"return {_VISIBLE}.filter((element) => element.textContent.trim() === arguments[1])"
        first: WebElement = self.run(named, "button, a, summary", name)[0]
        assert first.accessible_name == name
        return first

    def choose(self, field: str, option: str) -> None:
        self.one(f"#{field} option[value='{option}']").click()

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def go_back(self, stops: int) -> None:
        """Move the focus back with the keyboard."""
        ActionChains(self.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB * stops).key_up(Keys.SHIFT).perform()

    def focused(self) -> str:
        """Return the name of the focused element, as a screen reader says it."""
        element = self.driver.switch_to.active_element
        return element.accessible_name or element.text

    def emulate(self, *, scheme: str = "light", width: int = 1200) -> None:
        """Show the page on another screen."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
