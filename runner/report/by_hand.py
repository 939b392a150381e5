"""Docker commands that start a cell's pod and load it, without this program."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence

from runner.contract import PORT
from runner.engine.ownership import OWNS_NAMESPACES
from runner.engine.pod import (
    APPLICATION,
    DISK,
    FILES,
    HOME,
    HOST_NAME,
    LOADGEN_USER,
    PYTHON_PATH,
    SERVER_UID,
    SERVER_USER,
)
from runner.matrix import plugins
from runner.matrix.cell import Limits, requests_due
from runner.measurement.records import LaunchRecord
from runner.report import services_by_hand
from runner.report.services_by_hand import until
from runner.store.application_record import ApplicationRecord, RequestRecord
from runner.store.records import CellRecord, RunRecord, UnavailableCell

HARDENED = f"{services_by_hand.HARDENED} --tmpfs /tmp"
SERVER, LOADGEN = "by-hand-server", f"by-hand{OWNS_NAMESPACES}"
#: Where the load generator finds a body, and what it sends at a fixed rate.
BODY, MESSAGE = "/tmp/body", "/tmp/message"  # noqa: S108 - inside the pod
#: How `ab` is told a method and its body, and what it sends of its own.
METHODS = {"POST": "-p", "PUT": "-u"}
OF_AB = ("User-Agent: ApacheBench/2.3", "Accept: */*")

MERGED = (
    "this run was merged: use `matrix show` on the original run, on the machine that has its images"
)
ON_HOSTS = (
    "this run was made on several hosts, which have its images: measure the cell on one of them "
    "(`matrix run --select …`), then use `matrix show` there"
)
IMPORTED = "imported from an ab report made elsewhere: no commands can reproduce it"


def by_hand(run: RunRecord, cell: CellRecord, launches: Sequence[LaunchRecord]) -> list[str]:
    """Shell commands for a machine whose engine still has the run's images.

    What is secret in them is a variable of the shell, and the first lines say which are to be set.
    Empty for a cell that never had an image, or whose rate is not known; of an imported or a merged
    run only why.
    """
    if run.is_imported:
        return [IMPORTED]
    if run.is_on_hosts:
        return [ON_HOSTS, *(f"  {host}" for host in run.hosts)]
    if run.blocks:
        return [MERGED, *(f"  run {block.run_id} on {block.label}" for block in run.blocks)]
    if isinstance(cell, UnavailableCell) or cell.image is None or run.limits is None:
        return []
    rate = cell.rate or next((launch.rate.rate for launch in launches if launch.rate), None)
    if cell.load_s is not None and rate is None:
        return []
    own = run.application
    joined = f"--network container:{LOADGEN} --pid container:{LOADGEN}"
    loadgen = f"--network none --init -u {LOADGEN_USER} {run.method.loadgen_image}"
    ready = f"docker exec {LOADGEN} ab -q -n 1 http://127.0.0.1:{PORT}/ >/dev/null 2>&1"
    services = services_by_hand.beside(run, cell)
    joiners = [SERVER, *services_by_hand.container_names(services).values()]
    return [
        *(_to_be_set(own) if own else ()),
        *services_by_hand.to_be_set(services),
        f"docker run -d --name {LOADGEN} {_names(own)}{HARDENED} {loadgen}",
        *services_by_hand.start(run, services, joined, LOADGEN),
        *_server(run, run.limits, cell, joined),
        f"{until(ready, run.limits.startup_s)} || echo 'it does not answer'",
        *_load(cell, rate, own),
        f"docker kill -s USR1 {SERVER}; sleep 1; docker logs {SERVER}",
        # The client removes what it is given side by side, and Podman these before their owner.
        f"docker rm -f -v {' '.join(joiners)}",
        f"docker rm -f -v {LOADGEN}",
    ]


def _names(own: ApplicationRecord | None) -> str:
    """The options by which the pod has its names."""
    if own is None:
        return ""
    hosts = "".join(f"--add-host {name}:127.0.0.1 " for name in (HOST_NAME, *own.services))
    return f"--hostname {HOST_NAME} {hosts}"


def _server(run: RunRecord, limits: Limits, cell: CellRecord, joined: str) -> Iterator[str]:
    """Start the server; an application's files come before that, as links in its image expect."""
    bounds = f"-u {SERVER_USER} --memory {limits.memory_bytes} --pids-limit {limits.pids}"
    if run.application is None:
        workload = plugins.workloads().get(cell.workload or "")
        disk = f"-v {DISK} " if workload and workload.disk else ""
        yield f"docker run -d --name {SERVER} {joined} {HARDENED} {disk}{bounds} {cell.image}"
        return
    files = range(len(_secret("file", run.application)))
    volumes = [APPLICATION, HOME, *([FILES] if files else [])]
    options = [f"-v {path}" for path in volumes]
    for name in _secret("variable", run.application):
        value = f'PYTHONPATH="$PYTHONPATH:{PYTHON_PATH}"' if name == "PYTHONPATH" else name
        options.append(f"-e {value}")
    yield (
        f"docker create --name {SERVER} {joined} {HARDENED} {' '.join(options)} {bounds} "
        f"{cell.image}"
    )
    for number in files:
        yield (
            f"tar -c -P --owner {SERVER_UID} --group {SERVER_UID} --mode 400 "
            f"--transform 's|.*|{number}|' \"$FILE_{number}\" | docker cp - {SERVER}:{FILES}"
        )
    yield f"docker start {SERVER}"


