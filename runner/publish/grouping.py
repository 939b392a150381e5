"""Patch modes of which the same can be said, together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.publish.wording import Condition, code, condition, listed, merged, shown
from runner.report.rows import Row
from runner.text import known


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that are alike in what a sentence is about, and the modes they are of.

    `condition` is what tells them from the modes' other rows.
    """

    patches: tuple[str, ...]
    rows: tuple[Row, ...]
    condition: Condition

    @property
    def subject(self) -> str:
        """The modes, to begin a sentence with."""
        return listed([code(patch) for patch in self.patches])

    @property
    def is_plural(self) -> bool:
        """Whether the subject is."""
        return len(self.patches) > 1

    @property
    def view(self) -> Mapping[str, tuple[str, ...]]:
        """The filters of the full table that show these rows' versions and modes."""
        axes = self.condition.axes
        told = {axis: tuple(map(shown, self.condition.values(axis))) for axis in axes}
        return {"patch": self.patches, **told}


def groups(
    rows: Sequence[Row], axes: Sequence[str], key: Callable[[Row], object], wanted: object
) -> list[Group]:
    """The rows whose key is the wanted one, by what tells them from all others of their mode."""
    alike: dict[tuple[object, ...], list[Group]] = {}
    for patch in dict.fromkeys(row.patch for row in rows):
        among = [row for row in rows if row.patch == patch]
        if some := tuple(row for row in among if key(row) == wanted):
            found = condition(some, among, axes)
            group = Group(patches=(known(patch),), rows=some, condition=found)
            alike.setdefault(found.key, []).append(group)
    return [_joined(members) for members in alike.values()]


def _joined(members: Sequence[Group]) -> Group:
    return Group(
        patches=tuple(patch for member in members for patch in member.patches),
        rows=tuple(row for member in members for row in member.rows),
        condition=merged([member.condition for member in members]),
    )
