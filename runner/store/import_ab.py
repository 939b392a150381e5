"""A run made of reports that `ab` printed elsewhere. What they do not say stays unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runner.errors import UsageError
from runner.matrix import plugins
from runner.matrix.ceiling import AbOpening, shortest_time_s
from runner.matrix.servers import server, server_name
from runner.measurement import contradiction
from runner.measurement.ab import WholeReport
from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.store.records import CellRecord, MethodRecord, RunRecord
from runner.store.report_labels import SETTINGS, cell_id, packages

#: No answer of HTTP is shorter than its status.
SHORTEST_ANSWER: Final = len("HTTP/1.1 200")
LENGTH_ACCEPTED: Final = (
    "Answers of another length than the first one were accepted as right (--ignore-length)."
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """One report: where it is from, what was read of it, and its label, by axis.

    `source` names it in messages; there may be several in a `file`, of which `name` is the name.
    """

    source: str
    file: str
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
    """What holds for all reports: the workload, the minimum seconds of a request, remarks.

    With `ignore_length` an answer may be of another length than the first one. With
    `launches_of_one_cell` reports with equal labels are that, whatever their files are called.
    """

    workload: str | None = None
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    ignore_length: bool = False
    launches_of_one_cell: bool = False


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A run's record, each launch with its report, and what the user should know."""

    run: RunRecord
    launches: tuple[tuple[LaunchRecord, Report], ...]
    remarks: tuple[str, ...] = ()


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
    flaws = {report.source: flaw(report, shared) for report in reports}
    _reject_incomplete(reports, flaws)
    loads = {report.whole.concurrency for report in reports}
    cells = _cells(reports, shared, with_concurrency=len(loads) > 1)
    seconds = shared.seconds
    bounds = {r.source: Bound() if flaws[r.source] else bound(r, seconds) for r in reports}
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
        method=MethodRecord(
            version=None,
            ab_version=versions.pop() if len(versions) == 1 else None,
            ab_first_request_alone=_alone(openings.pop()) if len(openings) == 1 else None,
            notes=(*shared.notes, *_accepted(reports, flaws)),
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
        (_launch(cell, number, report, flaws[report.source], bounds[report.source]), report)
        for cell, made in cells.items()
        for number, report in enumerate(made, start=1)
    )
    remarks = () if shared.launches_of_one_cell else _remarks(cells)
    return Imported(run=run, launches=tuple(launches), remarks=remarks)


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


def _cells(
    reports: Iterable[Report], shared: Shared, *, with_concurrency: bool
) -> dict[str, list[Report]]:
    """The reports of each cell, by its id: those with equal labels, or else of one file name."""
    cells: dict[tuple[object, ...], list[Report]] = {}
    for report in reports:
        said = frozenset(report.labels.items())
        name = "" if said or shared.launches_of_one_cell else report.name
        load = report.whole.concurrency if with_concurrency else None
        cells.setdefault((said, name, load), []).append(report)
    by_id: dict[str, list[Report]] = {}
    for made in cells.values():
        if not shared.launches_of_one_cell:
            _reject_same_name(made)
        _reject_other_loads(made)
        id_ = cell_id(made[0].labels, made[0].name)
        if with_concurrency:
            id_ += f"-c{made[0].whole.concurrency}"
        if by_id.setdefault(id_, made) is not made:
            raise UsageError(
                f"{by_id[id_][0].source} and {made[0].source} would both be called {id_}; "
                "label one of them differently (AXIS=VALUE:FILE)"
            )
    return by_id


def _reject_same_name(made: Sequence[Report]) -> None:
    """Reports of one file name are most likely of different servers, in a directory each."""
    seen: dict[str, Report] = {}
    for report in made:
        first = seen.setdefault(report.name, report)
        if first.file != report.file:
            raise UsageError(
                f"{first.source} and {report.source} have one file name, and nothing said tells "
                "them apart; label them (label=NAME:FILE), or give --launches-of-one-cell if they "
                "are that"
            )


