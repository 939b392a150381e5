"""Combinations of axis values: product, then exclude, then include, as GitHub Actions has them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.matrix.axes import decides, irrelevant, nameable, normal_entry
from runner.matrix.schema import ExperimentSection
from runner.matrix.values import parameter
from runner.matrix.yaml_document import Document, Place

Combination = tuple[str, ...]
#: Ten times what `plan` is made for. More would only fill the memory.
MOST_COMBINATIONS = 1_000_000
AXES: Place = ("axes",)


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
    """All that a draft sets, without what cannot matter for it."""
    chosen = {a: v for a, v in zip(axes, draft.values, strict=True) if v is not None}
    return _mattering({**defaults, **chosen, **draft.added})


def _mattering(merged: dict[str, str]) -> dict[str, str]:
    unused = irrelevant(decides(merged))
    return {name: value for name, value in merged.items() if name not in unused}


def defaults_of(section: ExperimentSection) -> dict[str, str]:
    """What a cell has on an axis that nothing names a value for."""
    return {
        "patch": "none",
        "order": section.order,
        "server": section.server,
        "workload": section.workload.name,
        "concurrency": str(section.load.concurrency),
        **{name: parameter(name, value) for name, value in parameters_of(section).items()},
        **{name: versions[0] for name, versions in section.packages.items() if len(versions) == 1},
    }


def parameters_of(section: ExperimentSection) -> Mapping[str, str]:
    """The workload's parameters as the experiment writes them."""
    return section.workload.__pydantic_extra__ or {}


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
        _refuse_no_effect(
            found,
            place,
            axes,
            gone=gone,
            combinations=combinations,
            defaults=defaults_of(section),
        )
        kept = [c for c in kept if c not in gone]
    return kept


def _refuse_no_effect(
    found: Document,
    place: Place,
    axes: list[str],
    *,
    gone: set[Combination],
    combinations: list[Combination],
    defaults: Mapping[str, str],
) -> None:
    """An entry that only names an axis which does not matter for its cells removes no cell."""
    left = {_essence(c, axes, defaults) for c in combinations if c not in gone}
    if all(_essence(c, axes, defaults) in left for c in gone):
        patches = sorted({c[axes.index("patch")] for c in gone} if "patch" in axes else {"none"})
        found.fail(
            place,
            f"removes no cell: with patch {', '.join(patches)} an axis named here does not matter; "
            "name others, or remove it",
        )


def _essence(
    combination: Combination, axes: list[str], defaults: Mapping[str, str]
) -> frozenset[tuple[str, str]]:
    """The combination without what cannot matter for it."""
    merged = {**defaults, **dict(zip(axes, combination, strict=True))}
    return frozenset(_mattering(merged).items())


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
