"""How Sphinx builds these pages: ``make docs``. The reference comes from the docstrings."""

from __future__ import annotations

import os
import tempfile

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp()  # Airflow writes there when it is imported

from airflow_provider_messaggisms import __version__

project = "airflow-provider-messaggisms"
project_copyright = "the contributors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"MessaggiSMS for Airflow {release}"
html_copy_source = False

myst_heading_anchors = 3

autodoc_typehints = "none"  # the texts name the types that matter
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
