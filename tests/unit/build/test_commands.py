"""Commands of a build: how they are written into a Dockerfile, and what is told of a failure."""

from __future__ import annotations

import json

import pytest

from runner.build.commands import explained_command, run_line
from runner.errors import EngineError

COMMANDS = ("make version-file", "npm run build")
INSTALLS = "there is no program npm: `application.debian: [npm]`"
IS_NO_PROGRAM = (
    "there is no program pybabel: name the package that has it in `application.debian`, or its "
    "distribution in `application.requirements`"
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
            "failed with status 127: /bin/sh: 1: npm: not found; " + INSTALLS,
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


def test_what_was_not_copied_is_said_to_be_so() -> None:
    last = "/bin/sh: 1: cannot open version.txt: No such file or directory: 'version.txt'"
    error = EngineError(LOG.format(last=last, status=2))
    told = explained_command(error, COMMANDS, lambda name: [name])
    assert str(told).endswith("`application.include: [version.txt]`")
