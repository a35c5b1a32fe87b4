"""
The link from a task in Airflow's UI to its message: in the vendor's console, or on the inbox page of the emulator.

The connection says where the page is (:meth:`Settings.page_of`). A task stores the address as the XCom ``page``. A
message without a page has no XCom, and Airflow shows no button.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_messaggisms.gateway.settings import Settings

PAGE_KEY = "page"

#: The XCom of the task that this process runs, or an empty text if it has none. Airflow 3 asks for the link in the
#: process of the task: without this it would ask its API server for what the task has just stored there.
_stored: dict[tuple[Any, ...], str] = {}


class MessaggiSmsMessageLink(BaseOperatorLink):
    """The button "Message"."""

    name = "Message"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the page's address; empty if there is none."""
        page = _stored.get(_identity(ti_key))
        if page is None:  # stored by another process
            from airflow.providers.common.compat.sdk import XCom

            page = XCom.get_value(ti_key=ti_key, key=PAGE_KEY)
        return page or ""


def store_page(context: Context, settings: Settings, message_id: str) -> None:
    """Let Airflow's UI link a task to its message, if the message has a page."""
    ti: Any = context["ti"]
    page = settings.page_of(message_id) or ""
    _stored.clear()
    _stored[_identity(ti)] = page
    if page:
        ti.xcom_push(key=PAGE_KEY, value=page)


def _identity(ti: Any) -> tuple[Any, ...]:
    return ti.dag_id, ti.run_id, ti.task_id, ti.map_index
