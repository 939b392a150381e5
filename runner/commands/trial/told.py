"""What `matrix try` prints in the end: a table, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from runner.application.remedies.remedy import Remedy
from runner.commands.runs import stored_result
from runner.commands.trial.advice import Advice, advice, of_request, remedy_for
from runner.commands.trial.draft import SERVERS, Draft
from runner.commands.trial.look import Look
from runner.commands.underway import Underway
from runner.matrix import plugins
from runner.measurement.evidence import SERVER_LOG
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
#: What helps against the failure of a cell, by its id.
Helps: TypeAlias = Mapping[str, Remedy | None]
#: So much is said to be missing at a time: what is supplied first may explain the rest.
MOST_ADVICE: Final = 3


def shown(underway: Underway, draft: Draft, look: Look | None, built_s: float) -> tuple[str, bool]:
    """The text, and whether any cell served. The tables of the run are stored."""
    stored_result(underway.directory, underway.record, underway.launches)
    run = read_run(underway.directory)
    served = any(True for _ in run.measured())
    helps = {row.cell: _remedy(underway, row, draft) for row in run.rows}
    parts = [
        _table(run),
        "\n".join(_remarks(run)),
        "\n".join(look.told()) if look and served else "",
        "\n".join(_times(run, built_s)),
        "\n".join(_reasons(run, helps)),
        "\n".join(line for one in _advice(run, helps, draft, look) for line in one.lines()),
        "" if served else "\n".join(_evidence(run)),
    ]
    return "\n\n".join(part for part in parts if part), served


def _remedy(underway: Underway, row: Row, draft: Draft) -> Remedy | None:
    """What helps against the failure of a cell, None where nothing is known or it has none."""
    if row.outcome is None or row.outcome.has_figures:
        return None
    log = _log(underway, row)
    return remedy_for(row.outcome, row.reason or "", log, draft.left_out_as)


def _table(run: Run) -> str:
    if not any(row.outcome and row.outcome.is_launched for row in run.rows):
        return ""
    in_effect = ["in_effect"] if any(row.in_effect for row in run.rows) else []
    table = comparison(run, ",".join([*COLUMNS, *in_effect]))
    return FOR_PEOPLE["plain"](replace(table, notes=())).rstrip("\n")


def _remarks(run: Run) -> Iterator[str]:
    """What the patch modes of the table do not say.

    The cells that `run.json` lists as left out are those of such a server.
    """
    measured = [str(row.value("server")) for row in run.measured()]
    for name in SERVERS:
        if plugins.servers()[name].patches_itself and any(one.startswith(name) for one in measured):
            yield f"{name} patches by itself: there `none` is patched, and `gevent` is the same"


def _times(run: Run, built_s: float) -> Iterator[str]:
    launches = [launch for several in run.launches.values() for launch in several]
    loads_s = sum(launch.ab.time_taken_s for launch in launches if launch.ab)
    if any(run.measured()):
        yield FIRST_LOOK
    loads = f"; {counted(len(launches), 'load')}: {duration(loads_s)} in all" if loads_s else ""
    yield f"Building took {duration(built_s)}, which is in no figure{loads}."


def _reasons(run: Run, helps: Helps) -> Iterator[str]:
    """Each outcome with its reason once, and the cells that it is of.

    What helps is not in it: that is said once more, as an option.
    """
    cells: dict[tuple[Outcome, str], list[str]] = {}
    for row in run.rows:
        if row.outcome and row.reason:
            reason = one_line(row.reason.removesuffix(f"; {helps[row.cell]}"))
            cells.setdefault((row.outcome, reason), []).append(row.cell)
    for (outcome, reason), names in cells.items():
        which = counted(len(names), "cell") if outcome.has_figures else ", ".join(names)
        yield f"{outcome}: {reason} ({which})"


def _advice(run: Run, helps: Helps, draft: Draft, look: Look | None) -> list[Advice]:
    """What is missing, each once."""
    found: dict[Advice, None] = {}
    for row in run.rows:
        if remedy := helps[row.cell]:
            found[advice(remedy, draft)] = None
        elif row.outcome is Outcome.WRONG_ANSWER and look:
            found[of_request(look, row.reason or "")] = None
    if look and look.lacking:
        path, remedy = look.lacking
        known = advice(remedy, draft)
        found[replace(known, missing=f"{known.missing} (GET {path} fails without it)")] = None
    return [*found][:MOST_ADVICE]


def _log(underway: Underway, row: Row) -> str:
    """What the server of a row's first launch printed."""
    path = underway.directory.launch_directory(row.cell, 1)
    if not (path / RESULT).is_file() or not (path / SERVER_LOG).is_file():
        return ""
    return (path / SERVER_LOG).read_text(encoding="utf-8", errors="replace")


def _evidence(run: Run) -> Iterator[str]:
    """Where to look where nothing served."""
    for row in run.rows:
        if row.outcome and row.outcome.is_launched:
            yield f"evidence: `matrix show latest {row.cell}` prints the server's log"
            break
