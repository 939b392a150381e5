"""What blocked the event loop, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from runner.measurement.diagnosis_record import BlockRecord, DiagnosisRecord
from runner.outcome import outcome_text
from runner.report.run import Run
from runner.text import counted

#: Of the places so many are in a note; `matrix show` has all.
IN_A_NOTE: Final = 3


def note_of(run: Run, cell: str) -> str | None:
    """The note on a cell: where its loop was blocked, or why that is not known."""
    found = run.diagnoses.get(cell)
    return None if found is None else blocked_text(found)


def blocked_text(found: DiagnosisRecord) -> str:
    """`the event loop was blocked for 9.8 s of 10.1 s: …`, or why that is not known."""
    if found.left_out:
        failed = found.outcome and not found.outcome.has_figures
        return f"not diagnosed: {found.left_out}{f' ({found.outcome})' if failed else ''}"
    told = [_block(block) for block in found.blocks[:IN_A_NOTE]]
    more = len(found.blocks) - len(told)
    places = "; ".join([*told, *([f"and {counted(more, 'place')} more"] if more > 0 else [])])
    return f"{_sum(found)}{f': {places}' if places else ''}"


def _sum(found: DiagnosisRecord) -> str:
    whose = "the event loop was" if found.loops == 1 else f"{found.loops} event loops were"
    several = f"{found.loops} × " if found.loops > 1 else ""
    of = "" if found.watched_s is None else f" of {several}{found.watched_s:.1f} s"
    failed = "" if found.outcome and found.outcome.has_figures else f" ({found.outcome})"
    if not found.blocks:
        return f"{whose} never blocked for {2 * (found.period_s or 0.0):g} s or more{failed}"
    return f"{whose} blocked for {found.blocked_s:.1f} s{of}{failed}"


def _block(block: BlockRecord) -> str:
    where = f", called from {block.where}" if block.where else ""
    kept = ", which kept the interpreter's lock" if block.lock_kept else ""
    times = counted(block.times, "time")
    return (
        f"{block.what}{where}{kept} ({times}, {block.total_s:.1f} s in all, "
        f"{block.longest_s:.2f} s at most)"
    )


def diagnosis_lines(found: DiagnosisRecord) -> Iterator[str]:
    """All that was found of a cell."""
    if found.outcome is None:
        yield f"not diagnosed: {found.left_out}"
        return
    outcome = outcome_text(found.outcome)
    yield f"a launch beside the measured ones, in run {found.made_in}: {outcome}"
    if found.reason:
        yield f"reason: {found.reason}"
    if found.left_out:
        yield f"not watched: {found.left_out}"
        return
    yield f"gevent {found.gevent}, its monitor thread looked every {found.period_s:g} s"
    if found.rate:
        yield f"sent: {found.requests} requests, {found.rate:g} a second"
    elif found.requests:
        yield f"sent: ab -c {found.concurrency} -n {found.requests}"
    yield _sum(found)
    yield from map(_block, found.blocks)
