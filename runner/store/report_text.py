"""The reports of `ab` in a file: without what a log, a page or a terminal put around them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: Colours and other sequences for a terminal; also colours whose escape character was lost on the
#: way or is written out, of which none is `[ms]` or `[Kbytes/sec]`.
_TERMINAL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])"
    r"|(?:\^\[|\u241b|\\(?:u001b|x1b|033|e))\[[0-9;]*[mK]"
    r"|\[[0-9][0-9;]*[mK]"
)
#: Characters that nobody sees, such as zero-width spaces and marks of the byte order.
_INVISIBLE: Final = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SPACES: Final = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
#: What Markdown and the like put around a line to stress it.
_STRESS: Final = "*_~` "
#: A line that every whole report has. What is in front of it is in front of all others, too.
_EVERYWHERE: Final = "Concurrency Level:"
#: A time or a number of a line, which are part of a prefix and differ from line to line. Atomic: in
#: a row of many numbers there is one way to match each.
_UNIT: Final = r"(?:Z|ms|[hms])"
_DIGITS: Final = r"[0-9](?:[0-9T:,/+-]|\.(?!\.))*"
_COUNTING: Final = rf"(?>[ \t]*(?<![\w-]){_DIGITS}(?:{_UNIT}{_DIGITS})*{_UNIT}?(?:(?<=:)|(?!\w)))"
_TAG: Final = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
#: What is behind that line's number may be behind all others: the end of a text in JSON or in
#: a list, the border of a box. Nothing of it can be more of the number.
_BEHIND: Final = re.compile(rf"{_EVERYWHERE}[ \t]*[0-9]+[ \t]*([\"'\\|│┃║](?![0-9]).{{0,200}})$")
_FIGURES: Final = (_EVERYWHERE, "Complete requests:", "Requests per second:")
#: What a run of `ab` prints, by how it begins, in this order. Not all of it is in every text.
_MARKS: Final = (
    "This is ApacheBench",
    "Benchmarking ",
    "Server Software:",
    "Concurrency Level:",
    "Complete requests:",
)
_PROGRESS: Final = re.compile(r"(?:Completed|Finished) \d+ requests")


def decoded(content: bytes) -> str:
    """The text of a file; a ValueError says what it is instead of UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or 4 * content.count(0) > len(content):
        raise ValueError(
            "not UTF-8 but UTF-16, as `>` in Windows PowerShell writes; save it as UTF-8"
        )
    if b"\0" in content:
        raise ValueError(f"not a text (byte {content.index(0)} is 0); give what ab printed")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start}); save it as UTF-8") from None


def plain(text: str) -> str:
    """The text as `ab` printed it: without colours, and without what is around each line."""
    text = _SPACES.sub(" ", _INVISIBLE.sub("", _TERMINAL.sub("", text)))
    lines = [_row(line.strip()) for line in text.splitlines()]
    before = (line.partition(_EVERYWHERE)[0] for line in lines if _EVERYWHERE in line)
    shapes = dict.fromkeys(_shape(prefix) for prefix in before if prefix.strip(_STRESS))
    prefixes = [re.compile(rf"{shape}[ \t]*") for shape in shapes]
    behind = dict.fromkeys(_shape(found[1]) for line in lines if (found := _BEHIND.search(line)))
    suffixes = [re.compile(rf"{shape}$") for shape in behind]
    bare = (_before(suffixes, _without(prefixes, line)) for line in lines)
    return "".join(f"{line.replace('**', '').strip(_STRESS)}\n" for line in bare)


def _row(line: str) -> str:
    """The line without the borders of its cells, if it is a row of a table in Markdown."""
    is_row = line.startswith("|") and line.endswith("|")
    return line.replace("|", " ").strip() if is_row else line


def _without(prefixes: Iterable[re.Pattern[str]], line: str) -> str:
    """The line without the first of the prefixes that it has."""
    matches = (prefix.match(line) for prefix in prefixes)
    return next((line[match.end() :] for match in matches if match), line)


def _before(suffixes: Iterable[re.Pattern[str]], line: str) -> str:
    """The line up to the first of the suffixes that it has."""
    matches = (suffix.search(line) for suffix in suffixes)
    return next((line[: match.start()] for match in matches if match), line)


def _shape(around: str) -> str:
    """A pattern for the same text on another line, where a time or a number is another."""
    return _COUNTING.join(re.escape(part) for part in re.split(_COUNTING, around.strip()))


def is_html(text: str) -> bool:
    """Whether the lines of a report have tags among them, as those of `ab -w` or of a page have."""
    lines = (line for line in text.splitlines() if any(name in line for name in _FIGURES))
    return any(_TAG.search(line) for line in lines)


def separate(text: str) -> list[str]:
    """What each run of `ab` printed: a text per report, or per run that ended without one.

    A new one begins where something is printed that would have come earlier in the same. Progress
    is printed at once and a report when it is whole, so in a file the progress may be in front.
    """
    parts: list[list[str]] = [[]]
    ahead: list[str] = []
    last = -1
    for line in text.splitlines():
        mark = next((n for n, words in enumerate(_MARKS) if line.startswith(words)), None)
        if mark is not None:
            if mark <= last:
                parts.append(ahead)
                ahead = []
            last = mark
        is_ahead = ahead or (last == len(_MARKS) - 1 and _PROGRESS.match(line))
        (ahead if is_ahead else parts[-1]).append(line)
    parts[-1] += ahead
    return ["\n".join(part) + "\n" for part in parts]
