"""The matrix file: its outline, its experiments, and what they inherit by `extends`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.matrix import plugins, yaml_document
from runner.matrix.application import Application, Facts
from runner.matrix.axes import NAMED_AXES, canonical_name, is_package
from runner.matrix.cell import Experiment
from runner.matrix.expand import expand, no_facts
from runner.matrix.schema import FileSection, checked
from runner.matrix.values import is_variable, workload_name
from runner.matrix.yaml_document import Document, KeyPath, Plain
from runner.text import suggestion

#: Sections that `extends` merges key by key; all others are inherited or replaced as a whole.
MERGED = ("axes", "packages", "workload", "application", "load", "limits")


@dataclass(frozen=True, kw_only=True)
class MatrixFile:
    """A file whose outline is right. An experiment is checked when it is expanded."""

    document: Document
    default: str
    sections: dict[str, dict[str, Plain]]

    def experiment(
        self, name: str | None = None, facts_of: Callable[[Application], Facts] = no_facts
    ) -> Experiment:
        """Check and expand an experiment, the default one without a name.

        `facts_of` reads what an application's own files say. Raises `SpecError` with file, line,
        column and how to fix it.
        """
        wanted = name or self.default
        if wanted not in self.sections:
            self.document.fail((), f"no experiment {wanted!r}{suggestion(wanted, self.sections)}")
        merged = self._merged(wanted, ())
        _refuse_unknown(merged)
        return expand(wanted, merged, checked(merged), facts_of)

    def _merged(self, name: str, children: tuple[str, ...]) -> Document:
        """The experiment with what it inherits; every value keeps its own position."""
        root: KeyPath = ("experiments", name)
        content = self.sections[name]
        own = _with_canonical_names(_below(self.document, root, content))
        parent = content.get("extends")
        if parent is None:
            return own
        if not isinstance(parent, str) or parent not in self.sections:
            self.document.fail(
                (*root, "extends"),
                f"no experiment {parent!r}{suggestion(str(parent), self.sections)}",
            )
        if parent in (*children, name):
            self.document.fail((*root, "extends"), f"{parent!r} extends itself; break the circle")
        return _inherit(own, self._merged(parent, (*children, name)))


def load(path: Path) -> MatrixFile:
    """Read a matrix file and check its outline; raise `SpecError` with position and fix."""
    return outlined(yaml_document.read(path))


def outlined(document: Document) -> MatrixFile:
    """The matrix file that a document is."""
    if not isinstance(document.content, dict):
        document.fail((), "the file must be a mapping with `version: 1` and `experiments:`")
    for key in document.content:
        if key not in FileSection.model_fields:
            known = suggestion(key, FileSection.model_fields)
            document.fail((key,), f"unknown key {key!r}{known}", key=True)
    if document.content.get("version") != "1":
        document.fail(("version",), "only `version: 1` of the file is supported; write that")
    sections = document.content.get("experiments")
    if not isinstance(sections, dict) or not sections:
        document.fail(
            ("experiments",), "`experiments:` needs at least one named experiment below it"
        )
    experiments = {name: _outline(document, name, content) for name, content in sections.items()}
    default = document.content.get("default", next(iter(sections)))
    if not isinstance(default, str):
        document.fail(("default",), "`default:` names an experiment")
    if default not in sections:
        document.fail(("default",), f"no experiment {default!r}{suggestion(default, sections)}")
    return MatrixFile(document=document, default=default, sections=experiments)


def name_problem(name: str) -> str | None:
    """Why an experiment cannot have this name, None if it can."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) and name != "latest":
        return None
    return (
        f"an experiment cannot be called {name!r}, it names a directory of results; use "
        "letters, digits, '.', '_' and '-', and not 'latest'"
    )


def _outline(document: Document, name: str, content: Plain) -> dict[str, Plain]:
    """An experiment as a mapping. Its name becomes a directory beside the link `latest`."""
    keys: KeyPath = ("experiments", name)
    if problem := name_problem(name):
        document.fail(keys, problem, key=True)
    if not isinstance(content, dict):
        document.fail(keys, "an experiment is a mapping (`axes:`, `workload:` …)", key=True)
    return content


