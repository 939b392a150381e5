"""A Dockerfile, read: what it starts, and what it installs and sets before."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from runner.application.start_command.found import Found
from runner.application.start_command.shell import UNKNOWN, read_script, words_of

INSTRUCTION = re.compile(r"\s*(?P<name>[A-Za-z]+)\s+(?P<text>.*)", re.DOTALL)
HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
#: What stages are called that do not serve.
FOR_DEVELOPERS = re.compile(r"dev|test|debug|lint|docs|\bci\b", re.IGNORECASE)
STAGE = re.compile(r"(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)
INSTALLERS: Final = frozenset({"apt-get", "apt", "aptitude"})
#: Options of apt-get with a value of their own.
WITH_VALUE: Final = frozenset({"-t", "-o", "-c", "--target-release", "--option", "--config-file"})
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
PIPS: Final = frozenset({"pip", "pip3", "uv"})
#: A directory that pip installs, and options before a path that is none of those.
DIRECTORY = re.compile(r"(?P<path>\.{1,2}|\.{0,2}/[\w./-]*)(?:\[(?P<extras>[\w,. -]+)\])?")
OTHER_PATHS: Final = frozenset(
    {"-r", "-c", "-t", "-f", "--requirement", "--constraint", "--target", "--prefix", "--root"}
    | {"--find-links", "--cache-dir", "--python", "--log", "--src"}
)
#: Commands that install from a lock file, by what they begin with.
FROM_LOCK: Final = (
    (("uv", "sync"), "uv.lock"),
    (("uv", "export"), "uv.lock"),
    (("poetry", "install"), "poetry.lock"),
    (("poetry", "export"), "poetry.lock"),
    (("pipenv", "install"), "Pipfile.lock"),
    (("pipenv", "sync"), "Pipfile.lock"),
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What holds at the end of a stage, or of the part of it that is read.

    `copies` are pairs of a path in the checkout and one in the image. `entrypoint` and `cmd` are
    shell scripts. `requirements` are paths in the image that pip installs from, each with the
    directory in which it does, and `locks` names of lock files. `installs` are directories that pip
    installs, as `.[extra]`, each with the directory in which it does.
    """

    environment: dict[str, Found[str]] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    workdir: Found[str] = field(default_factory=lambda: Found(value="/", place=""))
    copies: tuple[tuple[str, str], ...] = ()
    debian: tuple[Found[str], ...] = ()
    requirements: tuple[tuple[Found[str], str], ...] = ()
    locks: tuple[Found[str], ...] = ()
    installs: tuple[tuple[Found[str], str], ...] = ()
    entrypoint: Found[str] | None = None
    cmd: Found[str] | None = None
    port: Found[int] | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The values that a reference in the file stands for."""
        return {**self.arguments, **{name: one.value for name, one in self.environment.items()}}

    @property
    def script(self) -> Found[str] | None:
        """What a container of the image runs: the entry point with the command as its arguments."""
        if self.entrypoint and self.cmd:
            both = f"{self.entrypoint.value} {self.cmd.value}"
            return Found(value=both, place=self.cmd.place)
        return self.entrypoint or self.cmd


def read_dockerfile(path: Path, place: str) -> Stage:
    """The last stage of a Dockerfile that is not for tests, with what all stages install."""
    stages: dict[str, Stage] = {}
    served: dict[str, Stage] = {}
    current, name = Stage(), ""
    installed: list[Stage] = []
    for line, instruction, text in _instructions(
        path.read_text(encoding="utf-8", errors="replace")
    ):
        at = f"{place}:{line}"
        if instruction == "FROM":
            installed.append(current)
            match = STAGE.match(text)
            image = match["image"].lower() if match else ""
            name = (match["name"] or "").lower() if match else ""
            below = stages.get(image, Stage())
            current = replace(
                below, requirements=(), locks=(), installs=(), arguments=current.arguments
            )
        elif instruction in AFTER:
            current = AFTER[instruction](current, text, at)
        stages[name] = current
        if not FOR_DEVELOPERS.search(name):
            served["last"] = current
    before = [*installed, current]
    return replace(
        served.get("last", current),
        requirements=tuple(one for stage in before for one in stage.requirements),
        locks=tuple(one for stage in before for one in stage.locks),
        installs=tuple(one for stage in before for one in stage.installs),
    )


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, name and text of each instruction, continued lines and heredocs included."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        begin, collected = number, ""
        while number < len(lines):
            line = lines[number]
            number += 1
            if line.lstrip().startswith("#") or (collected and not line.strip()):
                collected += "\\\n" if collected else ""  # so that lines can be counted
            elif line.rstrip().endswith("\\"):
                collected += f"{line}\n"
            else:
                collected += line
                break
            if not collected:
                begin = number
        for end in HEREDOC.findall(collected):
            body = []
            while number < len(lines) and (line := lines[number]).strip() != end:
                body.append(line)
                number += 1
            number += 1
            collected = HEREDOC.sub("", collected, count=1) + "\n" + "\n".join(body)
        if match := INSTRUCTION.fullmatch(collected):
            yield begin + 1, match["name"].upper(), match["text"].strip()


def _after_env(stage: Stage, text: str, place: str) -> Stage:
    """The stage after an ENV, also in its old form without `=`."""
    words = words_of(text, stage.variables)
    if words and "=" not in words[0]:
        words = (f"{words[0]}={' '.join(words[1:])}",)
    pairs = [word.partition("=") for word in words if "=" in word and UNKNOWN not in word]
    new = {name: Found(value=value, place=place) for name, _, value in pairs}
    return replace(stage, environment={**stage.environment, **new})


def _after_arg(stage: Stage, text: str, place: str) -> Stage:  # noqa: ARG001 - as the others
    name, sign, value = text.partition("=")
    default = {name.strip(): value.strip("\"'")} if sign else {}
    return replace(stage, arguments={**stage.arguments, **default})


def _after_workdir(stage: Stage, text: str, place: str) -> Stage:
    path = posixpath.join(stage.workdir.value, *words_of(text, stage.variables))
    return replace(stage, workdir=Found(value=posixpath.normpath(path), place=place))


def _after_copy(stage: Stage, text: str, place: str) -> Stage:  # noqa: ARG001 - as the others
    return replace(stage, copies=(*stage.copies, *_copies(stage, text)))


def _after_entrypoint(stage: Stage, text: str, place: str) -> Stage:
    """The stage after an entry point, which removes the command of the image below."""
    return replace(stage, entrypoint=Found(value=_as_script(text), place=place), cmd=None)


def _after_cmd(stage: Stage, text: str, place: str) -> Stage:
    return replace(stage, cmd=Found(value=_as_script(text, stage.entrypoint), place=place))


def _after_expose(stage: Stage, text: str, place: str) -> Stage:
    ports = [word.partition("/")[0] for word in words_of(text, stage.variables)]
    numbers = [int(port) for port in ports if port.isdecimal()]
    return replace(stage, port=Found(value=numbers[0], place=place)) if numbers else stage


def _as_script(text: str, entrypoint: Found[str] | None = None) -> str:
    """The exec form or the shell form, as a shell script.

    A command in shell form reaches an entry point as the arguments `/bin/sh -c TEXT`.
    """
    if text.startswith("["):
        try:
            words = json.loads(text.replace("\\\n", ""))
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            return shlex.join(words)
    return f"/bin/sh -c {shlex.quote(text)}" if entrypoint else text


def _copies(stage: Stage, text: str) -> Iterator[tuple[str, str]]:
    """What is copied out of the checkout, not out of another stage, and where to."""
    words: tuple[str, ...] = words_of(text, stage.variables)
    if text.lstrip().startswith("["):
        try:
            words = tuple(json.loads(text))
        except (ValueError, TypeError):
            return
    if any(word.startswith("--from") for word in words):
        return
    *sources, target = [w for w in words if not w.startswith("--")] or [""]
    path = posixpath.join(stage.workdir.value, target)
    for source in sources:
        is_directory = target.endswith(("/", ".")) or len(sources) > 1
        name = PurePosixPath(source).name
        inside = is_directory and name and posixpath.splitext(name)[1]
        normal = posixpath.normpath(posixpath.join(path, name) if inside else path)
        yield posixpath.normpath(source.lstrip("/") or "."), normal


def _after_run(stage: Stage, text: str, place: str) -> Stage:
    """The stage after a RUN: which packages and requirements it has installed."""
    debian, requirements, locks = [*stage.debian], [*stage.requirements], [*stage.locks]
    installs, workdir = [*stage.installs], stage.workdir.value
    for command in read_script(text, stage.variables).commands:
        words = tuple(
            PurePosixPath(word).name if not n else word for n, word in enumerate(command.words)
        )
        at = _line_of(place, command.line)
        debian += [Found(value=name, place=at) for name in _packages(words)]
        requirements += [(Found(value=path, place=at), workdir) for path in _requirements(words)]
        installs += [(Found(value=path, place=at), workdir) for path in _directories(words)]
        locks += [Found(value=file, place=at) for start, file in FROM_LOCK if words[:2] == start]
    return replace(
        stage,
        debian=tuple({one.value: one for one in reversed(debian)}.values())[::-1],
        requirements=tuple(requirements),
        locks=tuple(locks),
        installs=tuple(installs),
    )


def _line_of(place: str, line: int) -> str:
    """The place of a line of an instruction that stands at a place."""
    name, _, first = place.rpartition(":")
    return f"{name}:{int(first) + line - 1}"


def _packages(words: tuple[str, ...]) -> Iterator[str]:
    """The packages that a command installs from Debian."""
    words = words[1:] if words[:1] == ("sudo",) else words
    if not words or words[0] not in INSTALLERS or "install" not in words:
        return
    rest = [*words[words.index("install") + 1 :]]
    while rest:
        word = rest.pop(0)
        if word in WITH_VALUE and rest:
            rest.pop(0)
        elif PACKAGE.fullmatch(name := word.partition("=")[0]):
            yield name


def _requirements(words: tuple[str, ...]) -> Iterator[str]:
    """The files that pip or uv installs from."""
    if "install" not in words and "sync" not in words:
        return
    if not any(PurePosixPath(word).name in PIPS for word in words[:4]):
        return
    for number, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name in {"-r", "--requirement", "--requirements"}:
            value = value if sign else "".join(words[number + 1 : number + 2])
        elif word.startswith("-r") and not word.startswith("--"):
            value = word[2:]
        else:
            continue
        if value and UNKNOWN not in value:
            yield value


def _directories(words: tuple[str, ...]) -> Iterator[str]:
    """The directories that pip or uv installs, with extras: `.[live]`."""
    if "install" not in words or not any(PurePosixPath(w).name in PIPS for w in words[:4]):
        return
    before = ""
    for word in words:
        if DIRECTORY.fullmatch(word) and before not in OTHER_PATHS and word != words[0]:
            yield word
        before = word


AFTER: Final[Mapping[str, Callable[[Stage, str, str], Stage]]] = {
    "ADD": _after_copy,
    "ARG": _after_arg,
    "CMD": _after_cmd,
    "COPY": _after_copy,
    "ENTRYPOINT": _after_entrypoint,
    "ENV": _after_env,
    "EXPOSE": _after_expose,
    "RUN": _after_run,
    "WORKDIR": _after_workdir,
}
