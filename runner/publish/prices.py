"""What a patch mode costs against the baseline: CPU, memory and threads, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runner.publish.wording import span
from runner.report.baseline import baselines
from runner.report.rows import Row
from runner.report.tables import whole
from runner.store.records import RunRecord
from runner.text import known

Pairs = Sequence[tuple[Row, Row]]


@dataclass(frozen=True, kw_only=True)
class Price:
    """What the mode's cells take against their baselines, in words; `rows` are those cells."""

    patch: str
    words: tuple[str, ...]
    rows: tuple[Row, ...]


def prices(rows: Sequence[Row], run: RunRecord) -> Iterator[Price]:
    """The price of each mode that has cells with figures beside a baseline's of equal outcome.

    Where a server serialises on one side only, the two did not do the same work at a time.
    """
    found = baselines(rows, run)
    pairs = [
        (row, base)
        for row in rows
        if (base := found.get(row.cell))
        if row.cell != base.cell and row.outcome is base.outcome and row.cpu_ms_per_request
    ]
    for patch in dict.fromkeys(row.patch for row, _ in pairs):
        own = [(row, base) for row, base in pairs if row.patch == patch]
        words = tuple(word for word in (_cpu(own), _memory(own), _threads(own)) if word)
        if words:
            yield Price(patch=known(patch), words=words, rows=tuple(row for row, _ in own))


def _cpu(pairs: Pairs) -> str:
    ratio = _ratio(pairs, lambda row: row.cpu_ms_per_request)
    used = span(row.cpu_ms_per_request for row, _ in pairs)
    return ratio and f"{ratio} × the CPU per request ({used} ms)"


def _memory(pairs: Pairs) -> str:
    ratio = _ratio(pairs, lambda row: row.peak_rss_mib)
    used = span((row.peak_rss_mib for row, _ in pairs), whole)
    return ratio and f"{ratio} × the memory ({used} MiB)"


def _threads(pairs: Pairs) -> str:
    used = span((row.peak_threads for row, _ in pairs), whole)
    before = span((base.peak_threads for _, base in pairs), whole)
    if not used or not before:
        return ""
    return f"as many threads ({used})" if used == before else f"{used} threads instead of {before}"


def _ratio(pairs: Pairs, figure: Callable[[Row], float | None]) -> str:
    """The range of a figure's ratio to the baseline's."""
    both = [(figure(row), figure(base)) for row, base in pairs]
    return span(own / base for own, base in both if own is not None and base)
