"""What `matrix try` prints in the end: a table, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from runner.commands.runs import stored_result
from runner.commands.trial.advice import Advice, advice, of_request, remedy_in
from runner.commands.trial.draft import NAME, Draft
from runner.commands.trial.look import Look
from runner.commands.underway import Underway
from runner.outcome import Outcome
from runner.report.formats import FOR_PEOPLE
from runner.report.row import Row
from runner.report.run import Run, read_run
from runner.report.tables import comparison
from runner.store.run_directory import RESULT
from runner.text import counted, duration, one_line

COLUMNS: Final = (
    "patch", "server", "outcome", "requests_per_second", "p50_ms", "p99_ms", "cpu_ms_per_request",
    "peak_rss_mib", "peak_threads",
)  # fmt: skip
FIRST_LOOK: Final = (
    "A first look: one short launch of each cell, with a load below what is needed to tell whether "
    "two of them differ. It shows what works, and claims nothing about figures."
)
LOG: Final = "server.log"
#: So much is said to be missing at a time: what is supplied first may explain the rest.
MOST_ADVICE: Final = 3


def shown(underway: Underway, draft: Draft, look: Look | None, built_s: float) -> tuple[str, bool]:
    """The text, and whether any cell served. The tables of the run are stored."""
    stored_result(underway.directory, underway.record, underway.launches)
    run = read_run(underway.directory)
    served = any(True for _ in run.measured())
    parts = [
        _table(run),
        "\n".join(_times(run, built_s)),
        "\n".join(_failures(run)),
        "\n".join(line for one in _advice(underway, run, draft, look) for line in one.lines()),
        "\n".join(_next(run, served=served)),
    ]
    return "\n\n".join(part for part in parts if part), served


def _table(run: Run) -> str:
    if not any(row.outcome and row.outcome.is_launched for row in run.rows):
        return ""
    table = comparison(run, ",".join(COLUMNS))
    return FOR_PEOPLE["plain"](replace(table, notes=())).rstrip("\n")


def _times(run: Run, built_s: float) -> Iterator[str]:
    launches = [launch for several in run.launches.values() for launch in several]
    loads_s = sum(launch.ab.time_taken_s for launch in launches if launch.ab)
    if any(run.measured()):
        yield FIRST_LOOK
    loads = f"; {counted(len(launches), 'load')}: {duration(loads_s)} in all" if loads_s else ""
    yield f"Building took {duration(built_s)}, which is in no figure{loads}."


def _failures(run: Run) -> Iterator[str]:
    """Each outcome with its reason once, and the cells that it is of."""
    cells: dict[tuple[Outcome, str], list[str]] = {}
    for row in run.rows:
        if row.outcome and row.reason:
            cells.setdefault((row.outcome, one_line(row.reason)), []).append(row.cell)
    for (outcome, reason), names in cells.items():
        yield f"{outcome}: {reason}: {', '.join(names)}"


def _advice(underway: Underway, run: Run, draft: Draft, look: Look | None) -> list[Advice]:
    """What is missing, each once."""
    found: dict[Advice, None] = {}
    for row in run.rows:
        if row.outcome and not row.outcome.has_figures and (one := _of_row(underway, row, draft, look)):
            found[one] = None
    return [*found][:MOST_ADVICE]


def _of_row(underway: Underway, row: Row, draft: Draft, look: Look | None) -> Advice | None:
    outcome, reason = row.outcome, row.reason or ""
    if outcome is None:
        return None
    remedy = remedy_in(outcome, reason, _log(underway, row), draft.left_out_as)
    if remedy:
        return advice(remedy, draft)
    if outcome is Outcome.WRONG_ANSWER and look:
        return of_request(look, reason)
    return None


def _log(underway: Underway, row: Row) -> str:
    """What the server of a row's first launch printed."""
    path = underway.directory.launch_directory(row.cell, 1)
    if not (path / RESULT).is_file() or not (path / LOG).is_file():
        return ""
    return (path / LOG).read_text(encoding="utf-8", errors="replace")


def _next(run: Run, *, served: bool) -> Iterator[str]:
    if served:
        yield f"next: the same with `--write` makes a matrix file, and `matrix run {NAME}` measures"
    elif launched := [row.cell for row in run.rows if row.outcome and row.outcome.is_launched]:
        yield f"more: `matrix show latest {launched[0]}` prints the server's log"
