"""What a package index shows leads to the repository, whose address the release gives."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parent.parent
HOOK = runpy.run_path(str(CHECKOUT / ".ci" / "project_address.py"))
ADDRESS = "https://forge.example/acme/provider"


def metadata() -> dict[str, Any]:
    made: dict[str, Any] = {"version": "1.2.3"}
    HOOK["AddressHook"](str(CHECKOUT), {}).update(made)
    return made


def test_no_link_of_the_released_readme_is_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_URL", ADDRESS)
    readme = metadata()["readme"]["text"]
    links = re.findall(r"\]\(([^)]+)\)", readme)
    assert [link for link in links if not link.startswith("https://")] == []
    assert f"{ADDRESS}/blob/v1.2.3/docs/start.md" in links
    assert f"{ADDRESS}/raw/v1.2.3/docs/pictures/run.png" in links
    assert "https://airflow.apache.org" in links


def test_the_released_metadata_names_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECT_URL", f"{ADDRESS}/")
    assert metadata()["urls"] == {
        "Repository": ADDRESS,
        "Documentation": f"{ADDRESS}/blob/v1.2.3/docs/index.md",
        "Changelog": f"{ADDRESS}/blob/v1.2.3/CHANGELOG.md",
        "Issues": f"{ADDRESS}/issues",
    }


def test_a_build_without_an_address_invents_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROJECT_URL", raising=False)
    made = metadata()
    assert made["urls"] == {}
    assert made["readme"]["text"] == (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_links_to_other_hosts_and_within_the_page_stay() -> None:
    text = "[a](https://a.example/b) [c](mailto:d@e.example) [f](#g)"
    assert HOOK["absolute"](text, ADDRESS, "1") == text
