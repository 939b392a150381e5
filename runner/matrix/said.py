"""What a command line says of a cell measured elsewhere: `patch=gevent,server=werkzeug:FILE`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from runner.errors import UsageError
from runner.matrix import axes, plugins
from runner.matrix.values import exact_version, specifier
from runner.matrix.yaml_document import suggestion

#: What may be said of a cell besides the versions of packages. The load is in the report, and the
#: workload is an option.
SETTINGS: Final = tuple(name for name in axes.SETTINGS if name not in {"workload", "concurrency"})
_AXIS: Final = r"[A-Za-z][A-Za-z0-9._-]*=[^,:/]*"
_SAID: Final = re.compile(rf"(?P<said>{_AXIS}(?:,{_AXIS})*):(?P<file>.+)")


def split_said(argument: str) -> tuple[dict[str, str], str]:
    """`AXIS=VALUE,AXIS=VALUE:FILE` → values by axis, and the file; `FILE` alone has no values.

    Values are in the form that cells show. Raises `UsageError` for what no cell can have.
    """
    match = _SAID.fullmatch(argument)
    if match is None:
        return {}, argument
    said: dict[str, str] = {}
    for pair in match["said"].split(","):
        written, _, value = pair.partition("=")
        axis = axes.canonical_name(written)
        if axis in said:
            raise UsageError(f"{argument}: {axis} is given twice; keep one")
        try:
            said[axis] = _value(axis, value)
        except ValueError as error:
            raise UsageError(f"{argument}: {axis}: {error}") from None
    return said, match["file"]


def _value(axis: str, text: str) -> str:
    if not text:
        raise ValueError("give a value, or leave the axis out if it is not known")
    if axis in SETTINGS:
        return axes.axis(axis).value(text)
    if not axes.is_package(axis):
        raise ValueError(
            "cannot be given for a cell: concurrency and requests are in the report; "
            "`--workload` and `--seconds` describe all requests"
        )
    hint = suggestion(axis, (*SETTINGS, *sorted(plugins.optional_packages())))
    if "did you mean" in hint and axis not in plugins.optional_packages():
        raise ValueError(f"unknown axis{hint}")
    version = exact_version(specifier(text))
    if version is None:
        raise ValueError(f"give the exact version, not {text!r}")
    return version


def cell_id(said: Mapping[str, str], name: str) -> str:
    """The id of a cell of which this is known, as `Cell.id` is made; `name` if nothing is.

    It names a directory, so other characters of `name` become `-`.
    """
    known = axes.id_of({axis: said[axis] for axis in axes.in_order(tuple(said))})
    return known or re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip(".-") or "report"
