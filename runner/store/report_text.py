"""The reports of `ab` in a file: without what a log, a page or a terminal put around them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Colours and other sequences for a terminal.
_TERMINAL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
)
#: A line that every whole report has. What is in front of it is in front of all others, too.
_EVERYWHERE: Final = "Concurrency Level:"
#: A time or a number of a line, which are part of a prefix and differ from line to line. Atomic: in
#: a row of many numbers there is one way to match each.
_COUNTING: Final = r"(?>[ \t]*(?<![\w-])[0-9][0-9T:.,/+-]*(?:Z|s|ms)?(?!\w))"
_TAG: Final = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_FIGURES: Final = (_EVERYWHERE, "Complete requests:", "Requests per second:")
#: What a run of `ab` prints, by how it begins, in this order. Not all of it is in every text.
_MARKS: Final = (
    "This is ApacheBench",
    "Benchmarking ",
    "Server Software:",
    "Concurrency Level:",
    "Complete requests:",
)


def decoded(content: bytes) -> str:
    """The text of a file; a ValueError says what it is instead of UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise ValueError(
            "not UTF-8 but UTF-16, as `>` in Windows PowerShell writes; save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start}); save it as UTF-8") from None


def plain(text: str) -> str:
    """The text as `ab` printed it: without colours, and without what precedes each line."""
    text = _TERMINAL.sub("", text).replace("\u00a0", " ")
    lines = [line.strip() for line in text.splitlines()]
    before = (line.partition(_EVERYWHERE)[0] for line in lines if _EVERYWHERE in line)
    shapes = dict.fromkeys(_shape(prefix) for prefix in before if prefix)
    prefixes = [re.compile(rf"{shape}[ \t]*") for shape in shapes]
    return "".join(f"{_without(prefixes, line)}\n" for line in lines)


def _without(prefixes: Iterable[re.Pattern[str]], line: str) -> str:
    """The line without the first of the prefixes that it has."""
    matches = (prefix.match(line) for prefix in prefixes)
    return next((line[match.end() :] for match in matches if match), line)


def _shape(prefix: str) -> str:
    """A pattern for the same prefix on another line, where a time or a number is another."""
    return _COUNTING.join(re.escape(part) for part in re.split(_COUNTING, prefix.strip()))


def is_html(text: str) -> bool:
    """Whether the lines of a report have tags among them, as those of `ab -w` or of a page have."""
    lines = (line for line in text.splitlines() if any(name in line for name in _FIGURES))
    return any(_TAG.search(line) for line in lines)


def separate(text: str) -> list[str]:
    """What each run of `ab` printed: a text per report, or per run that ended without one.

    A new one begins where something is printed that would have come earlier in the same.
    """
    parts: list[list[str]] = [[]]
    last = -1
    for line in text.splitlines():
        mark = next((n for n, words in enumerate(_MARKS) if line.startswith(words)), None)
        if mark is not None:
            if mark <= last:
                parts.append([])
            last = mark
        parts[-1].append(line)
    return ["\n".join(part) + "\n" for part in parts]
