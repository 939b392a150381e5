"""What is missing, as the option of `matrix try` that supplies it, ready to paste."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from runner.application.remedies.remedy import Remedy
from runner.application.remedies.rules import BUILDING, RULES, LeftOut, remedy_of
from runner.application.secret_values import MASK
from runner.application.start_command.read import start_command
from runner.commands.trial.draft import Draft
from runner.commands.trial.look import Look
from runner.matrix import plugins
from runner.measurement.verdict import remedy_in
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
MAKES_TABLES = re.compile(
    r"migrat|upgrade|\b(init|create|setup|sync|make)[-_ ]?(all[-_ ])?(db|database|tables?|schema)"
    r"|(db|database|tables?|schema)[-_ ]?(init|create|setup|sync|make)"
)
#: How an application's source names its own commands.
COMMAND = re.compile(r"""\.command\(\s*(?:name\s*=\s*)?["'](?P<name>[\w-]+)["']""")
MOST_FILES: Final = 500
MOST_BYTES: Final = 1 << 20
#: The addresses of ready-made services, as applications are told them: what comes before and after
#: the name of the host and its port.
ADDRESSES: Final = {
    "mariadb": ("mysql", "matrix@", "/matrix"),
    "postgres": ("postgresql", "matrix@", "/matrix"),
    "redis": ("redis", "", "/0"),
}
#: The last word for a library or a program whose package is not known.
SEARCH: Final = "`apt-file search {name}` names the package, on a machine with Debian"


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What is missing, and the option that supplies it; None where none does."""

    missing: str = ""
    option: str | None = None
    remark: str = ""

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield f"missing: {self.missing}"
        if self.option:
            yield f"    add: {self.option}"
        if self.remark:
            yield f"         ({self.remark})"


def remedy_for(outcome: Outcome, reason: str, log: str, left_out: LeftOut) -> Remedy | None:
    """What helps against a failure of a cell, by its reason and what its server printed."""
    if outcome.is_launched:
        return remedy_in(reason, log, left_out)
    return remedy_of(reason, reason, left_out, (*RULES, *BUILDING))


def advice(remedy: Remedy, draft: Draft) -> Advice:
    """The option for a remedy; where there is none, what else to do."""
    missing, _, to_do = remedy.words.partition(": ")
    known = OF_KEYS.get(remedy.key)
    found = (known and known(remedy, draft)) or Advice(remark=to_do)
    return replace(found, missing=missing)


def _variable(remedy: Remedy, _: Draft) -> Advice:
    """The variable; where a path cannot be written, another that some variable may name."""
    if remedy.value:
        return Advice(option=f"-e {remedy.value}={OPEN}")
    return Advice(
        option=f"-e {OPEN}=/tmp/{OPEN}",
        remark="the variable that names this path; the application's own directory, its HOME and "
        "/tmp can be written",
    )


def _debian(remedy: Remedy, _: Draft) -> Advice:
    if remedy.value:
        return Advice(option=_option("debian", remedy.value))
    return Advice(option=_option("debian", OPEN), remark=SEARCH.format(name=remedy.name))


def _before(_: Remedy, draft: Draft) -> Advice:
    if command := tables_command(draft):
        return Advice(option=_option("before", command))
    return Advice(option=_option("before", OPEN), remark="the command that makes its tables")


def _file(remedy: Remedy, draft: Draft) -> Advice:
    """What makes it, or where to put it; a path that a variable gives is secret, not its name."""
    paths = [name for name, value in draft.given.variables.items() if {"/", "."} & {*value}]
    whose = f"{' or '.join(paths)} names it; " if paths and MASK in remedy.name else ""
    remark = f"{whose}the command that makes it, or put it into this directory, which is copied"
    return Advice(option=_option("before", OPEN), remark=remark)


def _requirements(remedy: Remedy, draft: Draft) -> Advice:
    """Options name all requirements, or none."""
    module = remedy.value or remedy.name.partition(".")[0]
    kept = draft.given.requirements if draft.given.has_found_requirements else ()
    return Advice(option=" ".join(_option("requirements", name) for name in (*kept, module)))


def _include(remedy: Remedy, _: Draft) -> Advice | None:
    return Advice(option=_option("include", remedy.value)) if remedy.value else None


def _service(remedy: Remedy, _: Draft) -> Advice:
    if remedy.value is None:
        ready_made = ", ".join(plugins.companions())
        return Advice(option=_option("services", OPEN), remark=f"one of {ready_made}")
    is_named = remedy.kind == "host" and remedy.name != remedy.value
    name = remedy.name if is_named else remedy.value
    port = plugins.companions()[remedy.value].port
    return Advice(
        option=_option("services", f"{name}={remedy.value}" if is_named else name),
        remark=f"it is at {_address(remedy.value, name, port)}" if port else "",
    )


def _address(kind: str, name: str, port: int) -> str:
    if kind not in ADDRESSES:
        return f"{name}:{port}"
    scheme, user, database = ADDRESSES[kind]
    return f"{scheme}:{2 * '/'}{user}{name}:{port}{database}"


#: What supplies it, by the key of the matrix file that does.
OF_KEYS: Final[Mapping[str, Callable[[Remedy, Draft], Advice | None]]] = {
    "before": _before,
    "debian": _debian,
    "environment": _variable,
    "files": _file,
    "include": _include,
    "requirements": _requirements,
    "services": _service,
}


def _option(key: str, value: str) -> str:
    """An option with its value, as a shell takes it."""
    return f"{OPTIONS[key]} {value if value == OPEN else _quoted(value)}"


def _quoted(value: str) -> str:
    """The value for a shell; in double quotes where that is the same, which is easier to read."""
    if shlex.quote(value) == value:
        return value
    return f'"{value}"' if not re.search(r'["$`\\!]', value) else shlex.quote(value)


def of_request(look: Look, reason: str) -> Advice:
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
