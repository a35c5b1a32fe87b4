"""What Airflow is told of this provider: its description, its form for connections, its place on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_messaggisms import get_provider_info
from airflow_provider_messaggisms.gateway.settings import FIELDS
from airflow_provider_messaggisms.hooks import MessaggiSmsHook

#: Airflow 2.11 itself uses what Flask has deprecated, and warns of an extra that is no JSON object.
OLD_AIRFLOW = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def schema(name: str) -> Any:
    return json.loads((Path(airflow.__file__).parent / f"{name}.schema.json").read_text())


def test_the_provider_describes_itself_as_airflows_schema_wants() -> None:
    jsonschema.validate(get_provider_info(), schema("provider_info"))


def test_everything_that_the_provider_names_is_there() -> None:
    info = get_provider_info()
    modules = [info[kind] for kind in ("hooks", "operators", "sensors", "triggers")]
    for name in [module for entries in modules for entry in entries for module in entry["python-modules"]]:
        import_module(name)
    (connection,) = info["connection-types"]
    for path in [connection["hook-class-name"], *info["notifications"]]:
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(import_module(module), name), type)
    assert connection["connection-type"] == MessaggiSmsHook.conn_type
    assert connection["hook-name"] == MessaggiSmsHook.hook_name == info["name"]


def test_the_older_form_is_described_as_airflows_schema_wants() -> None:
    behaviour = MessaggiSmsHook.get_ui_field_behaviour()
    jsonschema.validate(behaviour, schema("customized_form_field_behaviours"))
    assert behaviour["relabeling"] == {"login": "Account (e-mail)", "password": "Token or API key"}
    assert behaviour["hidden_fields"] == []


@OLD_AIRFLOW
def test_airflow_shows_the_connections_fields_in_its_form() -> None:
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()  # type: ignore[no-untyped-call]
    if find_spec("flask_appbuilder"):  # Airflow 2: the widgets of the hook
        widgets = manager.connection_form_widgets
        shown = {key.removeprefix("extra__messaggisms__") for key in widgets if "__messaggisms__" in key}
        assert manager.field_behaviours["messaggisms"]["relabeling"]["password"] == "Token or API key"
        assert set(MessaggiSmsHook.get_connection_form_widgets()) == set(FIELDS)
    elif airflow.__version__.startswith("3.0."):
        pytest.skip("Airflow 3.0 shows a provider's own fields only where its FAB provider is installed")
    else:  # Airflow 3: the provider's own description
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

        (meta,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "messaggisms"]
        assert meta.standard_fields
        assert meta.standard_fields.password
        assert (meta.hook_name, meta.standard_fields.password.title) == ("MessaggiSMS", "Token or API key")
        assert meta.standard_fields.login
        assert (meta.standard_fields.login.hidden, meta.standard_fields.login.title) == (False, "Account (e-mail)")
        shown = set(meta.extra_fields or {})
        defaults = {name: field["value"] for name, field in (meta.extra_fields or {}).items()}
        assert [name for name, value in defaults.items() if value == "***"] == []  # it would be stored like that
    assert shown == set(FIELDS)


def test_the_command_line_shows_the_provider() -> None:
    command = [sys.executable, "-m", "airflow", "providers", "get", "airflow-provider-messaggisms", "--output", "json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (shown,) = json.loads(done.stdout[done.stdout.index("[{") :])
    assert shown["Provider"] == "airflow-provider-messaggisms"
    assert shown["Version"] == get_provider_info()["versions"][0]
