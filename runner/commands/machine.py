"""`matrix doctor`: what this machine and engine offer, what is missing, what mends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.commands import host
from runner.engine.connection import connect
from runner.errors import EngineUnavailableError, MatrixError
from runner.matrix.file import load
from runner.provision import MMDEBSTRAP, TEST_TOOLS, Tool, ensure_engine
from runner.store.results import check_results

#: There in a checkout, whose test suite needs further programs.
TESTS = Path(__file__).parents[2] / "tests"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at: `problem` says what is wrong with it and what mends it."""

    subject: str
    text: str
    problem: str | None = None
    essential: bool = True


def doctor(
    file: Path, results: Path, *, install: bool, say: Callable[[str], None]
) -> tuple[str, bool]:
    """The findings as text, and whether nothing essential is missing.

    With `install`, what Debian's packages can mend is mended first.
    """
    if install:
        ensure_engine(say, [MMDEBSTRAP])
    findings = list(_look(file, results))
    lines = [_line(finding) for finding in findings]
    healthy = not any(finding.problem and finding.essential for finding in findings)
    return "\n".join([*lines, "", "ready" if healthy else "not ready"]), healthy


def _line(finding: Finding) -> str:
    mark = "ok     " if finding.problem is None else "MISSING" if finding.essential else "note   "
    return f"{mark} {finding.subject}: {finding.problem or finding.text}"


def _look(file: Path, results: Path) -> Iterator[Finding]:
    machine = host.describe()
    memory = machine.memory_bytes / 1024**3
    yield Finding(
        subject="host",
        text=f"{machine.os}, {machine.kernel}, {machine.cpus} CPUs, {memory:.1f} GiB",
    )
    yield _engine()
    yield _base_images()
    if TESTS.is_dir():
        yield from map(_test_tool, TEST_TOOLS)
    yield _checked("matrix file", str(file), lambda: load(file).experiment())
    yield _checked("results", str(results), lambda: check_results(results))


def _checked(subject: str, text: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except MatrixError as error:
        return Finding(subject=subject, text=text, problem=str(error))
    return Finding(subject=subject, text=text)


def _engine() -> Finding:
    try:
        with closing(connect()) as engine:
            info = engine.info()
    except EngineUnavailableError as error:
        return Finding(subject="engine", text="", problem=str(error))
    return Finding(
        subject="engine",
        text=f"{info.version} (API {info.api_version}) at {info.endpoint} on "
        f"{info.operating_system}, "
        f"cgroup v{info.cgroup_version}, {info.storage_driver}, {info.cpus} CPUs",
    )


def _base_images() -> Finding:
    if not MMDEBSTRAP.is_missing and os.geteuid() == 0:
        return Finding(subject="base images", text="mmdebstrap, as root")
    return Finding(
        subject="base images",
        text="",
        problem=f"without a registry they need mmdebstrap and root: {MMDEBSTRAP.remedy}",
        essential=False,
    )


def _test_tool(tool: Tool) -> Finding:
    missing = f"missing; {tool.needed_for} need it: {tool.remedy}" if tool.is_missing else None
    return Finding(
        subject=tool.program, text=f"for {tool.needed_for}", problem=missing, essential=False
    )
