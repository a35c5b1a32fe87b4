"""A send that fails before its message exists, on a real scheduler: its own error, and no line that means nothing."""

from __future__ import annotations

from tests.progress import wait_until
from tests.system.stack import AirflowStack


def missing_xcoms(stack: AirflowStack, component: str) -> list[str]:
    """Give the lines of a component's log that tell of an XCom of this DAG which is not there."""
    lines = stack.home.log_file(component).read_text(errors="replace").splitlines()
    return [line for line in lines if "fails_early" in line and ("XCom not found" in line or _is_refused_look(line))]


def _is_refused_look(line: str) -> bool:
    return "/xcoms/" in line and "status_code=404" in line


def test_a_failure_before_the_message_looks_for_no_xcom(stack: AirflowStack) -> None:
    run = stack.api.trigger("fails_early")
    assert run.wait() == "failed"
    assert run.task_states() == {"send": "failed", "look": "success"}
    assert "ConfigurationError" in run.log("send")
    found = wait_until("the line of the other task", lambda: missing_xcoms(stack, "scheduler") or None)
    found += missing_xcoms(stack, "api-server")
    assert [line for line in found if "absent" not in line] == []
