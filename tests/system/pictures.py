"""
What ``make pictures`` runs: take the pictures in ``docs/pictures`` anew, from a real Airflow and the emulator.

``python -m tests.system.pictures`` in the checkout. They show no real data: the numbers are those of the example DAGs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airflow_provider_messaggisms.emulator.pytest_plugin import Gateway
from tests.emulator.browser import start_chromium
from tests.system.airflow_ui import AirflowUi
from tests.system.demo import CHECKOUT, Progress, running, send_and_wait
from tests.system.stack import AirflowStack

FOLDER = CHECKOUT / "docs" / "pictures"
MAX_BYTES = 120_000


def main() -> int:
    """Take all pictures; return the exit code."""
    progress = Progress()
    with running(CHECKOUT / ".demo", CHECKOUT / "dags_examples", progress) as (gateway, stack):
        driver = start_chromium()
        try:
            ui = AirflowUi(driver, stack.api.url)
            picture_connection(ui)
            picture_run(ui, stack, progress)
            picture_inbox(ui, stack, gateway)
        finally:
            driver.quit()
    return 0


def picture_connection(ui: AirflowUi) -> None:
    """Show the form of a connection, not saved."""
    ui.resize(1000, 760)
    ui.begin_connection("messaggisms_default")
    ui.click("Extra Fields")
    ui.write(element_sender="Acme")
    take(ui, "connection")


def picture_run(ui: AirflowUi, stack: AirflowStack, progress: Progress) -> None:
    """Show a run of the first example."""
    run = send_and_wait(stack, progress)
    ui.resize(1200, 560)
    ui.open(f"/dags/{run.dag_id}/runs/{run.run_id}", "2 Task Instances")
    take(ui, "run")


def picture_inbox(ui: AirflowUi, stack: AirflowStack, gateway: Gateway) -> None:
    """Show the inbox with some SMS, on a desktop and on a phone."""
    assert stack.api.trigger("personalised").wait() == "success"
    inbox = AirflowUi(ui.driver, gateway.url)
    inbox.resize(1100, 620)
    inbox.open("/", "3 SMS")
    inbox.until("all delivered", lambda: inbox.text().count("✓ delivered") == 3)
    take(inbox, "inbox")
    inbox.resize(390, 760, mobile=True)
    inbox.open("/", "3 SMS")
    take(inbox, "inbox_phone")


def take(ui: AirflowUi, name: str) -> Path:
    """Save what the browser shows as a PNG."""
    path = FOLDER / f"{name}.png"
    FOLDER.mkdir(exist_ok=True)
    ui.driver.save_screenshot(str(path))
    size = path.stat().st_size
    assert size < MAX_BYTES, f"{path}: {size} bytes are too many for a picture in the docs"
    print(f"  {path.relative_to(CHECKOUT)}: {size / 1000:.0f} kB")
    return path


if __name__ == "__main__":
    sys.exit(main())
