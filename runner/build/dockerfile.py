"""What this project's Dockerfiles say, for images that are loaded instead of built.

The instructions that an engine need not run anything for are understood; any other is an error, and
the image is then built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from runner.build.layers import Layer, members
from runner.errors import EngineError

#: What a builder gives an image whose base says nothing of it.
DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ASSIGNMENT = re.compile(r'(?P<name>\w+)=(?:"(?P<quoted>(?:[^"\\$]|\\.)*)"|(?P<plain>[^\s"\\$]*))')
#: A path without anything that a builder takes for more than itself.
PLAIN_PATH = re.compile(r"/[^\\$\s]*( [^\\$\s]+)*")
COPY = re.compile(r"(?:--chown=(?P<uid>\d+):(?P<gid>\d+)\s+)?(?P<source>\S+)\s+/(?P<target>\S+)")


class NeedsBuilderError(EngineError):
    """Only a builder understands what a Dockerfile says."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs a builder")


@dataclass(kw_only=True)
class Dockerfile:
    """The image that a Dockerfile describes: `owners` has the owner of each path that is copied."""

    base: str = ""
    owners: dict[str, tuple[int, int]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    directory: str | None = None
    user: str | None = None
    command: list[str] | None = None

    def owner(self, path: str) -> tuple[int, int] | None:
        """Who owns a file of the context in the image, None if it is not copied."""
        found = [o for source, o in self.owners.items() if f"{path}/".startswith(f"{source}/")]
        return found[-1] if found else None

    def applied(self, layer: Layer) -> Layer:
        """The layer as the image has it: what is copied, each file with its owner."""
        packed = (member for path in layer.packed for member in members(path)[:1])
        if any(self.owner(member.name) != member.owner for member in packed):
            raise NeedsBuilderError("a Dockerfile that gives packages to another user")
        owned = ((file, self.owner(file.path)) for file in layer.files)
        return replace(
            layer, files=tuple(replace(file, owner=owner) for file, owner in owned if owner)
        )

    def config(self, below: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
        """The configuration of the image, on that of its base."""
        if below.get("OnBuild"):
            raise NeedsBuilderError("a base with ONBUILD instructions")
        environment = dict(entry.partition("=")[::2] for entry in below.get("Env") or ())
        environment = {"PATH": DEFAULT_PATH, **environment}
        changed = {
            "Env": [f"{n}={v}" for n, v in {**environment, **self.environment}.items()],
            "WorkingDir": self.directory,
            "User": self.user,
            "Cmd": self.command,
            "Labels": {**(below.get("Labels") or {}), **labels},
        }
        kept = {name: value for name, value in below.items() if name != "Image"}
        return {**kept, **{name: value for name, value in changed.items() if value is not None}}


def parse(text: str, arguments: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile; `NeedsBuilderError` for what only a builder understands."""
    made = Dockerfile()
    for instruction, rest in _instructions(text):
        match instruction:
            case "ARG":
                continue
            case "FROM" if not made.base:
                made.base = _base(rest, arguments)
            case "COPY":
                source, owner = _copied(rest)
                made.owners[source] = owner
            case "ENV":
                made.environment.update(_assignments(rest))
            case "WORKDIR" if PLAIN_PATH.fullmatch(rest):
                made.directory = rest
            case "USER" if "$" not in rest:
                made.user = rest
            case "CMD" if rest.startswith("["):
                made.command = _command(rest)
            case _:
                raise NeedsBuilderError(f"{instruction} {rest} in a Dockerfile")
    return made


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    for line in re.sub(r"\\\n", "", text).splitlines():
        if line.strip() and not line.startswith("#"):
            instruction, _, rest = line.strip().partition(" ")
            yield instruction, rest.strip()


def _base(rest: str, arguments: Mapping[str, str]) -> str:
    """The image that is named, or that an argument of the build names."""
    argument = re.fullmatch(r"\$\{(\w+)\}", rest)
    base = arguments.get(argument[1], "") if argument else rest
    if not base or re.search(r"[\s$]", base):
        raise NeedsBuilderError(f"FROM {rest} in a Dockerfile")
    return base


def _command(rest: str) -> list[str]:
    try:
        return [str(part) for part in json.loads(rest)]
    except ValueError:
        raise NeedsBuilderError(f"CMD {rest} in a Dockerfile") from None


def _copied(rest: str) -> tuple[str, tuple[int, int]]:
    match = COPY.fullmatch(rest)
    if match is None or match["source"] != match["target"]:
        raise NeedsBuilderError(f"COPY {rest} in a Dockerfile: it renames, which")
    return match["source"], (int(match["uid"] or 0), int(match["gid"] or 0))


def _assignments(rest: str) -> Iterator[tuple[str, str]]:
    if ASSIGNMENT.sub("", rest).strip():
        raise NeedsBuilderError(f"ENV {rest} in a Dockerfile")
    for match in ASSIGNMENT.finditer(rest):
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        yield match["name"], value


def environment_line(variables: Mapping[str, str]) -> str:
    """An `ENV` instruction by which each variable has exactly this value."""
    escaped = {name: re.sub(r'([\\"$])', r"\\\1", value) for name, value in variables.items()}
    return "ENV " + " ".join(f'{name}="{value}"' for name, value in escaped.items())
