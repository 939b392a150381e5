"""The shape of the matrix file; `python -m runner.matrix.schema` prints its JSON Schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from runner.matrix.application import BODILESS
from runner.matrix.application_schema import (
    ApplicationSection,
    RequestSection,
    ResponseSection,
)
from runner.matrix.axes import NAMED_AXES, SCALAR, Schema, axis
from runner.matrix.cell import LIMITS, Limits
from runner.matrix.fields import (
    AxisValues,
    Boolean,
    Count,
    Date,
    Entry,
    Memory,
    PackageName,
    PartialCell,
    PlacementText,
    Rate,
    Repeats,
    Scalar,
    Scalars,
    Seconds,
    Section,
    ServerText,
    Share,
    Versions,
    WorkloadText,
    or_list,
)
from runner.matrix.problems import EMPTY, report
from runner.matrix.service_schema import unknown_word
from runner.matrix.values import CLOSED, SIZES
from runner.matrix.yaml_document import Document, KeyPath
from runner.options import DELTAS, FEWEST_TO_STOP, MATRIX_FILE
from runner.text import listed, suggestion


class WorkloadSection(BaseModel):
    """What one request does. Further keys are parameters of the workload."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Scalar]

    name: WorkloadText = "sleep"

    @property
    def parameters(self) -> Mapping[str, str]:
        """The workload's parameters as written."""
        return self.__pydantic_extra__


class LoadSection(Section):
    """What is sent: `ab -c concurrency -n requests`, or at a fixed `rate` for so many `seconds`.

    A rate in per cent is of what the baseline reaches with `concurrency` clients.
    """

    concurrency: Count = 100
    requests: Count = 5000
    rate: Rate = Field(CLOSED, description="Requests per second, instead of a closed loop.")
    seconds: Seconds = Field(60.0, description="How long requests are sent at a fixed rate.")


class LimitsSection(Section):
    """Bounds on one launch; `startup` and `load` in seconds.

    An application of the user's has more of each unless it is named.
    """

    startup: Seconds = LIMITS.startup_s
    load: Seconds = LIMITS.load_s
    memory: Memory = LIMITS.memory_bytes
    pids: Count = LIMITS.pids

    def of(self, application: ApplicationSection | None) -> Limits:
        """The limits as the file says, or as they are by default."""
        more = OF_AN_APPLICATION if application else {}
        chosen = {**self.model_dump(), **{k: v for k, v in more.items() if k not in self.named}}
        return Limits(
            startup_s=chosen["startup"],
            load_s=chosen["load"],
            memory_bytes=chosen["memory"],
            pids=chosen["pids"],
        )

    @property
    def named(self) -> frozenset[str]:
        """The limits that the file names."""
        return frozenset(self.model_fields_set)


#: The limits of an application that are more than our own workloads need.
OF_AN_APPLICATION: Final = {"startup": 120.0, "memory": 2048 * SIZES["m"]}


class BaseSection(Section):
    """Where interpreters come from, in full."""

    kind: Literal["auto", "registry", "debian"] = "auto"
    registry: str = Field("", description="Prefix of image names, e.g. localhost:5000/")
    allow_expired: Boolean = Field(
        False, description="Accept a Debian suite whose Release file has expired."
    )


def _base_section(value: object) -> object:
    """A single word is its `kind`."""
    return {"kind": value} if isinstance(value, str) else value


class LaunchesSection(Section):
    """How many launches each cell has: rounds are added from `min` to `max`.

    They end after the first that makes every interval of a patch mode as narrow as its `delta`.
    """

    min: Count = 3
    max: Count = 15

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}; exchange them")
        if FEWEST_TO_STOP > self.min != self.max:
            raise ValueError(
                f"min {self.min}: give at least {FEWEST_TO_STOP}, from which on there are "
                "intervals; or one number, for a fixed number of launches"
            )
        return self


def _launches_section(value: object) -> object:
    """A single number is both."""
    return {"min": value, "max": value} if isinstance(value, str) else value


class DeltaSection(Section):
    """By which share a figure must differ before that matters: 0.02 is 2 %."""

    rate: Share = DELTAS["rate"]
    cpu: Share = DELTAS["cpu"]
    p99: Share = DELTAS["p99"]
    rss: Share = DELTAS["rss"]


