"""This machine: what a run records of it, and how fast it is by the runs made on it before."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from statistics import median

from runner.engine.ownership import boot_id
from runner.errors import UsageError
from runner.measurement.estimate import POD_S, Kind, Machine, check_s, kinds_of
from runner.measurement.records import LaunchRecord
from runner.options import LARGEST_WAVE
from runner.store.records import CellRecord, Host, RunRecord
from runner.store.run_directory import RunDirectory

#: How many runs are looked at, and what the directory of a run that was made here is called.
RUNS = 3
RUN_ID = re.compile(r"\d{8}T\d{6}Z(-\d+)?")


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A run that was made here: its record, its launches, and the attempts that were rejected."""

    run: RunRecord
    launches: Sequence[LaunchRecord]
    rejected: Sequence[LaunchRecord]

    @property
    def cells(self) -> dict[str, CellRecord]:
        return {cell.id: cell for cell in self.run.cells}


def machine_of(results: Path, host: Host) -> Machine | None:
    """What the newest runs of a machine say of its speed, None if none was made on it."""
    made = list(islice(_made(results, host), RUNS))
    costs: dict[Kind, float] = {}
    for one in made:
        costs = {**_costs(one), **costs}
    if not costs:
        return None
    newest = made[0]
    engine = newest.run.engine
    return Machine(
        cpus=engine.cpus if engine else host.cpus,
        request_cpu_s=costs,
        pod_s=next(filter(None, map(_pod_s, made)), POD_S),
        run=f"{newest.run.experiment}/{newest.run.run_id}",
        launches=len(newest.launches),
        repeated=sum(record.attempt > 1 for record in newest.launches),
    )


def _made(results: Path, host: Host) -> Iterator[_Made]:
    """The runs that were made on a machine, the newest first, without what cannot be read."""
    paths = [path for path in results.glob("*/*/run.json") if RUN_ID.fullmatch(path.parent.name)]
    for path in sorted(paths, key=lambda path: path.parent.name, reverse=True):
        directory = RunDirectory(results=results, path=path.parent)
        try:
            run = directory.read_run()
        except UsageError:
            continue
        if run.host is None or run.host.machine != host.machine or run.blocks:
            continue
        launches = list(chain.from_iterable(directory.launches(warn=_ignore).values()))
        rejected = list(chain.from_iterable(directory.rejected(warn=_ignore).values()))
        if launches:
            yield _Made(run=run, launches=launches, rejected=rejected)


def _ignore(_warning: str) -> None:
    """A result that cannot be read is reported by the commands that show it."""


def _costs(made: _Made) -> Mapping[Kind, float]:
    """Median CPU seconds of a request, by kind of cell."""
    found: dict[Kind, list[float]] = {}
    for record in made.launches:
        if record.resources is None or record.cell not in made.cells:
            continue
        for kind in _kinds(made.cells[record.cell]):
            found.setdefault(kind, []).append(record.resources.cpu_ms_per_request / 1000)
    return {kind: median(costs) for kind, costs in found.items()}


def _kinds(cell: CellRecord) -> tuple[Kind, ...]:
    return kinds_of(
        workload=cell.workload or "",
        server=cell.server or "",
        patch=cell.patch or "",
        python=cell.python or "",
    )


def _pod_s(made: _Made) -> float | None:
    """Seconds that each of many pods added to the rounds, None if it cannot be found out."""
    firsts: dict[int, list[LaunchRecord]] = {}
    for record in (*made.launches, *made.rejected):
        if record.attempt == 1 and record.reused_from is None:
            firsts.setdefault(record.launch, []).append(record)
    waves = [wave for wave in firsts.values() if _is_wave(made, wave)]
    return median(map(_pod_s_of, waves)) if waves else None


def _is_wave(made: _Made, records: Sequence[LaunchRecord]) -> bool:
    """Whether these launches were one wave, of pods without companions that all were loaded."""
    return (
        made.run.jobs == 0
        and 1 < len(records) <= LARGEST_WAVE
        and all(record.cell in made.cells for record in records)
        and all(made.cells[record.cell].companion is None for record in records)
        and all(record.overhead_s is not None and record.lone_request_ms for record in records)
    )


def _pod_s_of(wave: Sequence[LaunchRecord]) -> float:
    """From the first pod's start to the first load's begin, less the check, for one more pod."""
    begins = [datetime.fromisoformat(record.started_at or "").timestamp() for record in wave]
    loads = [begin + (r.overhead_s or 0.0) for begin, r in zip(begins, wave, strict=True)]
    check = check_s(max(record.lone_request_ms or 0.0 for record in wave) / 1000)
    return max(0.0, min(loads) - min(begins) - check) / (len(wave) + 1)


# -- what a run records of it ----------------------------------------------------------------------


def this_host() -> Host:
    """This machine, as far as it says."""
    return Host(
        hostname=platform.node(),
        os=_os_name(),
        kernel=platform.release(),
        cpus=os.cpu_count() or 1,
        cpu_model=_cpu_model(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        boot_id=boot_id(),
        hypervisor=_hypervisor(_cpuinfo()),
    )


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def _hypervisor(cpuinfo: str) -> bool | None:
    """Whether the CPU's flags name a hypervisor, None where it has no flags: those of x86 do."""
    match = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return "hypervisor" in match.group(1).split() if match else None


def _cpu_model() -> str | None:
    match = re.search(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return match.group(1) if match else None
