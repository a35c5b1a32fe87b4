"""
The link from a task in Airflow's UI to its message: in the vendor's console, or on the inbox page of the emulator.

The connection says where the page is (:meth:`Settings.page_of`). The address becomes the XCom ``page``. Airflow 3
stores it when the process of a task ends, from the links that the operator has then; on 2.11 the task stores it. So an
operator has no link until its message is known: a task that fails before, a message without a page, and a process that
only goes on with a wait store nothing and look nothing up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_messaggisms.gateway.settings import Settings

PAGE_KEY = "page"


class MessaggiSmsMessageLink(BaseOperatorLink):
    """
    The button "Message".

    :param page: The page's address, in the process of the task.
    """

    name = "Message"
    xcom_key = PAGE_KEY

    def __init__(self, page: str = "") -> None:
        super().__init__()
        self._page = page

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the page's address; empty if there is none. Airflow 2 asks for it in its web server."""
        if self._page or AIRFLOW_V_3_0_PLUS:
            return self._page
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_value(ti_key=ti_key, key=PAGE_KEY) or ""


def link_to_message(operator: Any, context: Context, settings: Settings, message_id: str) -> None:
    """Let Airflow's UI link a task to its message, if the message has a page."""
    page = settings.page_of(message_id)
    if not page:
        return
    operator.operator_extra_links = (MessaggiSmsMessageLink(page),)
    if not AIRFLOW_V_3_0_PLUS:
        context["ti"].xcom_push(key=PAGE_KEY, value=page)
