"""The matrix file as a whole: its sections, what they take over, and its errors with a place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runner.matrix import yaml_document
from runner.matrix.axes import refuse_unknown, with_canonical_names
from runner.matrix.cell import ORDERS, Experiment
from runner.matrix.expand import expand
from runner.matrix.schema import (
    Axes,
    BaseSection,
    ExperimentSection,
    FileSection,
    LimitsSection,
    LoadSection,
    WorkloadSection,
)
from runner.matrix.yaml_document import Document, Place, Plain, suggestion

#: Sections that `extends` merges key by key; all others are taken over or replaced whole.
MERGED = ("axes", "packages", "workload", "load", "limits")
SECTIONS: dict[Place, type[BaseModel]] = {
    (): ExperimentSection,
    ("axes",): Axes,
    ("workload",): WorkloadSection,
    ("load",): LoadSection,
    ("limits",): LimitsSection,
    ("base",): BaseSection,
}
CHOICES = {"order": ORDERS, "base": ("auto", "registry", "debian")}
EXPECTED = {
    "list_type": "a list is expected here",
    "dict_type": "a mapping (`key: value`) is expected here",
    "model_type": "a mapping (`key: value`) is expected here",
    "model_attributes_type": "a mapping (`key: value`) is expected here",
    "string_type": "plain text is expected here",
    "too_short": "empty: give at least one value, or remove the line",
}


@dataclass(frozen=True, kw_only=True)
class MatrixFile:
    """A file that has been read and whose outline is right; experiments are checked when asked."""

    document: Document
    default: str
    sections: dict[str, dict[str, Plain]]

    @property
    def names(self) -> tuple[str, ...]:
        """The experiments in the order of the file."""
        return tuple(self.sections)

    def experiment(self, name: str | None = None) -> Experiment:
        """Check and expand an experiment, the default one without a name.

        Raises `SpecError` with file, line, column and remedy.
        """
        wanted = name or self.default
        if wanted not in self.sections:
            self.document.fail((), f"no experiment {wanted!r}{suggestion(wanted, self.sections)}")
        merged = self._merged(wanted, ())
        return expand(wanted, merged, _checked(merged))

    def _merged(self, name: str, chain: tuple[str, ...]) -> Document:
        """The experiment with what it takes over from the one it extends; places stay true."""
        root: Place = ("experiments", name)
        content = self.sections[name]
        own = with_canonical_names(_below(self.document, root, content))
        parent = content.get("extends")
        if parent is None:
            return own
        if not isinstance(parent, str) or parent not in self.sections:
            self.document.fail(
                (*root, "extends"),
                f"no experiment {parent!r}{suggestion(str(parent), self.sections)}",
            )
        if parent in (*chain, name):
            self.document.fail((*root, "extends"), f"{parent!r} extends itself; break the circle")
        return _inherit(own, self._merged(parent, (*chain, name)))


def load(path: Path) -> MatrixFile:
    """Read a matrix file and check its outline; raise `SpecError` with position and remedy."""
    found = yaml_document.read(path)
    if not isinstance(found.content, dict):
        found.fail((), "the file must be a mapping with `version: 1` and `experiments:`")
    for key in found.content:
        if key not in FileSection.model_fields:
            known = suggestion(key, FileSection.model_fields)
            found.fail((key,), f"unknown key {key!r}{known}", key=True)
    if found.content.get("version") != "1":
        found.fail(("version",), "this program reads `version: 1` of the file; write that")
    sections = found.content.get("experiments")
    if not isinstance(sections, dict) or not sections:
        found.fail(("experiments",), "`experiments:` needs at least one named experiment below it")
    experiments = {name: _outline(found, name, content) for name, content in sections.items()}
    default = found.content.get("default", next(iter(sections)))
    if not isinstance(default, str):
        found.fail(("default",), "`default:` names an experiment")
    if default not in sections:
        found.fail(("default",), f"no experiment {default!r}{suggestion(default, sections)}")
    return MatrixFile(document=found, default=default, sections=experiments)


def name_problem(name: str) -> str | None:
    """Why an experiment cannot have this name, None where it can."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) and name != "latest":
        return None
    return (
        f"an experiment cannot be called {name!r}, it names a directory of results; use "
        "letters, digits, '.', '_' and '-', and not 'latest'"
    )


