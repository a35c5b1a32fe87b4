"""
The way from a task in Airflow's UI to its message: the vendor's console, or the inbox page of the local emulator.

Where the page is, the connection says (:meth:`Settings.page_of`). A task leaves the address as the XCom ``page``; where
there is no page there is no XCom, and Airflow shows no button.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_messaggisms.gateway.settings import Settings

PAGE_KEY = "page"


class MessaggiSmsMessageLink(BaseOperatorLink):
    """The button "Message"."""

    name = "Message"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Give the page's address; empty where there is none."""
        page = getattr(operator, PAGE_KEY, None)
        if page is None:  # resumed, or in Airflow 2.11's web server
            from airflow.providers.common.compat.sdk import XCom

            page = XCom.get_value(ti_key=ti_key, key=PAGE_KEY)
        return page or ""


def show_page(operator: Any, context: Context, settings: Settings, message_id: str) -> None:
    """Let Airflow's UI lead from a task to its message, if the message has a page."""
    operator.page = settings.page_of(message_id) or ""
    if operator.page:
        context["ti"].xcom_push(key=PAGE_KEY, value=operator.page)
