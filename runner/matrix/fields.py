"""Types of the matrix file's keys: each reads a value as it is written and has a JSON Schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from runner.matrix.axes import PACKAGE, SCALAR, Schema, axis
from runner.matrix.values import (
    MOST_REPEATS,
    RATE_SCHEMA,
    boolean,
    delta_share,
    iso_date,
    memory_bytes,
    package_name,
    rate,
    repeats,
    seconds,
    version,
    whole_number,
    workload_name,
)


def of_text(convert: Callable[[str], object]) -> Callable[[object], object]:
    """A conversion that rejects anything but a single value."""

    def converted(value: object) -> object:
        if not isinstance(value, str):
            raise ValueError("a single value is expected here")  # noqa: TRY004 - pydantic's way
        return convert(value)

    return converted


def _server(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise ValueError("a server is a name, or a mapping with a `name:`")  # noqa: TRY004
    return axis("server").value(value)


def _text_or_mapping(value: object) -> object:
    texts = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("plain text is expected here")
    return value


def as_list(value: object) -> object:
    """A single value is a list of one."""
    return [value] if isinstance(value, (str, dict)) else value


def or_list(one: Schema) -> Schema:
    """The JSON Schema of a single value or a list of several."""
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


Version = Annotated[str, AfterValidator(version)]
PackageName = Annotated[str, AfterValidator(package_name)]
Count = Annotated[
    int, BeforeValidator(of_text(whole_number)), WithJsonSchema({"type": "integer", "minimum": 1})
]
Repeats = Annotated[
    int,
    BeforeValidator(of_text(repeats)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_REPEATS}),
]
Share = Annotated[
    float,
    BeforeValidator(of_text(delta_share)),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
]
Seconds = Annotated[
    float,
    BeforeValidator(of_text(seconds)),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
Rate = Annotated[
    str,
    BeforeValidator(of_text(rate)),
    WithJsonSchema(RATE_SCHEMA),
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
Boolean = Annotated[bool, BeforeValidator(of_text(boolean)), WithJsonSchema({"type": "boolean"})]
Scalar = Annotated[str, WithJsonSchema(SCALAR)]
Scalars = Annotated[
    list[Scalar],
    BeforeValidator(as_list),
    Field(min_length=1),
    WithJsonSchema(or_list(SCALAR)),
]
Versions = Annotated[
    list[Version],
    BeforeValidator(as_list),
    Field(min_length=1),
    WithJsonSchema(or_list(PACKAGE.schema())),
]
#: A value of an axis: text, or a mapping (a server with its settings). The axis reads it.
AxisValue = Annotated[str | dict[str, str], PlainValidator(_text_or_mapping)]
AxisValues = Annotated[list[AxisValue], BeforeValidator(as_list), Field(min_length=1)]
PlacementText = Annotated[
    str,
    BeforeValidator(of_text(axis("placement").read)),
    WithJsonSchema(axis("placement").schema()),
]
WorkloadText = Annotated[str, AfterValidator(workload_name)]
ServerText = Annotated[str, BeforeValidator(_server)]
PartialCell = dict[str, Scalar]
#: A partial cell that may name a server by its mapping.
Entry = dict[
    str,
    Annotated[
        str | dict[str, str],
        PlainValidator(_text_or_mapping),
        WithJsonSchema({"anyOf": [*SCALAR["anyOf"], {"type": "object"}]}),
    ],
]


class Section(BaseModel):
    """A mapping that rejects keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
