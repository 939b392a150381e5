"""Tables for people: which columns, in which order, and how figures are rounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from runner.errors import UsageError
from runner.matrix.axes import ALIASES, ALWAYS_SHOWN
from runner.outcome import outcome_text
from runner.report.axis_values import natural_key
from runner.report.figures import FIGURES
from runner.report.in_effect import Source
from runner.report.notes import Note, notes
from runner.report.row import Row, Spread, axes_of, is_cut, is_held_back, keys_of
from runner.report.run import Run
from runner.report.statistics import Verdict
from runner.store.records import RunRecord
from runner.text import one_line, suggestion

#: Printed where there is nothing: an axis that the cell does not have, a figure not known.
NOTHING: Final = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headings, lines of as many texts each, and notes. `numeric` columns align to the right.

    Every text is one line without control characters.
    """

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: tuple[tuple[str, ...], ...]
    notes: tuple[Note, ...]


# -- columns ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `key` is the row's key, `show` rounds a figure that is known.

    `spread` gives what the launches show around a figure, for columns that print it. `words` are
    the whole text of a column that is made of several keys.
    """

    key: str
    heading: str
    show: Callable[[float], str] | None = None
    spread: Callable[[Row], Spread] | None = None
    words: Callable[[Row], str] | None = None

    def text(self, row: Row) -> str:
        """The row's value as a reader wants it, with the spread of its launches where it has one.

        `[low–high]` is an interval; `(min–max)`, where there are too few launches for one, is all
        that was seen, and claims nothing.
        """
        text = self.alone(row)
        if text == NOTHING or self.spread is None or row.launches < 2:
            return text
        return text + self._around(self.spread(row))

    def alone(self, row: Row) -> str:
        """The row's value without its spread."""
        if self.words is not None:
            return self.words(row) or NOTHING
        value = row.value(self.key)
        if value is None:
            return NOTHING
        return self._show(value)

    def _around(self, spread: Spread) -> str:
        if spread.low is not None and spread.high is not None:
            return f" [{self._show(spread.low)}–{self._show(spread.high)}]"
        if spread.min is not None and spread.max is not None:
            return f" ({self._show(spread.min)}–{self._show(spread.max)})"
        return ""

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


FIGURE_COLUMNS: Final = (
    Column(
        key="requests_per_second",
        heading="requests/s",
        show=two_decimals,
        spread=lambda row: row.requests_per_second_spread,
    ),
    Column(key="ceiling_rps", heading="ceiling", show=two_decimals),
    Column(key="efficiency", heading="efficiency %", show=percent),
    Column(key="configuration_rps", heading="configuration", show=two_decimals),
    Column(
        key="rate_ratio",
        heading="× baseline",
        show=ratio,
        spread=lambda row: Spread(low=row.rate_contrast.low, high=row.rate_contrast.high),
    ),
    Column(key="p50_ms", heading="p50 ms", show=milliseconds),
    Column(key="p90_ms", heading="p90 ms", show=milliseconds),
    Column(key="p99_ms", heading="p99 ms", show=milliseconds, spread=lambda row: row.p99_ms_spread),
    Column(key="max_ms", heading="max ms", show=milliseconds),
    Column(
        key="cpu_ms_per_request",
        heading="CPU ms/request",
        show=two_decimals,
        spread=lambda row: row.cpu_ms_per_request_spread,
    ),
    Column(
        key="peak_rss_mib",
        heading="peak RSS MiB",
        show=whole,
        spread=lambda row: row.peak_rss_mib_spread,
    ),
    Column(key="peak_threads", heading="threads", show=whole),
)
#: What of the load was sent, shown where a load was cut.
SENT: Final = (
    Column(key="sent_requests", heading="sent requests", show=whole),
    Column(key="sent_concurrency", heading="sent clients", show=whole),
)
#: How concurrently it was answered, shown where that is known.
CONCURRENCY: Final = (
    Column(key="at_a_time", heading="at a time", show=two_decimals),
    Column(key="in_flight", heading="in flight", show=two_decimals),
)
#: Counts of what should be none, shown where one is not.
TROUBLE: Final = (
    Column(key="tracebacks", heading="tracebacks", show=whole),
    Column(key="listen_overflows", heading="queue overflows", show=whole),
    Column(key="syn_retransmits", heading="SYN retries", show=whole),
)


def verdicts_of(row: Row) -> str:
    """All verdicts on a row: `CPU per request lower; same: requests/s, p99`. Empty for none."""
    found: dict[Verdict, list[str]] = {}
    for figure in FIGURES:
        if verdict := row.contrast(figure.name).verdict:
            found.setdefault(verdict, []).append(figure.label)
    parts = [f"{label} {v}" for v in (Verdict.HIGHER, Verdict.LOWER) for label in found.get(v, ())]
    for verdict, word in ((Verdict.SAME, "same"), (Verdict.UNDECIDED, "undecided")):
        if labels := found.get(verdict):
            parts.append(f"{word}: {', '.join(labels)}")
    return "; ".join(parts)


