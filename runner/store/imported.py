"""A run made out of reports that `ab` printed elsewhere. What they do not say stays unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runner.errors import UsageError
from runner.matrix.ceiling import AbOpening, shortest_time_s
from runner.matrix.said import SETTINGS, cell_id
from runner.matrix.values import server
from runner.measurement.ab import WholeReport
from runner.measurement.records import LaunchRecord
from runner.measurement.verdict import flaw
from runner.outcome import Outcome
from runner.store.records import CellRecord, Method, RunRecord


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report: what was read of it, where from, and what is said of its cell, by axis."""

    source: str
    name: str
    said: Mapping[str, str]
    whole: WholeReport
    text: bytes

    @property
    def load(self) -> tuple[int, int]:
        """Concurrency and requests. How many were asked for is not printed, only how many came."""
        return self.whole.concurrency, self.whole.figures.complete


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is said of all reports: the workload, seconds a request takes at the least, remarks."""

    workload: str | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A run's record, and each launch with its report."""

    run: RunRecord
    launches: tuple[tuple[LaunchRecord, Report], ...]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The highest rate that a report's load can show, and how its `ab` began; None is not known."""

    ceiling_rps: float | None = None
    opening: AbOpening | None = None


@dataclass(kw_only=True)
class _Cell:
    id: str
    reports: list[Report] = field(default_factory=list)


def imported(
    name: str, reports: Sequence[Report], told: Told, *, now: str, command: Sequence[str]
) -> Imported:
    """The run that the reports make, without an id; those of one cell are its launches, in order.

    Raises `UsageError` where reports contradict each other, or what is said of them.
    """
    _refuse_twice(reports)
    loads = {report.whole.concurrency for report in reports}
    cells = _cells(reports, with_concurrency=len(loads) > 1)
    bounds = {report.source: bound(report, told.seconds) for report in reports}
    openings = {of.opening for of in bounds.values()}
    versions = {report.whole.version for report in reports}
    axes = (*_axes(reports), *(["concurrency"] if len(loads) > 1 else []))
    run = RunRecord(
        run_id="",
        experiment=name,
        started_at=now,
        finished_at=now,
        command=tuple(command),
        host=None,
        engine=None,
        method=Method(
            version=None,
            ab_version=versions.pop() if len(versions) == 1 else None,
            ab_first_request_alone=_alone(openings.pop()) if len(openings) == 1 else None,
            notes=told.notes,
        ),
        axes=axes,
        baseline={},  # of machines that nobody knows, the one may not be held against the other
        limits=None,
        launches=max(len(cell.reports) for cell in cells),
        jobs=None,
        seed=None,
        cells=tuple(_cell_record(cell, axes, told) for cell in cells),
        environments={},
    )
    launches = (
        (_launch(cell.id, number, report, bounds[report.source]), report)
        for cell in cells
        for number, report in enumerate(cell.reports, start=1)
    )
    return Imported(run=run, launches=tuple(launches))


def _refuse_twice(reports: Iterable[Report]) -> None:
    """One report is one launch, whatever it is called."""
    seen: dict[bytes, str] = {}
    for report in reports:
        first = seen.setdefault(report.text, report.source)
        if first is not report.source:
            raise UsageError(f"{report.source}: the same report as {first}; give it once")


def _alone(opening: AbOpening | None) -> bool | None:
    return None if opening is None else opening is AbOpening.FIRST_ALONE


def _axes(reports: Iterable[Report]) -> list[str]:
    """All axes that anything is said on, packages in the order that they are named in."""
    said = dict.fromkeys(axis for report in reports for axis in report.said)
    packages = [axis for axis in said if axis not in SETTINGS]
    return [axis for axis in ("python", *packages, *SETTINGS[1:]) if axis in said]


def _cells(reports: Iterable[Report], *, with_concurrency: bool) -> list[_Cell]:
    cells: dict[str, _Cell] = {}
    for report in reports:
        name = cell_id(report.said, report.name)
        if with_concurrency:
            name += f"-c{report.whole.concurrency}"
        cell = cells.setdefault(name, _Cell(id=name))
        cell.reports.append(report)
        if report.load != cell.reports[0].load:
            loads = ["ab -c {} -n {}".format(*r.load) for r in (cell.reports[0], report)]
            raise UsageError(
                f"{report.source}: {loads[1]}, and {cell.reports[0].source}, which is said to be "
                f"of the same cell, {loads[0]}; say how they differ (AXIS=VALUE:FILE), or import "
                "them under two names"
            )
    return list(cells.values())


def bound(report: Report, seconds: float | None) -> Bound:
    """What a report's load can show, by the time that it took.

    It says nothing of how its `ab` began. But a load that took less than an `ab` needs that sends
    its first request alone was not sent by such a one. Raises `UsageError` for a load that took
    less than any.
    """
    concurrency, requests = report.load
    figures = report.whole.figures
    if seconds is None or flaw(figures, requests):
        return Bound()
    at_once = concurrency
    if "server" in report.said:
        at_once = min(server(report.said["server"]).at_once or concurrency, concurrency)
    shortest = {
        opening: shortest_time_s(
            requests=requests, concurrency=at_once, service_s=seconds, opening=opening
        )
        for opening in AbOpening
    }
    possible = {o: time for o, time in shortest.items() if time <= figures.time_taken_s}
    if not possible:
        raise UsageError(
            f"{report.source}: {requests} requests of {seconds:g} s, {at_once} at a time, need "
            f"{min(shortest.values()):g} s, and the report says {figures.time_taken_s:g} s; "
            "mend --seconds"
        )
    times = {*possible.values()}
    return Bound(
        ceiling_rps=requests / times.pop() if len(times) == 1 else None,
        opening=next(iter(possible)) if len(possible) == 1 else None,
    )


def _cell_record(cell: _Cell, axes: Sequence[str], told: Told) -> CellRecord:
    said = cell.reports[0].said
    concurrency, requests = cell.reports[0].load
    return CellRecord(
        id=cell.id,
        python=said.get("python"),
        patch=said.get("patch"),
        order=said.get("order"),
        server=said.get("server"),
        workload=told.workload,
        workload_seconds=told.seconds,
        workload_parameters={} if told.seconds is None else {"seconds": f"{told.seconds:g}"},
        concurrency=concurrency,
        requests=requests,
        packages={axis: value for axis, value in said.items() if axis not in SETTINGS},
        axes={a: str(concurrency) if a == "concurrency" else said.get(a) for a in axes},
    )


def _launch(cell: str, number: int, report: Report, of: Bound) -> LaunchRecord:
    concurrency, requests = report.load
    reason = flaw(report.whole.figures, requests)
    return LaunchRecord(
        cell=cell,
        launch=number,
        outcome=Outcome.FAILED_REQUESTS if reason else Outcome.OK,
        reason=reason,
        started_at=None,
        requests=requests,
        concurrency=concurrency,
        ceiling_rps=of.ceiling_rps,
        ab=report.whole.figures,
    )
