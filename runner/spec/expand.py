"""One experiment → its canonical cells: product, exclude, include, and drop what cannot matter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.spec.cell import (
    OPTIONAL_PACKAGES,
    Base,
    Cell,
    Experiment,
    Limits,
    PatchMode,
    Requirement,
    Server,
    Workload,
)
from runner.spec.document import Document, Place, suggestion
from runner.spec.loads import too_long
from runner.spec.model import (
    Axes,
    ExperimentSection,
    package_name,
    python_version,
    specifier,
    whole_number,
)

#: Axes that are no package.
SETTINGS = ("python", "patch", "server", "concurrency")
BUILT_IN = (*Axes.model_fields,)
Combination = tuple[str, ...]


def expand(name: str, found: Document, section: ExperimentSection) -> Experiment:
    """Check what sections say of each other and expand; `SpecError` with a position."""
    values = axis_values(found, section)
    drafts = list(_drafts(found, section, values))
    maker = _Maker(found=found, section=section, varied=_varied(drafts, values))
    cells = tuple(dict.fromkeys(maker.cell(draft, values) for draft in drafts))
    limits = Limits(
        startup_s=section.limits.startup,
        load_s=section.limits.load,
        memory_bytes=section.limits.memory,
        pids=section.limits.pids,
    )
    if problem := too_long(cells, limits):
        found.fail(("limits", "load"), problem)
    _check_baseline(found, section, values)
    return Experiment(
        name=name,
        axes=(*values,),
        cells=cells,
        limits=limits,
        baseline=tuple(section.baseline.items()),
        base=Base(**section.base.model_dump()),
        launches=section.launches,
        source=str(found.path),
    )


def axis_values(found: Document, section: ExperimentSection) -> dict[str, list[str]]:
    """Each axis of the experiment with its values as text, in the order of the file.

    Versions are specifiers, so that `25.9.1` and `==25.9.1` are one.
    """
    values: dict[str, list[str]] = {}
    for axis in section.axes.model_fields_set | set(section.axes.model_extra or {}):
        if axis not in BUILT_IN and package_name(axis) not in section.packages:
            known = [*BUILT_IN, *section.packages]
            hint = suggestion(axis, known)
            found.fail(
                ("axes", axis), f"unknown axis {axis!r}{hint}" + _package_hint(axis, hint), key=True
            )
        chosen = getattr(section.axes, axis)
        if chosen is not None:
            values[axis] = [str(value) for value in chosen]
    for name, versions in section.packages.items():
        if len(versions) > 1 and name not in values:
            values[name] = list(versions)
    for axis, chosen in values.items():
        _refuse_twice(found, axis, chosen)
    order = [*(found.content.get("axes") or {}), *section.packages]  # type: ignore[union-attr]
    return dict(sorted(values.items(), key=lambda item: order.index(item[0])))


def _package_hint(axis: str, hint: str) -> str:
    if "did you mean" in hint:
        return ""
    return f" (a package that is varied also stands under `packages`: `{axis}: '*'`)"


def _refuse_twice(found: Document, axis: str, values: list[str]) -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            place: Place = ("axes", axis, index)
            if place not in found.places:
                place = ("packages", axis, index)
            text = value.removeprefix("==")
            found.fail(place, f"{axis}: {text} stands here twice; keep one")
        seen.add(value)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A combination of axis values, what `include` added to it, and where it comes from.

    `values` has the order of the axes; an added cell need not have one for each (then "").
    """

    values: Combination
    added: Mapping[str, str] = field(default_factory=dict)
    place: Place = ("axes",)


def _drafts(
    found: Document, section: ExperimentSection, values: Mapping[str, list[str]]
) -> Iterator[Draft]:
    """GitHub Actions' order: exclude first, then include."""
    combinations = list(itertools.product(*values.values()))
    kept = _exclude(found, section, list(values), combinations)
    if not kept:
        found.fail(("exclude",), "the excludes leave no cell; remove one")
    if not section.include:
        return (Draft(values=combination) for combination in kept)
    return iter(_include(found, section, list(values), kept))


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
        wanted = {axes.index(axis): value for axis, value in _normal(found, place, entry, axes)}
        matched = [c for c in combinations if all(c[i] == v for i, v in wanted.items())]
        if not matched:
            found.fail(place, f"matches no cell: {_said(entry)}; mend the values, or remove it")
        gone = set(matched)
        kept = [c for c in kept if c not in gone]
        _refuse_no_effect(found, place, axes, gone, combinations)
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
    patch = combination[axes.index("patch")] if "patch" in axes else "none"
    needs = PatchMode(patch).needs
    return tuple(
        "" if axis in OPTIONAL_PACKAGES and axis not in needs else value
        for axis, value in zip(axes, combination, strict=True)
    )


def _include(
    found: Document, section: ExperimentSection, axes: list[str], kept: list[Combination]
) -> list[Draft]:
    """Extend each combination that an entry does not contradict, or add a cell.

    As GitHub Actions: original axis values are never overwritten, values added before may be.
    """
    drafts = [Draft(values=combination) for combination in kept]
    for number, entry in enumerate(section.include):
        place: Place = ("include", number)
        known = [*axes, *SETTINGS, *OPTIONAL_PACKAGES, *section.packages]
        wanted = dict(_normal(found, place, entry, known))
        original = {axes.index(axis): v for axis, v in wanted.items() if axis in axes}
        extra = {axis: value for axis, value in wanted.items() if axis not in axes}
        matches = [
            i
            for i, draft in enumerate(drafts)
            if draft.place == ("axes",) and all(draft.values[k] == v for k, v in original.items())
        ]
        if matches and not extra:
            found.fail(place, f"changes nothing: the matrix has {_said(entry)} already; remove it")
        for i in matches:
            drafts[i] = Draft(values=drafts[i].values, added={**drafts[i].added, **extra})
        if not matches:
            values = tuple(wanted.get(axis, "") for axis in axes)
            drafts.append(Draft(values=values, added=extra, place=place))
    return drafts


