"""`requirements.txt`, as pip reads it: includes, constraints, hashes, markers, sources.

Each mistake names its file and line. Nothing is fetched, and nothing in the file is run.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runner.application.pins import Requirements, mistake, pin
from runner.application.sources import is_address, is_path, source_at
from runner.application.toml_file import not_a_requirement
from runner.text import suggestion

INCLUDES: Final = {"-r": "-r", "--requirement": "-r", "-c": "-c", "--constraint": "-c"}
EDITABLE: Final = frozenset({"-e", "--editable"})
#: Where packages come from is this machine's affair, and the addresses may hold passwords.
INDEXES: Final = frozenset(
    {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--trusted-host"}
)
#: What has no meaning where a lock decides: hashes are always required, wheels always preferred.
HARMLESS: Final = frozenset(
    {"--no-binary", "--only-binary", "--prefer-binary", "--require-hashes", "--use-feature"}
)
PRE: Final = "--pre"
OPTIONS: Final = (*INCLUDES, *EDITABLE, *INDEXES, *HARMLESS, PRE)

COMMENT = re.compile(r"(^|\s+)#.*$")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
OPTION = re.compile(r"(?P<name>--[a-z-]+|-[a-zA-Z])(?:\s*=\s*|\s+|(?<=^-[a-zA-Z])|$)(?P<value>.*)")
HASH = re.compile(r"\s--hash(?:=|\s+)(?P<hash>[a-z0-9]+:[0-9a-fA-F]+)")
PER_REQUIREMENT = re.compile(r"\s--(?:hash|config-settings?|global-option)(?:=|\s).*$")
#: Encodings that begin with a mark; PowerShell's `pip freeze > requirements.txt` writes UTF-16.
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One statement with all its continuation lines, and where it begins."""

    place: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a file is read: `root` is where relative directories are looked for, as pip does.

    `within` are the files that include it, and in a file of constraints nothing is `required`.
    """

    root: Path
    within: tuple[Path, ...] = ()
    required: bool = True


def read_requirements_txt(path: Path, reading: Reading) -> Requirements:
    """A requirements file with all that it includes."""
    found = Requirements()
    inside = Reading(
        root=reading.root, within=(*reading.within, path.resolve()), required=reading.required
    )
    for line in logical_lines(_text(path), shown(path, reading.root)):
        found += _read_line(line, path, inside)
    return found


def parse_requirements(text: str, *, name: str, reading: Reading) -> Requirements:
    """Requirements that a program printed; all have the same place."""
    found = Requirements()
    for line in logical_lines(text, name):
        found += _read_line(Line(place=name, text=line.text), reading.root / name, reading)
    return found


def shown(path: Path, root: Path) -> str:
    """A file's name in messages: relative to the application where it is inside."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def logical_lines(text: str, name: str) -> Iterator[Line]:
    """The statements, without comments, with continuation lines joined and variables put in."""
    begun, pending = 0, ""
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        begun = begun if pending else number
        if raw.endswith("\\") and not raw.lstrip().startswith("#"):
            pending += raw[:-1] + " "
            continue
        whole = VARIABLE.sub(_variable, COMMENT.sub("", pending + raw).strip())
        pending = ""
        if whole:
            yield Line(place=f"{name}:{begun}", text=whole)


def _variable(match: re.Match[str]) -> str:
    return os.environ.get(match[1], match[0])


def _text(path: Path) -> str:
    raw = path.read_bytes()
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise mistake(str(path), "this is no text in UTF-8: save it as UTF-8") from None


def _read_line(line: Line, path: Path, reading: Reading) -> Requirements:
    if not line.text.startswith("-"):
        return _requirement(line, path, reading)
    match = OPTION.fullmatch(line.text)
    name, value = (match["name"], match["value"].strip()) if match else (line.text.split()[0], "")
    if name in INCLUDES:
        return _included(line, path, value, reading, constraints=INCLUDES[name] == "-c")
    if name in EDITABLE:
        return _source(line, path, value, reading, editable=True)
    if name in INDEXES:
        return _remark(line, f"{name} has no effect: tell uv of the index (UV_INDEX)")
    if name == PRE:
        return _remark(line, f"{PRE} has no effect: name the pre-release's version")
    if name in HARMLESS:
        return Requirements()
    raise mistake(line.place, f"unknown option {name!r}{suggestion(name, OPTIONS)}")


def _remark(line: Line, what: str) -> Requirements:
    return Requirements(remarks=(f"{line.place}: {what}",))


def _included(
    line: Line, path: Path, value: str, reading: Reading, *, constraints: bool
) -> Requirements:
    included = path.parent / value
    if not included.is_file():
        raise mistake(
            line.place, f"there is no file {value!r} beside {path.name}: correct or remove the line"
        )
    if included.resolve() in reading.within:
        raise mistake(line.place, f"{value!r} includes itself: remove this line")
    inside = Reading(
        root=reading.root, within=reading.within, required=reading.required and not constraints
    )
    return read_requirements_txt(included, inside)


def _requirement(line: Line, path: Path, reading: Reading) -> Requirements:
    hashes = tuple(match["hash"].lower() for match in HASH.finditer(line.text))
    written = PER_REQUIREMENT.sub("", line.text).strip()
    if is_address(written) or is_path(written):
        return _source(line, path, written, reading, hashes=hashes)
    try:
        parsed = Requirement(written)
    except InvalidRequirement as error:
        raise mistake(line.place, not_a_requirement(written, error)) from None
    if parsed.url is None:
        made = pin(parsed, place=line.place, hashes=hashes, required=reading.required)
        return Requirements(pins=(made,))
    source = source_at(
        parsed.url,
        place=line.place,
        roots=(reading.root, path.parent),
        name=canonicalize_name(parsed.name),
        extras=tuple(sorted(parsed.extras)),
        marker=str(parsed.marker) if parsed.marker else None,
        hashes=hashes,
    )
    return Requirements(sources=(source,))


def _source(
    line: Line,
    path: Path,
    value: str,
    reading: Reading,
    *,
    editable: bool = False,
    hashes: tuple[str, ...] = (),
) -> Requirements:
    address, *marker = re.split(r"\s+;\s*", value, maxsplit=1)
    source = source_at(
        address.strip().strip("\"'"),
        place=line.place,
        roots=(reading.root, path.parent),
        marker=marker[0] if marker else None,
        hashes=hashes,
        editable=editable,
    )
    return Requirements(sources=(source,))
