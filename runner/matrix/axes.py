"""The axes of an experiment: their names, and their values as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TypeAlias

from runner.matrix import plugins
from runner.matrix.cell import ORDERS
from runner.matrix.schema import Axes, ExperimentSection, package_name
from runner.matrix.values import (
    comparable,
    parameter,
    patch_mode,
    python_version,
    server,
    specifier,
    whole_number,
    workload,
    workload_name,
)
from runner.matrix.yaml_document import Document, Place, Plain, suggestion

#: Axes that are no package; the parameters of workloads are such, too.
SETTINGS = ("python", "patch", "order", "server", "workload", "concurrency")
BUILT_IN = (*Axes.model_fields,)


def is_package(axis: str) -> bool:
    """Whether an axis's values are versions of a package."""
    return axis not in SETTINGS and axis not in plugins.parameters()


def with_canonical_names(found: Document) -> Document:
    """The experiment with packages named as the index names them: `Flask` is `flask`."""
    if not isinstance(found.content, dict):
        return found
    content, places = dict(found.content), dict(found.places)
    for key in ("axes", "packages"):
        section = content.get(key)
        if isinstance(section, dict):
            content[key] = _renamed(found, key, section, places)
    return Document(path=found.path, content=content, places=places)


def _renamed(
    found: Document,
    key: str,
    section: Mapping[str, Plain],
    places: dict[Place, tuple[int, int]],
) -> dict[str, Plain]:
    renamed: dict[str, Plain] = {}
    for name, value in section.items():
        new = canonical(name)
        if new in renamed:
            found.fail(
                (key, name), f"{name!r} is {new!r}, which stands here too; keep one", key=True
            )
        renamed[new] = value
        if new != name:
            for place in [place for place in places if place[:2] == (key, name)]:
                places[(key, new, *place[2:])] = places[place]
    return renamed


def canonical(name: str) -> str:
    """A package's normalised name; what is none, or another kind of axis, as it is."""
    try:
        normal = package_name(name)
    except ValueError:
        return name
    return normal if is_package(normal) else name


def refuse_unknown(found: Document) -> None:
    """Fail for an axis that is neither built in nor a package nor a parameter of the experiment.

    Likewise for a key of `workload` that no workload of the experiment has.
    """
    content = found.content if isinstance(found.content, dict) else {}
    axes, packages, workload = (
        section if isinstance(section, dict) else {}
        for section in (content.get("axes"), content.get("packages"), content.get("workload"))
    )
    parameters = _parameters(axes, workload)
    if not parameters:
        _refuse_unknown_workload(found, workload)
    for key in workload:
        if key != "name" and key not in parameters:
            hint = suggestion(key, ["name", *parameters])
            found.fail(("workload", key), f"unknown key {key!r}{hint}", key=True)
    known = [*BUILT_IN, *packages, *parameters]
    for axis in axes:
        if axis not in known:
            hint = suggestion(axis, known)
            if "did you mean" not in hint:
                hint += f" (a package that is varied also stands under `packages`: `{axis}: '*'`)"
            if "python" not in axes:
                hint += " (`python:` is missing here)"
            found.fail(("axes", axis), f"unknown axis {axis!r}{hint}", key=True)


def _refuse_unknown_workload(found: Document, workload: Mapping[str, Plain]) -> None:
    """A misspelt workload has no parameters: its name is what is wrong, not they."""
    name = workload.get("name")
    if not isinstance(name, str):
        return
    try:
        workload_name(name)
    except ValueError as error:
        found.fail(("workload", "name"), str(error))


def _parameters(axes: Mapping[str, Plain], workload: Mapping[str, Plain]) -> list[str]:
    """The parameters of the workloads that an experiment names."""
    varied = axes.get("workload") or workload.get("name") or "sleep"
    names = varied if isinstance(varied, list) else [varied]
    kinds = [k for name, k in plugins.workloads().items() if name in names]
    return list(dict.fromkeys(parameter for kind in kinds for parameter in kind.parameters))