def _normal(
    found: Document, place: Place, entry: Mapping[str, str], known: list[str]
) -> Iterator[tuple[str, str]]:
    """The entry's axes and values in the form that axis values have."""
    for axis, value in entry.items():
        if axis not in known:
            hint = suggestion(axis, dict.fromkeys(known))
            found.fail((*place, axis), f"unknown axis {axis!r}{hint}", key=True)
        try:
            yield axis, normal_value(axis, value)
        except ValueError as error:
            found.fail((*place, axis), str(error))


def normal_value(axis: str, value: str) -> str:
    """A value as axis values are held; ValueError says what is wrong with it."""
    if axis == "python":
        return python_version(value)
    if axis == "patch":
        return str(_word(PatchMode, value, "patch"))
    if axis == "server":
        return str(_word(Server, value, "server"))
    if axis == "concurrency":
        return str(whole_number(value))
    return specifier(value)


def _word(kind: type[PatchMode | Server], value: str, name: str) -> PatchMode | Server:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"unknown {name} {value!r}{suggestion(value, list(kind))}") from None


def _said(entry: Mapping[str, str]) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in entry.items())


@dataclass(kw_only=True)
class _Maker:
    """Makes canonical cells of drafts; equal sets of requirements are one object."""

    found: Document
    section: ExperimentSection
    varied: tuple[str, ...]
    known: dict[object, tuple[Requirement, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        workload = self.section.workload
        self.workload = Workload(name=workload.name, seconds=workload.seconds)
        self.fixed = {n: v[0] for n, v in self.section.packages.items() if len(v) == 1}

    def cell(self, draft: Draft, axes: Mapping[str, list[str]]) -> Cell:
        """The draft as a cell, without what its patch mode does not import."""
        values = {a: v for a, v in zip(axes, draft.values, strict=True) if v} | dict(draft.added)
        if "python" not in values:
            self.found.fail(draft.place, "adds a cell without `python`; name one")
        patch = PatchMode(values.get("patch", "none"))
        concurrency = int(values.get("concurrency", self.section.load.concurrency))
        if concurrency > self.section.load.requests:
            self._refuse_concurrency(draft, concurrency)
        return Cell(
            python=values["python"],
            patch=patch,
            server=Server(values.get("server", self.section.server)),
            workload=self.workload,
            concurrency=concurrency,
            requests=self.section.load.requests,
            requirements=self._requirements(draft, values, patch),
            exclude_newer=self.section.exclude_newer,
            varied=self.varied,
        )

    def _refuse_concurrency(self, draft: Draft, concurrency: int) -> None:
        place = ("load", "concurrency") if draft.place == ("axes",) else draft.place
        if "concurrency" in (self.section.axes.model_fields_set) and draft.place == ("axes",):
            place = ("axes", "concurrency")
        self.found.fail(
            place,
            f"concurrency {concurrency} exceeds the load's {self.section.load.requests} requests; "
            "raise `load.requests` or lower it",
        )

    def _requirements(
        self, draft: Draft, values: Mapping[str, str], patch: PatchMode
    ) -> tuple[Requirement, ...]:
        varied = [item for item in values.items() if item[0] not in SETTINGS]
        key = (patch, *varied)
        if key not in self.known:
            packages = self.fixed | dict(varied)
            for name in sorted(patch.needs - packages.keys()):
                place = ("axes", "patch") if draft.place == ("axes",) else draft.place
                self.found.fail(
                    place,
                    f"patch {str(patch)!r} needs {name}: name its versions under `axes` or "
                    "`packages`",
                )
            unused = OPTIONAL_PACKAGES - patch.needs
            kept = {n: v for n, v in packages.items() if n not in unused}
            self.known[key] = tuple(
                sorted(Requirement(name=n, specifier=v) for n, v in kept.items())
            )
        return self.known[key]


def _varied(drafts: list[Draft], axes: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The axes that tell the cells apart, which is what their ids are made of."""
    added = {axis for draft in drafts for axis in draft.added}
    several = {axis for axis, values in axes.items() if len(values) > 1} | added
    packages = [axis for axis in (*axes, *sorted(added)) if axis not in SETTINGS]
    shown = dict.fromkeys(
        ("python", "gevent", "grpcio", *(p for p in packages if p in several), "patch")
    )
    return (*shown, *(axis for axis in ("server", "concurrency") if axis in several))


def _check_baseline(
    found: Document, section: ExperimentSection, values: Mapping[str, list[str]]
) -> None:
    for axis, value in section.baseline.items():
        known = [*values, *SETTINGS]
        if axis not in known:
            hint = suggestion(axis, dict.fromkeys(known))
            found.fail(("baseline", axis), f"unknown axis {axis!r}{hint}", key=True)
        try:
            normal_value(axis, value)
        except ValueError as error:
            found.fail(("baseline", axis), str(error))
