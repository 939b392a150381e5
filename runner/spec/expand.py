"""One experiment → its canonical cells: combinations, without what cannot matter for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.spec.axes import SETTINGS, axis_values, normal_value
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
from runner.spec.combine import AXES, Draft, combine, defaults_of, settings
from runner.spec.document import Document, suggestion
from runner.spec.loads import too_long
from runner.spec.model import ExperimentSection


def expand(name: str, found: Document, section: ExperimentSection) -> Experiment:
    """Check what sections say of each other and expand; `SpecError` with a position."""
    values = axis_values(found, section)
    drafts = combine(found, section, values)
    added = list(dict.fromkeys(axis for draft in drafts for axis in draft.added))
    maker = _Maker(
        found=found,
        section=section,
        axes=values,
        varied=_varied(drafts, [*values], added, defaults_of(section)),
    )
    cells = _cells(found, maker, drafts)
    limits = Limits(
        startup_s=section.limits.startup,
        load_s=section.limits.load,
        memory_bytes=section.limits.memory,
        pids=section.limits.pids,
    )
    if problem := too_long(cells, limits):
        found.fail(("limits", "load"), problem)
    _check_baseline(found, section, [*values, *added])
    return Experiment(
        name=name,
        axes=(*dict.fromkeys((*values, *added)),),
        cells=cells,
        limits=limits,
        baseline=tuple(section.baseline.items()),
        base=Base(**section.base.model_dump()),
        launches=section.launches,
        source=str(found.path),
    )


@dataclass(kw_only=True)
class _Maker:
    """Makes canonical cells of drafts; equal sets of requirements are one object."""

    found: Document
    section: ExperimentSection
    axes: Mapping[str, list[str]]
    varied: tuple[str, ...]
    known: dict[tuple[object, ...], tuple[Requirement, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        workload = self.section.workload
        self.workload = Workload(name=workload.name, seconds=workload.seconds)
        self.defaults = defaults_of(self.section)
        packages = {*self.axes, *self.section.packages} - {*SETTINGS}
        self.packages = sorted(packages)

    def cell(self, draft: Draft) -> Cell:
        """The draft as a cell, without what its patch mode does not import."""
        values = settings(draft, self.axes, self.defaults)
        if "python" not in values:
            self.found.fail(draft.place, "adds a cell without `python`; name one")
        concurrency = int(values["concurrency"])
        if concurrency > self.section.load.requests:
            self._refuse_concurrency(draft, concurrency)
        return Cell(
            python=values["python"],
            patch=PatchMode(values["patch"]),
            server=Server(values["server"]),
            workload=self.workload,
            concurrency=concurrency,
            requests=self.section.load.requests,
            requirements=self._requirements(draft, values),
            exclude_newer=self.section.exclude_newer,
            varied=self.varied,
        )

    def _refuse_concurrency(self, draft: Draft, concurrency: int) -> None:
        place = draft.place
        if place == AXES:
            place = (
                ("axes", "concurrency") if "concurrency" in self.axes else ("load", "concurrency")
            )
        self.found.fail(
            place,
            f"concurrency {concurrency} exceeds the load's {self.section.load.requests} requests; "
            "raise `load.requests` or lower it",
        )

    def _requirements(self, draft: Draft, values: Mapping[str, str]) -> tuple[Requirement, ...]:
        packages = {axis: v for axis, v in values.items() if axis not in SETTINGS}
        key = (values["patch"], *packages.items())
        if key not in self.known:
            self._refuse_missing(draft, PatchMode(values["patch"]), packages)
            self.known[key] = tuple(
                sorted(Requirement(name=n, specifier=v) for n, v in packages.items())
            )
        return self.known[key]

    def _refuse_missing(self, draft: Draft, patch: PatchMode, packages: Mapping[str, str]) -> None:
        for name in sorted(patch.needs - packages.keys()):
            place = ("axes", "patch") if draft.place == AXES else draft.place
            self.found.fail(
                place,
                f"patch {str(patch)!r} needs {name}: name its versions under `axes` or `packages`",
            )
        for name in self.packages:
            if name not in packages and name not in OPTIONAL_PACKAGES:
                self.found.fail(draft.place, f"adds a cell without `{name}`; name its version")


def _cells(found: Document, maker: _Maker, drafts: list[Draft]) -> tuple[Cell, ...]:
    """The canonical cells, each once; an `include` that adds one that is there is an error."""
    cells: dict[Cell, None] = {}
    for draft in drafts:
        size = len(cells)
        cell = maker.cell(draft)
        cells[cell] = None
        if draft.place != AXES and len(cells) == size:
            found.fail(
                draft.place,
                f"adds nothing: it comes to {cell.id}, which the matrix has already; remove it",
            )
    if len({cell.id for cell in cells}) < len(cells):
        twice = Counter(cell.id for cell in cells).most_common(1)[0][0]
        found.fail(AXES, f"two cells would be called {twice}; write their versions otherwise")
    return tuple(cells)


def _varied(
    drafts: list[Draft], axes: list[str], added: list[str], defaults: Mapping[str, str]
) -> tuple[str, ...]:
    """The axes that tell the cells apart, which is what their ids are made of."""
    several = set(added)
    for index, axis in enumerate(axes):
        values = {draft.values[index] for draft in drafts}
        if len({defaults.get(axis) if value is None else value for value in values}) > 1:
            several.add(axis)
    packages = [p for p in (*axes, *added) if p in several and p not in SETTINGS]
    shown = dict.fromkeys(("python", "gevent", "grpcio", *packages, "patch"))
    return (*shown, *(axis for axis in ("server", "concurrency") if axis in several))


def _check_baseline(found: Document, section: ExperimentSection, axes: list[str]) -> None:
    for axis, value in section.baseline.items():
        known = [*axes, *SETTINGS]
        if axis not in known:
            hint = suggestion(axis, dict.fromkeys(known))
            found.fail(("baseline", axis), f"unknown axis {axis!r}{hint}", key=True)
        try:
            normal_value(axis, value)
        except ValueError as error:
            found.fail(("baseline", axis), str(error))