def _outline(found: Document, name: str, content: Plain) -> dict[str, Plain]:
    """An experiment as a mapping. Its name becomes a directory beside the link `latest`."""
    place: Place = ("experiments", name)
    if problem := name_problem(name):
        found.fail(place, problem, key=True)
    if not isinstance(content, dict):
        found.fail(place, "an experiment is a mapping (`axes:`, `workload:` …)", key=True)
    return content


def _below(whole: Document, root: Place, content: Plain) -> Document:
    """The part of a document below a place, its places counted from there."""
    size = len(root)
    places = {p[size:]: at for p, at in whole.places.items() if p[:size] == root}
    return Document(path=whole.path, content=content, places=places)


def _inherit(own: Document, parent: Document) -> Document:
    """The parent's keys under the own ones; where the own say nothing, the parent's places."""
    if not isinstance(own.content, dict) or not isinstance(parent.content, dict):
        raise TypeError
    content: dict[str, Plain] = dict(parent.content)
    places = dict(parent.places)
    for key, value in own.content.items():
        inherited = content.get(key)
        if key in MERGED and isinstance(value, dict) and isinstance(inherited, dict):
            replaced: Iterable[Place] = ((key, inner) for inner in value)
            content[key] = {**inherited, **value}
        else:
            replaced = [(key,)]
            content[key] = value
        for place in replaced:
            places = {p: at for p, at in places.items() if p[: len(place)] != place}
    return Document(path=own.path, content=content, places={**places, **own.places})


def _checked(found: Document) -> ExperimentSection:
    """The experiment's shape; a misspelt key is said before one that is missing."""
    refuse_unknown(found)
    for axis, value in _mapping_at(found, "axes").items():
        if value is None:
            found.fail(("axes", axis), f"axes.{axis}: {EXPECTED['too_short']}")
    content = {k: v for k, v in _mapping_at(found).items() if v is not None}
    try:
        return ExperimentSection.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        _report(found, min(problems, key=lambda problem: problem["type"] == "missing"))


def _mapping_at(found: Document, key: str | None = None) -> Mapping[str, Plain]:
    content = found.content if isinstance(found.content, dict) else {}
    inner = content if key is None else content.get(key)
    return inner if isinstance(inner, dict) else {}


def _report(found: Document, problem: ErrorDetails) -> NoReturn:
    place: Place = tuple(part for part in problem["loc"] if part != "[key]")
    kind = problem["type"]
    if kind == "extra_forbidden":
        known = _known(place[:-1])
        found.fail(place, f"unknown key {place[-1]!r}{suggestion(str(place[-1]), known)}", key=True)
    if kind == "missing":
        found.fail(place[:-1], f"`{place[-1]}:` is missing here; add it")
    if kind in {"enum", "literal_error"}:
        found.fail(place, _unknown_word(place, problem["input"]))
    message = EXPECTED.get(kind) or problem["msg"].removeprefix("Value error, ")
    if not message.startswith("unknown "):  # which names its kind of word itself
        message = f"{_name(place)}: {message}"
    found.fail(place, message)


def _known(place: Place) -> list[str]:
    section = SECTIONS.get(place)
    return list(section.model_fields) if section else []


def _unknown_word(place: Place, word: Any) -> str:  # noqa: ANN401 - whatever the file held
    name = next((part for part in reversed(place) if isinstance(part, str)), "")
    if place[-2:] == ("base", "kind"):
        name = "base"
    return f"unknown {name} {word!r}{suggestion(str(word), CHOICES.get(name, ()))}"


def _name(place: Place) -> str:
    """A place as its author would say it: `axes.gevent`."""
    return ".".join(str(part) for part in place if isinstance(part, str)) or "experiment"