VERDICT: Final = Column(key="verdict_rate", heading="against baseline", words=verdicts_of)
LAUNCHES: Final = Column(key="launches", heading="launches", show=whole)
#: Launches kept of the attempts made, shown where any was rejected.
ATTEMPTS: Final = Column(
    key="attempts",
    heading="attempts",
    words=lambda row: "" if row.attempts is None else f"{row.launches}/{row.attempts}",
)
OUTCOME: Final = Column(key="outcome", heading="outcome")
#: What was patched, shown where an application patched something by itself.
IN_EFFECT: Final = Column(key="in_effect", heading="in effect")


#: The key of a cell's name.
CELL: Final = "cell"


def shown_axes(rows: Sequence[Row], run: RunRecord) -> list[str]:
    """The axes worth a column: those that always are, a rate, and others where they vary.

    Where they do not tell rows apart, as those of reports made elsewhere, the cell's name comes
    first.
    """
    axes = [
        *ALWAYS_SHOWN,
        *(
            axis
            for axis in axes_of(run)
            if axis not in ALWAYS_SHOWN and (axis == "rate" or varies(rows, axis))
        ),
    ]
    different = {tuple(row.value(axis) for axis in axes) for row in rows}
    return axes if len(different) == len(rows) else [CELL, *axes]


def varies(rows: Iterable[Row], axis: str) -> bool:
    """Whether rows differ on an axis."""
    values = {row.value(axis) for row in rows}
    if axis == "concurrency":  # which a load at a fixed rate does not have
        values -= {None}
    return len(values) > 1


def columns_for(rows: Sequence[Row], run: RunRecord) -> list[Column]:
    """The columns of the rows' table, in their order."""
    axes = [Column(key=axis, heading=axis) for axis in shown_axes(rows, run)]
    repeated = [VERDICT, LAUNCHES] if any(row.launches > 1 for row in rows) else []
    sent = SENT if any(is_cut(row) for row in rows) else ()
    seen = [c for c in (*CONCURRENCY, *TROUBLE) if any(row.value(c.key) for row in rows)]
    tried = [ATTEMPTS] if any((row.attempts or 0) > row.launches for row in rows) else []
    hidden = set() if any(is_held_back(row) for row in rows) else {"configuration_rps"}
    figures = [column for column in FIGURE_COLUMNS if column.key not in hidden]
    own = [IN_EFFECT] if any(row.in_effect_by == Source.APPLICATION for row in rows) else []
    return [*axes, OUTCOME, *own, *sent, *figures, *seen, *repeated, *tried]


#: All columns but those of axes, in their order.
KNOWN: Final = (
    OUTCOME,
    IN_EFFECT,
    *SENT,
    *FIGURE_COLUMNS,
    *CONCURRENCY,
    *TROUBLE,
    VERDICT,
    LAUNCHES,
    ATTEMPTS,
)
_KEY_OF_HEADING: Final = {column.heading: column.key for column in KNOWN}


def _key(option: str, name: str, run: RunRecord) -> str:
    """The key of table.json that is meant by it or by its heading; `UsageError` for neither."""
    name = ALIASES.get(name, name)
    key = _KEY_OF_HEADING.get(name, name)
    keys = keys_of(run)
    if key not in keys:
        raise UsageError(f"{option}: unknown column {name!r}{suggestion(name, keys)}")
    return key


def _chosen(text: str, run: RunRecord) -> list[Column]:
    """The columns of a list like `patch,outcome,p99_ms`; `UsageError` for an unknown one."""
    known = {column.key: column for column in KNOWN}
    keys = [_key("--columns", name.strip(), run) for name in text.split(",")]
    return [known.get(key) or Column(key=key, heading=key) for key in keys]


def sort_rows(rows: Sequence[Row], column: str, run: RunRecord) -> list[Row]:
    """The rows by one column, `-column` from the highest down. Unknown values come last.

    A column goes by its key in table.json or its heading. Raises `UsageError` for any other.
    """
    key = _key("--sort", column.removeprefix("-"), run)
    having = [row for row in rows if row.value(key) is not None]
    having.sort(key=lambda row: natural_key(key, row.value(key)), reverse=column.startswith("-"))
    return having + [row for row in rows if row.value(key) is None]


# -- a line per cell -------------------------------------------------------------------------------


def comparison(run: Run, columns: str | None = None) -> Table:
    """One line per measured cell; the others are in the notes with their reasons.

    `columns` lists those to show, instead of all; `UsageError` for an unknown one.
    """
    measured = [row for row in run.rows if row.outcome and row.outcome.is_launched]
    shown = _chosen(columns, run.record) if columns else columns_for(measured, run.record)
    return Table(
        headings=tuple(column.heading for column in shown),
        numeric=tuple(column.show is not None for column in shown),
        lines=tuple(tuple(_text(column, row) for column in shown) for row in measured),
        notes=notes(run),
    )


def _text(column: Column, row: Row) -> str:
    if column is not OUTCOME:
        return one_line(column.text(row))
    return f"{shown_outcome(row)} (disturbed)" if row.disturbed else shown_outcome(row)


def shown_outcome(row: Row) -> str:
    """The row's outcome; of several launches how many ended so, unless all gave figures.

    `hang-at-startup 3/3`, `serialised 1/7`.
    """
    text = outcome_text(row.outcome)
    agree = row.outcome_launches == row.launches
    if row.launches < 2 or (agree and row.outcome is not None and row.outcome.has_figures):
        return text
    return f"{text} {row.outcome_launches}/{row.launches}"
