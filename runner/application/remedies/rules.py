"""The one table of what helps, by what a program printed when it failed.

A rule has one kind of failure: how programs say it, and which key of the matrix file helps. `matrix
run` prints its words, as part of a reason; a command with options instead has the key
and the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from runner.application.remedies.debian_packages import FOR_BUILDS, with_library, with_program
from runner.application.remedies.remedy import Remedy, setting
from runner.engine.pod import APPLICATION
from runner.matrix import plugins

#: What of the source was not copied and may be a module or a file, by the name that was missed.
LeftOut: TypeAlias = Callable[[str], Sequence[str]]
#: Gives the value of a key by the name of what is missing and the line that says so.
Values: TypeAlias = Callable[[str, str], str | None]

#: The name of a variable, as programs print it when it is missing.
NAME: Final = r"[\"'`\[]*(?P<name>[A-Z][A-Z0-9_]{2,})[\"'`\]]*"
VARIABLE: Final = r"(?i:environment|env) ?var(?:iable)?s?"
#: How Python says that a path cannot be written, of two the second.
UNWRITABLE: Final = r"(?:\[Errno 13\] Permission denied|\[Errno 30\] [\w -]+): '(?:[^']+' -> ')?"
#: How programs say that a file is not there.
IS_NOT_THERE: Final = r"(?:(?:was |is )?(?:not found|missing)|does not exist|doesn't exist)"
#: How programs ask for a variable.
ASKED: Final = r"(?i:please|you must|you need to) (?i:set|configure|provide|define|export|specify)"
#: How programs go on behind the name of a variable that they miss.
LACKS: Final = (
    r"(?:(?:must be|has to be|needs to be|is|was) (?:not )?|(?:has )?not (?:been )?)"
    r"(?:set|defined|missing|required|found|provided|configured)\b"
)
#: Distributions by the module in them, where the names differ by more than a `-`.
DISTRIBUTIONS: Final = {
    "MySQLdb": "mysqlclient", "PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python",
    "dateutil": "python-dateutil", "dotenv": "python-dotenv", "jwt": "pyjwt",
    "magic": "python-magic", "psycopg2": "psycopg2-binary", "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}  # fmt: skip
#: Distributions by the command that they add to `flask`.
FLASK_COMMANDS: Final = {"db": "flask-migrate", "translate": "flask-babel"}
#: The companion that is meant, by what a client says of whom it does not reach.
COMPANIONS: Final = {
    "postgres": re.compile(r"postgres|psycopg|\b5432\b", re.IGNORECASE),
    "redis": re.compile(r"redis|\b6379\b", re.IGNORECASE),
    "mariadb": re.compile(r"mysql|mariadb|\b3306\b", re.IGNORECASE),
    "milvus": re.compile(r"milvus|\b19530\b", re.IGNORECASE),
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A kind of failure: how it is said, and what helps.

    `says` states it; `to_do` goes on where the value is known, `else_do` where it is not. They may
    name {name}, what is missing, and {setting}, the key with its value. `value` gives that by the
    name and the line. `within` is what the whole log must have besides the line.
    """

    kind: str
    patterns: tuple[str, ...]
    key: str
    says: str
    to_do: str = "{setting}"
    else_do: str = ""
    value: Values = lambda _name, _line: None
    within: str = ""

    def remedy(self, line: str, log: str) -> Remedy | None:
        """What helps, None if the line says something else."""
        match = next(filter(None, (re.search(pattern, line) for pattern in self.patterns)), None)
        beside = re.search(self.within, log, re.MULTILINE)
        if match is None or beside is None:
            return None
        name = {"name": "", **match.groupdict(), **beside.groupdict()}["name"]
        value = self.value(name, line)
        words = f"{self.says}: {self.to_do if value or not self.else_do else self.else_do}"
        shown = setting(self.key, value) if self.key else ""
        return Remedy(
            kind=self.kind,
            name=name,
            key=self.key,
            value=value,
            words=words.format(name=name, setting=shown),
        )


def _constant(value: str, _name: str, _line: str) -> str:
    return value


def _name(name: str, _line: str) -> str:
    return name


def _variable(name: str, _line: str) -> str:
    return name.upper()


def _library(name: str, _line: str) -> str | None:
    return with_library(name)


def _program(name: str, _line: str) -> str | None:
    return with_program(name)


def _distribution(name: str, _line: str) -> str | None:
    return DISTRIBUTIONS.get(name.partition(".")[0])


def _companion(_name: str, line: str) -> str | None:
    meant = (name for name, words in COMPANIONS.items() if words.search(line))
    return next((name for name in meant if name in plugins.companions()), None)


# -- what an application or a command of its own printed -------------------------------------------

