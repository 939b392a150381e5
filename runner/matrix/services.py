"""Services as values: those of compose files read, ports and checks found out, clashes refused."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NoReturn

from pydantic import ValidationError

from runner.contract import PORT
from runner.matrix import plugins
from runner.matrix.application import SECTION, Healthcheck, Service
from runner.matrix.compose import compose_service, read_compose
from runner.matrix.known_images import Known, known_image, known_packages, port_of
from runner.matrix.problems import report
from runner.matrix.service_schema import (
    HealthcheckSection,
    ServiceSection,
    is_ignored,
    unknown_word,
)
from runner.matrix.service_values import SHELL, port, words
from runner.matrix.yaml_document import Document, KeyPath, Plain
from runner.text import listed, suggestion

SERVICES: Final = (SECTION, "services")
INITIAL: Final = "/docker-entrypoint-initdb.d"
#: How long a service with a default check may take, and one answer.
DEFAULT_CHECK: Final = Healthcheck(interval_s=1.0, timeout_s=10.0, retries=60)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A service as a file has it: `below` leads to it there.

    Paths in it are relative to `directory`, which itself is relative to the matrix file.
    """

    name: str
    section: ServiceSection
    document: Document
    below: KeyPath
    words: tuple[str, ...]
    directory: str = "."

    def fail(self, *keys: str | int, message: str, key: bool = False) -> NoReturn:
        """Raise a `SpecError` with the position of a value of the service."""
        self.document.fail((*self.below, *keys), f"service {self.name!r}: {message}", key=key)

    @cached_property
    def known(self) -> Known | None:
        """What is known of its image or its packages."""
        image = self.section.image
        return known_image(image) if image else known_packages(self.section.debian)


def services_of(sections: Mapping[str, ServiceSection], document: Document) -> tuple[Service, ...]:
    """The services of an application; `SpecError` with the position of a mistake."""
    found = [_written(name, section, document) for name, section in sections.items()]
    names = {str(one.below[-1]): one.name for one in found} | {one.name: one.name for one in found}
    services = tuple(_service(one, names) for one in found)
    _refuse_shared_ports(services, document)
    return tuple(_in_order(services, document))


def _written(name: str, section: ServiceSection, document: Document) -> Written:
    """The service where it is written out."""
    below: KeyPath = (*SERVICES, name)
    if section.from_ is None:
        return Written(
            name=name, section=section, document=document, below=below,
            words=_words(document.content, below),
        )  # fmt: skip
    path = document.path.parent / section.from_
    if not path.is_file():
        document.fail((*below, "from"), f"service {name!r}: there is no file {path}; fix the path")
    compose = read_compose(path)
    wanted = section.service or name
    if wanted not in (known := compose.mapping("services")):
        keys = (*below, "service" if section.service else "from")
        message = f"{section.from_} has no service {wanted!r}{suggestion(wanted, known)}"
        document.fail(keys, message)
    content = compose_service(compose, wanted)
    at: KeyPath = ("services", wanted)
    return Written(
        name=name,
        section=_changed(_checked(compose, at, content), section),
        document=compose,
        below=at,
        words=_words(compose.content, at),
        directory=posixpath.dirname(section.from_),
    )


def _words(content: Plain, keys: KeyPath) -> tuple[str, ...]:
    """The words of a section that are ignored."""
    for key in keys:
        content = content.get(str(key)) if isinstance(content, dict) else None
    return tuple(word for word in content or () if isinstance(word, str) and is_ignored(word))


def _checked(document: Document, at: KeyPath, content: dict[str, Plain]) -> ServiceSection:
    for word in ("from", "companion", "debian", "service"):
        if word in content:
            document.fail((*at, word), f"unknown key {word!r} of a service in compose", key=True)
    try:
        return ServiceSection.model_validate(content)
    except ValidationError as error:
        report(document, error.errors(include_url=False), unknown=unknown_word, below=at)


def _changed(compose: ServiceSection, own: ServiceSection) -> ServiceSection:
    """The service of the compose file with what the matrix file says of it."""
    chosen: dict[str, Any] = {
        name: getattr(own, name) for name in own.model_fields_set - {"from_", "service"}
    }
    if own.environment:
        chosen["environment"] = {**compose.environment, **own.environment}
    return compose.model_copy(update=chosen)


# -- one service -----------------------------------------------------------------------------------


def _service(written: Written, names: Mapping[str, str]) -> Service:
    """The service. `names` are those that all services have here, by all that they are called."""
    section = written.section
    if section.companion:
        own = plugins.companions()[section.companion].port
        return Service(
            name=written.name,
            companion=section.companion,
            ports=(own,) if own else (),
            remarks=_remarks(written, []),
        )
    for needed in section.depends_on:
        if needed not in names:
            written.fail(
                "depends_on",
                message=f"it needs {needed!r}, which is not among the services; add that",
            )
    initial, dropped = _volumes(written)
    ports = _ports(written)
    return Service(
        name=written.name,
        image=section.image,
        debian=tuple(section.debian),
        entrypoint=section.entrypoint,
        command=_command(section),
        environment=tuple(section.environment.items()),
        user=section.user,
        tmpfs=tuple(section.tmpfs),
        initial=initial,
        healthcheck=_healthcheck(written, ports),
        ports=ports,
        after=tuple(dict.fromkeys(names[needed] for needed in section.depends_on)),
        memory_bytes=section.mem_limit,
        remarks=_remarks(written, dropped),
    )


