"""The cause of an outcome below a table: one line for all cells that have it."""

from __future__ import annotations

from runner.outcome import Outcome
from runner.report.notes import notes
from runner.report.run import collate
from tests.support.samples import cell, launch, run_record

BLOCKED = "psycopg2-binary 2.9.{} waits in C (poll → db:5432), called from shop/orders.py:12; "
CELLS = [cell(python, "gevent", gevent="25.9.1") for python in ("3.9", "3.11", "3.12", "3.13")]


def causes(*lines: str | None) -> tuple[str, ...]:
    """The note's items where the first cells have these lines, the others none."""
    launches = {
        of.id: [launch(of, outcome=Outcome.SERIALISED).model_copy(update={"why": line})]
        for of, line in zip(CELLS, lines, strict=False)
    }
    run = collate(run_record(*CELLS), launches)
    return next((note.items for note in notes(run) if note.heading == "Why"), ())


def blocked(share: str, version: int = 10) -> str:
    return BLOCKED.format(version) + f"the event loop was blocked for {share} % of the burst"


def test_without_a_cause_there_is_no_note() -> None:
    assert causes(None, None) == ()


def test_lines_that_differ_in_what_was_counted_are_one() -> None:
    ids = f"{CELLS[0].id}, {CELLS[1].id}"
    assert causes(blocked("9"), blocked("98")) == (f"{ids}: {blocked('9–98')}",)
    pools = [f"{n} of {most} requests wait for app.guard" for n, most in ((4, 5), (19, 20))]
    assert causes(*pools) == (f"{ids}: 4–19 of 5–20 requests wait for app.guard",)
    assert causes(*[blocked("96")] * 2) == (f"{ids}: {blocked('96')}",)


def test_other_versions_places_and_services_are_other_causes() -> None:
    assert len(causes(blocked("96"), blocked("96", 11))) == 2
    assert len(causes(blocked("96"), blocked("96").replace("orders.py:12", "orders.py:13"))) == 2
    assert len(causes(blocked("96"), blocked("96").replace("db:5432", "db:5433"))) == 2


def test_many_cells_are_counted_and_named_last() -> None:
    (item,) = causes(*(blocked(share) for share in ("95", "97", "96", "99")))
    ids = ", ".join(of.id for of in CELLS)
    assert item == f"4 cells: {blocked('95–99')}: {ids}"
