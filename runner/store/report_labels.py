"""What is said of a report on the command line: `server=werkzeug,framework=go:FILE`.

An axis of the matrix file is one here, too, with the values that it has there; but a server may be
any. Every other name is a package if its value is a version, or else a label of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from runner.errors import UsageError
from runner.matrix import axes, plugins
from runner.matrix.servers import server
from runner.matrix.values import exact_version, specifier

#: The axes that a label may name. The load is in the report, the workload is an option.
SETTINGS: Final = tuple(
    name for name in axes.SETTINGS if name not in {"workload", "concurrency", "rate"}
)
#: What the report says itself, or an option.
DESCRIBED: Final = frozenset({"concurrency", "rate", "workload", "seconds", "spread"})
#: A label that is shown as it is in a cell's id; others are shown with their name.
LABEL: Final = "label"
#: From this likeness on, a word that is not known is taken for a known one, misspelt.
MISSPELT: Final = 0.85
LONGEST_VALUE: Final = 60
_AXIS: Final = r"[A-Za-z][A-Za-z0-9._-]*=[^,:/]*"
_LABELLED: Final = re.compile(rf"(?P<labels>{_AXIS}(?:,{_AXIS})*):(?P<file>.+)")


def split_label(argument: str) -> tuple[dict[str, str], str]:
    """`AXIS=VALUE,AXIS=VALUE:FILE` → the values by axis, and the file; `FILE` alone has no label.

    Values are in the form that cells show. Raises `UsageError` for one that no cell can have.
    """
    match = _LABELLED.fullmatch(argument)
    if match is None:
        return {}, argument
    labels: dict[str, str] = {}
    for pair in match["labels"].split(","):
        written, _, value = pair.partition("=")
        axis = axes.canonical_name(written)
        if axis in labels:
            raise UsageError(f"{argument}: {axis} is given twice; keep one")
        try:
            labels[axis] = _value(axis, value.strip())
        except ValueError as error:
            raise UsageError(f"{argument}: {axis}: {error}") from None
    return labels, match["file"]


def packages(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that are a package's version."""
    return {
        axis: value
        for axis, value in labels.items()
        if axes.is_package(axis) and axis != LABEL and _version(value)
    }


def cell_id(labels: Mapping[str, str], name: str) -> str:
    """The id of a cell with these labels, as `Cell.id` makes it; `name` where there are none.

    It names a directory, so what has no place in one becomes `-`.
    """
    own = labels.keys() - {*SETTINGS} - packages(labels).keys()
    parts = [
        _own_part(axis, labels[axis]) if axis in own else axes.id_of({axis: labels[axis]})
        for axis in axes.in_order(tuple(labels))
    ]
    return "-".join(filter(None, map(_as_path, parts))) or _as_path(name) or "report"


def _as_path(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip(".-")


def _own_part(axis: str, value: str) -> str:
    return value if axis == LABEL else f"{axis}-{value}"


def _value(axis: str, text: str) -> str:
    if not text or len(text) > LONGEST_VALUE or not text.isprintable():
        raise ValueError(
            f"give a value of 1 to {LONGEST_VALUE} characters, or leave the axis out if it is "
            "not known"
        )
    if axis == "server":
        return _server(text)
    if axis in SETTINGS:
        return axes.axis(axis).value(text)
    if axis in DESCRIBED:
        raise ValueError(
            "cannot be given for a cell: concurrency and requests are in the report; "
            "`--workload` and `--seconds` describe all requests"
        )
    if axis in plugins.optional_packages():
        version = exact_version(specifier(text))
        if version is None:
            raise ValueError(f"give the exact version, not {text!r}")
        return version
    if near := _misspelt(axis, (*SETTINGS, LABEL)):
        raise ValueError(f"unknown axis; did you mean {near!r}?")
    return text if axis == LABEL else _version(text) or text


def _server(text: str) -> str:
    """One of the matrix file's in its full form, or else any, unless it looks like a misspelt."""
    try:
        return str(server(text))
    except ValueError as error:
        if _misspelt(text, plugins.servers()):
            raise ValueError(str(error)) from None
        return text


def _misspelt(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str | None:
    if word in known:
        return None
    return next(iter(get_close_matches(word, [*known], n=1, cutoff=MISSPELT)), None)


def _version(text: str) -> str | None:
    if not text[:1].isdecimal():
        return None
    try:
        return exact_version(specifier(text))
    except ValueError:
        return None