class ExpectSection(BaseModel):
    """What is known of some cells: outcome, cause, or a bound on a column (`max_ms: "< 200"`)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Scalar]

    cells: PartialCell = Field(default_factory=dict, description="Globs by axis.")
    outcome: Scalars = Field(default_factory=list, description="One of these.")
    why: Scalars = Field(
        default_factory=list,
        description="What the line on the cause says, one of these: a part of it, "
        "/a regular expression/, or none for a cell that has no such line.",
    )

    @property
    def bounds(self) -> Mapping[str, str]:
        """The bounds by column, as written."""
        return self.__pydantic_extra__


class ExperimentSection(Section):
    """One experiment."""

    description: str | None = None
    extends: str | None = Field(None, description="The experiment whose keys it inherits.")
    axes: dict[str, AxisValues] = Field(default_factory=dict)
    packages: dict[PackageName, Versions] = Field(default_factory=dict)
    exclude_newer: Date | None = Field(
        None, description="The date that decides the versions of all that is not named."
    )
    server: ServerText = "werkzeug"
    placement: PlacementText | None = Field(None, description="Where the patch stands.")
    order: PlacementText | None = Field(None, description="Another name of `placement`.")
    workload: WorkloadSection = WorkloadSection()
    application: ApplicationSection | None = Field(
        None, description="The application that is served, in the place of a workload."
    )
    request: RequestSection | None = Field(None, description="What is sent to the application.")
    response: ResponseSection | None = Field(None, description="What its right answer is.")
    load: LoadSection = LoadSection()
    limits: LimitsSection = LimitsSection()
    baseline: Entry = Field(default_factory=lambda: Entry(patch="none"))
    exclude: list[Entry] = Field(default_factory=list)
    include: list[Entry] = Field(default_factory=list)
    base: Annotated[BaseSection, BeforeValidator(_base_section)] = BaseSection()
    launches: Annotated[LaunchesSection, BeforeValidator(_launches_section)] = LaunchesSection()
    delta: DeltaSection = DeltaSection()
    repeats: Repeats = Field(2, description="At most how often a disturbed launch is repeated.")
    expect: list[ExpectSection] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_placement(self) -> Self:
        if self.placement and self.order:
            raise ValueError("`order` is another name of `placement`; keep one of them")
        return self

    @property
    def stands_at(self) -> str | None:
        """Where the patch stands in cells that do not vary it, None for the usual place."""
        return self.placement or self.order


class FileSection(Section):
    """The matrix file."""

    version: Annotated[str, WithJsonSchema({"const": 1})]
    default: str
    experiments: dict[str, dict[str, Any]]


# -- checking --------------------------------------------------------------------------------------

SECTIONS: Mapping[KeyPath, type[BaseModel]] = {
    (): ExperimentSection,
    ("workload",): WorkloadSection,
    ("application",): ApplicationSection,
    ("request",): RequestSection,
    ("response",): ResponseSection,
    ("load",): LoadSection,
    ("limits",): LimitsSection,
    ("base",): BaseSection,
    ("launches",): LaunchesSection,
    ("delta",): DeltaSection,
}
#: The file that `matrix init` writes for editors beside a matrix file.
FILE: Final = "matrix.schema.json"
#: Where services are, each under a name of its author's.
SERVICES: Final = ("application", "services")
CHOICES = {"base": ("auto", "registry", "debian")}


def checked(document: Document) -> ExperimentSection:
    """An experiment's section, read; `SpecError` with the position of the first mistake."""
    for name, value in document.mapping("axes").items():
        if value is None:
            document.fail(("axes", name), f"axes.{name}: {EMPTY}")
    content = {key: value for key, value in document.mapping().items() if value is not None}
    try:
        section = ExperimentSection.model_validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        report(document, problems, unknown=_unknown, choices=CHOICES)
    for key in ("request", "response"):
        if key in content and section.application is None:
            document.fail((key,), f"`{key}:` needs an `application:`; add that", key=True)
    _refuse_what_has_no_body(document, section)
    if "workload" in section.axes and section.application is not None:
        message = "an `application:` is served instead of a workload; remove one of them"
        document.fail(("axes", "workload"), message, key=True)
    if "python" not in section.axes and not section.include and section.application is None:
        keys = ("axes",) if "axes" in content else ()
        document.fail(keys, f"`{'python' if keys else 'axes'}:` is missing here; add it")
    return section


def _refuse_what_has_no_body(document: Document, section: ExperimentSection) -> None:
    """Fail for a check of an answer's body where no answer has one."""
    response = section.response
    if response is None or response.body == "" or not (checks := response.checks):
        return
    if section.request and section.request.method == "HEAD":
        why = "an answer to HEAD has no body"
    elif {*response.status} <= BODILESS:
        why = f"an answer of status {listed([*map(str, response.status)])} has no body"
    else:
        return
    document.fail(("response", checks[0]), f"response.{checks[0]}: {why}; remove the line")


def _unknown(keys: KeyPath) -> str:
    """What is wrong with a key that its section does not have."""
    if keys[:2] == SERVICES and len(keys) > 3:
        return unknown_word(keys[3:])
    section = SECTIONS.get(keys[:-1])
    fields = section.model_fields if section else {}
    known = [field.alias or name for name, field in fields.items()]
    return f"unknown key {keys[-1]!r}{suggestion(str(keys[-1]), known)}"


# -- JSON Schema -----------------------------------------------------------------------------------


def json_schema() -> Schema:
    """JSON Schema (2020-12) of the matrix file, for editors."""
    file = FileSection.model_json_schema()
    experiment = ExperimentSection.model_json_schema(ref_template="#/$defs/{model}")
    definitions = experiment.pop("$defs")
    experiment["required"] = []  # an experiment may inherit its axes
    properties = experiment["properties"]
    properties["axes"] = {"$ref": "#/$defs/Axes"}
    definitions["Axes"] = _axes()
    # Words that plug-ins define, and a short form that the model's validators take.
    del properties["server"]["type"]
    properties["server"] |= axis("server").schema()
    definitions["WorkloadSection"]["properties"]["name"] |= axis("workload").schema()
    properties["base"] = {
        "anyOf": [definitions["BaseSection"]["properties"]["kind"], properties["base"]]
    }
    properties["launches"] = {
        "anyOf": [definitions["LaunchesSection"]["properties"]["min"], properties["launches"]]
    }
    file["properties"]["experiments"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": experiment,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": MATRIX_FILE,
        "description": "The experiments that `make matrix` runs.",
        **{key: value for key, value in file.items() if key in {"type", "properties"}},
        "required": ["version", "experiments"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _axes() -> Schema:
    return {
        "type": "object",
        "title": "Axes",
        "description": "What is varied. Further axes are packages that are also listed under "
        "`packages`, or parameters of a workload.",
        "properties": {
            axis.name: {**or_list(axis.schema()), "description": axis.description}
            for axis in NAMED_AXES
        },
        "additionalProperties": or_list(SCALAR),
    }


def text() -> str:
    """The schema as committed."""
    return json.dumps(json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
