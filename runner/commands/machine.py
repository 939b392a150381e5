"""This machine and its engine: `matrix doctor`, `matrix clean`, and an engine for a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.build.images import remove_images
from runner.engine.connection import connect
from runner.engine.docker_engine import DockerEngine
from runner.engine.ownership import HOST_LABEL, OWNER_LABEL, host_id, is_alive, sweep
from runner.engine.protocol import OwnedContainer
from runner.errors import EngineUnavailableError, MatrixError, UsageError
from runner.matrix.file import load
from runner.provision import MMDEBSTRAP, TEST_TOOLS, Tool, ensure_engine
from runner.store.machine import this_host
from runner.store.run_directory import check_results

#: There in a checkout, whose test suite needs further programs.
TESTS = Path(__file__).parents[2] / "tests"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing checked: `problem` says what is wrong with it and how to fix it."""

    subject: str
    text: str
    problem: str | None = None
    essential: bool = True


def doctor(
    file: Path, results: Path, *, install: bool, say: Callable[[str], None]
) -> tuple[str, bool]:
    """The findings as text, and whether nothing essential is missing.

    With `install`, what Debian's packages can fix is fixed first.
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
    machine = this_host()
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
        text=f"{info.product} {info.version} (API {info.api_version}) at {info.endpoint} on "
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


# -- clean -----------------------------------------------------------------------------------------


def clean() -> str:
    """Remove everything with the project's label; return what was removed, a line each.

    Raises `UsageError` while a run of this host is going on.
    """
    with closing(connect()) as engine:
        owned = [container for container in engine.owned() if not _of_another_host(container)]
        for container in owned:
            if is_alive(container.labels.get(OWNER_LABEL, "")):
                raise UsageError(
                    f"a run is going on (it made {container.name}): end it first, then clean"
                )
        for container in owned:
            engine.remove(container.id)
        images = remove_images(engine)
    removed = [f"container {container.name}" for container in owned]
    removed += [f"image {name}" for name in images]
    return "\n".join([*removed, f"removed {len(owned)} containers and {len(images)} images"])


def _of_another_host(container: OwnedContainer) -> bool:
    """Whether another host made it. Its run may still be alive, so it is left alone."""
    return container.labels.get(HOST_LABEL) != host_id()


# -- an engine for a run ---------------------------------------------------------------------------


def usable_engine(
    say: Callable[[str], None], *, install: bool, tools: Iterable[Tool] = ()
) -> DockerEngine:
    """Connect, and remove orphans of this host.

    With `install`, an engine and the `tools` are installed first where they are missing. Raises
    `EngineUnavailableError`.
    """
    if install:
        ensure_engine(say, tools)
    engine = connect()
    for orphan in sweep(engine):
        say(f"removed {orphan.name}, left by a run that has ended")
    return engine
