"""`matrix doctor`: what this machine and engine offer, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.build.bases import LOADGEN, base_of_cells, has_bases, registry_reference
from runner.build.recipe import REPOSITORY
from runner.engine.connection import connect
from runner.engine.docker_engine import DockerEngine
from runner.engine.endpoint import endpoint
from runner.engine.limits import ignored_limits
from runner.engine.protocol import EngineInfo
from runner.errors import EngineError, EngineUnavailableError, MatrixError
from runner.matrix.cell import Base, Experiment
from runner.matrix.file import load
from runner.paths import CACHE
from runner.provision import MMDEBSTRAP, TEST_TOOLS, Tool, ensure_engine
from runner.store.machine import this_host
from runner.store.run_directory import check_cache, check_results

#: There in a checkout, whose test suite needs further programs.
TESTS = Path(__file__).parents[2] / "tests"
NEEDED = f"mmdebstrap ({MMDEBSTRAP.remedy}), and a first run as root"


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
    yield from _of_engine(file)
    if TESTS.is_dir():
        yield from map(_test_tool, TEST_TOOLS)
    yield _checked("matrix file", str(file), lambda: load(file).experiment())
    yield _checked("results", str(results), lambda: check_results(results))
    yield _checked("cache", str(CACHE), lambda: check_cache(CACHE))


def _checked(subject: str, text: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except MatrixError as error:
        return Finding(subject=subject, text=text, problem=str(error))
    return Finding(subject=subject, text=text)


def _test_tool(tool: Tool) -> Finding:
    missing = f"missing; {tool.needed_for} need it: {tool.remedy}" if tool.is_missing else None
    return Finding(
        subject=tool.program, text=f"for {tool.needed_for}", problem=missing, essential=False
    )


# -- the engine ------------------------------------------------------------------------------------


def _of_engine(file: Path) -> Iterator[Finding]:
    """The engine, and what can be known only with one."""
    try:
        with closing(connect()) as engine:
            yield _engine(engine.info())
            yield _limits(engine)
            yield _base_images(engine, _experiment(file))
    except EngineUnavailableError as error:
        yield Finding(subject="engine", text="", problem=str(error))
        if not _can_bootstrap():
            yield Finding(
                subject="base images",
                text="",
                problem=f"without a registry they need {NEEDED}",
                essential=False,
            )
    except EngineError as error:
        yield Finding(subject="engine", text="", problem=f"it failed: {error}")


def _engine(info: EngineInfo) -> Finding:
    return Finding(
        subject="engine",
        text=f"{info.product} {info.version} (API {info.api_version}) at {endpoint()} on "
        f"{info.operating_system}, "
        f"cgroup v{info.cgroup_version}, {info.storage_driver}, {info.cpus} CPUs",
    )


def _limits(engine: DockerEngine) -> Finding:
    """Whether containers are kept within their limits."""
    ours = [name for _, names in engine.images() for name in names]
    with_python = [name for name in ours if name.startswith((f"{REPOSITORY}/base:",))]
    if not with_python:
        problem = "not tried yet: there is no image to try them with before the first run"
        return Finding(subject="limits", text="", problem=problem, essential=False)
    ignored = ignored_limits(engine, min(with_python))
    return Finding(
        subject="limits",
        text="pids and memory are kept",
        problem=f"the engine overlooks the limit of {' and of '.join(ignored)}, so that no cell can"
        " end as `oom-killed`: run it as root, or give a rootless one cgroup v2 with the "
        "controllers delegated (`Delegate=cpu memory pids` for user@.service)"
        if ignored
        else None,
        essential=False,
    )


def _experiment(file: Path) -> Experiment | None:
    """The default experiment; what is wrong with the file is a finding of its own."""
    try:
        return load(file).experiment()
    except MatrixError:
        return None


def _can_bootstrap() -> bool:
    return not MMDEBSTRAP.is_missing and os.geteuid() == 0


def _base_images(engine: DockerEngine, experiment: Experiment | None) -> Finding:
    """Whether a run could have its base images: made here, made before, or from a registry."""
    if _can_bootstrap():
        return Finding(subject="base images", text="mmdebstrap, as root")
    base = experiment.base if experiment else Base()
    pythons = sorted({cell.python for cell in experiment.cells}) if experiment else []
    requests = [*map(base_of_cells, pythons), LOADGEN]
    if has_bases(engine, requests):
        return Finding(subject="base images", text="those that the engine has")
    reference = registry_reference(min([*pythons, LOADGEN.python]), base)
    if base.kind != "debian" and (engine.image(reference) or engine.is_served(reference)):
        return Finding(subject="base images", text=f"from the registry, as {reference}")
    return Finding(
        subject="base images",
        text="",
        problem=f"no registry that the engine reaches serves {reference}, and without one they "
        f"need {NEEDED}",
    )
