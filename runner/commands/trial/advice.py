"""What is missing, as the option of `matrix try` that supplies it, ready to paste."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.application.remedies.remedy import Remedy
from runner.application.remedies.rules import BUILDING, RULES, LeftOut, remedy_of
from runner.application.start_command.read import start_command
from runner.commands.trial.draft import Draft
from runner.commands.trial.look import Look
from runner.matrix import plugins
from runner.outcome import Outcome

#: The option for a key of `application:`, of which the value follows.
OPTIONS: Final = {
    "before": "--before",
    "debian": "--debian",
    "include": "--include",
    "requirements": "-r",
    "services": "--service",
}
#: What only the user knows.
OPEN: Final = "…"
#: A command that makes tables, of those that prepare an application.
MAKES_TABLES = re.compile(r"migrat|upgrade|\b(init|create|setup|sync|make)\w*[-_ ]?(db|database|tables?|schema)"
                          r"|(db|database|tables?|schema)[-_ ]?(init|create|setup|sync|make)")
#: How an application's source names its own commands.
COMMAND = re.compile(r"""\.command\(\s*(?:name\s*=\s*)?["'](?P<name>[\w-]+)["']""")
MOST_FILES: Final = 500
MOST_BYTES: Final = 1 << 20
#: The last word for a library or a program whose package is not known.
SEARCH: Final = "`apt-file search {name}` names the package, on a machine with Debian"


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is missing, and the option that supplies it; None where none does."""

    missing: str
    option: str | None = None
    remark: str = ""

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield f"missing: {self.missing}"
        if self.option:
            yield f"    add: {self.option}"
        if self.remark:
            yield f"         ({self.remark})"


def remedy_in(outcome: Outcome, reason: str, log: str, left_out: LeftOut) -> Remedy | None:
    """What helps against a failure, by the line of its log that is its reason."""
    if not outcome.is_launched:
        return remedy_of(reason, reason, left_out, (*RULES, *BUILDING))
    said = {line.strip() for line in log.splitlines()}
    quoted = sorted((line for line in said if line and line in reason), key=len, reverse=True)
    found = (remedy_of(line, log, left_out) for line in quoted)
    return next(filter(None, found), None)


def advice(remedy: Remedy, draft: Draft) -> Advice:
    """The option for a remedy."""
    missing = remedy.words.partition(": ")[0]
    given = draft.given
    if remedy.key == "environment" and remedy.value:
        return Advice(missing=missing, option=f"-e {remedy.value}={OPEN}")
    if remedy.key == "before":
        command = tables_command(draft)
        remark = "" if command else "the command that makes its tables"
        return Advice(missing=missing, option=_option("before", command or OPEN), remark=remark)
    if remedy.key == "requirements":
        module = remedy.value or remedy.name.partition(".")[0]
        # Options name all requirements, or none.
        kept = [] if not draft.given.found else given.requirements
        options = [_option("requirements", name) for name in (*kept, module)]
        return Advice(missing=missing, option=" ".join(options))
    if remedy.key == "services":
        return _service(remedy, missing)
    if remedy.key == "debian" and not remedy.value:
        remark = SEARCH.format(name=remedy.name)
        return Advice(missing=missing, option=_option("debian", OPEN), remark=remark)
    if remedy.key in OPTIONS and remedy.value:
        return Advice(missing=missing, option=_option(remedy.key, remedy.value))
    return Advice(missing=missing, remark=remedy.words.partition(": ")[2])


def _service(remedy: Remedy, missing: str) -> Advice:
    if remedy.value is None:
        return Advice(missing=missing, option=f"--service {OPEN}", remark=f"one of {_ready_made()}")
    host = f"{remedy.name}=" if remedy.kind == "host" and remedy.name != remedy.value else ""
    port = plugins.companions()[remedy.value].port
    name = remedy.name if host else remedy.value
    remark = f"the application reaches it as {name}:{port}" if port else ""
    return Advice(missing=missing, option=f"--service {host}{remedy.value}", remark=remark)


def _ready_made() -> str:
    return ", ".join(plugins.companions())


def _option(key: str, value: str) -> str:
    """An option with its value, as a shell takes it."""
    return f"{OPTIONS[key]} {value if value == OPEN else _quoted(value)}"


def _quoted(value: str) -> str:
    """The value for a shell; in double quotes where that is the same, which is easier to read."""
    if shlex.quote(value) == value:
        return value
    return f'"{value}"' if not re.search(r'["$`\\!]', value) else shlex.quote(value)


def of_request(look: Look, reason: str) -> Advice | None:
    """What to ask instead, where the answer was wrong."""
    others = [one for one in look.right if one.path != look.chosen.path]
    if others:
        health = [one for one in others if one.path not in look.routes] or others
        return Advice(missing=reason.partition(";")[0], option=f"--path {health[0].path}")
    named = ", ".join(path for path in look.routes[:5] if path != look.chosen.path)
    remark = f"routes of this application: {named}" if named else "a path that answers with 200"
    return Advice(missing=reason.partition(";")[0], option=f"--path {OPEN}", remark=remark)


# -- the command that makes tables -----------------------------------------------------------------


def tables_command(draft: Draft) -> str | None:
    """The command that makes an application's tables, None where none is found."""
    directory = draft.given.directory / (draft.given.chdir or ".")
    own = [one.value for one in start_command(draft.given.directory).before]
    if known := next((command for command in own if MAKES_TABLES.search(command)), None):
        return known
    flask = f"flask --app {_quoted(draft.given.app or '')}"
    if "flask-migrate" in draft.installs:
        return f"{flask} db upgrade"
    if "alembic" in draft.installs and (directory / "alembic.ini").is_file():
        return "alembic upgrade head"
    names = [name for name in commands_in(directory) if MAKES_TABLES.search(name)]
    return f"{flask} {names[0]}" if names else None


def commands_in(directory: Path) -> Sequence[str]:
    """The names of the commands that an application's source has for itself."""
    found: dict[str, None] = {}
    for path in [*_sources(directory)][:MOST_FILES]:
        try:
            if path.stat().st_size <= MOST_BYTES:
                text = path.read_text(encoding="utf-8", errors="replace")
                found |= {match["name"]: None for match in COMMAND.finditer(text)}
        except OSError:
            continue
    return tuple(found)


def _sources(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*.py")):
        parts = path.relative_to(directory).parts
        if not any(part.startswith(".") or part in {"venv", "node_modules"} for part in parts):
            yield path
