"""Services as a run starts them: with the host's variables in their texts, and their files read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from runner.application.facts import directory_of
from runner.application.secret_values import Secrets
from runner.matrix.application import Application, Service
from runner.matrix.interpolation import Reference, interpolated, parts, references

TextsT = TypeVar("TextsT", tuple[str, ...], tuple[str, ...] | None)
#: Of a database's first files: scripts are run, others are read.
READ_MODE, RUN_MODE = 0o644, 0o755


@dataclass(frozen=True, kw_only=True)
class OwnService:
    """A service that is none of our companions.

    `service` has the values of the host's variables in its texts, `written` has them as the matrix
    file does. `secret` are the variables whose values came from there, and those of the host that
    other texts name; `files` has content and mode by path.
    """

    service: Service = field(repr=False)
    written: Service
    secret: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The name that the application has for it."""
        return self.written.name

    @property
    def public(self) -> Service:
        """The service as it may be seen: where a variable of the host stands, there is its name.

        Of its own variables there are those alone whose values are public. Which image it is, and
        who runs it, is no secret.
        """
        written, read = self.written, self.service
        return replace(
            written,
            image=read.image,
            user=read.user,
            tmpfs=read.tmpfs,
            entrypoint=_without_defaults(written.entrypoint),
            command=_without_defaults(written.command),
            environment=tuple(p for p in written.environment if not references(p[1])),
            healthcheck=written.healthcheck
            and replace(
                written.healthcheck, command=_without_defaults(written.healthcheck.command)
            ),
        )

    @property
    def secret_environment(self) -> tuple[str, ...]:
        """The names of its variables whose values nobody may see."""
        return tuple(name for name, text in self.written.environment if references(text))

    @property
    def secrets(self) -> Secrets:
        """The values that must be masked."""
        return Secrets(values=frozenset(value for _, value in self.secret if value))


def own_services(
    application: Application, host: Mapping[str, str] = os.environ
) -> tuple[OwnService, ...]:
    """The application's services that are no companions.

    Raises `SpecError` for a variable of the host that is not set, and a file that cannot be read.
    """
    return tuple(
        _read(application, service, host)
        for service in application.services
        if service.companion is None
    )


def _read(application: Application, written: Service, host: Mapping[str, str]) -> OwnService:
    def read(text: str, *keys: str) -> str:
        for reference in references(text):
            if reference.default is None and reference.name not in host:
                application.fail(
                    "services",
                    written.name,
                    *keys,
                    message=f"{written.name}: {'.'.join(keys)}: the variable {reference.name} is "
                    f"not set here; set it, or write `${{{reference.name}:-default}}`",
                )
        return interpolated(text, host.get)

    def each(texts: TextsT, *keys: str) -> TextsT:
        return texts if texts is None else tuple(read(text, *keys) for text in texts)

    check = written.healthcheck
    service = replace(
        written,
        image=written.image and read(written.image, "image"),
        user=written.user and read(written.user, "user"),
        tmpfs=each(written.tmpfs, "tmpfs"),
        entrypoint=each(written.entrypoint, "entrypoint"),
        command=each(written.command, "command"),
        environment=tuple(
            (name, read(text, "environment", name)) for name, text in written.environment
        ),
        healthcheck=check and replace(check, command=each(check.command, "healthcheck", "test")),
    )
    return OwnService(
        service=service,
        written=written,
        secret=tuple(_secret(written, service, host)),
        files=dict(_files(application, written, read)),
    )


def _secret(
    written: Service, service: Service, host: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Each secret by its name: a variable of the service's, or of the host's in another text."""
    for (name, text), (_, value) in zip(written.environment, service.environment, strict=True):
        if references(text):
            yield name, value
    check = written.healthcheck.command if written.healthcheck else ()
    found: dict[str, str] = {}
    for text in (*(written.entrypoint or ()), *(written.command or ()), *check):
        for reference in references(text):
            found[f"${{{reference.name}}}"] = host.get(reference.name) or reference.default or ""
    yield from found.items()


def _without_defaults(texts: TextsT) -> TextsT:
    if texts is None:
        return texts
    return tuple(map(_without_default, texts))


def _without_default(text: str) -> str:
    """The text as it was written, but for defaults, which may be secret."""
    found = ""
    for part in parts(text):
        if isinstance(part, Reference):
            found += f"${{{part.name}}}"
        else:  # `$${` is `$`, and then `{`
            found += f"${part}" if part.startswith("{") and found.endswith("$") else part
    return found


# -- files -----------------------------------------------------------------------------------------


def _files(
    application: Application, written: Service, read: Callable[..., str]
) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """What a database reads at its first start, by path in the container."""
    for number, (target, source) in enumerate(written.initial):
        path = directory_of(application) / read(source, "volumes")
        try:
            for file, place in _below(path, target):
                mode = RUN_MODE if file.stat().st_mode & 0o100 else READ_MODE
                yield place, (file.read_bytes(), mode)
        except OSError as error:
            application.fail(
                "services",
                written.name,
                "volumes",
                number,
                message=f"{written.name}: {path} cannot be read ({error.strerror or error}); fix "
                "the path or permissions",
            )


def _below(path: Path, target: str) -> Iterator[tuple[Path, str]]:
    """The files at a path, which may be a directory, with their places in the container."""
    if not path.is_dir():
        yield path, target
        return
    for file in sorted(path.rglob("*")):
        if file.is_file():
            yield file, f"{target}/{file.relative_to(path).as_posix()}"
