"""YAML as text with positions: every scalar stays what was written, so that 3.10 is not 3.1."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias

import yaml
from yaml.reader import ReaderError

from runner.errors import SpecError

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain] | None"
Place = tuple[str | int, ...]


class Mark(Protocol):
    """Where something stands, counted from 0; libyaml's and PyYAML's own are different classes."""

    @property
    def line(self) -> int:
        """The line."""

    @property
    def column(self) -> int:
        """The column."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file's content as plain text values, and where each of them stands (line, column, from 1).

    A place is the path of keys and indices to a value; a mapping's key has the value's place with
    `KEY` appended.
    """

    path: Path
    content: Plain
    places: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def position(self, place: Place, *, key: bool = False) -> str:
        """`file:line:column` of a value or of its key, or of what is nearest around it."""
        if key and (*place, KEY) in self.places:
            place = (*place, KEY)
        while place and place not in self.places:
            place = place[:-1]
        line, column = self.places.get(place, (1, 1))
        return f"{self.path}:{line}:{column}"

    def fail(self, place: Place, message: str, *, key: bool = False) -> NoReturn:
        """Raise a `SpecError` at a place."""
        if len(message) > LONGEST_MESSAGE:  # it quotes what was written: keep the remedy in sight
            message = f"{message[:300]} … {message[-300:]}"
        raise SpecError(f"{self.position(place, key=key)}: {message}")


KEY = "\0key"
NULLS = {"", "~", "null", "Null", "NULL"}
MERGE = "tag:yaml.org,2002:merge"
#: libyaml's where PyYAML has it: ten times as fast on a large file.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50
LONGEST_MESSAGE = 1000
#: Far above any matrix; aliases of aliases can make billions of values out of a few lines.
MOST_VALUES = 300_000


def read(path: Path) -> Document:
    """Read a YAML file; `SpecError` for what cannot be read or parsed, with its position."""
    text = _text(path)
    _refuse_depth(path, text)
    try:
        nodes = _composed(text)
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise SpecError(
            f"{path}:{line}:{column}: YAML does not allow the character "
            f"#x{error.character:04x}; remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        where = _at(path, error.problem_mark or error.context_mark)
        problem = error.problem or error.context
        raise SpecError(f"{where}: not valid YAML: {problem}; mend the line or quote it") from None
    if len(nodes) > 1:
        where = _at(path, nodes[1].start_mark)
        raise SpecError(f"{where}: {len(nodes)} YAML documents, the second starts here; keep one")
    if not nodes:
        raise SpecError(f"{path}:1:1: the file is empty; it needs `version: 1` and `experiments:`")
    places: dict[Place, tuple[int, int]] = {}
    content = _plain(path, nodes[0], (), places, ())
    return Document(path=path, content=content, places=places)


def _at(path: Path, mark: Mark | None) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"


def _refuse_depth(path: Path, text: str) -> None:
    """Composing is recursive, in C too, where running out of stack ends the process."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                where = _at(path, event.start_mark)
                raise SpecError(f"{where}: nested more than {DEEPEST} deep; write it flat")
    except yaml.YAMLError:
        return  # composing says where and what


def _composed(text: str) -> list[yaml.Node]:
    """The documents' nodes; of a mistake PyYAML's own parser tells more, so that is asked again."""
    try:
        return list(yaml.compose_all(text, Loader=LOADER))
    except yaml.YAMLError:
        return list(yaml.compose_all(text, Loader=yaml.SafeLoader))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such file; `--file PATH` names another") from None
    except IsADirectoryError:
        raise SpecError(f"{path}: is a directory; `--file` takes the matrix file in it") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SpecError(f"{path}: cannot be read ({why}); check its permissions") from None


def _plain(
    path: Path,
    node: yaml.Node,
    place: Place,
    places: dict[Place, tuple[int, int]],
    above: tuple[int, ...],
) -> Plain:
    """The node as text, lists and mappings; an alias of what it stands in would never end."""
    places[place] = (node.start_mark.line + 1, node.start_mark.column + 1)
    where = _at(path, node.start_mark)
    if id(node) in above:
        raise SpecError(f"{where}: this alias contains itself; write it out")
    if len(places) > MOST_VALUES:
        raise SpecError(f"{where}: more than {MOST_VALUES} values, aliases counted; remove some")
    above = (*above, id(node))
    if isinstance(node, yaml.ScalarNode):
        return None if not node.style and node.value in NULLS else str(node.value)
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return [_plain(path, item, (*place, i), places, above) for i, item in items]
    return _mapping(path, node, place, places, above)


def _mapping(
    path: Path,
    node: yaml.Node,
    place: Place,
    places: dict[Place, tuple[int, int]],
    above: tuple[int, ...],
) -> dict[str, Plain]:
    mapping: dict[str, Plain] = {}
    for key_node, value_node in node.value:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        where = _at(path, key_node.start_mark)
        if key_node.tag == MERGE:
            raise SpecError(f"{where}: merge keys are not read here; `extends: NAME` does that")
        if not isinstance(key_node, yaml.ScalarNode):
            raise SpecError(f"{where}: a key must be plain text")
        key = str(key_node.value)
        if key in mapping:
            first = places[(*place, key, KEY)][0]
            raise SpecError(f"{where}: {key!r} stands here twice (first in line {first}); keep one")
        places[(*place, key, KEY)] = (line, column)
        mapping[key] = _plain(path, value_node, (*place, key), places, above)
    return mapping


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'python'?`, or the choices where none is near."""
    choices = [str(choice) for choice in known]
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; it is one of {', '.join(choices)}" if choices else ""
