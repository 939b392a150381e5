"""Commands of a build: how they are written into a Dockerfile, and what is told of a failure."""

from __future__ import annotations

import json

import pytest

from runner.build.commands import explained_command, run_line
from runner.build.debian_packages import package_for
from runner.errors import EngineError

COMMANDS = ("make version-file", "npm run build")
INSTALLS = "`application.debian: [{}]` installs it"
IS_NO_PROGRAM = (
    "pybabel is no program of the image: name the package that has it in `application.debian`, or "
    "its distribution in `application.requirements`"
)
#: As Docker 20.10 prints it.
LOG = """\
monkey-matrix/application:1, on monkey-matrix/application:0: Step 1/4 : ARG BASE
Step 2/4 : FROM ${{BASE}}
 ---> 88d81dfb8bcd
Step 3/4 : RUN ["/bin/sh", "-c", "exec timeout", "make version-file"]
 ---> Running in 4d3abe9be06c
made
Removing intermediate container 4d3abe9be06c
 ---> 4d3abe9be06d
Step 4/4 : RUN ["/bin/sh", "-c", "exec timeout", "npm run build"]
 ---> Running in 4d3abe9be06e
building
\x1b[91m{last}
\x1b[0mRemoving intermediate container 4d3abe9be06e
The command '/bin/sh -c exec timeout npm run build' returned a non-zero code: {status}"""


@pytest.mark.parametrize("command", ["echo \"$HOME\" 'a' \\", "a\nb", "# no comment", "é [1]"])
def test_a_command_is_run_as_it_is_written(command: str) -> None:
    line = run_line(command)
    assert "\n" not in line
    assert json.loads(line.removeprefix("RUN "))[-1] == command


@pytest.mark.parametrize(
    ("last", "status", "told"),
    [
        ("Error: no such script", 1, "failed with status 1: Error: no such script"),
        (
            "/bin/sh: 1: npm: not found",
            127,
            "failed with status 127: /bin/sh: 1: npm: not found; " + INSTALLS.format("npm"),
        ),
        (
            "/bin/sh: 1: pybabel: not found",
            127,
            "failed with status 127: /bin/sh: 1: pybabel: not found; " + IS_NO_PROGRAM,
        ),
        ("still here", 124, "failed with no end within 900 s: still here"),
    ],
)
def test_which_command_failed_how_and_what_helps(last: str, status: int, told: str) -> None:
    error = explained_command(EngineError(LOG.format(last=last, status=status)), COMMANDS)
    assert str(error) == f"`application.prepare`: `npm run build` {told}"


def test_an_earlier_command_that_printed_nothing_is_named() -> None:
    log = LOG.format(last="x", status=3)
    first = log[: log.index("made\n")] + log[log.index("Removing", log.index("building")) :]
    error = str(explained_command(EngineError(first), COMMANDS))
    assert (
        error
        == "`application.prepare`: `make version-file` failed with status 3: it printed nothing"
    )


@pytest.mark.parametrize("log", ["no space left on device", "Step 1/2 : FROM x\nno such image"])
def test_what_no_command_did_is_told_as_it_is(log: str) -> None:
    error = EngineError(log)
    assert explained_command(error, COMMANDS) is error


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("/bin/sh: 1: make: not found", "make"),
        ("bash: line 1: psql: command not found", "postgresql-client"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'git'", "git"),
        ("error: [Errno 2] No such file or directory: 'msgfmt'", "gettext"),
        ("env: node: No such file or directory", "nodejs"),
        ("Error: pg_config executable not found.", "libpq-dev"),
        ("ImportError: failed to find libmagic.  Check your installation", "libmagic1"),
        (
            "ImportError: libpq.so.5: cannot open shared object file: No such file or directory",
            "libpq5",
        ),
        (
            "ImportError: libglib-2.0.so.0: cannot open shared object file: No such file",
            "libglib2.0-0",
        ),
        ("OSError: cannot load library 'libcairo-2': libcairo-2: cannot open", "libcairo2"),
        ("OSError: cannot load library 'libcairo.so.2': libcairo.so.2: cannot open", "libcairo2"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'settings.cfg'", None),
        ("cat: /etc/make: No such file or directory", None),
        ("page not found", None),
        ("all is well", None),
    ],
)
def test_which_package_has_what_is_missing(line: str, package: str | None) -> None:
    assert package_for(line) == package
