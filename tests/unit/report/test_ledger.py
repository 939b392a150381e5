"""Attempts: how many there were, why some were rejected, and what difference these make."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.ledger import Ledger, sentences
from runner.report.notes import notes
from runner.report.row import Row
from runner.report.run import Run, collate
from runner.report.tables import comparison
from tests.support.samples import ab_figures, attempt, cell, launch, run_record

NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
OTHERS = "other processes used 70.0% of the CPUs' time"


def run_of(kept: Sequence[LaunchRecord], rejected: Sequence[LaunchRecord] = ()) -> Run:
    """A run of two cells, the second with one launch that took one attempt."""
    launches = {NONE.id: kept, GEVENT.id: [launch(GEVENT)]}
    return collate(run_record(NONE, GEVENT), launches, rejected={NONE.id: rejected})


def row_of(run: Run) -> Row:
    return run.by_cell[NONE.id]


def again(number: int, attempt_: int, **figures: float) -> LaunchRecord:
    """A launch that was kept, at whichever attempt."""
    return attempt(NONE, number, attempt_, disturbed=None, **figures)


#: Three launches: two attempts were rejected of the first, one of the second, none of the third.
KEPT = [
    again(1, 3, rate=50, cpu_ms=1.0),
    again(2, 2, rate=50, cpu_ms=1.0),
    again(3, 1, rate=50, cpu_ms=1.0),
]
REJECTED = [
    attempt(NONE, 1, 1, rate=40, cpu_ms=1.5),
    attempt(NONE, 1, 2, rate=30, cpu_ms=9.0, disturbed=OTHERS),
    attempt(NONE, 2, 1, rate=45, cpu_ms=1.25),
]


def test_attempts_are_counted_by_the_kept_launches_alone() -> None:
    """As publications of earlier releases have them."""
    row = row_of(run_of(KEPT))
    assert (row.attempts, row.launches) == (6, 3)
    assert row.rejected == "3 of 6 attempts: why was not kept"


def test_why_attempts_were_rejected_is_said_without_figures() -> None:
    row = row_of(run_of(KEPT, REJECTED))
    assert row.attempts == 6
    assert row.rejected == (
        "2 of 6 attempts: ab waited for a CPU; 1: other processes used the CPUs"
    )


def test_a_cell_without_rejected_attempts() -> None:
    row = run_of(KEPT, REJECTED).by_cell[GEVENT.id]
    assert (row.attempts, row.rejected) == (1, None)


def test_an_attempt_whose_launch_was_never_kept_counts() -> None:
    """An interrupted run has such."""
    row = row_of(run_of([], REJECTED[:2]))
    assert (row.outcome, row.launches, row.attempts) == (None, 0, 2)


def test_nobody_knows_the_attempts_of_a_report_made_elsewhere() -> None:
    record = run_record(NONE)
    method = record.method.model_copy(update={"version": None})
    imported = collate(record.model_copy(update={"method": method}), {NONE.id: [launch(NONE)]})
    assert (imported.rows[0].attempts, imported.rows[0].rejected) == (None, None)
    assert "attempts" not in comparison(imported).headings
    assert Ledger(run=imported).rejected == 0


@pytest.mark.parametrize(("kept", "shown"), [(KEPT, True), ([again(1, 1)], False)])
def test_attempts_are_a_column_where_some_were_rejected(
    kept: Sequence[LaunchRecord], shown: bool
) -> None:
    table = comparison(run_of(kept))
    assert ("attempts" in table.headings) is shown
    if shown:
        place = table.headings.index("attempts")
        assert [line[place] for line in table.lines] == ["3/6", "1/1"]


# -- the ledger ------------------------------------------------------------------------------------


def test_the_ledger_counts_what_was_made_kept_and_rejected() -> None:
    still = attempt(NONE, 4, 3)
    ledger = Ledger(run=run_of([*KEPT, still], [*REJECTED, attempt(NONE, 4, 1)]))
    assert (ledger.made, ledger.kept, ledger.rejected) == (10, 5, 5)
    assert ledger.kept_disturbed == 1
    assert ledger.reasons == {"ab waited for a CPU": 3, "other processes used the CPUs": 1}
    assert ledger.not_stored == 1  # the second attempt at the fourth launch


def test_medians_of_kept_rejected_and_first_attempts_are_side_by_side() -> None:
    [found] = Ledger(run=run_of(KEPT, REJECTED)).cells
    assert found.rejected
    assert found.first
    rows = (found.kept, found.rejected, found.first)
    assert [row.requests_per_second for row in rows] == pytest.approx([50, 40, 45])
    # The first attempts are two that were rejected, and the third launch, which was kept at once.
    assert [row.cpu_ms_per_request for row in rows] == [1.0, 1.5, 1.25]
    assert [row.launches for row in rows] == [3, 3, 3]
    assert found.change("cpu_ms_per_request") == pytest.approx(0.25)


@pytest.mark.parametrize(("missing", "has_first"), [(0, False), (1, True), (2, False)])
def test_without_one_of_the_first_attempts_there_is_no_median_of_them(
    missing: int, has_first: bool
) -> None:
    """That of the others would be a selection again."""
    stored = [one for place, one in enumerate(REJECTED) if place != missing]
    [found] = Ledger(run=run_of(KEPT, stored)).cells
    assert (found.first is not None) is has_first
    assert (found.change("cpu_ms_per_request") is not None) is has_first
    assert found.rejected
    assert found.rejected.launches == 2


def said(run: Run) -> list[str]:
    return [*sentences(Ledger(run=run))]


def test_the_note_names_reasons_and_the_largest_change_of_each_figure() -> None:
    slower = [attempt(GEVENT, 1, 1, rate=24.0, cpu_ms=1.1)]
    kept = {NONE.id: KEPT, GEVENT.id: [attempt(GEVENT, 1, 2, disturbed=None)]}
    run = collate(run_record(NONE, GEVENT), kept, rejected={NONE.id: REJECTED, GEVENT.id: slower})
    [note] = [note for note in notes(run) if note.heading == "Attempts"]
    assert list(note.items) == [
        (
            "4 of 8 attempts were rejected: 3 because ab waited for a CPU; "
            "1 because other processes used the CPUs."
        ),
        (
            "The first attempts in place of those kept change a median by at most: "
            f"requests/s -50.00% ({GEVENT.id}), CPU ms/request +25.00% ({NONE.id}), "
            f"p99 ms +0.00% ({NONE.id})."
        ),
    ]


def test_a_figure_that_no_cell_has_is_not_named() -> None:
    few = {"ab": ab_figures(48.0, 100), "requests": 100}
    kept, first = (one.model_copy(update=few) for one in (again(1, 2), attempt(NONE, 1, 1)))
    assert "p99" not in said(run_of([kept], [first]))[1]
    assert "CPU" in said(run_of([kept], [first]))[1]


def test_a_note_of_attempts_that_were_not_kept() -> None:
    assert said(run_of(KEPT)) == ["3 of 7 attempts were rejected; their figures were not kept."]
    assert said(run_of([again(1, 2)])) == [
        "1 of 3 attempts was rejected; its figures were not kept."
    ]
    assert said(run_of(KEPT, REJECTED[:1])) == [
        "1 of 7 attempts was rejected: 1 because ab waited for a CPU.",
        "2 further attempts were rejected; their figures were not kept.",
    ]


def test_without_rejected_attempts_there_is_no_note() -> None:
    run = run_of([again(1, 1)])
    assert said(run) == []
    assert "Attempts" not in {note.heading for note in notes(run)}


def test_another_outcome_by_the_first_attempts_is_said() -> None:
    hung = again(1, 2).model_copy(update={"outcome": Outcome.HANG_UNDER_LOAD})
    found = said(run_of([hung], [attempt(NONE, 1, 1)]))
    assert found[1:] == [f"By the first attempts {NONE.id} would have another outcome."]
    assert not any("outcome" in sentence for sentence in said(run_of(KEPT, REJECTED)))