def _command(section: ServiceSection) -> tuple[str, ...] | None:
    """The words of its command: a text for a program of Debian is for a shell."""
    if section.debian and isinstance(section.command, str):
        return (*SHELL, section.command)
    return _words_of(section.command)


def _words_of(command: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
    return words(command) if isinstance(command, str) else command


def _remarks(written: Written, dropped: list[str]) -> tuple[str, ...]:
    """What of a service has no effect."""
    where = written.document.position(written.below, key=True)
    remarks = []
    if written.words:
        words = listed([f"`{word}`" for word in written.words])
        remarks.append(f"{where}: service {written.name!r}: without effect: {words}")
    if dropped:
        remarks.append(
            f"{where}: service {written.name!r}: its data are new in each launch "
            f"(without {listed(dropped)})"
        )
    return tuple(remarks)


def _ports(written: Written) -> tuple[int, ...]:
    """The ports that a service is known to listen at."""
    section = written.section
    if written.known:
        command = (*(section.entrypoint or ()), *(_words_of(section.command) or ()))
        return (port_of(written.known, command, section.environment),)
    content = written.document.content
    for key in written.below:
        content = content.get(str(key)) if isinstance(content, dict) else None
    published = content.get("ports") if isinstance(content, dict) else None
    entries = [*section.expose, *(published if isinstance(published, list) else [])]
    return tuple(dict.fromkeys(number for entry in entries if (number := port(entry))))


def _healthcheck(written: Written, ports: tuple[int, ...]) -> Healthcheck | None:
    """How the service is asked whether it is ready; None where it is not asked."""
    section = written.section.healthcheck
    if section and (section.disable or section.test == ()):
        return None
    if section and section.test:
        return replace(_timing(section), command=section.test)
    timing = _timing(section) if section and section.model_fields_set else DEFAULT_CHECK
    if not ports:
        written.fail(
            message="it is not known how to ask whether it is ready; add a `healthcheck:`, "
            "or the port that it listens at, `expose: [PORT]`",
            key=True,
        )
    if written.known and written.known.ready:
        return replace(timing, command=(*SHELL, written.known.ready.format(port=ports[0])))
    return replace(timing, port=ports[0])


def _timing(section: HealthcheckSection) -> Healthcheck:
    return Healthcheck(
        interval_s=section.interval,
        timeout_s=section.timeout,
        retries=section.retries,
        start_period_s=section.start_period,
    )


# -- volumes ---------------------------------------------------------------------------------------


def _volumes(written: Written) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """The files that a database reads at first, and the volumes for data, which are left out."""
    initial: list[tuple[str, str]] = []
    dropped: list[str] = []
    for number, entry in enumerate(written.section.volumes):
        source, target = _volume(written, number, entry)
        is_initial = target == INITIAL or target.startswith(f"{INITIAL}/")
        if is_initial and source:
            path = posixpath.normpath(posixpath.join(written.directory, source))
            initial.append((target, path))
        elif is_initial or (source and not _is_data(target, written.known)):
            written.fail(
                "volumes",
                number,
                message=f"of files on the host, a service gets those for {INITIAL} alone, not "
                f"{target!r}; remove it, or build an image that has them",
            )
        else:
            dropped.append(f"the volume {target}")
    return tuple(initial), dropped


def _volume(written: Written, number: int, entry: object) -> tuple[str, str]:
    """The path on the host, empty for a volume of the engine, and the one in the container."""
    if isinstance(entry, dict):
        source, target = str(entry.get("source") or ""), str(entry.get("target") or "")
        is_path = entry.get("type", "bind") == "bind"
    else:
        source, _, rest = str(entry or "").partition(":")
        target = rest.partition(":")[0]
        if not target:
            source, target = "", source
        is_path = source.startswith((".", "/", "~", "$"))
    if not target.startswith("/"):
        written.fail("volumes", number, message="a volume is written `./file:/path`; fix it")
    return source if is_path else "", posixpath.normpath(target)


def _is_data(target: str, known: Known | None) -> bool:
    directories = known.data if known else ()
    return any(target == one or target.startswith(f"{one}/") for one in directories)


# -- several ---------------------------------------------------------------------------------------


def _refuse_shared_ports(services: Iterable[Service], document: Document) -> None:
    """All share one loopback."""
    users = {PORT: "the server that is measured"}
    for service in services:
        for number in service.ports:
            if other := users.get(number):
                document.fail(
                    (*SERVICES, service.name),
                    f"service {service.name!r} wants port {number}, and so does {other}; keep one, "
                    "or give it another port by its `command:` or `environment:`",
                    key=True,
                )
        users |= dict.fromkeys(service.ports, f"service {service.name!r}")


def _in_order(services: Iterable[Service], document: Document) -> Iterator[Service]:
    """Each after those that it depends on."""
    waiting = {service.name: service for service in services}
    while waiting:
        first = next((s for s in waiting.values() if not {*s.after} & {*waiting}), None)
        if first is None:
            document.fail(
                (*SERVICES, next(iter(waiting))),
                f"services {listed([*waiting])} wait for each other; remove a `depends_on`",
                key=True,
            )
        yield waiting.pop(first.name)
