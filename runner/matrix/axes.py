"""The axes: what can be varied, how its values are read and named, and when it matters.

`AXES` is the one list. An axis that is a field of `Cell` needs an entry here and that field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache, partial
from typing import Any, Final, NamedTuple

from runner.matrix import plugins
from runner.matrix.placements import PLACEMENTS, matters
from runner.matrix.servers import server, server_from_mapping, server_matcher
from runner.matrix.values import (
    CLOSED,
    PERCENT,
    RATE_SCHEMA,
    is_variable,
    label,
    one_of,
    package_name,
    parameter,
    patch_kind,
    patch_mode,
    patch_part,
    python_version,
    rate,
    variable,
    variable_part,
    version,
    whole_number,
    workload,
    workload_name,
)

#: Other names of axes, from earlier releases.
ALIASES: Final = {"order": "placement"}
#: Where a cell's settings have the packages that its application brings, separated by spaces; no
#: axis can be called so.
BROUGHT: Final = ":brought"
Schema = dict[str, Any]
NUMBER_OR_TEXT: Final[Schema] = {"anyOf": [{"type": "string"}, {"type": "number"}]}
SCALAR: Final[Schema] = {"anyOf": [{"type": t} for t in ("string", "number", "boolean")]}


class Kind(Enum):
    """Where a cell holds its value of an axis."""

    SETTING = auto()  # in the field of that name
    PACKAGE = auto()  # in its requirements
    PARAMETER = auto()  # in its workload
    VARIABLE = auto()  # in its environment variables


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that can be varied.

    `read` turns a value of the matrix file into the one text that stands for it, and
    `read_mapping` a value that is a mapping, of which `match_mapping` makes a test of texts; a
    ValueError says what is wrong with the value.
    `schema` is the JSON Schema of one value. `id_part` makes a part of a cell's id of the axis's
    name and a value. `always_shown` axes are in every id and table, whether they vary or not;
    `in_every_row` axes are columns of every table.json.
    """

    name: str
    description: str
    read: Callable[[str], str]
    schema: Callable[[], Schema]
    kind: Kind = Kind.SETTING
    read_mapping: Callable[[Mapping[str, str]], str] | None = None
    match_mapping: Callable[[Mapping[str, str]], Callable[[str], bool]] | None = None
    id_part: Callable[[str, str], str] = lambda _, value: value
    always_shown: bool = False
    in_every_row: bool = True

    def value(self, written: str | Mapping[str, str]) -> str:
        """The text that stands for a value of the matrix file."""
        if isinstance(written, str):
            return self.read(written)
        if self.read_mapping is None:
            raise ValueError("plain text is expected here, not a mapping")
        return self.read_mapping(written)

    def matcher(self, written: str | Mapping[str, str]) -> Callable[[str], bool]:
        """Whether an entry means a value, given as text: it is the same, or has what is named."""
        if isinstance(written, str) or self.match_mapping is None:
            return self.value(written).__eq__
        return self.match_mapping(written)


def _words(known: Callable[[], Iterable[str]]) -> Callable[[], Schema]:
    return lambda: {"type": "string", "enum": [*known()]}


