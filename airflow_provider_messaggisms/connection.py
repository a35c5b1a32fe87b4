"""
The Airflow connection of type ``messaggisms``: how the hook reads and checks it, and its form in Airflow 2.11.

What the fields mean belongs to the core (``gateway.settings``). Airflow 3 reads the form from the provider's
description.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_messaggisms.airflow_versions import extra_of
from airflow_provider_messaggisms.exceptions import ConfigurationError
from airflow_provider_messaggisms.gateway.settings import DEFAULT_CONN_ID, FIELDS, Settings


class ConnectionReader(BaseHook):
    """
    The part of the hook that reads the connection.

    :param messaggisms_conn_id: Id of a connection of type ``messaggisms``. Default ``messaggisms_default``.
    """

    conn_name_attr = "messaggisms_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = "messaggisms"
    hook_name = "MessaggiSMS"

    def __init__(self, messaggisms_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.messaggisms_conn_id = messaggisms_conn_id
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The checked connection, read on first use."""
        if self._settings is None:
            self._settings = self._read_connection()
        return self._settings

    async def asettings(self) -> Settings:
        """Read and check the connection without blocking the event loop."""
        if self._settings is None:
            self._settings = await self._aread_connection()
        return self._settings

    def _read_connection(self) -> Settings:
        conn = self.get_connection(self.messaggisms_conn_id)
        return self._checked(conn, conn.extra_dejson)

    async def _aread_connection(self) -> Settings:
        from airflow.providers.common.compat.connection import get_async_connection

        conn = await get_async_connection(self.messaggisms_conn_id)
        return self._checked(conn, await extra_of(conn))

    def _checked(self, conn: Any, extra: dict[str, Any]) -> Settings:
        if not extra and "".join((conn.extra or "").split()) not in ("", "{}", "null"):
            # Airflow reads invalid JSON as empty, so an environment "sandbox" in it would become "production".
            raise ConfigurationError("connection, field extra: it is not a JSON object")
        settings = Settings.from_connection(
            host=conn.host,
            schema=conn.schema,
            port=conn.port,
            login=conn.login,
            password=conn.password,
            extra=extra or {},
        )
        if settings.unknown_fields:
            self.log.warning(
                "Connection %s: unknown field(s) in extra, ignored: %s (known: %s)",
                self.messaggisms_conn_id,
                ", ".join(settings.unknown_fields),
                ", ".join(FIELDS),
            )
        return settings


def ui_field_behaviour() -> dict[str, Any]:
    """Describe the standard fields of the connection form to Airflow 2.11."""
    from airflow_provider_messaggisms import UI_FIELD_BEHAVIOUR

    return {name.replace("-", "_"): value for name, value in UI_FIELD_BEHAVIOUR.items()}


def connection_form_widgets() -> dict[str, Any]:
    """Return the further fields of the connection form for Airflow 2.11."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import StringField

    return {
        name: StringField(
            lazy_gettext(field["label"]),
            widget=BS3TextFieldWidget(),
            description=field["description"],
            default=str(field["schema"].get("default", "")),
        )
        for name, field in FIELDS.items()
    }