NOT_SET: Final = "set it by {setting}, or in a file under `application.env_file`"
#: The first that fits counts.
RULES: Final = (
    Rule(
        kind="variable",
        patterns=(r"\bKeyError: '(?P<name>[A-Za-z_][A-Za-z0-9_]*)'",),
        within=r'File "(?:<frozen os>|[^"]*/os\.py)", line \d+, in __getitem__',
        key="environment",
        value=_name,
        says="the variable {name} is not set",
        to_do=NOT_SET,
    ),
    Rule(
        kind="variable",
        patterns=(
            rf"{VARIABLE} {NAME} ?(?:is |was |has )?(?:not|missing|required|undefined|must)",
            rf"(?:[Mm]issing|[Ss]et)(?: the)?(?: required)? {VARIABLE}:? {NAME}",
            rf"{ASKED}(?: [a-z]+){{0,3}} [\"'`]?(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{{6,}})\b",
            rf"Either {NAME} or .* must be set",
            rf"{NAME} (?:{VARIABLE} )?{LACKS}",
            rf"{NAME} (?:setting )?must not be empty",
            rf"{NAME} not found\. Declare it as envvar",
        ),
        key="environment",
        value=_name,
        says="the variable {name} is not set",
        to_do=NOT_SET,
    ),
    Rule(
        kind="variable",
        patterns=(r"ValidationError: \d+ validation errors? for \w*(?:Settings|Config)",),
        within=r"^(?P<name>\w+)\n +[Ff]ield required",
        key="environment",
        value=_variable,
        says="the setting {name} has no value",
        to_do=NOT_SET,
    ),
    Rule(
        kind="library",
        patterns=(
            r"(?P<name>lib[\w.+-]+?\.so[.\d]*): cannot open shared object file",
            r"(?i:failed to find) (?P<name>lib\w+)",
            r"cannot load library '(?P<name>lib[\w.+-]+?)(?:\.so[.\d]*|-\d+)?'",
        ),
        key="debian",
        value=_library,
        says="the library {name} is missing",
        else_do="`application.debian: […]` with the Debian package that has it",
    ),
    Rule(
        kind="address",
        patterns=(
            r"Failed to find attribute '(?P<name>\w+)' in",
            r"Failed to find application object: '(?P<name>[^']+)'",
            r"Failed to parse '(?P<name>[^']+)' as an attribute name",
        ),
        key="app",
        says="`application.app` names {name}, which is not there",
        to_do="correct it",
    ),
    Rule(
        kind="arguments of the factory",
        patterns=(r"AppImportError: TypeError: (?P<name>\w+)\(\)",),
        key="app",
        says="`application.app` calls {name} with other arguments than it takes",
        to_do="write them as literals, e.g. `{name}('load')`",
    ),
    Rule(
        kind="worker class",
        patterns=(r"class uri '(?P<name>[^']+)' invalid or not found",),
        key="worker_class",
        says="gunicorn finds no worker class {name}",
        to_do="correct `application.worker_class`, or add what has it to "
        "`application.requirements`",
    ),
    Rule(
        kind="arguments of gunicorn",
        patterns=(r"gunicorn: error: (?P<name>.+)",),
        key="args",
        says="gunicorn does not take `application.args`",
        to_do="correct them, or choose a version of gunicorn that has the option",
    ),
    Rule(
        kind="address in use",
        patterns=(r"Address already in use",),
        key="",
        says="the application listens by itself at an address that is in use",
        to_do="it is served here, and must not start a server of its own when it is imported",
    ),
    Rule(
        kind="module",
        patterns=(r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'",),
        key="requirements",
        value=_distribution,
        says="the module {name} is neither in the source nor installed",
        else_do="add what has it to `application.requirements`, or correct `application.app` or "
        "`application.chdir`",
    ),
    Rule(
        kind="command of flask",
        patterns=(r"Error: No such command '(?P<name>[\w-]+)'",),
        key="requirements",
        value=lambda name, _line: FLASK_COMMANDS.get(name),
        says="the application has no command {name}",
        else_do="correct it, or add what has it to `application.requirements`",
    ),
    Rule(
        kind="program",
        patterns=(
            r"(?:^|: )(?P<name>[\w.+-]+): (?:command )?not found\s*$",
            r"No such file or directory: b?'(?P<name>[\w+-]+)'",
            r"\benv: '?(?P<name>[\w.+-]+)'?: No such file or directory\s*$",
            r"(?i:cannot find command) '(?P<name>[\w.+-]+)'",
            r"(?P<name>[\w.+-]+) (?i:executable (?:must be|not found))",
            r"(?i:bad) (?P<name>[\w.+-]+) (?i:executable)",
            r"(?i:no) (?P<name>[\w.+-]+) (?i:executable found)",
            r"(?P<name>[\w.+-]+) is not installed or it's not in your PATH",
            r"failed to execute (?:PosixPath\()?'(?P<name>[\w.+-]+)'",
        ),
        key="debian",
        value=_program,
        says="there is no program {name}",
        else_do="name the package that has it in `application.debian`, or its distribution in "
        "`application.requirements`",
    ),
    Rule(
        kind="file",
        patterns=(
            r"No such file or directory: b?'(?P<name>[^']+)'",
            r"can't open file '(?P<name>[^']+)'",
            r"Invalid value for .*'(?P<name>[^']+)': No such file or directory",
            rf"\b(?i:path|file|directory|folder):? [\"'](?P<name>[^\"']+)[\"'] {IS_NOT_THERE}",
        ),
        key="files",
        says="there is no file {name}",
        to_do="put it there by `application.files`, or make it in `application.prepare` or "
        "`application.before`",
    ),
    Rule(
        kind="unwritable",
        patterns=(rf"{UNWRITABLE}(?P<name>/site/[^']*)'",),
        key="",
        says="{name} cannot be written",
        to_do="it is where distributions are installed; run this in a checkout of the application, "
        "whose own directory can be written",
    ),
    Rule(
        kind="unwritable",
        patterns=(rf"{UNWRITABLE}(?P<name>[^']+)'",),
        key="environment",
        says="{name} cannot be written",
        to_do="only the application's own directory, its HOME and /tmp can; set another path, e.g. "
        "by a variable in `application.environment`",
    ),
    Rule(
        kind="table",
        patterns=(
            r"no such table: (?P<name>[\w.]+)",
            r'relation "(?P<name>[\w.]+)" does not exist',
            r"Table '(?P<name>[\w.]+)' doesn't exist",
        ),
        key="before",
        says="the table {name} is not there",
        to_do='make it in `application.before`, e.g. ["flask db upgrade"]',
    ),
    Rule(
        kind="host",
        patterns=(
            r'could not translate host name "(?P<name>[\w.-]+)"',
            r"Unknown (?:MySQL )?server host '(?P<name>[\w.-]+)'",
            r"Error -\d connecting to (?P<name>[\w.-]+):\d+",
            r"host='(?P<name>[\w.-]+)', port=\d+.*(?i:name or service not known|name resolution)",
            r"Failed to resolve '(?P<name>[\w.-]+)'",
        ),
        key="services",
        value=_companion,
        says="there is no host {name} here",
        to_do="name what it connects to, e.g. {setting}",
        else_do="name what it connects to in `application.services`",
    ),
    Rule(
        kind="service",
        patterns=(
            r"gaierror: \[Errno -\d\]|Temporary failure in name resolution",
            r"Connection refused|ConnectionRefusedError|Can't connect to (?:MySQL )?server",
        ),
        key="services",
        value=_companion,
        says="what it connects to is not there",
        to_do="name it, e.g. {setting}",
        else_do="name it in `application.services`",
    ),
)

# -- what a build of a distribution printed --------------------------------------------------------

BUILDING: Final = (
    *(
        Rule(
            kind="development files",
            patterns=(pattern,),
            key="debian",
            value=partial(_constant, package),
            says="what it is built with is missing",
        )
        for pattern, package in FOR_BUILDS.items()
    ),
    Rule(
        kind="crates",
        patterns=(r"\bcargo\b|\brustc\b|\bmaturin\b|Rust (compiler|toolchain)",),
        key="",
        says="it is written in Rust and needs crates from the network, which a build here does not "
        "have",
        to_do="choose a version with a wheel for this Python",
    ),
)

# -- looking up ------------------------------------------------------------------------------------

#: Kinds of what may be in the source, and was not copied.
MAY_BE_LEFT_OUT: Final = frozenset({"module", "file", "program"})


def remedy_of(
    line: str, log: str = "", left_out: LeftOut = lambda _: (), rules: Sequence[Rule] = RULES
) -> Remedy | None:
    """What helps against what a line says, None where nothing is known.

    `line` is the last one of an exception, or what a shell said; `log` is all around it. What was
    left out of the source counts first: the file is there, and only has to be copied.
    """
    known = next(filter(None, (rule.remedy(line, log) for rule in rules)), None)
    if known and known.kind in MAY_BE_LEFT_OUT:
        name = known.name.removeprefix(f"{APPLICATION}/")
        return next((_included(path) for path in left_out(name)), known)
    return known


def _included(path: str) -> Remedy:
    return Remedy(
        kind="left out",
        name=path,
        key="include",
        value=path,
        words=f"{path} was not copied, for it is ignored: {setting('include', path)}",
    )
