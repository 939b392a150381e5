"""The shape of the matrix file; `python -m runner.matrix.schema` prints its JSON Schema."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from runner.matrix import plugins
from runner.matrix.values import (
    MOST_REPEATS,
    patch_mode,
    python_version,
    repeats,
    seconds,
    server,
    server_section,
    specifier,
    truth,
    whole_number,
    workload_name,
)

SIZES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
LARGEST_MEMORY = 2**50


def package_name(text: str) -> str:
    """A distribution's normalised name (PEP 503)."""
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        raise ValueError(f"{text!r} is no package name")
    return str(canonicalize_name(text))


def memory_bytes(text: str) -> int:
    """`512m`, `2g` or bytes."""
    match = re.fullmatch(r"([0-9]{1,15})([kmg]?)b?", text.lower())
    if match is None:
        raise ValueError(f"memory is written 512m or 2g, not {text!r}")
    size = int(match[1]) * SIZES[match[2]]
    if size < 6 * SIZES["m"]:
        raise ValueError(f"{text} is less than the 6m that an engine accepts")
    if size > LARGEST_MEMORY:
        raise ValueError(f"{text} is more memory than any machine has; write e.g. 512m")
    return size


def iso_date(text: str) -> str:
    """`YYYY-MM-DD`."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date: write YYYY-MM-DD") from None


def of_text(convert: Callable[[str], object]) -> Callable[[object], object]:
    """A conversion that refuses what is no single value."""

    def converted(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("a single value is expected here")  # noqa: TRY004 - pydantic's way
        return convert(value)

    return converted


def a_server(value: object) -> object:
    """A server as text: its name, or its name and settings, or a mapping of both."""
    if isinstance(value, dict):
        return str(server_section(value))
    if not isinstance(value, str):
        raise ValueError("a server is a name, or a mapping with a `name:`")  # noqa: TRY004
    return str(server(value))


def as_list(value: object) -> object:
    """A single value stands for a list of one."""
    return [value] if isinstance(value, (str, dict)) else value


SERVER_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "examples": [*plugins.servers()]},
        {
            "type": "object",
            "properties": {
                "name": {"enum": [*plugins.servers()]},
                **{
                    name: {"type": "integer", "minimum": 1}
                    for kind in plugins.servers().values()
                    for name in kind.settings
                },
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    ]
}
NUMBER_OR_TEXT = {"anyOf": [{"type": "string"}, {"type": "number"}]}
PythonVersion = Annotated[
    str, AfterValidator(python_version), WithJsonSchema({**NUMBER_OR_TEXT, "examples": ["3.11"]})
]
Specifier = Annotated[
    str,
    AfterValidator(specifier),
    WithJsonSchema({**NUMBER_OR_TEXT, "examples": ["25.9.1", "25.*", ">=24,<26"]}),
]
PackageName = Annotated[str, AfterValidator(package_name)]
Count = Annotated[
    int, BeforeValidator(of_text(whole_number)), WithJsonSchema({"type": "integer", "minimum": 1})
]
Repeats = Annotated[
    int,
    BeforeValidator(of_text(repeats)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_REPEATS}),
]
Seconds = Annotated[
    float,
    BeforeValidator(of_text(seconds)),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
Memory = Annotated[
    int,
    BeforeValidator(of_text(memory_bytes)),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": "^[0-9]+[kKmMgG]?[bB]?$",
            "examples": ["512m"],
        }
    ),
]
Date = Annotated[
    str, AfterValidator(iso_date), WithJsonSchema({"type": "string", "format": "date"})
]
Truth = Annotated[bool, BeforeValidator(of_text(truth)), WithJsonSchema({"type": "boolean"})]
AxisText = Annotated[
    str, WithJsonSchema({"anyOf": [{"type": t} for t in ("string", "number", "boolean")]})
]
Pythons = Annotated[list[PythonVersion], BeforeValidator(as_list), Field(min_length=1)]
Specifiers = Annotated[list[Specifier], BeforeValidator(as_list), Field(min_length=1)]
PatchText = Annotated[
    str,
    AfterValidator(patch_mode),
    WithJsonSchema({"type": "string", "enum": [*plugins.patches()]}),
]
OrderText = Literal["first", "late"]
WorkloadText = Annotated[
    str,
    AfterValidator(workload_name),
    WithJsonSchema({"type": "string", "enum": [*plugins.workloads()]}),
]
ServerText = Annotated[str, BeforeValidator(a_server), WithJsonSchema(SERVER_SCHEMA)]
Patches = Annotated[list[PatchText], BeforeValidator(as_list), Field(min_length=1)]
Orders = Annotated[list[OrderText], BeforeValidator(as_list), Field(min_length=1)]
Servers = Annotated[list[ServerText], BeforeValidator(as_list), Field(min_length=1)]
Workloads = Annotated[list[WorkloadText], BeforeValidator(as_list), Field(min_length=1)]
Texts = Annotated[list[AxisText], BeforeValidator(as_list), Field(min_length=1)]
Counts = Annotated[list[Count], BeforeValidator(as_list), Field(min_length=1)]
PartialCell = dict[str, AxisText]


class Section(BaseModel):
    """A mapping that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Axes(BaseModel):
    """What is varied. Further names are packages that also stand under `packages`.

    Or they are parameters of a workload.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Texts]

    python: Pythons = Field(description="Pythons of the cells, X.Y.")
    gevent: Specifiers | None = Field(None, description="Versions of gevent.")
    grpcio: Specifiers | None = Field(None, description="Versions of grpcio.")
    patch: Patches | None = Field(None, description="What is patched before all else.")
    server: Servers | None = Field(None, description="What serves the application.")
    order: Orders | None = Field(None, description="The patch first, or after the imports.")
    workload: Workloads | None = Field(None, description="What one request does.")
    concurrency: Counts | None = Field(None, description="Clients of ab at once.")


class WorkloadSection(BaseModel):
    """What one request does. Further keys are parameters of the workload."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, AxisText]

    name: WorkloadText = "sleep"


