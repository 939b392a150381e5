"""The columns of a table for people: heading, and how a value is rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from runner.errors import UsageError
from runner.matrix.axes import ALWAYS_SHOWN
from runner.report.axes import axes_of, further_axes
from runner.report.row import KEYS, Row
from runner.report.text import suggestion
from runner.store.records import RunRecord

#: What stands where there is nothing: an axis that the cell does not have, a figure not known.
NOTHING: Final = "–"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `key` is the row's key, `show` rounds a figure that is known."""

    key: str
    heading: str
    show: Callable[[float], str] | None = None
    spread: bool = False

    def text(self, row: Row) -> str:
        """The row's value as a reader wants it, with the spread of its launches where it has one.

        `[low–high]` is the 95 % interval of the median; `(min–max)`, below five launches, is all
        that was seen, and claims nothing.
        """
        value = row.value(self.key)
        if value is None:
            return NOTHING
        text = self._show(value)
        if not self.spread or row.launches < 2:
            return text
        for low, high, shape in (("_low", "_high", "[{}–{}]"), ("_min", "_max", "({}–{})")):
            bounds = [row.values().get(self.key + end) for end in (low, high)]
            if None not in bounds:
                shown = (self._show(bound) for bound in bounds if bound is not None)
                return f"{text} {shape.format(*shown)}"
        return text

    def _show(self, value: str | float) -> str:
        if isinstance(value, float) and self.show is None:
            return f"{value:.4g}"
        return str(value) if self.show is None or isinstance(value, str) else self.show(value)


def two_decimals(value: float) -> str:
    """For rates, ratios and CPU times."""
    return f"{value:.2f}"


def ratio(value: float) -> str:
    """For ratios near 1, where the third decimal is the one that differs."""
    return f"{value:.3f}"


def percent(value: float) -> str:
    """A share of 1 as a percentage, without its sign."""
    return f"{100 * value:.1f}"


def milliseconds(value: float) -> str:
    """Whole milliseconds, with one decimal below 10."""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def whole(value: float) -> str:
    """The nearest whole number."""
    return f"{value:.0f}"


FIGURES: Final = (
    Column(key="requests_per_second", heading="requests/s", show=two_decimals, spread=True),
    Column(key="ceiling_rps", heading="ceiling", show=two_decimals),
    Column(key="efficiency", heading="efficiency %", show=percent),
    Column(key="speedup", heading="× baseline", show=ratio, spread=True),
    Column(key="p50_ms", heading="p50 ms", show=milliseconds),
    Column(key="p90_ms", heading="p90 ms", show=milliseconds),
    Column(key="p99_ms", heading="p99 ms", show=milliseconds, spread=True),
    Column(key="max_ms", heading="max ms", show=milliseconds),
    Column(key="cpu_ms_per_request", heading="CPU ms/request", show=two_decimals, spread=True),
    Column(key="peak_rss_mib", heading="peak RSS MiB", show=whole),
    Column(key="peak_threads", heading="threads", show=whole),
)
OVERFLOWS: Final = Column(key="listen_overflows", heading="queue overflows", show=whole)
RETRANSMITS: Final = Column(key="syn_retransmits", heading="SYN retries", show=whole)
VERDICT: Final = Column(key="verdict", heading="against baseline")
LAUNCHES: Final = Column(key="launches", heading="launches", show=whole)
OUTCOME: Final = Column(key="outcome", heading="outcome")


def shown_axes(rows: Sequence[Row], run: RunRecord) -> list[str]:
    """The axes worth a column: python, gevent, grpcio and patch, and others where they vary."""
    return [
        *ALWAYS_SHOWN,
        *(axis for axis in axes_of(run) if axis not in ALWAYS_SHOWN and _varies(rows, axis)),
    ]


def columns_for(rows: Sequence[Row], run: RunRecord) -> list[Column]:
    """The columns of the rows' table, in their order."""
    axes = [Column(key=axis, heading=axis) for axis in shown_axes(rows, run)]
    repeated = [VERDICT, LAUNCHES] if any(row.launches > 1 for row in rows) else []
    seen = [c for c in (OVERFLOWS, RETRANSMITS) if any(row.value(c.key) for row in rows)]
    return [*axes, OUTCOME, *FIGURES, *seen, *repeated]


def chosen(text: str, run: RunRecord) -> list[Column]:
    """The columns of a list like `patch,outcome,p99_ms`: keys of table.json or headings.

    Raises `UsageError` for what is neither.
    """
    return [_called(name.strip(), run) for name in text.split(",")]


def _called(name: str, run: RunRecord) -> Column:
    known = {c.key: c for c in (OUTCOME, *FIGURES, OVERFLOWS, RETRANSMITS, VERDICT, LAUNCHES)}
    key = {column.heading: column.key for column in known.values()}.get(name, name)
    keys = (*KEYS, *further_axes(run))
    if key not in keys:
        raise UsageError(f"--columns: unknown column {name!r}{suggestion(name, keys)}")
    return known.get(key) or Column(key=key, heading=key)


def _varies(rows: Iterable[Row], axis: str) -> bool:
    return len({row.value(axis) for row in rows}) > 1
