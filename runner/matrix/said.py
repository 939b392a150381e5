"""What a command line says of a cell measured elsewhere: `patch=gevent,server=werkzeug:FILE`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from runner.errors import UsageError
from runner.matrix import plugins
from runner.matrix.axes import canonical, is_package, normal_value
from runner.matrix.cell import Requirement
from runner.matrix.yaml_document import suggestion

#: What may be said of a cell besides the versions of packages. The load is in the report.
SETTINGS: Final = ("python", "patch", "order", "server")
_AXIS: Final = r"[A-Za-z][A-Za-z0-9._-]*=[^,:/]*"
_SAID: Final = re.compile(rf"(?P<said>{_AXIS}(?:,{_AXIS})*):(?P<file>.+)")


def split_said(argument: str) -> tuple[dict[str, str], str]:
    """`AXIS=VALUE,AXIS=VALUE:FILE` → what is said by axis, and the file; of `FILE` nothing is said.

    Values are in the form that cells show. Raises `UsageError` for what no cell can have.
    """
    match = _SAID.fullmatch(argument)
    if match is None:
        return {}, argument
    said: dict[str, str] = {}
    for pair in match["said"].split(","):
        written, _, value = pair.partition("=")
        axis = canonical(written)
        if axis in said:
            raise UsageError(f"{argument}: {axis} stands here twice; keep one")
        try:
            said[axis] = _value(axis, value)
        except ValueError as error:
            raise UsageError(f"{argument}: {axis}: {error}") from None
    return said, match["file"]


def _value(axis: str, text: str) -> str:
    if not text:
        raise ValueError("give a value, or leave it out where it is not known")
    if axis in SETTINGS:
        return normal_value(axis, text)
    if not is_package(axis):
        raise ValueError(
            "cannot be said of a cell: concurrency and requests are in the report; "
            "`--workload` and `--seconds` say what all requests do"
        )
    hint = suggestion(axis, (*SETTINGS, *sorted(plugins.optional_packages())))
    if "did you mean" in hint and axis not in plugins.optional_packages():
        raise ValueError(f"unknown axis{hint}")
    version = Requirement(name=axis, specifier=normal_value(axis, text)).exact
    if version is None:
        raise ValueError(f"give the exact version, not {text!r}")
    return version


def cell_id(said: Mapping[str, str], name: str) -> str:
    """What to call a cell of which this is said; `name` where nothing is.

    As `runner.matrix.cell.Cell.id` does. It names a directory, so all else in `name` becomes `-`.
    """
    parts = [f"py{said['python']}"] if "python" in said else []
    parts += [f"{axis}{version}" for axis, version in said.items() if axis not in SETTINGS]
    parts += [said[axis] for axis in ("patch", "order", "server") if axis in said]
    return "-".join(parts) or re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip(".-") or "report"
