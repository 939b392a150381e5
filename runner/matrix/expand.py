"""One experiment → its canonical cells: combinations, without what cannot matter for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.matrix import plugins
from runner.matrix.axes import (
    SETTINGS,
    Deciding,
    axis_values,
    decides,
    is_package,
    makes_no_sense,
    needed_packages,
    normal_value,
)
from runner.matrix.ceiling import too_long
from runner.matrix.cell import Base, Cell, Experiment, Limits, Requirement
from runner.matrix.combine import AXES, Draft, combine, defaults_of, parameters_of, settings
from runner.matrix.expect import expectations
from runner.matrix.schema import ExperimentSection
from runner.matrix.values import Workload, parameter, server, workload
from runner.matrix.yaml_document import Document, suggestion

#: Packages whose versions are the question: a cell that imports one must be told which.
MUST_BE_NAMED = frozenset({"gevent", "grpcio"})


def expand(name: str, found: Document, section: ExperimentSection) -> Experiment:
    """Check what sections say of each other and expand; `SpecError` with a position."""
    _check_parameters(found, section)
    values = axis_values(found, section)
    drafts = combine(found, section, values)
    added = list(dict.fromkeys(axis for draft in drafts for axis in draft.added))
    maker = _Maker(
        found=found,
        section=section,
        axes=values,
        varied=_varied(drafts, [*values], added, defaults_of(section)),
    )
    cells, left_out = _cells(found, maker, drafts)
    limits = Limits(
        startup_s=section.limits.startup,
        load_s=section.limits.load,
        memory_bytes=section.limits.memory,
        pids=section.limits.pids,
    )
    if problem := too_long(cells, limits):
        found.fail(("limits", "load"), problem)
    baseline = _baseline(found, section, [*values, *added])
    return Experiment(
        name=name,
        axes=(*dict.fromkeys((*values, *added)),),
        cells=cells,
        limits=limits,
        baseline=baseline,
        base=Base(**section.base.model_dump()),
        launches=section.launches,
        repeats=section.repeats,
        expect=expectations(found, section, [*values, *added], cells),
        left_out=left_out,
        source=str(found.path),
    )


def _check_parameters(found: Document, section: ExperimentSection) -> None:
    for name, value in parameters_of(section).items():
        try:
            parameter(name, value)
        except ValueError as error:
            found.fail(("workload", name), f"workload.{name}: {error}")


@dataclass(kw_only=True)
class _Maker:
    """Makes canonical cells of drafts; equal sets of requirements are one object."""

    found: Document
    section: ExperimentSection
    axes: Mapping[str, list[str]]
    varied: tuple[str, ...]
    known: dict[tuple[object, ...], tuple[Requirement, ...]] = field(default_factory=dict)
    workloads: dict[tuple[object, ...], Workload] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.defaults = defaults_of(self.section)
        packages = [name for name in (*self.axes, *self.section.packages) if is_package(name)]
        self.packages = sorted({*packages})

    def cell(self, draft: Draft) -> Cell:
        """The draft as a cell, without what cannot matter for it."""
        values = settings(draft, self.axes, self.defaults)
        if "python" not in values:
            self.found.fail(draft.place, "adds a cell without `python`; name one")
        concurrency = int(values["concurrency"])
        if concurrency > self.section.load.requests:
            self._refuse_concurrency(draft, concurrency)
        return Cell(
            python=values["python"],
            patch=values["patch"],
            order=values.get("order"),
            server=server(values["server"]),
            workload=self._workload(values),
            concurrency=concurrency,
            requests=self.section.load.requests,
            requirements=self._requirements(draft, values),
            exclude_newer=self.section.exclude_newer,
            varied=self.varied,
        )

    def _workload(self, values: Mapping[str, str]) -> Workload:
        name = values["workload"]
        own = plugins.workloads()[name].parameters
        chosen = {parameter: values[parameter] for parameter in own if parameter in values}
        key = (name, *chosen.items())
        if key not in self.workloads:
            self.workloads[key] = workload(name, chosen)
        return self.workloads[key]

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
        """The packages named for the cell, and any version of what it needs besides."""
        packages = {axis: v for axis, v in values.items() if is_package(axis)}
        deciding = decides(values)
        key = (deciding, *packages.items())
        if key not in self.known:
            self._refuse_missing(draft, deciding, packages)
            packages = {**dict.fromkeys(needed_packages(deciding), ""), **packages}
            self.known[key] = tuple(
                sorted(Requirement(name=n, specifier=v) for n, v in packages.items())
            )
        return self.known[key]

    def _refuse_missing(
        self, draft: Draft, deciding: Deciding, packages: Mapping[str, str]
    ) -> None:
        for name in sorted(MUST_BE_NAMED & needed_packages(deciding) - packages.keys()):
            place = ("axes", "patch") if draft.place == AXES else draft.place
            self.found.fail(
                place,
                f"{_who_needs(name, deciding)} needs {name}: name its versions "
                "under `axes` or `packages`",
            )
        for name in self.packages:
            if name not in packages and name not in plugins.optional_packages():
                self.found.fail(draft.place, f"adds a cell without `{name}`; name its version")


def _who_needs(package: str, deciding: Deciding) -> str:
    patch, served, work, _ = deciding
    if package in plugins.patches()[patch].packages:
        return f"patch {patch!r}"
    if package in server(served).kind.packages:
        return f"server {served!r}"
    return f"workload {work!r}"


def _cells(
    found: Document, maker: _Maker, drafts: list[Draft]
) -> tuple[tuple[Cell, ...], tuple[tuple[str, str], ...]]:
    """The canonical cells, each once, and what was left out because it makes no sense.

    An `include` that adds a cell that is there, or one that makes no sense, is an error.
    """
    cells: dict[Cell, None] = {}
    left_out: dict[str, str] = {}
    for draft in drafts:
        size = len(cells)
        cell = maker.cell(draft)
        if reason := makes_no_sense(cell.patch, str(cell.server)):
            if draft.place != AXES:
                found.fail(draft.place, f"patch {cell.patch} under {cell.server}: {reason}")
            left_out[f"patch {cell.patch} under {cell.server}"] = reason
            continue
        cells[cell] = None
        if draft.place != AXES and len(cells) == size:
            found.fail(
                draft.place,
                f"adds nothing: it comes to {cell.id}, which the matrix has already; remove it",
            )
    if not cells:
        found.fail(AXES, f"no cell makes sense: {'; '.join(map(': '.join, left_out.items()))}")
    if len({cell.id for cell in cells}) < len(cells):
        twice = Counter(cell.id for cell in cells).most_common(1)[0][0]
        found.fail(AXES, f"two cells would be called {twice}; write their versions otherwise")
    return tuple(cells), tuple(left_out.items())


def _varied(
    drafts: list[Draft], axes: list[str], added: list[str], defaults: Mapping[str, str]
) -> tuple[str, ...]:
    """The axes that tell the cells apart, which is what their ids are made of."""
    several = set(added)
    for index, axis in enumerate(axes):
        values = {draft.values[index] for draft in drafts}
        if len({defaults.get(axis) if value is None else value for value in values}) > 1:
            several.add(axis)
    packages = [p for p in (*axes, *added) if p in several and is_package(p)]
    shown = dict.fromkeys(("python", "gevent", "grpcio", *packages, "patch"))
    others = ("order", "server", "workload", *sorted(plugins.parameters()), "concurrency")
    return (*shown, *(axis for axis in others if axis in several))


def _baseline(
    found: Document, section: ExperimentSection, axes: list[str]
) -> tuple[tuple[str, str], ...]:
    """The baseline with values as cells show them."""
    entries = []
    for axis, value in section.baseline.items():
        known = [*axes, *SETTINGS, *parameters_of(section)]
        if axis not in known:
            hint = suggestion(axis, dict.fromkeys(known))
            found.fail(("baseline", axis), f"unknown axis {axis!r}{hint}", key=True)
        try:
            normal = normal_value(axis, value)
        except ValueError as error:
            found.fail(("baseline", axis), str(error))
        if is_package(axis):
            normal = Requirement(name=axis, specifier=normal).label
        entries.append((axis, normal))
    return tuple(entries)
