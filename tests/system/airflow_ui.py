"""Airflow's web UI in a real headless Chromium, for tests and pictures: words to read, buttons to press."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.progress import wait_until

T = TypeVar("T")

CONNECTION_TYPE = "MessaggiSMS"


class AirflowUi:
    """
    The pages of one Airflow.

    :param url: Airflow's address.
    """

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.resize(1200, 700)

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Show the pages on a screen of this size."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def open(self, path: str, words: str) -> None:
        """Load a page, and wait until it shows these words."""
        self.driver.get(self.url + path)
        self.shows(words)

    def text(self) -> str:
        """Return the words that a user sees."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def shows(self, words: str) -> None:
        """Wait until a user sees these words."""
        self.until(f"the words {words!r}", lambda: words in self.text())

    def click(self, name: str, *, within: str = "body") -> None:
        """Click the first visible button or link of this name as soon as it can be clicked."""

        def clicked() -> bool:
            first = next((one for one in self._controls(within) if name in (one.text, one.accessible_name)), None)
            if first is not None:
                first.click()
            return first is not None

        self.until(f"the button {name}", clicked)

    def field(self, name: str) -> WebElement:
        """Return a form's field by its name; ``element_`` stands before the names of a connection's extra fields."""
        return self.until(f"the field {name}", lambda: self.driver.find_element(By.NAME, name))

    def write(self, **values: str) -> None:
        """Type into fields, by their names."""
        for name, value in values.items():
            field = self.field(name)
            self.until(f"the field {name} on the screen", field.is_displayed)
            field.clear()
            field.send_keys(value)

    def begin_connection(self, connection_id: str) -> None:
        """Open the form of a new connection of our type."""
        self.open("/connections", "Add Connection")
        self.click("Add Connection")
        self.write(connection_id=connection_id)
        chooser = self.driver.find_element(By.CSS_SELECTOR, "[role=dialog] [role=combobox]")
        chooser.send_keys(CONNECTION_TYPE)
        option = (By.CSS_SELECTOR, "[role=option]")
        self.until("our type", lambda: CONNECTION_TYPE in [one.text for one in self.driver.find_elements(*option)])
        chooser.send_keys(Keys.ENTER)
        self.field("element_sender")

    def row(self, words: str) -> str:
        """Return a CSS selector of the first row of a table that shows these words."""
        rows = self.until("a table", lambda: self.driver.find_elements(By.CSS_SELECTOR, "tbody tr"))
        number = next(number for number, row in enumerate(rows, 1) if words in row.text)
        return f"tbody tr:nth-of-type({number})"

    def until(self, what: str, look: Callable[[], T]) -> T:
        """Wait until something true can be read from the page; meanwhile it may redraw itself."""

        def seen() -> T | None:
            try:
                return look() or None
            except WebDriverException:  # the element is not there yet, or was replaced
                return None

        return wait_until(f"{what} at {self.driver.current_url}", seen, sign=lambda: len(self.driver.page_source))

    def _controls(self, within: str) -> list[WebElement]:
        found = self.driver.find_elements(By.CSS_SELECTOR, ", ".join(f"{within} {tag}" for tag in ("button", "a")))
        return [one for one in found if one.is_displayed()]
