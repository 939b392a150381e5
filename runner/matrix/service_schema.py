"""What an application talks to, as the matrix file and compose's files have it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from runner.matrix import application_values as values
from runner.matrix import plugins
from runner.matrix import service_values as of_service
from runner.matrix.application import SERVICE_MEMORY
from runner.matrix.axes import SCALAR, Schema
from runner.matrix.fields import Boolean, Count, Memory, Section, as_list, of_text, or_list
from runner.matrix.yaml_document import KeyPath
from runner.text import listed, suggestion

TEXT: Schema = {"type": "string"}
#: Words that have no effect on what is measured, or none within a pod.
IGNORED: Final = frozenset(
    {
        "annotations",
        "attach",
        "container_name",
        "cpu_shares",
        "cpus",
        "deploy",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "hostname",
        "init",
        "labels",
        "logging",
        "mac_address",
        "mem_reservation",
        "mem_swappiness",
        "memswap_limit",
        "network_mode",
        "networks",
        "oom_score_adj",
        "ports",
        "profiles",
        "pull_policy",
        "restart",
        "scale",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "tty",
    }
)
#: Words of compose that could matter, with what to write instead.
INSTEAD: Final = {
    "build": "build the image first, and name it by `image:`",
    "configs": "build an image that has the files",
    "env_file": "write the variables under `environment:`",
    "extends": "write the service out, as `docker compose config` prints it",
    "secrets": "pass them by `environment:`, as `${NAME}`",
}
KINDS: Final = ("image", "debian", "companion", "from")
PROGRAM: Final = frozenset({"command", "environment", "healthcheck", "mem_limit", "tmpfs"})
#: What a service of each kind may have besides.
MORE: Final = {
    "image": PROGRAM | {"entrypoint", "user", "volumes", "expose", "depends_on"},
    "debian": PROGRAM | {"expose", "depends_on"},
    "companion": frozenset[str](),
    "from": PROGRAM | {"service", "entrypoint", "user"},
}

Image = Annotated[str, AfterValidator(of_service.image)]
DebianPackage = Annotated[str, AfterValidator(values.debian_package)]
Word = Annotated[str, AfterValidator(of_service.word)]
Words = Annotated[
    tuple[str, ...],
    PlainValidator(of_service.words),
    WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": SCALAR, "minItems": 1}]}),
]
Command = Annotated[
    str | tuple[str, ...],
    PlainValidator(of_service.command),
    WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": SCALAR, "minItems": 1}]}),
]
Duration = Annotated[
    float,
    BeforeValidator(of_text(of_service.duration)),
    WithJsonSchema({**TEXT, "examples": ["10s"]}),
]
Interval = Annotated[
    float,
    BeforeValidator(of_text(of_service.interval)),
    WithJsonSchema({**TEXT, "examples": ["1s"]}),
]
HealthTest = Annotated[
    tuple[str, ...],
    PlainValidator(of_service.health_test),
    WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": SCALAR, "minItems": 1}]}),
]
VariableName = Annotated[str, AfterValidator(values.variable_name)]
VariableValue = Annotated[str, BeforeValidator(values.variable_value), WithJsonSchema(SCALAR)]
Variables = Annotated[
    dict[VariableName, VariableValue],
    BeforeValidator(of_service.environment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": SCALAR},
                {"type": "array", "items": TEXT},
            ]
        }
    ),
]
TmpfsPath = Annotated[str, AfterValidator(of_service.tmpfs)]
AS_LIST = BeforeValidator(as_list)
SOME = Field(min_length=1)
DebianPackages = Annotated[list[DebianPackage], AS_LIST, SOME, WithJsonSchema(or_list(TEXT))]
Tmpfs = Annotated[list[TmpfsPath], AS_LIST, SOME, WithJsonSchema(or_list(TEXT))]
Anything = Annotated[list[Any], WithJsonSchema({"type": "array"})]


class Filled(Section):
    """A section in which no key is left empty."""

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value is None:
            raise ValueError("empty: write a value, or remove the line")
        return value


class HealthcheckSection(Filled):
    """How a service is asked whether it is ready. It is asked much more often than `interval`."""

    test: HealthTest | None = Field(
        None, description="A text for a shell, `[CMD, …]`, `[CMD-SHELL, …]`, or `[NONE]`."
    )
    interval: Interval = 30.0
    timeout: Interval = 30.0
    retries: Count = 3
    start_period: Duration = 0.0
    start_interval: Interval = 5.0
    disable: Boolean = False


def is_ignored(word: str) -> bool:
    """Whether a word of compose has no effect here."""
    return word in IGNORED or word.startswith("x-")


def unknown_word(keys: KeyPath) -> str:
    """What is wrong with a key of a service, `(build,)`, that is not supported."""
    word = str(keys[-1])
    if len(keys) == 1 and word in INSTEAD:
        return f"`{word}:` is not supported for a service: {INSTEAD[word]}"
    section = ServiceSection if len(keys) == 1 else HealthcheckSection
    known = [field.alias or name for name, field in section.model_fields.items()]
    hint = suggestion(word, known) or f"; known: {', '.join(known)}"
    return f"unknown key {word!r} of a service, which could matter{hint}"


def _schema(schema: Schema) -> None:
    schema["properties"]["companion"]["enum"] = list(plugins.companions())
    schema["properties"] |= {word: {"description": "Ignored."} for word in sorted(IGNORED)}
    schema["patternProperties"] = {"^x-": {}}


class ServiceSection(Filled, json_schema_extra=_schema):
    """What the application talks to: one of `image`, `debian`, `companion` and `from`."""

    companion: Annotated[str, AfterValidator(values.companion)] | None = Field(
        None, description="One of this program's own."
    )
    image: Image | None = Field(None, description="An image of a registry, e.g. `postgres:17`.")
    debian: DebianPackages = Field(
        default_factory=list, description="Packages of Debian, whose program `command` starts."
    )
    from_: Word | None = Field(
        None, alias="from", description="A compose file that has the service."
    )
    service: Word | None = Field(None, description="Its name in that file, where it is another.")
    entrypoint: Words | None = None
    command: Command | None = Field(None, description="Its program, with `debian:` for a shell.")
    environment: Variables = Field(
        default_factory=dict,
        description="Variables. A value with `${NAME}`, a variable of the host, is secret.",
    )
    healthcheck: HealthcheckSection | None = None
    user: Word | None = Field(
        None, description="Who runs it. It has no capabilities, so that root can do little."
    )
    tmpfs: Tmpfs = Field(default_factory=list)
    mem_limit: Memory = Field(SERVICE_MEMORY, description="The memory that it may use.")
    volumes: Anything = Field(
        default_factory=list, description="Files for /docker-entrypoint-initdb.d."
    )
    expose: Anything = Field(default_factory=list, description="The ports it listens at.")
    depends_on: Annotated[
        list[str], BeforeValidator(lambda value: list(value) if value else []), WithJsonSchema({})
    ] = Field(default_factory=list, description="Services that it needs.")

    @model_validator(mode="before")
    @classmethod
    def _without_ignored(cls, content: object) -> object:
        if not isinstance(content, dict):
            return content
        return {word: value for word, value in content.items() if not is_ignored(str(word))}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        written = [name.removesuffix("_") for name in self.model_fields_set]
        kinds = [kind for kind in KINDS if kind in written]
        if len(kinds) != 1:
            what = f"not {listed(kinds)}; keep one" if kinds else "and this has none; add one"
            raise ValueError(f"a service has one of {listed(KINDS, 'or')}, {what}")
        for word in sorted({*written} - {*kinds} - MORE[kinds[0]]):
            raise ValueError(f"`{word}:` cannot be given with `{kinds[0]}:`; remove one of them")
        if self.debian and self.command is None:
            raise ValueError(
                "`command:` is missing: `debian:` needs the one that starts it; add it"
            )
        return self