def _server_schema() -> Schema:
    kinds = plugins.servers()
    settings = [name for kind in kinds.values() for name in kind.settings]
    options = {name: off for kind in kinds.values() for name, off in kind.options.items()}
    mapping = {
        "type": "object",
        "properties": {
            "name": {"enum": [*kinds]},
            **{
                name: {"type": "boolean"} if off is False else {"type": "integer", "minimum": 1}
                for name, off in (dict.fromkeys(settings, 0) | options).items()
            },
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    return {"anyOf": [{"type": "string", "examples": [*kinds]}, mapping]}


def _patch_schema() -> Schema:
    """The names, and with arguments what only the reader of the file can check."""
    names = [*plugins.patches()]
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": r"^\S+ ?\(.+\)$"}]}


def _parameter_part(name: str, value: str) -> str:
    """A parameter in an id: `unary`, `ready`, `no-ready`, `seconds0.2`."""
    if value in {"true", "false"}:
        return name if value == "true" else f"no-{name}"
    return value if value[0].isalpha() else f"{name}{value}"


#: In the list, this is every package that is not listed itself.
PACKAGE: Final = Axis(
    name="<package>",
    kind=Kind.PACKAGE,
    description="Versions of a package.",
    read=version,
    schema=lambda: {**NUMBER_OR_TEXT, "examples": ["25.9.1", "25.*", ">=24,<26"]},
    id_part=lambda name, value: f"{name}{value}",
    in_every_row=False,
)
#: In the list, these are the parameters of workloads, which their plug-ins define.
PARAMETER: Final = Axis(
    name="<parameter>",
    kind=Kind.PARAMETER,
    description="Values of a parameter of the workload.",
    read=lambda value: value,  # replaced: it depends on the name
    schema=lambda: SCALAR,
    id_part=_parameter_part,
    in_every_row=False,
)
#: In the list, these are environment variables of the server.
ENVIRONMENT_VARIABLE: Final = Axis(
    name="<variable>",
    kind=Kind.VARIABLE,
    description="Values of an environment variable.",
    read=lambda value: value,  # replaced: it depends on the name
    schema=lambda: SCALAR,
    id_part=variable_part,
    in_every_row=False,
)
#: All axes, in the order of ids and tables.
AXES: Final = (
    Axis(
        name="python",
        description="Pythons of the cells, X.Y.",
        read=python_version,
        schema=lambda: {**NUMBER_OR_TEXT, "examples": ["3.11"]},
        id_part=lambda _, value: f"py{value}",
        always_shown=True,
    ),
    replace(
        PACKAGE,
        name="gevent",
        description="Versions of gevent.",
        always_shown=True,
        in_every_row=True,
    ),
    replace(
        PACKAGE,
        name="grpcio",
        description="Versions of grpcio.",
        always_shown=True,
        in_every_row=True,
    ),
    PACKAGE,
    Axis(
        name="patch",
        description="What is patched, with arguments if any: `gevent(thread=False)`.",
        read=patch_mode,
        schema=_patch_schema,
        id_part=lambda _, value: patch_part(value),
        always_shown=True,
    ),
    Axis(
        name="placement",
        description="Where the patch stands.",
        read=lambda value: one_of("placement", value, PLACEMENTS),
        schema=_words(lambda: PLACEMENTS),
        in_every_row=False,
    ),
    Axis(
        name="server",
        description="What serves the application.",
        read=lambda value: str(server(value)),
        read_mapping=lambda value: str(server_from_mapping(value)),
        match_mapping=server_matcher,
        schema=_server_schema,
    ),
    Axis(
        name="workload",
        description="What one request does.",
        read=workload_name,
        schema=_words(plugins.workloads),
    ),
    PARAMETER,
    ENVIRONMENT_VARIABLE,
    Axis(
        name="concurrency",
        description="Clients of ab at once.",
        read=lambda value: str(whole_number(value)),
        schema=lambda: {"type": "integer", "minimum": 1},
        id_part=lambda _, value: f"c{value}",
    ),
    Axis(
        name="rate",
        description="Requests per second of a load at a fixed rate, or a percentage of the rate "
        "that the baseline reaches in a closed loop; `closed` is a closed loop.",
        read=rate,
        schema=lambda: RATE_SCHEMA,
        # An id is also the name of a file and of an image.
        id_part=lambda _, value: value if value == CLOSED else f"r{value.replace(PERCENT, 'pct')}",
        in_every_row=False,
    ),
    Axis(
        name="copy",
        description="Labels of cells that are equal in all that runs, to compare a cell with "
        "itself.",
        read=label,
        schema=lambda: {**NUMBER_OR_TEXT, "examples": ["a"]},
        id_part=lambda name, value: f"{name}-{value}",
        in_every_row=False,
    ),
)
_PLACES: Final = {axis.name: place for place, axis in enumerate(AXES)}
NAMED_AXES: Final = tuple(
    axis for axis in AXES if axis not in {PACKAGE, PARAMETER, ENVIRONMENT_VARIABLE}
)
#: The axes that are neither packages nor parameters.
SETTINGS: Final = tuple(axis.name for axis in NAMED_AXES if axis.kind is Kind.SETTING)
#: The axes that every row of a table names, and those that every table shows.
BASE_AXES: Final = tuple(axis.name for axis in AXES if axis.in_every_row)
ALWAYS_SHOWN: Final = tuple(axis.name for axis in AXES if axis.always_shown)


@cache
def axis(name: str) -> Axis:
    """The axis of this name: one of the list, a parameter of a workload, or else a package."""
    if name in _PLACES:
        return AXES[_PLACES[name]]
    if is_variable(name):
        return replace(ENVIRONMENT_VARIABLE, name=name, read=partial(variable, name))
    if name in plugins.parameters():
        return replace(PARAMETER, name=name, read=partial(parameter, name))
    return replace(PACKAGE, name=name)


def is_package(name: str) -> bool:
    """Whether an axis's values are versions of a package."""
    return axis(name).kind is Kind.PACKAGE


def canonical_name(name: str) -> str:
    """The one name of an axis: `flask` for `Flask`, `placement` for `order`."""
    if is_variable(name):
        return name
    if name in ALIASES:
        return ALIASES[name]
    try:
        normal = package_name(name)
    except ValueError:
        return name
    return normal if is_package(normal) else name


@cache
def in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    """Axes in the order of the list: packages as given, parameters as workloads define them."""

    def place(name: str) -> tuple[int, int]:
        if axis(name).kind is Kind.PARAMETER:
            return _PLACES[PARAMETER.name], plugins.parameters().index(name)
        if is_variable(name):
            return _PLACES[ENVIRONMENT_VARIABLE.name], 0
        return _PLACES.get(name, _PLACES[PACKAGE.name]), 0

    return tuple(sorted(dict.fromkeys(names), key=place))


def id_of(values: Mapping[str, str]) -> str:
    """A readable name made of values by axis: `py3.11-gevent25.9.1-gevent-c50`."""
    return "-".join(axis(name).id_part(name, value) for name, value in values.items())


# -- which axes matter for a cell ------------------------------------------------------------------


class Imports(NamedTuple):
    """The settings that decide which packages a cell imports.

    `brought` are those of its application: nobody knows which of them it imports.
    """

    patch: str
    server: str
    workload: str
    parameters: tuple[tuple[str, str], ...]
    brought: tuple[str, ...] = ()


def imports(settings: Mapping[str, str]) -> Imports:
    """Those of a cell's settings that decide which packages it imports."""
    chosen = ((name, settings[name]) for name in _importing_parameters() if name in settings)
    brought = tuple(settings.get(BROUGHT, "").split())
    return Imports(
        settings["patch"], settings["server"], settings["workload"], tuple(chosen), brought
    )


@cache
def _importing_parameters() -> tuple[str, ...]:
    return tuple(sorted({p for kind in plugins.workloads().values() for p in kind.packages_by}))


@cache
def needed_packages(chosen: Imports) -> frozenset[str]:
    """The packages that a cell's patch mode, server and workload import."""
    work = workload(chosen.workload, dict(chosen.parameters))
    return (
        patch_kind(chosen.patch).packages
        | server(chosen.server).kind.packages
        | work.kind.packages_with(dict(work.parameters))
    )


def relevant(settings: Mapping[str, str]) -> dict[str, str]:
    """A cell's settings without those that cannot matter: an unpatched cell needs no gevent.

    A load has either a rate or so many clients.
    """
    is_closed = settings.get("rate", CLOSED) == CLOSED
    dropped = _irrelevant(imports(settings)) | {"rate" if is_closed else "concurrency"}
    if not matters(settings["patch"], settings.get("placement")):
        dropped |= {"placement"}
    return {name: value for name, value in settings.items() if name not in dropped}


@cache
def _irrelevant(chosen: Imports) -> frozenset[str]:
    """Packages that nothing imports, and other workloads' parameters.

    An application may import what it brings, whatever the patch mode.
    """
    imported = needed_packages(chosen) | patch_kind(chosen.patch).packages_if_named
    unused = plugins.optional_packages() - imported
    unused -= set(chosen.brought)
    return unused | (
        set(plugins.parameters()) - plugins.workload_kind(chosen.workload).parameters.keys()
    )
