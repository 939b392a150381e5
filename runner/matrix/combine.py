"""Combinations of axis values: the product, less `exclude`, plus `include`, as in GitHub Actions.

A combination maps axes to values. It has a value for each axis of the experiment, unless an
`include` entry added it: what such an entry does not name is at its default.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from packaging.utils import canonicalize_version

from runner.matrix import plugins
from runner.matrix.axes import SETTINGS, axis, canonical_name, is_package, relevant
from runner.matrix.schema import ExperimentSection
from runner.matrix.values import is_variable
from runner.matrix.yaml_document import Document, KeyPath
from runner.text import suggestion

Combination = Mapping[str, str]
#: A partial match as the file writes it, and as tests of values.
Entry = Mapping[str, str | Mapping[str, str]]
Tests = Mapping[str, Callable[[str], bool]]
AXES: KeyPath = ("axes",)
T = TypeVar("T")
#: A round of more cells would take weeks; it is most likely a mistake.
MOST_COMBINATIONS = 100_000


@dataclass(frozen=True, kw_only=True)
class Combinations:
    """What is left of the axes' product, and what `include` entries added, each with its entry.

    `remarks` are on entries that change nothing, and `idle` the names that only those bring.
    """

    of_axes: Sequence[Combination]
    added: Sequence[tuple[KeyPath, Combination]]
    remarks: tuple[str, ...] = ()
    idle: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Combination]:
        """All of them, in order."""
        yield from self.of_axes
        yield from (combination for _, combination in self.added)


def combine(
    document: Document,
    section: ExperimentSection,
    axes: Mapping[str, Sequence[str]],
    defaults: Mapping[str, str],
) -> Combinations:
    """The experiment's combinations; `SpecError` for an `exclude` entry that has no effect.

    Without axes there is none but what `include` adds.
    """
    size = math.prod(map(len, axes.values()))
    if size > MOST_COMBINATIONS:
        document.fail(
            AXES,
            f"{size:,} combinations, and at most {MOST_COMBINATIONS:,} can be planned; "
            "remove values",
            key=True,
        )
    every = itertools.product(*axes.values()) if axes else ()
    product = [dict(zip(axes, values, strict=True)) for values in every]
    kept = _exclude(document, section, [*axes], product, defaults)
    return _include(document, section, [*axes], kept, defaults)


def _exclude(
    document: Document,
    section: ExperimentSection,
    axes: Sequence[str],
    product: Sequence[Combination],
    defaults: Mapping[str, str],
) -> Sequence[Combination]:
    """The combinations that no entry matches."""
    kept = product
    for number, entry in enumerate(section.exclude):
        keys: KeyPath = ("exclude", number)
        if not entry:
            document.fail(
                keys, "an empty entry would exclude everything; name an axis, or remove it"
            )
        wanted = _tests(document, keys, entry, axes)
        matching = [c for c in product if _agrees(c, wanted)]
        if not matching:
            document.fail(keys, f"matches no cell: {_shown(entry)}; fix the values, or remove it")
        others = [c for c in product if not _agrees(c, wanted)]
        if _cells(matching, defaults) <= _cells(others, defaults):
            document.fail(keys, _no_effect(matching, wanted, defaults))
        kept = [c for c in kept if not _agrees(c, wanted)]
    if section.exclude and not kept and not section.include:
        document.fail(("exclude",), "the excludes leave no cell; remove one")
    return kept


def _agrees(combination: Combination, wanted: Tests) -> bool:
    return all(is_meant(combination[name]) for name, is_meant in wanted.items())


def _cells(
    combinations: Iterable[Combination], defaults: Mapping[str, str]
) -> set[frozenset[tuple[str, str]]]:
    """The different cells that combinations come to, as sets of settings."""
    return {frozenset(relevant({**defaults, **c}).items()) for c in combinations}


def _no_effect(
    matching: Iterable[Combination], wanted: Iterable[str], defaults: Mapping[str, str]
) -> str:
    """Why an `exclude` removes nothing: it tells cells apart by what does not matter for them."""
    settings = [{**defaults, **combination} for combination in matching]
    ignored = [name for name in wanted if any(name not in relevant(s) for s in settings)]
    patches = sorted({s["patch"] for s in settings})
    return (
        f"this exclude removes no cell: those it matches (patch {', '.join(patches)}) do not use "
        f"{', '.join(ignored)}; name other axes, or remove it"
    )


def _include(
    document: Document,
    section: ExperimentSection,
    axes: Sequence[str],
    kept: Sequence[Combination],
    defaults: Mapping[str, str],
) -> Combinations:
    """Let each entry extend the combinations that it does not contradict, or else add one.

    As in GitHub Actions, an entry may overwrite what an earlier entry added, but not what the axes
    gave; and it does not extend what an earlier entry added as a combination of its own.
    """
    of_axes = list(kept)
    added: list[tuple[KeyPath, Combination]] = []
    remarks: list[str] = []
    used: set[str] = set()
    for number, entry in enumerate(section.include):
        keys: KeyPath = ("include", number)
        if not entry:
            document.fail(keys, "an empty entry changes nothing; name an axis, or remove it")
        own, further = _divided(document, keys, entry, axes, _nameable(axes, section))
        found = [i for i, combination in enumerate(of_axes) if _agrees(combination, own)]
        if not found:
            added.append((keys, read_entry(document, keys, entry, _nameable(axes, section))))
            continue
        before = [relevant({**defaults, **of_axes[i]}) for i in found]
        for i in found:
            of_axes[i] = {**of_axes[i], **further}
        if [relevant({**defaults, **of_axes[i]}) for i in found] == before:
            remarks.append(_changes_nothing(document, keys, entry))
        else:
            used.update(further)
    names = {name for combination in of_axes for name in combination}
    brought = {name for _, combination in added for name in combination}
    return Combinations(
        of_axes=of_axes,
        added=added,
        remarks=tuple(remarks),
        idle=frozenset(names - used - brought - {*axes}),
    )


def _divided(
    document: Document, keys: KeyPath, entry: Entry, axes: Sequence[str], known: Sequence[str]
) -> tuple[Tests, Combination]:
    """What an `include` entry says of the axes, as tests, and what it says besides, as values."""
    own = {name: value for name, value in entry.items() if canonical_name(name) in axes}
    further = {name: value for name, value in entry.items() if name not in own}
    return _tests(document, keys, own, axes), read_entry(document, keys, further, known)


def _changes_nothing(document: Document, keys: KeyPath, entry: Entry) -> str:
    return (
        f"{document.position(keys)}: this include changes nothing: {_shown(entry)} is already so, "
        "or does not matter for the cells that it matches"
    )


def _nameable(axes: Sequence[str], section: ExperimentSection) -> list[str]:
    """What an `include` entry may name: the axes, and all that could be one."""
    variables = (name for entry in section.include for name in entry if is_variable(name))
    names = (*axes, *SETTINGS, *sorted(plugins.optional_packages()), *section.packages, *variables)
    return list(dict.fromkeys((*names, *sorted(plugins.parameters()))))


def _shown(entry: Entry) -> str:
    return ", ".join(
        f"{name} {value}" if isinstance(value, str) else f"{name} ({_shown(value)})"
        for name, value in entry.items()
    )


# -- values as the file writes them ----------------------------------------------------------------


def axis_values(document: Document, section: ExperimentSection) -> dict[str, list[str]]:
    """Each axis of the experiment with its values as text, in the order of the file."""
    values: dict[str, list[str]] = {}
    for name, written in section.axes.items():
        keys = ("axes", name)
        values[name] = [
            read_value(document, (*keys, index), name, value, shown=f"axes.{name}")
            for index, value in enumerate(written)
        ]
        _refuse_duplicates(document, keys, name, values[name])
    for name, versions in section.packages.items():
        if len(versions) > 1:
            keys = ("packages", name)
            if name in values:
                document.fail(
                    keys, f"{name} is a list here and under `axes`; keep one of them", key=True
                )
            values[name] = list(versions)
            _refuse_duplicates(document, keys, name, values[name])
    return values


def _refuse_duplicates(document: Document, keys: KeyPath, name: str, values: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for index, value in enumerate(values):
        same = canonicalize_version(value) if is_package(name) else value
        first = seen.setdefault(same, value)
        if len(seen) <= index:
            equal = "" if first == value else f" (it equals {first})"
            document.fail((*keys, index), f"{name}: {value} is listed twice{equal}; keep one")


def read_entry(
    document: Document, keys: KeyPath, entry: Entry, known: Iterable[str]
) -> dict[str, str]:
    """A partial cell, axis → value, in the form that axis values have."""
    return {
        name: read_value(document, (*keys, written), name, entry[written], shown=name)
        for name, written in _names(document, keys, entry, known)
    }


def _tests(document: Document, keys: KeyPath, entry: Entry, known: Iterable[str]) -> Tests:
    """A partial match, axis → whether a value is meant."""
    return {
        name: _read(document, (*keys, written), axis(name).matcher, entry[written], shown=name)
        for name, written in _names(document, keys, entry, known)
    }


def _names(
    document: Document, keys: KeyPath, entry: Entry, known: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Each name of an entry, as it is called and as it is written there."""
    known = [*dict.fromkeys(known)]
    for written in entry:
        name = canonical_name(written)
        if name not in known:
            hint = suggestion(name, known)
            document.fail((*keys, written), f"unknown axis {written!r}{hint}", key=True)
        yield name, written


def read_value(
    document: Document,
    keys: KeyPath,
    name: str,
    written: str | Mapping[str, str],
    *,
    shown: str,
) -> str:
    """A value of an axis as text; `SpecError` with its position if it cannot be one."""
    return _read(document, keys, axis(name).value, written, shown=shown)


def _read(
    document: Document,
    keys: KeyPath,
    read: Callable[[str | Mapping[str, str]], T],
    written: str | Mapping[str, str],
    *,
    shown: str,
) -> T:
    try:
        return read(written)
    except ValueError as error:
        message = str(error)
        # "unknown patch 'x'" names the axis itself.
        document.fail(keys, message if message.startswith("unknown ") else f"{shown}: {message}")
