"""The axes of an experiment: their names, and their values as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.spec.cell import OPTIONAL_PACKAGES, PatchMode, Server
from runner.spec.document import Document, Place, Plain, suggestion
from runner.spec.model import Axes, ExperimentSection, package_name, whole_number
from runner.spec.versions import comparable, python_version, specifier

#: Axes that are no package.
SETTINGS = ("python", "patch", "server", "concurrency")
BUILT_IN = (*Axes.model_fields,)


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
    return name if normal in SETTINGS else normal


def refuse_unknown(found: Document) -> None:
    """Fail for an axis that is neither built in nor a package of the experiment."""
    content = found.content if isinstance(found.content, dict) else {}
    axes, packages = (
        section if isinstance(section, dict) else {}
        for section in (content.get("axes"), content.get("packages"))
    )
    known = [*BUILT_IN, *packages]
    for axis in axes:
        if axis not in known:
            hint = suggestion(axis, known)
            if "did you mean" not in hint:
                hint += f" (a package that is varied also stands under `packages`: `{axis}: '*'`)"
            if "python" not in axes:
                hint += " (`python:` is missing here)"
            found.fail(("axes", axis), f"unknown axis {axis!r}{hint}", key=True)


def axis_values(found: Document, section: ExperimentSection) -> dict[str, list[str]]:
    """Each axis of the experiment with its values as text, in the order of the file.

    Versions are specifiers, so that `25.9.1` and `==25.9.1` are one.
    """
    content = found.content if isinstance(found.content, dict) else {}
    values: dict[str, list[str]] = {}
    for axis in content.get("axes") or ():
        values[str(axis)] = [str(value) for value in getattr(section.axes, str(axis))]
        _refuse_twice(found, ("axes", str(axis)), values[str(axis)])
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
    return list(dict.fromkeys((*axes, *SETTINGS, *sorted(OPTIONAL_PACKAGES), *section.packages)))


def normal_value(axis: str, value: str) -> str:
    """A value as axis values are held; ValueError says what is wrong with it."""
    if axis == "python":
        return python_version(value)
    if axis == "patch":
        return str(_word(PatchMode, value, axis))
    if axis == "server":
        return str(_word(Server, value, axis))
    if axis == "concurrency":
        return str(whole_number(value))
    return specifier(value)


def _word(kind: type[PatchMode | Server], value: str, name: str) -> PatchMode | Server:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"unknown {name} {value!r}{suggestion(value, kind)}") from None
