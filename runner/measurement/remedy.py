"""What helps an application that does not start or answer, by what its process printed.

A cause is known by the last exception of a log, or by what a shell printed; it is data, a pattern
with the words that say which key of the matrix file to set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from runner.measurement.verdict import exceptions

#: What of the source was not copied and may be a module or a file, by the name that was missed.
LeftOut = Callable[[str], Sequence[str]]

#: The Debian package of a library, where it has the same name in every suite.
LIBRARIES: Final = {
    "libGL.so.1": "libgl1",
    "libcairo.so.2": "libcairo2",
    "libcurl.so.4": "libcurl4",
    "libgomp.so.1": "libgomp1",
    "libmagic.so.1": "libmagic1",
    "libmariadb.so.3": "libmariadb3",
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpq.so.5": "libpq5",
    "libxml2.so.2": "libxml2",
    "libxmlsec1.so.1": "libxmlsec1",
    "libxslt.so.1": "libxslt1.1",
}
#: A look-up in `os.environ`, as a traceback shows it, in the lines before the exception.
IN_ENVIRON = re.compile(r'File "(?:<frozen os>|[^"]*/os\.py)", line \d+, in __getitem__')
VARIABLE = re.compile(r"KeyError: '(?P<name>[A-Za-z_][A-Za-z0-9_]*)'")
LIBRARY = re.compile(r"(?P<name>lib[\w.+-]+\.so[.\d]*): cannot open shared object file")
MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'")
FILE = re.compile(r"FileNotFoundError: \[Errno 2\] [^:]+: '(?P<name>[^']+)'")
UNWRITABLE = re.compile(
    r"(?:\[Errno 13\] Permission denied|\[Errno 30\] [\w -]+): '(?P<name>[^']+)'"
)
PROGRAM = re.compile(
    r"^(?:/bin/)?sh: (?:\d+: )?(?P<name>[^\s:]+): (?:command )?not found", re.MULTILINE
)
TABLE = re.compile(r"no such table: (?P<name>[\w.]+)|relation \"(?P<other>[\w.]+)\" does not exist")
REFUSED = re.compile(r"Connection refused|ConnectionRefusedError")
#: Where an application is in its container.
APPLICATION: Final = "/application/"


def remedy(log: str, left_out: LeftOut = lambda _: ()) -> str | None:
    """What to set in the matrix file, in one sentence; None where nothing is known.

    `log` is what the process printed, with its tracebacks.
    """
    said = [*exceptions(log)][-1:] or [*shell_errors(log)][-1:]
    return next((words for line in said for words in _of(line, log, left_out)), None)


def shell_errors(log: str) -> Iterator[str]:
    """The lines in which a shell says that there is no such program."""
    yield from (match[0] for match in PROGRAM.finditer(log))


def _of(line: str, log: str, left_out: LeftOut) -> Iterator[str]:
    if (match := VARIABLE.fullmatch(line)) and IN_ENVIRON.search(log):
        yield (
            f"the variable {match['name']} is not set: set it in `application.environment`, or in "
            "a file under `application.env_file`"
        )
    elif match := LIBRARY.search(line):
        yield _library(match["name"])
    elif match := MODULE.search(line):
        yield _module(match["name"], left_out(match["name"]))
    elif match := PROGRAM.search(line):
        yield _program(match["name"])
    elif match := FILE.search(line):
        yield _file(match["name"], left_out)
    elif match := UNWRITABLE.search(line):
        yield (
            f"{match['name']} cannot be written: only the application's own directory, its HOME "
            "and /tmp can; set another path, e.g. by a variable in `application.environment`"
        )
    elif match := TABLE.search(line):
        yield (
            f"the table {match['name'] or match['other']} is not there: make it in "
            '`application.before`, e.g. ["flask db upgrade"]'
        )
    elif REFUSED.search(line):
        yield "what it connects to is not there: name it in `application.services`"


def _library(name: str) -> str:
    package = LIBRARIES.get(name)
    if package:
        return f"the library {name} is missing: `application.debian: [{package}]`"
    return (
        f"the library {name} is missing: `application.debian: […]` with the Debian package that "
        "has it"
    )


def _program(name: str) -> str:
    return (
        f"there is no program {name}: name the Debian package that has it, "
        f"`application.debian: [{name}]`, or what installs it in `application.requirements`"
    )


def _module(name: str, found: Sequence[str]) -> str:
    if found:
        return _included(found)
    return (
        f"the module {name} is neither in the source nor installed: add what has it to "
        "`application.requirements`, or set `application.chdir`"
    )


def _file(name: str, left_out: LeftOut) -> str:
    if "/" not in name and "." not in name:
        return _program(name)
    if found := left_out(name.removeprefix(APPLICATION)):
        return _included(found)
    return (
        f"there is no file {name}: put it there by `application.files`, or make it in "
        "`application.prepare` or `application.before`"
    )


def _included(found: Sequence[str]) -> str:
    return f"{found[0]} was not copied, for it is ignored: `application.include: [{found[0]}]`"
