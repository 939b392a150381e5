"""One experiment → its cells: combinations without what cannot matter for them, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from runner.matrix import plugins
from runner.matrix.application import Application, Facts, Request
from runner.matrix.axes import (
    BROUGHT,
    SETTINGS,
    imports,
    is_package,
    needed_packages,
    relevant,
)
from runner.matrix.canonical import full_loads
from runner.matrix.ceiling import too_long
from runner.matrix.cell import FEWEST_SENT, Base, Cell, Experiment, Limits, Requirement
from runner.matrix.combine import (
    AXES,
    Combination,
    Combinations,
    axis_values,
    combine,
    read_entry,
    read_value,
)
from runner.matrix.expect import expectations
from runner.matrix.placements import Omission, left_out, matters, same_as, usual
from runner.matrix.schema import ExperimentSection, LaunchesSection
from runner.matrix.sending import too_long_for_ab
from runner.matrix.servers import server
from runner.matrix.values import (
    VARIABLE,
    Workload,
    contradict,
    is_variable,
    patch_kind,
    share,
    specifier,
    workload,
)
from runner.matrix.yaml_document import Document, KeyPath

#: Packages whose versions are the question: a cell that imports one must name its version.
MUST_BE_NAMED = frozenset({"gevent", "grpcio"})
#: Packages that libraries use as soon as they are there, so that their presence alone matters.
ALTERING = MUST_BE_NAMED | {"eventlet"}
#: The Python of an application that says nothing about its own.
PYTHON = "3.13"


def no_facts(_: Application) -> Facts:
    """The facts of an application whose files are not read."""
    return Facts(python=PYTHON)


def expand(
    name: str,
    document: Document,
    section: ExperimentSection,
    facts_of: Callable[[Application], Facts] = no_facts,
) -> Experiment:
    """The experiment of a section; `SpecError` with a position for a mistake in it.

    `facts_of` reads what an application's own files say.
    """
    application = section.application.value(document) if section.application else None
    facts = facts_of(application) if application else None
    defaults = _defaults(document, section, facts)
    values = axis_values(document, section)
    remarks: tuple[str, ...] = ()
    # Includes without axes are all the cells that there are.
    if facts and "python" not in values and (values or not section.include):
        values, remarks = {"python": [facts.python], **values}, facts.remarks
    combinations = combine(document, section, values, defaults)
    named = (name for c in combinations for name in c if name not in combinations.idle)
    axes = tuple(dict.fromkeys((*values, *named)))
    varied = tuple(a for a in axes if a not in values or _varies(a, combinations, defaults))
    factory = CellFactory(
        document=document,
        section=section,
        defaults=defaults,
        varied=varied,
        application=application,
    )
    cells, skipped = _cells(document, factory, combinations)
    if application:
        cells = tuple(_with_servers_of_all(cells))
    limits = section.limits.of(section.application)
    request = section.request.value() if section.request else None
    _refuse_what_is_too_long(document, cells, limits, request)
    if any(cell.rate for cell in cells):
        axes = tuple(dict.fromkeys((*axes, "rate")))
    keys = (*axes, *SETTINGS, *section.workload.parameters)
    baseline = read_entry(document, ("baseline",), section.baseline, keys)
    _refuse_shares_of_nothing(document, section, baseline, axes, cells)
    return Experiment(
        name=name,
        axes=axes,
        cells=cells,
        limits=limits,
        baseline=tuple(baseline.items()),
        base=Base(**section.base.model_dump()),
        launches=section.launches.max,
        least_launches=_least(section.launches),
        delta=tuple(section.delta.model_dump().items()),
        repeats=section.repeats,
        expect=expectations(document, section, axes, cells),
        skipped=skipped,
        remarks=(*combinations.remarks, *remarks, *_of_services(application)),
        application=application,
        request=request,
        response=section.response.value() if section.response else None,
    )


def _refuse_what_is_too_long(
    document: Document, cells: Sequence[Cell], limits: Limits, request: Request | None
) -> None:
    if problem := too_long(cells, limits):
        document.fail(("limits", "load"), problem)
    by_ab = not all(cell.rate for cell in cells)
    if request and by_ab and (problem := too_long_for_ab(request, {})):
        document.fail(("request",), problem)


def _of_services(application: Application | None) -> list[str]:
    services = application.services if application else ()
    return [remark for service in services for remark in service.remarks]


def _least(launches: LaunchesSection) -> int | None:
    """From how many rounds on the run may end early; None where their number is fixed."""
    return None if launches.min == launches.max else launches.min


def _defaults(
    document: Document, section: ExperimentSection, facts: Facts | None
) -> dict[str, str]:
    """The values of a cell on axes that neither the axes nor an `include` name."""
    chosen = {} if facts else section.workload.parameters
    parameters = {
        name: read_value(document, ("workload", name), name, value, shown=f"workload.{name}")
        for name, value in chosen.items()
    }
    return {
        "patch": "none",
        "server": section.server,
        "workload": plugins.APPLICATION.name if facts else section.workload.name,
        "concurrency": str(section.load.concurrency),
        "rate": section.load.rate,
        **parameters,
        **({"placement": section.stands_at} if section.stands_at else {}),
        **({BROUGHT: " ".join(sorted(facts.packages)), "python": facts.python} if facts else {}),
        **{name: versions[0] for name, versions in section.packages.items() if len(versions) == 1},
    }


def _varies(name: str, combinations: Iterable[Combination], defaults: Mapping[str, str]) -> bool:
    return len({c.get(name, defaults.get(name)) for c in combinations}) > 1


@dataclass(frozen=True, kw_only=True)
class CellFactory:
    """Makes cells of combinations."""

    document: Document
    section: ExperimentSection
    defaults: Mapping[str, str]
    varied: tuple[str, ...]
    application: Application | None = None

    def cell(self, combination: Combination, entry: KeyPath | None = None) -> Cell:
        """The cell of a combination; `entry` is the `include` entry that added it, if any did."""
        settings = relevant({**self.defaults, **combination})
        if "python" not in settings:
            what = "this include adds a cell without" if entry else "no axis and no include gives"
            self.document.fail(entry or AXES, f"{what} `python`; name one")
        load = self.section.load
        rate = settings.get("rate")
        served_by = server(settings["server"])
        return Cell(
            python=settings["python"],
            patch=settings["patch"],
            placement=self._placement(settings),
            variables=tuple(
                (name.removeprefix(VARIABLE), value)
                for name, value in settings.items()
                if is_variable(name)
            ),
            rate=rate,
            load_s=load.seconds if rate else None,
            server=served_by,
            workload=self._workload(settings, entry),
            concurrency=load.concurrency if rate else self._concurrency(settings, entry),
            requests=self._sent(rate, entry) if rate else load.requests,
            requirements=self._requirements(settings, entry),
            copy=settings.get("copy"),
            services=self.application.services if self.application else (),
            exclude_newer=self.section.exclude_newer,
            varied=self.varied,
        )

    @staticmethod
    def _placement(settings: Mapping[str, str]) -> str | None:
        if not matters(settings["patch"], named := settings.get("placement")):
            return None
        return named or usual(server(settings["server"]))

    def _workload(self, settings: Mapping[str, str], entry: KeyPath | None) -> Workload:
        try:
            return workload(settings["workload"], settings)
        except ValueError as error:
            section = "axes" if "spread" in self.section.axes else "workload"
            self.document.fail(entry or (section, "spread"), str(error))

    def _sent(self, rate: str, entry: KeyPath | None) -> int:
        """How many requests are sent at a rate, 0 for a percentage of one that is not known yet."""
        if share(rate) is not None:
            return 0
        seconds = self.section.load.seconds
        requests = round(float(rate) * seconds)
        if requests < FEWEST_SENT:
            self.document.fail(
                entry or _place_of_rate(self.section),
                f"{rate} requests per second are {requests} in {seconds:g} s, fewer than "
                f"{FEWEST_SENT}; raise the rate or `load.seconds`",
            )
        return requests

    def _concurrency(self, settings: Mapping[str, str], entry: KeyPath | None) -> int:
        concurrency, requests = int(settings["concurrency"]), self.section.load.requests
        if concurrency > requests:
            section = "axes" if "concurrency" in self.section.axes else "load"
            self.document.fail(
                entry or (section, "concurrency"),
                f"concurrency {concurrency} exceeds the load's {requests} requests; "
                "raise `load.requests` or lower it",
            )
        return concurrency

    def _requirements(
        self, settings: Mapping[str, str], entry: KeyPath | None
    ) -> tuple[Requirement, ...]:
        """The packages named for the cell, and any version of what it imports besides."""
        needed = needed_packages(imports(settings))
        brought = {*settings.get(BROUGHT, "").split()}
        packages = {n: v for n, v in settings.items() if is_package(n) and n != BROUGHT}
        for name in sorted(MUST_BE_NAMED & needed - packages.keys() - brought):
            self.document.fail(
                entry or ("axes", "patch"),
                f"{_who_needs(name, settings)} needs {name}: name its versions "
                "under `axes` or `packages`",
            )
        for name in sorted(self.section.packages):
            if name not in packages and name not in plugins.optional_packages():
                self.document.fail(
                    entry or AXES, f"this include adds a cell without `{name}`; name its version"
                )
        bounds = server(settings["server"]).kind.versions
        chosen = {name: bounds.get(name, "any") for name in needed} | packages
        return _requirements(tuple(sorted(chosen.items())))


@cache
def _requirements(versions: tuple[tuple[str, str], ...]) -> tuple[Requirement, ...]:
    return tuple(Requirement(name=name, specifier=specifier(text)) for name, text in versions)


def _who_needs(package: str, settings: Mapping[str, str]) -> str:
    if package in patch_kind(settings["patch"]).packages:
        return f"patch {settings['patch']!r}"
    if package in server(settings["server"]).kind.packages:
        return f"server {settings['server']!r}"
    return f"workload {settings['workload']!r}"


def _cells(
    document: Document, factory: CellFactory, combinations: Combinations
) -> tuple[tuple[Cell, ...], tuple[tuple[str, str], ...]]:
    """The cells, each once, and what was skipped because it cannot run, with the reason.

    Combinations of the axes often come to the same cell. An `include` entry must add a new one.
    """
    cells: dict[Cell, None] = {}
    skipped: dict[str, str] = {}
    for combination in combinations.of_axes:
        cell = factory.cell(combination)
        if omission := _omission(cell):
            skipped[omission.what] = omission.why
        else:
            cells[cell] = None
    for entry, combination in combinations.added:
        cell = factory.cell(combination, entry)
        if omission := _omission(cell):
            document.fail(entry, f"{omission.what}: {omission.why}; change one of them")
        if cell in cells:
            document.fail(entry, f"this include duplicates the cell {cell.id}; remove it")
        cells[cell] = None
    if not cells:
        reasons = "; ".join(f"{what}: {reason}" for what, reason in skipped.items())
        document.fail(AXES, f"no cell can run: {reasons}; change `patch` or `server`")
    for cell in [*cells]:
        if (twin := _twin(cell)) in cells:
            del cells[cell]
            skipped[cell.id] = f"its server patches by itself, so it is the same as {twin.id}"
    name, times = Counter(cell.id for cell in cells).most_common(1)[0]
    if times > 1:
        document.fail(AXES, f"two cells have the id {name}; write their versions differently")
    return tuple(cells), tuple(skipped.items())


def _with_servers_of_all(cells: Iterable[Cell]) -> Iterator[Cell]:
    """The cells of an application, each with what the servers of all of them need.

    So cells that differ only in their server have the same packages, and one image. Not what a
    patch needs: that it is there at all can change what an application does.
    """
    cells = list(cells)
    needed = {
        requirement
        for cell in cells
        for requirement in cell.requirements
        if not requirement.specifier and requirement.name not in ALTERING
    }
    for cell in cells:
        named = {requirement.name for requirement in cell.requirements}
        more = [requirement for requirement in needed if requirement.name not in named]
        yield replace(cell, requirements=tuple(sorted((*cell.requirements, *more))))


def _place_of_rate(section: ExperimentSection) -> KeyPath:
    return ("axes" if "rate" in section.axes else "load", "rate")


def _refuse_shares_of_nothing(
    document: Document,
    section: ExperimentSection,
    baseline: Mapping[str, str],
    axes: Iterable[str],
    cells: Iterable[Cell],
) -> None:
    """`SpecError` for a rate in per cent where its baseline has no closed loop."""
    missing = (cell for cell, of in full_loads(cells, baseline, axes).items() if of is None)
    if cell := next(missing, None):
        named = ", ".join(f"{axis} {value}" for axis, value in baseline.items())
        document.fail(
            _place_of_rate(section),
            f"{cell.rate} of what? {cell.id} has no baseline ({named or 'none is named'}) in a "
            f"closed loop of {cell.concurrency} clients; add `closed` to the axis `rate`, "
            "`load.concurrency` to an axis `concurrency`, and exclude no such cell",
        )


def _omission(cell: Cell) -> Omission | None:
    """Why the cell cannot run, None if it can."""
    own = cell.workload.kind is plugins.APPLICATION
    if omission := left_out(cell.server, cell.patch, cell.placement, own=own):
        return omission
    bounds = cell.server.kind.versions
    for requirement in cell.requirements:
        bound = bounds.get(requirement.name, "")
        if bound and contradict(requirement.specifier, bound):
            return Omission(
                f"{requirement.name} {requirement.label} under {cell.server.name}",
                f"it needs {requirement.name}{bound}",
            )
    return None


def _twin(cell: Cell) -> Cell | None:
    """The cell of another patch mode that comes to the same, None if there is none."""
    same = same_as(cell.server, cell.patch, cell.placement)
    if same is None:
        return None
    placement = cell.placement if matters(same, cell.placement) else None
    return replace(cell, patch=same, placement=placement)
