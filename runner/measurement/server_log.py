"""What a server's log says of its end: exceptions, and the words of those that end without one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from runner.text import last_line

TRACEBACK = "Traceback (most recent call last):"
#: What stands above a traceback that Python does not pass on: these words, and the object. Where
#: two processes write at once, the object may have a line of its own.
IGNORED: Final = re.compile(r"Exception ignored|<.*>$")
PLACE: Final = re.compile(r'  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')
#: How the line between the tracebacks of a chain begins.
CHAINED = ("During handling of the above", "The above exception was the direct cause")
#: Exceptions that say where only above their line.
PLACED: Final = re.compile(r"(SyntaxError|IndentationError|TabError): ")
#: What a gRPC error is about, some lines below its own.
RPC_DETAILS: Final = re.compile(r'\s+details = "(?P<details>.+)"$')
#: That an application ended its process by a number, which says nothing, and how gunicorn's lines
#: begin.
ENDED: Final = re.compile(r"it called sys\.exit\((?:\d+|None|True|False)\) while it was imported$")
DATED: Final = re.compile(r"\[\d{4}-\d\d-\d\d ")
#: How gunicorn says what it cannot be started with, below an empty line.
GUNICORNS: Final = re.compile(r"^\nError: (?P<said>.*\w)\W*$", re.MULTILINE)
#: How gunicorn says that somebody killed one of its processes.
WORKER_KILLED: Final = "was sent SIGKILL! Perhaps out of memory"


#: How gunicorn says that it ends a worker that has not reported within its timeout.
TIMED_OUT: Final = "WORKER TIMEOUT (pid:"


class Ended(NamedTuple):
    """An exception, and the lines of the traceback that ends in it."""

    exception: str
    traceback: str


def _chains(log: str) -> Iterator[list[Ended]]:
    """Each chain of tracebacks in a log: the first is the cause of the next.

    A traceback below `Exception ignored in` is none of the server's failures: something was cleaned
    up too late.
    """
    inside, ignored, before = False, False, ""
    chain: list[Ended] = []
    above: list[str] = []
    goes_on = False
    for line in log.splitlines():
        if line.strip() == TRACEBACK:
            if chain and not goes_on:
                yield chain
                chain = []
            chained = ignored and before.startswith(CHAINED)
            inside, ignored, goes_on = True, chained or bool(IGNORED.match(before)), False
            above = []
        elif line.startswith(CHAINED):
            goes_on = True
        elif inside and line and not line[0].isspace():
            inside = False
            ended = Ended(line.strip(), "".join(f"{one}\n" for one in above))
            chain = [] if ignored else [*chain, ended]
        elif inside:
            above.append(line)
        elif chain and (found := RPC_DETAILS.match(line)):
            said = f"{chain[-1].exception.partition(': <')[0]}: {found['details']}"
            chain[-1] = chain[-1]._replace(exception=said)
        before = line or before
    if chain:
        yield chain


def chains(log: str) -> Iterator[list[str]]:
    """The exceptions of each chain of tracebacks in a log: the first is the cause of the next."""
    return ([one.exception for one in chain] for chain in _chains(log))


def traceback_of(exception: str, log: str) -> str:
    """The last traceback that ends in an exception, without its first and last line; or nothing."""
    ends = (chain[-1] for chain in _chains(log))
    return next((e.traceback for e in reversed([*ends]) if e.exception == exception), "")


def exceptions(log: str) -> Iterator[str]:
    """The exception that each traceback of a log ends in, of a chain of them the last."""
    return (chain[-1] for chain in chains(log))


def ignored(log: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Each exception that Python printed and did not pass on, with the place that raised it."""
    place, is_ignored, before = None, False, ""
    for line in log.splitlines():
        if line.strip() == TRACEBACK:
            place, is_ignored = None, bool(IGNORED.match(before))
        elif is_ignored and (found := PLACE.match(line)):
            place = found
        elif place and line and not line[0].isspace():
            yield line.strip().removesuffix(":"), place
            place, is_ignored = None, False
        before = line or before


def exception_line(log: str) -> str:
    """The exception that most of a log's tracebacks end in, the last of several; or nothing."""
    counts = Counter(exceptions(log))
    most = max(counts.values(), default=0)
    return next((line for line, number in reversed(counts.items()) if number == most), "")


def causes(log: str, reason: str) -> Iterator[str]:
    """The exceptions that led to one which a reason names, the nearest first."""
    for chain in chains(log):
        if chain[-1] in reason:
            yield from reversed(chain[:-1])


def with_words(exception: str, log: str) -> str:
    """An exception with what the application printed before it ended its process, if it is that."""
    if not ENDED.search(exception):
        return exception
    above = log[: log.find(TRACEBACK)].splitlines()
    words = [line.strip() for line in above if re.search(r"\w", line) and not DATED.match(line)]
    return f"{exception}: {words[-1]}" if words else exception


def with_place(exception: str, log: str) -> str:
    """An exception with the file and line that it is about, where its own line does not say."""
    if not PLACED.match(exception):
        return exception
    above = log[: log.rfind(exception)]
    places = re.findall(r'File "([^"]+)", line (\d+)\n', above)
    return f"{exception} ({places[-1][0]}:{places[-1][1]})" if places else exception


def last_words(log: str) -> str:
    """What a process said last: gunicorn's own error, else the last line with a word in it."""
    if found := [*GUNICORNS.finditer(log)]:
        return found[-1]["said"].strip()
    lines = [line for line in log.splitlines() if re.search(r"\w", line)]
    return last_line("\n".join(lines)) or last_line(log)