class LoadSection(Section):
    """What `ab` sends: `-c concurrency -n requests`."""

    concurrency: Count = 100
    requests: Count = 5000


class LimitsSection(Section):
    """Bounds on one launch; `startup` and `load` in seconds."""

    startup: Seconds = 30.0
    load: Seconds = 300.0
    memory: Memory = 512 * SIZES["m"]
    pids: Count = 2048


class BaseSection(Section):
    """Where interpreters come from, in full."""

    kind: Literal["auto", "registry", "debian"] = "auto"
    registry: str = Field("", description="Prefix of image names, e.g. localhost:5000/")
    allow_expired: Truth = Field(
        False, description="Accept a Debian suite whose Release file has expired."
    )


def base_section(value: object) -> object:
    """A single word stands for its `kind`."""
    return {"kind": value} if isinstance(value, str) else value


class ExpectSection(BaseModel):
    """What is known of some cells: an outcome, or a bound on a column (`efficiency: ">= 0.95"`)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, AxisText]

    cells: PartialCell = Field(default_factory=dict, description="Globs by axis.")
    outcome: Texts | None = Field(None, description="One of these.")


class ExperimentSection(Section):
    """One experiment."""

    description: str | None = None
    extends: str | None = Field(None, description="The experiment whose keys it takes over.")
    axes: Axes
    packages: dict[PackageName, Specifiers] = Field(default_factory=dict)
    exclude_newer: Date | None = Field(None, description="Dates everything not named.")
    server: ServerText = "werkzeug"
    order: OrderText = "first"
    workload: WorkloadSection = WorkloadSection()
    load: LoadSection = LoadSection()
    limits: LimitsSection = LimitsSection()
    baseline: PartialCell = Field(default_factory=lambda: {"patch": "none"})
    exclude: list[PartialCell] = Field(default_factory=list)
    include: list[PartialCell] = Field(default_factory=list)
    base: Annotated[BaseSection, BeforeValidator(base_section)] = BaseSection()
    launches: Count = 1
    repeats: Repeats = Field(2, description="How often a disturbed launch is made again.")
    expect: list[ExpectSection] = Field(default_factory=list)


class FileSection(Section):
    """The matrix file."""

    version: Annotated[str, WithJsonSchema({"const": 1})]
    default: str
    experiments: dict[str, dict[str, Any]]


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the matrix file, generated from the model that reads it."""
    file = FileSection.model_json_schema()
    experiment = ExperimentSection.model_json_schema(ref_template="#/$defs/{model}")
    definitions = experiment.pop("$defs")
    # An experiment may take its axes over from the one it extends.
    experiment["required"] = []
    definitions["Axes"]["required"] = []
    properties = experiment["properties"]
    # Shorter ways to write a value, which the model's validators take before it sees them.
    properties["base"] = {
        "anyOf": [definitions["BaseSection"]["properties"]["kind"], properties["base"]]
    }
    properties["packages"]["additionalProperties"] = _one_or_more(
        properties["packages"]["additionalProperties"]
    )
    axes = definitions["Axes"]
    axes["properties"] = {
        name: {**_one_or_more(_list_of(axis)), "description": axis["description"]}
        for name, axis in axes["properties"].items()
    }
    axes["additionalProperties"] = _one_or_more(axes["additionalProperties"])
    file["properties"]["experiments"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": experiment,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "matrix.yaml",
        "description": "The experiments that `make matrix` runs.",
        **{key: value for key, value in file.items() if key in {"type", "properties"}},
        "required": ["version", "experiments"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _list_of(axis: dict[str, Any]) -> dict[str, Any]:
    """The list that an axis is; its other form is only the model's word for "not given"."""
    forms: list[dict[str, Any]] = axis.get("anyOf", [axis])
    return {key: value for key, value in forms[0].items() if key not in {"title", "description"}}


def _one_or_more(values: dict[str, Any]) -> dict[str, Any]:
    """A single value stands for a list of one."""
    return {"anyOf": [values["items"], values]}


def text() -> str:
    """The schema as committed."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
