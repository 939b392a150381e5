"""Docker commands that start what runs beside a server, without this program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from runner.contract import COMPANION_READY
from runner.engine.companions import (
    COMPANION_PIDS,
    COMPANION_USER,
)
from runner.matrix import plugins
from runner.matrix.interpolation import Reference, parts, references
from runner.matrix.services import INITIAL
from runner.store.records import CellRecord, RunRecord
from runner.store.service_record import ServiceRecord

HARDENED = "--cap-drop ALL --security-opt no-new-privileges --read-only"
MIB = 1 << 20
POLL_S = 0.2


def beside(run: RunRecord, cell: CellRecord) -> dict[str, ServiceRecord]:
    """What runs beside the cell's server by name: its services, or its workload's companion."""
    if run.application:
        return dict(run.application.services)
    return {cell.companion: ServiceRecord(companion=cell.companion)} if cell.companion else {}


def container_names(services: Mapping[str, ServiceRecord]) -> dict[str, str]:
    """What the containers are called, by the names of services."""
    if len(services) == 1:
        return dict.fromkeys(services, "by-hand-companion")
    return {name: f"by-hand-companion-{name}" for name in services}


def to_be_set(services: Mapping[str, ServiceRecord]) -> Iterator[str]:
    """What must be set before, for the records have names alone."""
    for name, service in services.items():
        variables = [_variable(name, one) for one in service.secret_environment]
        texts = (*service.entrypoint, *service.command, *service.check)
        variables += dict.fromkeys(r.name for text in texts for r in references(text))
        if variables:
            yield f"# export {' '.join(variables)}: they are secret, and in no record"
        if service.files:
            yield (
                f"# set {_variable(name, 'FILES')} to the directory with your files for "
                f"{INITIAL}: {', '.join(service.files)}"
            )


def start(
    run: RunRecord, services: Mapping[str, ServiceRecord], joined: str, loadgen: str
) -> Iterator[str]:
    """Start each, and wait until it is ready."""
    containers = container_names(services)
    for name, service in services.items():
        if service.companion:
            yield from _companion(run, service.companion, containers[name], joined)
        else:
            yield from _service(name, service, containers[name], joined, loadgen)


def _companion(run: RunRecord, kind: str, container: str, joined: str) -> Iterator[str]:
    stored, known = run.companions.get(kind), plugins.companions().get(kind)
    if not stored or not known:
        yield f"# {container}: this program and the run do not both know a companion {kind!r}"
        return
    options = f"{HARDENED} -u {COMPANION_USER} --tmpfs /tmp:exec,size=1g"
    ready = f'docker logs {container} 2>&1 | grep -q "{COMPANION_READY}"'
    yield f"docker run -d --name {container} {joined} {options} {stored.image_id}"
    yield until(ready, known.startup_s)


def _service(
    name: str, service: ServiceRecord, container: str, joined: str, loadgen: str
) -> Iterator[str]:
    program, *arguments = service.entrypoint or ("",)
    options = [
        f"-u {shlex.quote(service.user or COMPANION_USER)}",
        f"--memory {(service.memory_mib or 0) * MIB} --pids-limit {COMPANION_PIDS}",
        *(f"--tmpfs {shlex.quote(f'{path}:{how}')}" for path, how in service.tmpfs.items()),
        *(f"-v {shlex.quote(path)}" for path in service.volumes),
        *(f"-e {shlex.quote(f'{name}={text}')}" for name, text in service.environment.items()),
        *(f'-e {one}="${_variable(name, one)}"' for one in service.secret_environment),
        *([f"--entrypoint {_word(program)}"] if program else []),
    ]
    words = " ".join(map(_word, (*arguments, *service.command)))
    created = f"docker create --name {container} {joined} {HARDENED} {' '.join(options)}"
    yield f"{created} {service.image_id} {words}".rstrip()
    if service.files:
        directory = f'"${_variable(name, "FILES")}"'
        yield f"tar -c --owner 0 --group 0 -C {directory} . | docker cp - {container}:{INITIAL}"
    yield f"docker start {container}"
    yield from _awaited(service, container, loadgen)


def _awaited(service: ServiceRecord, container: str, loadgen: str) -> Iterator[str]:
    if service.check:
        command = f"docker exec {container} {' '.join(map(_word, service.check))}"
    elif service.port:
        connect = f'import socket; socket.create_connection(("127.0.0.1", {service.port}), 1)'
        command = f"docker exec {loadgen} python3 -c {shlex.quote(connect)}"
    else:
        return
    tries = round((service.within_s or 0.0) / POLL_S)
    # The check has quotes of its own, so it is not put into those of another shell.
    yield f"for i in $(seq {tries}); do {command} >/dev/null 2>&1 && break; sleep {POLL_S}; done"


def _word(text: str) -> str:
    """A word for the shell, whose variables stand for the host's."""
    return "".join(map(_part, parts(text))) or "''"


def _part(part: str | Reference) -> str:
    return f'"${{{part.name}}}"' if isinstance(part, Reference) else shlex.quote(part)


def _variable(service: str, name: str) -> str:
    """The shell's variable with what is secret of a service."""
    return re.sub("[^A-Z0-9]", "_", f"{service}_{name}".upper())


def until(command: str, seconds: float) -> str:
    """A shell command that repeats another one until it succeeds, for so many seconds at most."""
    return f"timeout {seconds:.0f} sh -c 'until {command}; do sleep {POLL_S}; done'"
