"""A run made of reports that `ab` printed elsewhere. What they do not say stays unknown.

A report is labelled on the command line with what is known of its cell:
`patch=gevent,server=werkzeug:FILE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.errors import UsageError
from runner.matrix import axes, plugins
from runner.matrix.ceiling import AbOpening, shortest_time_s
from runner.matrix.values import exact_version, server, specifier
from runner.measurement import contradiction
from runner.measurement.ab import WholeReport
from runner.measurement.records import LaunchRecord
from runner.measurement.verdict import flaw
from runner.outcome import Outcome
from runner.store.records import CellRecord, Method, RunRecord
from runner.text import suggestion

# -- labels ----------------------------------------------------------------------------------------

#: What a label may name besides packages. The load is in the report, the workload is an option.
SETTINGS: Final = tuple(
    name for name in axes.SETTINGS if name not in {"workload", "concurrency", "rate"}
)
_AXIS: Final = r"[A-Za-z][A-Za-z0-9._-]*=[^,:/]*"
_LABELLED: Final = re.compile(rf"(?P<labels>{_AXIS}(?:,{_AXIS})*):(?P<file>.+)")


def split_label(argument: str) -> tuple[dict[str, str], str]:
    """`AXIS=VALUE,AXIS=VALUE:FILE` → the values by axis, and the file; `FILE` alone has no label.

    Values are in the form that cells show. Raises `UsageError` for one that no cell can have.
    """
    match = _LABELLED.fullmatch(argument)
    if match is None:
        return {}, argument
    labels: dict[str, str] = {}
    for pair in match["labels"].split(","):
        written, _, value = pair.partition("=")
        axis = axes.canonical_name(written)
        if axis in labels:
            raise UsageError(f"{argument}: {axis} is given twice; keep one")
        try:
            labels[axis] = _value(axis, value)
        except ValueError as error:
            raise UsageError(f"{argument}: {axis}: {error}") from None
    return labels, match["file"]


def _value(axis: str, text: str) -> str:
    if not text:
        raise ValueError("give a value, or leave the axis out if it is not known")
    if axis in SETTINGS:
        return axes.axis(axis).value(text)
    if not axes.is_package(axis):
        raise ValueError(
            "cannot be given for a cell: concurrency and requests are in the report; "
            "`--workload` and `--seconds` describe all requests"
        )
    hint = suggestion(axis, (*SETTINGS, *sorted(plugins.optional_packages())))
    if "did you mean" in hint and axis not in plugins.optional_packages():
        raise ValueError(f"unknown axis{hint}")
    version = exact_version(specifier(text))
    if version is None:
        raise ValueError(f"give the exact version, not {text!r}")
    return version


def cell_id(labels: Mapping[str, str], name: str) -> str:
    """The id of a cell with these labels, as `Cell.id` makes it; `name` where there are none.

    It names a directory, so what has no place in one becomes `-`.
    """
    known = axes.id_of({axis: labels[axis] for axis in axes.in_order(tuple(labels))})
    return known or re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip(".-") or "report"


# -- the run ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report: where it is from, what was read of it, and its label, by axis."""

    source: str
    name: str
    labels: Mapping[str, str]
    whole: WholeReport
    text: bytes

    @property
    def load(self) -> tuple[int, int]:
        """Concurrency, and how many requests were answered; how many were sent is not printed."""
        return self.whole.concurrency, self.whole.figures.complete


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What holds for all reports: the workload, the minimum seconds of a request, remarks."""

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
    """What follows from the time that a load took; None is not known.

    The highest rate that the server's settings allow, and how its `ab` opened connections.
    """

    configuration_rps: float | None = None
    opening: AbOpening | None = None


def run_of_reports(
    name: str, reports: Sequence[Report], shared: Shared, *, now: str, command: Sequence[str]
) -> Imported:
    """The run that the reports make, without an id; those of one cell are its launches, in order.

    Raises `UsageError` if reports contradict themselves, each other or their labels.
    """
    _reject_impossible(reports)
    _reject_duplicates(reports)
    loads = {report.whole.concurrency for report in reports}
    cells = _cells(reports, with_concurrency=len(loads) > 1)
    bounds = {report.source: bound(report, shared.seconds) for report in reports}
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
            notes=shared.notes,
        ),
        axes=axes,
        baseline={},  # the machines are not known, so no ratio between them means anything
        limits=None,
        launches=max(map(len, cells.values())),
        jobs=None,
        seed=None,
        cells=tuple(_cell(name, made[0], axes, shared) for name, made in cells.items()),
        environments={},
    )
    launches = (
        (_launch(cell, number, report, bounds[report.source]), report)
        for cell, made in cells.items()
        for number, report in enumerate(made, start=1)
    )
    return Imported(run=run, launches=tuple(launches))


def _reject_impossible(reports: Iterable[Report]) -> None:
    for report in reports:
        if why := contradiction.of_report(report.whole.figures, report.whole.concurrency):
            raise UsageError(f"{report.source}: {why}; give the report as ab printed it")


def _reject_duplicates(reports: Iterable[Report]) -> None:
    """One report is one launch, also under two names."""
    seen: dict[bytes, str] = {}
    for report in reports:
        first = seen.setdefault(report.text, report.source)
        if first is not report.source:
            raise UsageError(f"{report.source}: the same report as {first}; give it once")


def _alone(opening: AbOpening | None) -> bool | None:
    return None if opening is None else opening is AbOpening.FIRST_ALONE


def _axes(reports: Iterable[Report]) -> list[str]:
    """All axes that any label names, packages in the order that they are named in."""
    named = dict.fromkeys(axis for report in reports for axis in report.labels)
    packages = [axis for axis in named if axis not in SETTINGS]
    return [axis for axis in ("python", *packages, *SETTINGS[1:]) if axis in named]


def _cells(reports: Iterable[Report], *, with_concurrency: bool) -> dict[str, list[Report]]:
    """The reports of each cell, by its id."""
    cells: dict[str, list[Report]] = {}
    for report in reports:
        name = cell_id(report.labels, report.name)
        if with_concurrency:
            name += f"-c{report.whole.concurrency}"
        first = cells.setdefault(name, [report])[0]
        if report is not first:
            cells[name].append(report)
        if report.load != first.load:
            loads = ["ab -c {} -n {}".format(*r.load) for r in (first, report)]
            raise UsageError(
                f"{first.source} and {report.source} are labelled as the same cell, but "
                f"used different loads ({loads[0]}; {loads[1]}); label them differently "
                "(AXIS=VALUE:FILE), or import them separately"
            )
    return cells


def bound(report: Report, seconds: float | None) -> Bound:
    """What a report's server can answer, if each request takes at least so many seconds.

    A report does not say how its `ab` opened connections. But an `ab` that sends its first request
    alone takes longer, so a shorter time rules it out. Raises `UsageError` for a time that is too
    short for any `ab`.
    """
    concurrency, requests = report.load
    figures = report.whole.figures
    if seconds is None or flaw(figures, None, requests):
        return Bound()
    at_once = concurrency
    if "server" in report.labels:
        at_once = min(server(report.labels["server"]).at_once or concurrency, concurrency)
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
            "correct --seconds"
        )
    times = {*possible.values()}
    return Bound(
        configuration_rps=requests / times.pop() if len(times) == 1 else None,
        opening=next(iter(possible)) if len(possible) == 1 else None,
    )


def _cell(name: str, report: Report, axes: Sequence[str], shared: Shared) -> CellRecord:
    """The record of a cell, by the first of its reports."""
    labels = report.labels
    concurrency, requests = report.load
    return CellRecord(
        id=name,
        python=labels.get("python"),
        patch=labels.get("patch"),
        order=labels.get("order"),
        server=labels.get("server"),
        workload=shared.workload,
        workload_seconds=shared.seconds,
        workload_parameters={} if shared.seconds is None else {"seconds": f"{shared.seconds:g}"},
        concurrency=concurrency,
        requests=requests,
        packages={axis: value for axis, value in labels.items() if axis not in SETTINGS},
        axes={a: str(concurrency) if a == "concurrency" else labels.get(a) for a in axes},
    )


def _launch(cell: str, number: int, report: Report, of: Bound) -> LaunchRecord:
    concurrency, requests = report.load
    reason = flaw(report.whole.figures, None, requests)
    return LaunchRecord(
        cell=cell,
        launch=number,
        outcome=Outcome.FAILED_REQUESTS if reason else Outcome.OK,
        reason=reason,
        started_at=None,
        requests=requests,
        concurrency=concurrency,
        configuration_rps=of.configuration_rps,
        ab=report.whole.figures,
    )
