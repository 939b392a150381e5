"""What holds for all tests."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import settings

# A slow machine is no failure.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

LEFT_OUT = pytest.StashKey[list[str]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs root where the user is not root; the summary names it."""
    if os.geteuid() == 0:
        return
    of_root = [item for item in items if item.get_closest_marker("root")]
    items[:] = [item for item in items if item not in of_root]
    config.stash[LEFT_OUT] = sorted({item.nodeid.partition("::")[0] for item in of_root})
    config.hook.pytest_deselected(items=of_root)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Hand it to the process that prints the summary. Nothing is left to run: no failure."""
    left_out = session.config.stash.get(LEFT_OUT, [])
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = left_out
    elif left_out and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process that ran tests has left out: each has collected all of them."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    for file in terminalreporter.config.stash.get(LEFT_OUT, []):
        terminalreporter.write_line(f"left out in {file}: what needs root")