# -- what is secret, and stored nowhere ------------------------------------------------------------


def _secret(kind: str, own: ApplicationRecord) -> list[str]:
    """The names of the secrets of a kind: `variable`, `header` or `file`."""
    found = (name.partition(" ") for name in own.secret_names)
    return [name for of, _, name in found if of == kind]


def _to_be_set(own: ApplicationRecord) -> Iterator[str]:
    """What must be set before: the record has names alone."""
    if variables := _secret("variable", own):
        yield f"# export {' '.join(variables)}: they are secret, and in no record"
    for number, path in enumerate(_secret("file", own)):
        yield f"# set FILE_{number} to your file for {path}"
    for name in own.request.headers:
        yield f"# set {_variable(name)} to the value of the header {name}"
    if own.request.body_bytes:
        yield f"# set BODY to a file with the request's body, {own.request.body_bytes} bytes"


def _variable(header: str) -> str:
    """The shell's variable with a header's value."""
    return f"HEADER_{re.sub('[^A-Z0-9]', '_', header.upper())}"


# -- the load --------------------------------------------------------------------------------------


def _load(cell: CellRecord, rate: float | None, own: ApplicationRecord | None) -> Iterator[str]:
    """Send the load; at a fixed rate that of the first launch."""
    request = own.request if own else RequestRecord()
    if rate is not None:
        yield _message(request)
        command = _rate_command(cell, rate)
    else:
        if request.body_bytes is not None:
            body = '< "$BODY"' if request.body_bytes else "< /dev/null"
            yield f"docker exec -i {LOADGEN} sh -c 'cat > {BODY}' {body}"
        options = [*_options(request), *(["-l"] if own and _varies(own) else [])]
        address = shlex.quote(f"http://127.0.0.1:{PORT}{request.path}")
        command = " ".join([str(cell.load), *options, address])
    yield f"docker exec {LOADGEN} {command} || echo 'ab gave up'"


def _varies(own: ApplicationRecord) -> bool:
    """Whether right answers may be of different lengths."""
    return own.response.check != "body" and own.request.method != "HEAD"


def _options(request: RequestRecord) -> Iterator[str]:
    """How `ab` is told the request."""
    has_body = request.body_bytes is not None
    if has_body:
        yield f"{METHODS.get(request.method, '-p')} {BODY}"
        yield f"-T {_type(request)}"
    if request.method == "HEAD":
        yield "-i"
    elif request.method != "GET" and not (has_body and request.method in METHODS):
        yield f"-m {request.method}"
    for name in _further_headers(request):
        yield f'-H "{name}: ${_variable(name)}"'


def _type(request: RequestRecord) -> str:
    """What the body is said to be, as a word of the shell."""
    for name in request.headers:
        if name.lower() == "content-type":
            return f'"${_variable(name)}"'
    return shlex.quote(request.content_type or "text/plain")


def _further_headers(request: RequestRecord) -> list[str]:
    """The headers, but that of a body's type: `ab` would send two of them."""
    with_body = request.body_bytes is not None
    return [n for n in request.headers if not (with_body and n.lower() == "content-type")]


def _message(request: RequestRecord) -> str:
    """Write what is sent at a fixed rate, the whole request, into the load generator's file."""
    lines = [f"{request.method} {request.path} HTTP/1.0"]
    if request.body_bytes is not None:
        lines.append(f"Content-Length: {request.body_bytes}")
    lines += [f"Host: 127.0.0.1:{PORT}", *OF_AB]
    head = " ".join(shlex.quote(line) for line in lines)
    head += f" 'Content-Type: '{_type(request)}" if request.body_bytes is not None else ""
    head += "".join(f' "{name}: ${_variable(name)}"' for name in _further_headers(request))
    body = '; cat "$BODY"' if request.body_bytes else ""
    written = f"{{ printf '%s\\r\\n' {head} ''{body}; }}"
    return f"{written} | docker exec -i {LOADGEN} sh -c 'cat > {MESSAGE}'"


def _rate_command(cell: CellRecord, rate: float) -> str:
    told = {
        "port": PORT,
        "rate": rate,
        "requests": requests_due(rate, cell.load_s or 0.0),
        "seed": 1,
        "message": MESSAGE,
        "file": "/tmp/requests.tsv",  # noqa: S108 - inside the pod
    }
    return f"python3 /agent/rate.py '{json.dumps(told)}'"