def _reject_other_loads(made: Sequence[Report]) -> None:
    first = made[0]
    for report in made[1:]:
        if report.load != first.load:
            loads = ["ab -c {} -n {}".format(*r.load) for r in (first, report)]
            raise UsageError(
                f"{first.source} and {report.source} are labelled as the same cell, but "
                f"used different loads ({loads[0]}; {loads[1]}); label them differently "
                "(AXIS=VALUE:FILE), or import them separately"
            )


def _remarks(cells: Mapping[str, Sequence[Report]]) -> tuple[str, ...]:
    """What follows from equal labels, for a user who did not mean it."""
    return tuple(
        f"{len(made)} reports are launches of one cell, {id_}: "
        f"{', '.join(report.source for report in made)}"
        for id_, made in cells.items()
        if len({report.file for report in made}) > 1
    )


# -- what a report shows ---------------------------------------------------------------------------


def flaw(report: Report, shared: Shared) -> str | None:
    """Why not all requests of a report count as answered right, None if they do."""
    figures, received = report.whole.figures, report.whole.received_bytes
    if not figures.complete:
        return "no request was completed"
    if received is not None and received < SHORTEST_ANSWER * figures.complete:
        requests = f"{figures.complete:,} requests"
        whose = "not all were" if received else "none was"
        return f"of {requests}, {whose} answered: ab received {received:,} bytes"
    if figures.non_2xx:
        return f"{figures.non_2xx:,} answers with a status other than 2xx"
    if report.whole.unsent:
        return f"{report.whole.unsent:,} requests could not be sent (ab's write errors)"
    return _failures(report.whole, shared) if figures.failed else None


def _failures(whole: WholeReport, shared: Shared) -> str | None:
    """The requests that `ab` counted as failed, by kind; None if they are accepted."""
    failed, complete = whole.figures.failed, whole.figures.complete
    if not _failed_by_length(whole):
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in whole.failures.items() if n)
        return f"ab counted {failed:,} failed requests" + (kinds and f" ({kinds})")
    if shared.ignore_length:
        return None
    whose = "its" if failed == 1 else "their"
    return (
        f"{failed:,} of {complete:,}, by {whose} length, which is not the Document Length; "
        "--ignore-length accepts that"
    )


def _failed_by_length(whole: WholeReport) -> bool:
    """Whether the requests that failed did so by the length of their answers alone."""
    return {kind for kind, number in whole.failures.items() if number} == {"Length"}


def _reject_incomplete(reports: Iterable[Report], flaws: Mapping[str, str | None]) -> None:
    """A report without latencies is not complete; where requests failed, none are shown."""
    for report in reports:
        if not report.whole.has_latencies and not flaws[report.source]:
            raise UsageError(
                f"{report.source}: not a complete report of ab: the report has no 'Total' line, "
                "which is below `Connection Times`; give all that ab printed"
            )


def _accepted(reports: Iterable[Report], flaws: Mapping[str, str | None]) -> tuple[str, ...]:
    """A remark for readers of the table if any answer's length was ignored."""
    ignored = any(r.whole.figures.failed and not flaws[r.source] for r in reports)
    return (LENGTH_ACCEPTED,) if ignored else ()


def bound(report: Report, seconds: float | None) -> Bound:
    """What a report's server can answer, if each request takes at least so many seconds.

    A report does not say how its `ab` opened connections. But an `ab` that sends its first request
    alone takes longer, so a shorter time rules it out. Raises `UsageError` for a time that is too
    short for any `ab`.
    """
    concurrency, requests = report.load
    figures = report.whole.figures
    if seconds is None:
        return Bound()
    at_once = concurrency
    served_by = report.labels.get("server", "")
    if server_name(served_by) in plugins.servers():
        at_once = min(server(served_by).at_once or concurrency, concurrency)
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
        placement=labels.get("placement"),
        server=labels.get("server"),
        workload=shared.workload,
        workload_seconds=shared.seconds,
        workload_parameters={} if shared.seconds is None else {"seconds": f"{shared.seconds:g}"},
        concurrency=concurrency,
        requests=requests,
        packages=packages(labels),
        axes={a: str(concurrency) if a == "concurrency" else labels.get(a) for a in axes},
    )


def _launch(cell: str, number: int, report: Report, reason: str | None, of: Bound) -> LaunchRecord:
    concurrency, requests = report.load
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
