"""Why a build failed, of all that it printed, and what helps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from runner.application.remedies.rules import BUILDING, remedy_of
from runner.resolver import without_addresses
from runner.text import one_line

LONGEST: Final = 300
#: Lines that say that something failed, and not what.
NOISE: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"error: subprocess-exited-with-error",
        r"error: command .* failed( with exit (code|status) \d+)?(: .*)?$",
        r"error: failed building wheel",
        r"error: metadata-generation-failed",
        r"subprocess\.CalledProcessError: ",
        r"compilation terminated\.",
        r"make(\[\d+\])?: \*\*\* ",
        r"ninja: build stopped",
        r"collect2: error: ld returned",
        r"distutils\.errors\.\w+: command .* failed",
        r"(setuptools|distutils)[\w.]*\.CompileError: command",
        r"full traceback|hint:|note:",
    )
)
#: How a line begins or goes on that says why; the first kind that is found counts.
REASONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"fatal error: ",
        r"\berror: (?!.*\bwarning\b)|\bError: |\bERROR: |\bundefined reference to |cannot find -l",
        r"^\s*[\w.]*(Error|Exception|Exit|Invalid|Unavailable)\b",
        r"not found|No such file or directory|No package '",
    )
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a build failed: a line of what it printed, and what to do where that is well known."""

    why: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.why}; {self.remedy}" if self.remedy else self.why


def failure(printed: str) -> Failure:
    """The reason in what a build printed: the compiler's line, or the last one of a hook's."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    told = [line for line in lines if not any(noise.search(line) for noise in NOISE)]
    why = next(_reasons(told), (told or lines or ["it printed nothing"])[-1])
    short = one_line(without_addresses(why))[:LONGEST].rstrip(".")
    return Failure(why=short, remedy=_remedy(why, lines))


def _reasons(lines: list[str]) -> Iterator[str]:
    """The last line of each kind."""
    for reason in REASONS:
        yield from (line for line in reversed(lines) if reason.search(line))


def _remedy(why: str, lines: Iterable[str]) -> str:
    """The line that is the reason need not be the one that names what is missing."""
    found = (remedy_of(text, rules=BUILDING) for text in (why, "\n".join(lines)))
    return next((str(known) for known in found if known), "")
