"""
The address of the repository, in the metadata and in the README that a package index shows.

Only the place that releases the package knows the address: the release workflow gives it in ``PROJECT_URL``. The
README's links are relative, so that they work in a checkout. A package index has only that one page, so in the
metadata they lead to the files of the released version. Without ``PROJECT_URL`` the README stays as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class AddressHook(MetadataHookInterface):
    """Fill in ``readme`` and ``urls``."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill them in, with the version that is known by now."""
        address = os.environ.get("PROJECT_URL", "").rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["urls"] = urls(address, metadata["version"]) if address else {}
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute(text, address, metadata["version"]) if address else text,
        }


def urls(address: str, version: str) -> dict[str, str]:
    """Return the links that an index shows beside the README."""
    return {
        "Repository": address,
        "Documentation": f"{address}/blob/v{version}/docs/index.md",
        "Changelog": f"{address}/blob/v{version}/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


def absolute(text: str, address: str, version: str) -> str:
    """Let the relative links of a Markdown text lead to the files of a version, and show its pictures."""

    def link(match: re.Match[str]) -> str:
        bang, title, path = match.groups()
        kind = "raw" if bang else "blob"
        return f"{bang}[{title}]({address}/{kind}/v{version}/{path})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)]+)\)", link, text)
