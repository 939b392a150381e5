"""YAML as text with positions: every scalar stays as written, so that 3.10 is not read as 3.1."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol, TypeAlias

import yaml
from yaml.reader import ReaderError

from runner.errors import SpecError

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain] | None"
#: The mapping keys and list indices that lead to a value: `("axes", "gevent", 1)`.
KeyPath = tuple[str | int, ...]


class Quoted(str):
    """Text in quotes, or in a block: it means itself, where other text might mean a number."""

    __slots__ = ()


class Mark(Protocol):
    """A position in a file, counted from 0. libyaml's and PyYAML's own are different classes."""

    @property
    def line(self) -> int:
        """The line."""

    @property
    def column(self) -> int:
        """The column."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file's content as plain text values, and the position of each (line, column, from 1).

    The position of a mapping's key has the key path of its value with `KEY` appended.
    """

    path: Path
    content: Plain
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)

    def mapping(self, key: str | None = None) -> dict[str, Plain]:
        """The content, or the section under a key; empty if it is not a mapping."""
        content = self.content if isinstance(self.content, dict) else {}
        section = content if key is None else content.get(key)
        return section if isinstance(section, dict) else {}

    def position(self, keys: KeyPath, *, key: bool = False) -> str:
        """`file:line:column` of a value or of its key, or else of the nearest value around it."""
        if key and (*keys, KEY) in self.positions:
            keys = (*keys, KEY)
        while keys and keys not in self.positions:
            keys = keys[:-1]
        line, column = self.positions.get(keys, (1, 1))
        return f"{self.path}:{line}:{column}"

    def fail(self, keys: KeyPath, message: str, *, key: bool = False) -> NoReturn:
        """Raise a `SpecError` that starts with the position of a value or of its key."""
        if len(message) > LONGEST_MESSAGE:  # it quotes the file: keep the end, which has the fix
            message = f"{message[:300]} … {message[-300:]}"
        raise SpecError(f"{self.position(keys, key=key)}: {message}")


KEY = "\0key"
MERGED = "\0merged"
NULLS = {"", "~", "null", "Null", "NULL"}
MERGE = "tag:yaml.org,2002:merge"
#: libyaml's loader if PyYAML was built with it: ten times as fast on a large file.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 50
LONGEST_MESSAGE = 1000
#: Far above any matrix; aliases of aliases can make billions of values out of a few lines.
MOST_VALUES = 300_000


def read(path: Path, *, merge: bool = False) -> Document:
    """Read a YAML file; `SpecError` with the position if it cannot be read or parsed.

    With `merge`, a mapping under the key `<<` gives its keys to the one around it.
    """
    return parsed(_text(path), path, merge=merge)


def parsed(text: str, path: Path, *, merge: bool = False) -> Document:
    """The document that a text is; `path` is the file that it stands in, or would."""
    _refuse_depth(path, text)
    try:
        nodes = _compose(text)
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
        raise SpecError(f"{where}: not valid YAML: {problem}; fix the line or quote it") from None
    if len(nodes) > 1:
        where = _at(path, nodes[1].start_mark)
        raise SpecError(f"{where}: {len(nodes)} YAML documents, the second starts here; keep one")
    if not nodes:
        needs = "" if merge else "; it needs `version: 1` and `experiments:`"
        raise SpecError(f"{path}:1:1: the file is empty{needs}")
    builder = _Builder(path, merge=merge)
    content = builder.plain(nodes[0], (), ())
    return Document(path=path, content=content, positions=builder.positions)


def _at(path: Path, mark: Mark | None) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"


def _refuse_depth(path: Path, text: str) -> None:
    """Refuse deep nesting: composing is recursive, and in C running out of stack is a crash."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                where = _at(path, event.start_mark)
                raise SpecError(f"{where}: nested more than {DEEPEST} deep; write it flat")
    except yaml.YAMLError:
        return  # composing reports what and where


def _compose(text: str) -> list[yaml.Node]:
    """The documents' nodes. After an error parse again with PyYAML's own parser, which explains."""
    try:
        return list(yaml.compose_all(text, Loader=LOADER))
    except yaml.YAMLError:
        return list(yaml.compose_all(text, Loader=yaml.SafeLoader))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError(
            f"{path}: no such file; `--file PATH` names another, `matrix init` writes one"
        ) from None
    except IsADirectoryError:
        raise SpecError(f"{path}: is a directory; `--file` takes the matrix file in it") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SpecError(f"{path}: cannot be read ({why}); check its permissions") from None


class _Builder:
    """Turns nodes into text, lists and mappings, and notes the position of each."""

    def __init__(self, path: Path, *, merge: bool) -> None:
        self.path = path
        self.merge = merge
        self.positions: dict[KeyPath, tuple[int, int]] = {}

    def plain(self, node: yaml.Node, keys: KeyPath, parents: tuple[int, ...]) -> Plain:
        """The node as a plain value. `parents` are the ids of the nodes that contain it."""
        self.positions[keys] = (node.start_mark.line + 1, node.start_mark.column + 1)
        where = _at(self.path, node.start_mark)
        if id(node) in parents:
            raise SpecError(f"{where}: this alias contains itself; write it out")
        if len(self.positions) > MOST_VALUES:
            raise SpecError(
                f"{where}: more than {MOST_VALUES} values, aliases counted; remove some"
            )
        parents = (*parents, id(node))
        if isinstance(node, yaml.ScalarNode):
            if node.style:
                return Quoted(node.value)
            return None if node.value in NULLS else str(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*keys, i), parents) for i, item in enumerate(node.value)]
        return self._mapping(node, keys, parents)

    def _mapping(
        self, node: yaml.Node, keys: KeyPath, parents: tuple[int, ...]
    ) -> dict[str, Plain]:
        mapping: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            where = _at(self.path, key_node.start_mark)
            if key_node.tag == MERGE and self.merge:
                continue
            if key_node.tag == MERGE:
                raise SpecError(f"{where}: merge keys are not supported; use `extends: NAME`")
            if not isinstance(key_node, yaml.ScalarNode):
                raise SpecError(f"{where}: a key must be plain text")
            key = str(key_node.value)
            if key in mapping:
                first = self.positions[(*keys, key, KEY)][0]
                raise SpecError(f"{where}: duplicate key {key!r} (first on line {first}); keep one")
            mark = key_node.start_mark
            self.positions[(*keys, key, KEY)] = (mark.line + 1, mark.column + 1)
            mapping[key] = self.plain(value_node, (*keys, key), parents)
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                self._merge(mapping, value_node, keys, parents)
        return mapping

    def _merge(
        self,
        mapping: dict[str, Plain],
        merged: yaml.Node,
        keys: KeyPath,
        parents: tuple[int, ...],
    ) -> None:
        """Add the keys that a mapping lacks; those of the first of several mappings count."""
        sources = merged.value if isinstance(merged, yaml.SequenceNode) else [merged]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                where = _at(self.path, source.start_mark)
                raise SpecError(f"{where}: `<<:` takes a mapping, or a list of them; fix it")
            below: KeyPath = (*keys, f"{MERGED}{id(source)}")  # not in the way of the own positions
            content = self.plain(source, below, parents)
            assert isinstance(content, dict)  # noqa: S101 - as its node is a mapping
            new = {key: value for key, value in content.items() if key not in mapping}
            for at in [at for at in self.positions if at[: len(below)] == below]:
                position = self.positions.pop(at)
                if len(at) > len(below) and at[len(below)] in new:
                    self.positions[(*keys, *at[len(below) :])] = position
            mapping |= new
