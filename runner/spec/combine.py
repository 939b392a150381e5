"""Combinations of axis values: product, then exclude, then include, as GitHub Actions has them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.spec.axes import nameable, normal_entry
from runner.spec.cell import OPTIONAL_PACKAGES, PatchMode
from runner.spec.document import Document, Place
from runner.spec.model import ExperimentSection

Combination = tuple[str, ...]
#: Ten times what `plan` is made for. More would only fill the memory.
MOST_COMBINATIONS = 1_000_000
AXES: Place = ("axes",)
#: By patch mode, the packages that a cell does not carry.
UNUSED = {str(mode): OPTIONAL_PACKAGES - mode.needs for mode in PatchMode}


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A combination of axis values, what `include` added to it, and where it comes from.

    `values` has the order of the axes; an added cell need not have one for each (then None).
    """

    values: tuple[str | None, ...]
    added: Mapping[str, str] = field(default_factory=dict)
    place: Place = AXES


def combine(
    found: Document, section: ExperimentSection, values: Mapping[str, list[str]]
) -> list[Draft]:
    """The experiment's combinations; `SpecError` for an entry without any effect."""
    size = math.prod(len(chosen) for chosen in values.values())
    if size > MOST_COMBINATIONS:
        found.fail(
            AXES, f"{size} combinations, more than {MOST_COMBINATIONS}; remove values", key=True
        )
    combinations = list(itertools.product(*values.values()))
    kept = _exclude(found, section, list(values), combinations)
    if not kept:
        found.fail(("exclude",), "the excludes leave no cell; remove one")
    nothing: Mapping[str, str] = {}
    drafts = [Draft(values=combination, added=nothing) for combination in kept]
    for number, entry in enumerate(section.include):
        _include(found, section, list(values), (("include", number), entry), drafts)
    return drafts


def settings(
    draft: Draft, axes: Mapping[str, object], defaults: Mapping[str, str]
) -> dict[str, str]:
    """All that a draft sets, without versions of packages that its patch mode does not import."""
    chosen = {a: v for a, v in zip(axes, draft.values, strict=True) if v is not None}
    merged = {**defaults, **chosen, **draft.added}
    for name in UNUSED[merged["patch"]]:
        merged.pop(name, None)
    return merged


def defaults_of(section: ExperimentSection) -> dict[str, str]:
    """What a cell has on an axis that nothing names a value for."""
    return {
        "patch": str(PatchMode.NONE),
        "server": str(section.server),
        "concurrency": str(section.load.concurrency),
        **{name: versions[0] for name, versions in section.packages.items() if len(versions) == 1},
    }


def _exclude(
    found: Document,
    section: ExperimentSection,
    axes: list[str],
    combinations: list[Combination],
) -> list[Combination]:
    """The combinations that no entry matches; an entry without any effect is an error."""
    kept = combinations
    for number, entry in enumerate(section.exclude):
        place: Place = ("exclude", number)
        if not entry:
            found.fail(place, "an empty entry would exclude everything; name an axis, or remove it")
        wanted = {axes.index(a): value for a, value in normal_entry(found, place, entry, axes)}
        gone = {c for c in combinations if all(c[i] == v for i, v in wanted.items())}
        if not gone:
            found.fail(place, f"matches no cell: {_said(entry)}; mend the values, or remove it")
        _refuse_no_effect(found, place, axes, gone, combinations)
        kept = [c for c in kept if c not in gone]
    return kept


def _refuse_no_effect(
    found: Document,
    place: Place,
    axes: list[str],
    gone: set[Combination],
    combinations: list[Combination],
) -> None:
    """An entry that only names an axis which does not matter for its cells removes no cell."""
    left = {_essence(c, axes) for c in combinations if c not in gone}
    if all(_essence(c, axes) in left for c in gone):
        patches = sorted({c[axes.index("patch")] for c in gone} if "patch" in axes else {"none"})
        found.fail(
            place,
            f"removes no cell: with patch {', '.join(patches)} an axis named here does not matter; "
            "name others, or remove it",
        )


def _essence(combination: Combination, axes: list[str]) -> Combination:
    """The combination without the versions of packages that its patch mode does not import."""
    unused = UNUSED[combination[axes.index("patch")] if "patch" in axes else "none"]
    return tuple(
        "" if axis in unused else value for axis, value in zip(axes, combination, strict=True)
    )


def _include(
    found: Document,
    section: ExperimentSection,
    axes: list[str],
    entry: tuple[Place, Mapping[str, str]],
    drafts: list[Draft],
) -> None:
    """Extend each combination that an entry does not contradict, or else add a cell.

    As GitHub Actions: original axis values are never overwritten, values added before may be.
    Whether an added cell is there already shows when the cells are made.
    """
    place, written = entry
    if not written:
        found.fail(place, "an empty entry changes nothing; name an axis, or remove it")
    wanted = dict(normal_entry(found, place, written, nameable(dict.fromkeys(axes), section)))
    original = {axes.index(axis): value for axis, value in wanted.items() if axis in axes}
    extra = {axis: value for axis, value in wanted.items() if axis not in axes}
    matches = [
        (number, draft)
        for number, draft in enumerate(drafts)
        if draft.place == AXES and all(draft.values[i] == v for i, v in original.items())
    ]
    if not matches:
        values = tuple(wanted.get(axis) for axis in axes)
        drafts.append(Draft(values=values, added=extra, place=place))
        return
    extended = [(n, Draft(values=d.values, added={**d.added, **extra})) for n, d in matches]
    defaults, names = defaults_of(section), dict.fromkeys(axes)
    if all(
        settings(new, names, defaults) == settings(old, names, defaults)
        for (_, new), (_, old) in zip(extended, matches, strict=True)
    ):
        found.fail(
            place,
            f"changes nothing: {_said(written)} is so already, or does not matter for the cells' "
            "patch mode; remove it",
        )
    for number, draft in extended:
        drafts[number] = draft


def _said(entry: Mapping[str, str]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in entry.items())
