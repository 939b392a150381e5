"""Put the experiment of `matrix try` into the matrix file: a new one, or the one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from runner.commands.trial.draft import HEAD, NAME
from runner.errors import SpecError, UsageError
from runner.matrix import schema
from runner.matrix.file import load, outlined
from runner.matrix.yaml_document import KEY, Document, parsed
from runner.options import MATRIX_FILE

EXPERIMENTS: Final = "experiments"


def refuse_existing(directory: Path) -> None:
    """`UsageError` where the experiment could not be written in the end."""
    path = directory / MATRIX_FILE
    if path.exists() and NAME in load(path).sections:
        raise UsageError(
            f"--write: {path} has an experiment {NAME!r} already, which is left as it is; rename "
            "or remove it"
        )


def write(directory: Path, experiment: str) -> str:
    """Write an experiment's text, indented by two, and return what was done.

    A file that is there gets it at the end of its experiments and is otherwise left as it is.
    Raises `UsageError` where that cannot be done.
    """
    refuse_existing(directory)
    path = directory / MATRIX_FILE
    try:
        if path.exists():
            text = with_experiment(path.read_text(encoding="utf-8"), path, experiment)
            path.write_text(text, encoding="utf-8")
            return f"added the experiment {NAME!r} to {path.name}"
        with path.open("x", encoding="utf-8") as file:
            file.write(f"# yaml-language-server: $schema={schema.FILE}\n{HEAD}{experiment}")
        beside = path.with_name(schema.FILE)
        if not beside.exists():
            beside.write_text(schema.text(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from None
    return f"wrote {path.name} with the experiment {NAME!r}"


def with_experiment(text: str, path: Path, experiment: str) -> str:
    """The text of a matrix file with one experiment more."""
    before = parsed(text, path)
    lines = text.splitlines(keepends=True)
    end = _end(before, lines)
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    indent = _indent(before)
    added = [line.replace("  ", indent, 1) for line in experiment.splitlines(keepends=True)]
    changed = "".join([*lines[:end], *added, *lines[end:]])
    try:
        after = outlined(parsed(changed, path)).sections
    except SpecError:
        after = {}
    expected = before.mapping(EXPERIMENTS)
    if {name: after.get(name) for name in expected} != expected or NAME not in after:
        raise UsageError(
            f"--write: {path} is written in a way that cannot be added to; put this below its "
            f"`experiments:`:\n{experiment}"
        )
    return changed


def _end(document: Document, lines: list[str]) -> int:
    """The line after the last of the experiments, counted from 0."""
    keys_of_file = ((keys, at) for keys, at in document.positions.items() if len(keys) == 2)
    starts = [at[0] for keys, at in keys_of_file if keys[1] == KEY]
    begin = document.positions[(EXPERIMENTS, KEY)][0]
    end = min((line - 1 for line in starts if line > begin), default=len(lines))
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return end


def _indent(document: Document) -> str:
    """How far experiments are indented in a file."""
    columns = (
        at[1]
        for keys, at in document.positions.items()
        if len(keys) == 3 and keys[0] == EXPERIMENTS and keys[2] == KEY
    )
    return " " * (next(columns, 3) - 1)