def axis_values(found: Document, section: ExperimentSection) -> dict[str, list[str]]:
    """Each axis of the experiment with its values as text, in the order of the file.

    Versions are specifiers, so that `25.9.1` and `==25.9.1` are one.
    """
    content = found.content if isinstance(found.content, dict) else {}
    values: dict[str, list[str]] = {}
    for axis in map(str, content.get("axes") or ()):
        written = [str(value) for value in getattr(section.axes, axis)]
        if axis not in BUILT_IN:
            written = [_normal_at(found, axis, i, value) for i, value in enumerate(written)]
        values[axis] = written
        _refuse_twice(found, ("axes", axis), written)
    for name, versions in section.packages.items():
        if len(versions) > 1:
            if name in values:
                found.fail(
                    ("packages", name),
                    f"{name} is a list here and under `axes`; keep one",
                    key=True,
                )
            values[name] = list(versions)
            _refuse_twice(found, ("packages", name), values[name])
    return values


def _normal_at(found: Document, axis: str, index: int, value: str) -> str:
    try:
        return normal_value(axis, value)
    except ValueError as error:
        found.fail(("axes", axis, index), f"axes.{axis}: {error}")


def _refuse_twice(found: Document, place: Place, values: list[str]) -> None:
    seen: dict[str, str] = {}
    for index, value in enumerate(values):
        text = value.removeprefix("==") or "*"
        first = seen.setdefault(comparable(value), text)
        if len(seen) <= index:
            same = "" if first == text else f" (it is {first})"
            found.fail((*place, index), f"{place[-1]}: {text} stands here twice{same}; keep one")


def normal_entry(
    found: Document, place: Place, entry: Mapping[str, str], known: list[str]
) -> Iterator[tuple[str, str]]:
    """A partial match's axes and values in the form that axis values have."""
    for written, value in entry.items():
        axis = canonical(written)
        if axis not in known:
            hint = suggestion(axis, dict.fromkeys(known))
            found.fail((*place, written), f"unknown axis {written!r}{hint}", key=True)
        try:
            yield axis, normal_value(axis, value)
        except ValueError as error:
            found.fail((*place, written), f"{axis}: {error}")


def nameable(axes: Mapping[str, object], section: ExperimentSection) -> list[str]:
    """What an `include` may name: the axes, further settings, and packages."""
    names = (*axes, *SETTINGS, *sorted(plugins.optional_packages()), *section.packages)
    return list(dict.fromkeys((*names, *sorted(plugins.parameters()))))


def normal_value(axis: str, value: str) -> str:
    """A value as axis values are held; ValueError says what is wrong with it."""
    if axis in WORDS:
        return WORDS[axis](value)
    return specifier(value) if is_package(axis) else parameter(axis, value)


def _order(value: str) -> str:
    if value not in ORDERS:
        raise ValueError(f"unknown order {value!r}{suggestion(value, ORDERS)}")
    return value


#: How the values of the axes that are settings are read.
WORDS: dict[str, Callable[[str], str]] = {
    "python": python_version,
    "patch": patch_mode,
    "order": _order,
    "server": lambda value: str(server(value)),
    "workload": workload_name,
    "concurrency": lambda value: str(whole_number(value)),
}


#: Patch mode, server, workload, and the parameters that decide which packages a workload imports.
Deciding: TypeAlias = tuple[str, str, str, tuple[tuple[str, str], ...]]


def decides(settings: Mapping[str, str]) -> Deciding:
    """Of a cell's settings those that decide what else can matter for it."""
    chosen = tuple((name, settings[name]) for name in _deciding_parameters() if name in settings)
    return settings["patch"], settings["server"], settings["workload"], chosen


@cache
def _deciding_parameters() -> tuple[str, ...]:
    return tuple(sorted({p for kind in plugins.workloads().values() for p in kind.packages_by}))


@cache
def needed_packages(deciding: Deciding) -> frozenset[str]:
    """The packages that a cell's patch mode, server and workload import."""
    patch, served, name, chosen = deciding
    work = workload(name, dict(chosen))
    return (
        plugins.patches()[patch].packages
        | server(served).kind.packages
        | work.kind.packages_with(dict(work.parameters))
    )


@cache
def irrelevant(deciding: Deciding) -> frozenset[str]:
    """The axes without any effect.

    Packages that nothing imports, other workloads' parameters, when to patch where nothing is.
    """
    unused = plugins.optional_packages() - needed_packages(deciding)
    unused |= plugins.parameters() - plugins.workloads()[deciding[2]].parameters.keys()
    return unused | {"order"} if deciding[0] == "none" else unused


@cache
def makes_no_sense(patch: str, served: str) -> str | None:
    """Why a patch mode is not to be had under a server, None where it is."""
    return server(served).kind.unfit.get(patch)
