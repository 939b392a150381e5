"""Whether a patch mode helps: its rates against the baseline's, as far as launches allow to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from runner.options import THRESHOLD
from runner.publish.grouping import Group, groups
from runner.publish.wording import ratios
from runner.report.rows import Row
from runner.report.statistics import Difference


class Rate(Enum):
    """How a cell's rate stands to its baseline's.

    `SEEN_…` is what launches too few to judge by came to: values, not claims.
    """

    FASTER = auto()
    SLOWER = auto()
    SAME = auto()
    SEEN_FASTER = auto()
    SEEN_SLOWER = auto()
    SEEN_SAME = auto()


JUDGED: Final = {
    Difference.FASTER: Rate.FASTER,
    Difference.SLOWER: Rate.SLOWER,
    Difference.NONE_SHOWN: Rate.SAME,
}
_TOO_FEW: Final = "too few launches to claim it"
#: Each with a `{verb}` in the singular and the plural.
SENTENCES: Final[Mapping[Rate, tuple[str, tuple[str, str]]]] = {
    Rate.FASTER: ("{who} {verb} faster than {base} {where}: {ratio} × its rate.", ("is", "are")),
    Rate.SLOWER: ("{who} {verb} slower than {base} {where}: {ratio} × its rate.", ("is", "are")),
    Rate.SAME: (
        "{who} {verb} no difference that could be shown {where}: {ratio} × the rate of {base}.",
        ("makes", "make"),
    ),
    Rate.SEEN_FASTER: (
        "{who} {verb} faster than {base} {where}, {ratio} × its rate; " + _TOO_FEW + ".",
        ("was", "were"),
    ),
    Rate.SEEN_SLOWER: (
        "{who} {verb} slower than {base} {where}, {ratio} × its rate; " + _TOO_FEW + ".",
        ("was", "were"),
    ),
    Rate.SEEN_SAME: (
        "{who} {verb} as fast as {base} within "
        f"{100 * THRESHOLD:.0f} % "
        "{where}, {ratio} × its rate; " + _TOO_FEW + ".",
        ("was", "were"),
    ),
}


def rates(judged: Sequence[Row], axes: Sequence[str], base: str) -> Iterator[tuple[str, Group]]:
    """A sentence and the rows it is about, for rows with a verdict; `base` names the baseline."""
    for rate, (sentence, verbs) in SENTENCES.items():
        for group in groups(judged, axes, rate_of, rate):
            ratio = ratios(row.speedup for row in group.rows)
            yield (
                sentence.format(
                    who=group.subject,
                    verb=verbs[group.is_plural],
                    base=base,
                    where=group.condition,
                    ratio=ratio,
                ),
                group,
            )


def rate_of(row: Row) -> Rate:
    """How a row with a verdict stands to its baseline."""
    if row.verdict in JUDGED:
        return JUDGED[Difference(row.verdict)]
    ratio = row.speedup or 1.0
    if 1 / (1 + THRESHOLD) <= ratio <= 1 + THRESHOLD:
        return Rate.SEEN_SAME
    return Rate.SEEN_FASTER if ratio > 1 else Rate.SEEN_SLOWER
