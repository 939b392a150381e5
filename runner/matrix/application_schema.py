"""The sections of the matrix file about the user's application, its request and its answer."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlencode

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from runner.matrix import application_values as values
from runner.matrix.address import Address, address
from runner.matrix.application import NONE, Application, Header, Request, Response
from runner.matrix.axes import SCALAR, Schema
from runner.matrix.fields import Boolean, Scalar, Section, as_list, of_text, or_list
from runner.matrix.service_schema import Filled, ServiceSection
from runner.matrix.services import services_of
from runner.matrix.yaml_document import Document
from runner.text import listed

TEXT: Schema = {"type": "string"}
STATUS: Schema = {"type": "integer", "minimum": 200, "maximum": 599}
COMMAND: Schema = {
    "type": "object",
    "properties": {"command": TEXT},
    "required": ["command"],
    "additionalProperties": False,
}
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

App = Annotated[Address, PlainValidator(of_text(address)), WithJsonSchema(TEXT)]
Text = Annotated[str, AfterValidator(values.text)]
Inside = Annotated[str, AfterValidator(values.inside)]
GroupName = Annotated[str, AfterValidator(values.group_name)]
DebianPackage = Annotated[str, AfterValidator(values.debian_package)]
ContainerPath = Annotated[str, AfterValidator(values.container_path)]
VariableName = Annotated[str, AfterValidator(values.variable_name)]
VariableValue = Annotated[str, BeforeValidator(values.variable_value), WithJsonSchema(SCALAR)]
GunicornConfig = Annotated[str, AfterValidator(values.gunicorn_config)]
WorkerClass = Annotated[str, AfterValidator(values.worker_class)]
ServiceName = Annotated[str, AfterValidator(values.service_name)]
Arguments = Annotated[
    list[Annotated[Text, WithJsonSchema(SCALAR)]],
    BeforeValidator(values.arguments),
    WithJsonSchema({"anyOf": [TEXT, {"type": "array", "items": SCALAR}]}),
]
Method = Annotated[
    str, BeforeValidator(of_text(values.method)), WithJsonSchema({"enum": list(values.METHODS)})
]
RequestPath = Annotated[str, AfterValidator(values.request_path)]
HeaderName = Annotated[str, AfterValidator(values.header_name)]
HeaderValue = Annotated[
    str | dict[str, str],
    PlainValidator(values.header),
    WithJsonSchema({"anyOf": [*SCALAR["anyOf"], COMMAND]}),
]
Status = Annotated[int, BeforeValidator(of_text(values.status)), WithJsonSchema(STATUS)]
Pattern = Annotated[str, AfterValidator(values.pattern)]
#: Anything that JSON can say, as its text.
Json = Annotated[str, PlainValidator(values.json_text), WithJsonSchema({})]

AS_LIST = BeforeValidator(as_list)
SOME = Field(min_length=1)
Texts = Annotated[list[Text], AS_LIST, SOME, WithJsonSchema(or_list(TEXT))]
Globs = Annotated[list[Inside], AS_LIST, SOME, WithJsonSchema(or_list(TEXT))]
GroupNames = Annotated[list[GroupName], AS_LIST, SOME, WithJsonSchema(or_list(TEXT))]
DebianPackages = Annotated[list[DebianPackage], AS_LIST, SOME, WithJsonSchema(or_list(TEXT))]
Statuses = Annotated[list[Status], AS_LIST, SOME, WithJsonSchema(or_list(STATUS))]
FormValues = Annotated[list[Scalar], AS_LIST, SOME, WithJsonSchema(or_list(SCALAR))]


class ApplicationSection(Filled):
    """An application of yours. Paths are relative to the matrix file."""

    app: App = Field(
        description="Where it is, as gunicorn reads it: `module`, `module:name` or "
        "`module:factory('literal')`. Without a name: `application`, else `app`."
    )
    chdir: Inside = Field(".", description="The directory in the source that it is started in.")
    source: Text = Field(
        ".",
        description="The directory that is copied: what .dockerignore leaves, else what git does "
        "not ignore. `none` copies nothing.",
    )
    include: Globs = Field(
        default_factory=list, description="Files in the source that are copied although ignored."
    )
    requirements: Texts = Field(
        default_factory=list, description="Files of requirements, locked or not, or requirements."
    )
    groups: GroupNames = Field(default_factory=list, description="Dependency groups.")
    extras: GroupNames = Field(default_factory=list, description="Extras of the project.")
    install: Boolean = Field(False, description="Install the project in the source, too.")
    debian: DebianPackages = Field(default_factory=list, description="Packages of Debian.")
    prepare: Texts = Field(
        default_factory=list, description="Commands that are run once, for the image."
    )
    files: dict[ContainerPath, Text] = Field(
        default_factory=dict,
        description="Files by their path in the container. Their content is secret.",
    )
    environment: dict[VariableName, VariableValue] = Field(
        default_factory=dict,
        description="Variables. A value with `${NAME}`, a variable of the host, is secret.",
    )
    env_file: Texts = Field(
        default_factory=list, description="Files with variables, whose values are secret."
    )
    gunicorn_config: GunicornConfig | None = Field(
        None,
        description="A file, `python:module`, or `none`. Without it gunicorn looks for "
        "gunicorn.conf.py itself.",
    )
    before: Texts = Field(
        default_factory=list, description="Commands that are run before the server starts."
    )
    args: Arguments = Field(default_factory=list, description="Further arguments for gunicorn.")
    worker_class: WorkerClass | None = Field(None, description="`package.module.Class`")
    command: Annotated[Arguments, SOME] = Field(
        default_factory=list,
        description="What starts the server: a program like ddtrace-run, with its arguments. The "
        "server's own command line is appended.",
    )
    services: dict[ServiceName, ServiceSection] = Field(
        default_factory=dict, description="What it talks to, by the names of hosts."
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.source == NONE:
            for key in sorted({"chdir", "include", "install"} & self.model_fields_set):
                raise ValueError(f"`{key}:` is about the source, and `source:` is none; remove one")
        return self

    def value(self, document: Document) -> Application:
        """What the section says, with where it says it."""
        return Application(
            app=self.app,
            written=document,
            chdir=self.chdir,
            source=None if self.source == NONE else self.source,
            include=tuple(self.include),
            requirements=tuple(self.requirements),
            groups=tuple(self.groups),
            extras=tuple(self.extras),
            install=self.install,
            debian=tuple(self.debian),
            prepare=tuple(self.prepare),
            files=tuple(self.files.items()),
            environment=tuple(self.environment.items()),
            env_files=tuple(self.env_file),
            gunicorn_config=self.gunicorn_config,
            before=tuple(self.before),
            args=tuple(self.args),
            worker_class=self.worker_class,
            command=tuple(self.command),
            services=services_of(self.services, document),
        )


class RequestSection(Filled):
    """What is sent to the application: no body, or one of `body`, `body_file`, `json`, `form`."""

    method: Method | None = Field(None, description="GET, or POST where there is a body.")
    path: RequestPath = "/"
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Secret: values, or `{command: …}`, which prints one."
    )
    body: Scalar | None = None
    body_file: Text | None = None
    json_: Json | None = Field(None, alias="json", description="A body of JSON.")
    form: dict[str, FormValues] | None = Field(None, description="A body as a form sends it.")

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        kinds = _written(self, "body", "body_file", "json", "form")
        if len(kinds) > 1:
            raise ValueError(f"a request has one body, not {listed(kinds)}; keep one of them")
        if kinds and self.method in {"GET", "HEAD"}:
            raise ValueError(f"{self.method} sends no `{kinds[0]}:`; use another method, e.g. POST")
        return self

    @model_validator(mode="after")
    def _each_header_once(self) -> Self:
        names = [name.lower() for name in self.headers]
        for name in self.headers:
            if names.count(name.lower()) > 1:
                raise ValueError(f"the header {name} is given twice; keep one")
        return self

    def value(self) -> Request:
        """What the section says."""
        body, kind = self._body()
        with_body = body is not None or self.body_file is not None
        return Request(
            method=self.method or ("POST" if with_body else "GET"),
            path=self.path,
            headers=tuple(_header(name, value) for name, value in self.headers.items()),
            body=body,
            body_file=self.body_file,
            content_type=kind,
        )

    def _body(self) -> tuple[bytes | None, str | None]:
        """The body, and of what type it is by the way it is written."""
        if self.json_ is not None:
            return self.json_.encode(), JSON
        if self.form is not None:
            return urlencode(self.form, doseq=True).encode(), FORM
        return (None if self.body is None else self.body.encode()), None


class ResponseSection(Filled):
    """The right answer: a status, and at most one of `body`, `contains`, `matches`, `json`."""

    status: Statuses = Field(default_factory=lambda: [200], description="One of these.")
    body: Scalar | None = Field(None, description="Exactly this; it may be empty.")
    contains: Annotated[Text, WithJsonSchema(SCALAR)] | None = None
    matches: Pattern | None = Field(None, description="A regular expression, found anywhere.")
    json_: Json | None = Field(
        None, alias="json", description="JSON that has all of this, and maybe more."
    )

    @model_validator(mode="after")
    def _one_check(self) -> Self:
        if len(self.checks) > 1:
            kinds = listed(self.checks)
            raise ValueError(f"an answer is compared with one of {kinds}; keep one of them")
        return self

    @property
    def checks(self) -> list[str]:
        """What is compared of the body."""
        return _written(self, "body", "contains", "matches", "json")

    def value(self) -> Response:
        """What the section says."""
        return Response(
            statuses=tuple(dict.fromkeys(self.status)),
            body=self.body,
            contains=self.contains,
            matches=self.matches,
            json=self.json_,
        )


def _written(section: Section, *keys: str) -> list[str]:
    """Those of the keys that the file has."""
    names = {field.alias or name: name for name, field in type(section).model_fields.items()}
    return [key for key in keys if names[key] in section.model_fields_set]


def _header(name: str, value: str | dict[str, str]) -> Header:
    if isinstance(value, dict):
        return Header(name=name, command=value["command"])
    return Header(name=name, value=value)