# -- inheritance -----------------------------------------------------------------------------------


def _below(whole: Document, root: KeyPath, content: Plain) -> Document:
    """The part of a document below a key path, its positions by key paths from there."""
    size = len(root)
    positions = {k[size:]: at for k, at in whole.positions.items() if k[:size] == root}
    return Document(path=whole.path, content=content, positions=positions)


def _inherit(own: Document, parent: Document) -> Document:
    """The parent's keys below the own ones, each with the position where it is written."""
    content = dict(parent.mapping())
    positions = dict(parent.positions)
    for key, value in own.mapping().items():
        inherited = content.get(key)
        if key in MERGED and isinstance(value, dict) and isinstance(inherited, dict):
            replaced: Iterable[KeyPath] = ((key, inner) for inner in value)
            content[key] = {**inherited, **value}
        else:
            replaced = [(key,)]
            content[key] = value
        for keys in replaced:
            positions = {k: at for k, at in positions.items() if k[: len(keys)] != keys}
    return Document(path=own.path, content=content, positions={**positions, **own.positions})


def _with_canonical_names(document: Document) -> Document:
    """The experiment with packages named as the package index names them: `Flask` is `flask`."""
    content, positions = dict(document.mapping()), dict(document.positions)
    for key in ("axes", "packages"):
        section = content.get(key)
        if isinstance(section, dict):
            content[key] = _renamed(document, key, section, positions)
    return Document(path=document.path, content=content, positions=positions)


def _renamed(
    document: Document,
    key: str,
    section: Mapping[str, Plain],
    positions: dict[KeyPath, tuple[int, int]],
) -> dict[str, Plain]:
    renamed: dict[str, Plain] = {}
    for name, value in section.items():
        new = canonical_name(name)
        if new in renamed:
            document.fail(
                (key, name),
                f"{name!r} and another name here are the same "
                f"{'package' if is_package(new) else 'axis'}, {new!r}; keep one",
                key=True,
            )
        renamed[new] = value
        if new != name:
            for keys in [keys for keys in positions if keys[:2] == (key, name)]:
                positions[(key, new, *keys[2:])] = positions[keys]
    return renamed


# -- names -----------------------------------------------------------------------------------------


def _refuse_unknown(document: Document) -> None:
    """Fail for an unknown axis, and for a key of `workload` that no workload here has."""
    axes, workload = document.mapping("axes"), document.mapping("workload")
    parameters = _parameters(axes, workload)
    if not parameters:
        _refuse_unknown_workload(document, workload)
    for key in workload:
        if key != "name" and key not in parameters:
            hint = suggestion(key, ["name", *parameters])
            document.fail(("workload", key), f"unknown key {key!r}{hint}", key=True)
    known = [*(axis.name for axis in NAMED_AXES), *document.mapping("packages"), *parameters]
    for name in axes:
        if name not in known and not is_variable(name):
            hint = suggestion(name, known)
            if "did you mean" not in hint:
                hint += f" (list a package under `packages`, too: `{name}: '*'`)"
            if "python" not in axes:
                hint += " (`python:` is missing here)"
            document.fail(("axes", name), f"unknown axis {name!r}{hint}", key=True)


def _refuse_unknown_workload(document: Document, workload: Mapping[str, Plain]) -> None:
    """Report a misspelt workload, which has no parameters, before the parameters."""
    name = workload.get("name")
    if not isinstance(name, str):
        return
    try:
        workload_name(name)
    except ValueError as error:
        document.fail(("workload", "name"), str(error))


def _parameters(axes: Mapping[str, Plain], workload: Mapping[str, Plain]) -> list[str]:
    """The parameters of the workloads that an experiment names."""
    varied = axes.get("workload") or workload.get("name") or "sleep"
    names = varied if isinstance(varied, list) else [varied]
    kinds = [kind for name, kind in plugins.workloads().items() if name in names]
    return list(dict.fromkeys(parameter for kind in kinds for parameter in kind.parameters))
