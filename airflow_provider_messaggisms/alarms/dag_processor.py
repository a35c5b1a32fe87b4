"""
How much time is left to a callback that Airflow's dag-processor runs.

The dag-processor runs the callbacks of a DAG file in a process that it starts for this file. It kills that process when
it is older than ``dag_file_processor_timeout``: 50 s by default, for parsing the file and for all its callbacks. On a
busy machine Airflow's first look-up of a connection or a Variable takes most of them.
"""

from __future__ import annotations

import sys
import time


def seconds_left() -> float | None:
    """Return the seconds that are left to this process; ``None`` if it is not one of a dag-processor."""
    if sys.argv[1:2] != ["dag-processor"]:
        return None
    import psutil
    from airflow.providers.common.compat.sdk import conf
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    section = "dag_processor" if AIRFLOW_V_3_0_PLUS else "core"
    limit: float = conf.getfloat(section, "dag_file_processor_timeout", fallback=50.0)
    age: float = time.time() - psutil.Process().create_time()
    return limit - age
