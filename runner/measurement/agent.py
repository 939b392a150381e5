"""Ask the agent in the sidecar, and read its answers as values."""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.contract import (
    ASK,
    BLOCKS,
    EFFECTS,
    LOOKED,
    PORT,
    RECORD,
    RECORDINGS,
    STACKS,
    STARTED,
    THREADS_ONLY,
    WITH_GREENLETS,
    WITH_SCAN,
)
from runner.engine.ownership import owner_labels
from runner.engine.pod import SERVER_UID, Pod, loadgen_spec
from runner.engine.protocol import Engine
from runner.engine.started import started
from runner.errors import EngineError
from runner.matrix.ceiling import AbOpening
from runner.measurement.blocks import BlocksReply
from runner.measurement.bounded import Bounded
from runner.measurement.records import Canary, Effects
from runner.measurement.why.seen import Seen
from runner.measurement.wrong_answer import WrongAnswer

T = TypeVar("T", bound=BaseModel)
#: No load takes less time.
SHORTEST_S = 1e-6
#: What the kernel counts of a pod's connections.
Network = dict[Literal["ListenOverflows", "ListenDrops", "TCPSynRetrans"], int]
#: The canary is a fraction of a second of work, however busy the machine.
CANARY_TIMEOUT_S = 30.0
#: A connection over the loopback is made or refused at once.
ACCEPTS_TIMEOUT_S = 15.0


class Reply(Bounded):
    """An answer of the agent; keys it does not know are another version's and refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    #: No count, size or time in ns of the kernel's is beyond it.
    largest = 2.0**63


class ReadyReply(Reply):
    """When the server accepted its first connection, in seconds.

    That is from the question, or from the moment when what runs before the server was done.
    """

    ready_s: float


class CheckReply(Reply):
    """Verification; times in seconds.

    `service_s` is how long a lone request was in the application, None where none was recorded.
    `effects` is what the processes say that have served, None where none says anything.
    """

    lone_s: float
    service_s: float | None
    effects: Effects | None = None


class CalibrateReply(Reply):
    """Calibration; times in seconds.

    `factor` is the concurrency factor, `many_factor` that of the second, larger burst.
    """

    factor: float
    burst_answered: int
    burst_last_cpu_share: float | None
    cpu_s_per_request: float | None
    many_sent: int | None
    many_answered: int | None
    many_factor: float | None


class AbRun(Reply):
    """How `ab` ran; `exit_code` is negative for a signal.

    `ending`: it `ended` by itself, or was ended because no answer came any more (`stalled`), or
    because answers still came when its time was over (`late`), or, at a fixed rate, because no
    process of the server was left (`gone`). `tcp` is the kernel's list of the pod's TCP sockets at
    the moment when it was ended.
    """

    exit_code: int
    ending: Literal["ended", "stalled", "late", "gone"]
    tcp: str | None = None
    stdout: str
    stderr: str
    wall_s: float = Field(ge=SHORTEST_S)
    cpu_s: float
    run_delay_s: float | None


class TaskGrowth(Reply):
    """Switches and waits for a CPU of the server's threads that lived until the load's end."""

    voluntary_switches: int
    involuntary_switches: int
    run_delay_s: float | None


class MachineGrowth(Reply):
    """What the whole machine counted over a load, in seconds; None: it does not count that.

    `busy_s` and `steal_s` are added up over its `cpus`; some task waited for a CPU for `pressure_s`
    of `wall_s`.
    """

    wall_s: float = Field(ge=SHORTEST_S)
    cpus: int = Field(ge=1)
    busy_s: float
    steal_s: float | None
    pressure_s: float | None


class Snapshot(Reply):
    """The server's counters at one moment."""

    cpu_s: float
    user_ticks: int
    system_ticks: int
    network: Annotated[Network, Field(min_length=3)]
    rss_kib: int
    hwm_kib: int
    threads: int


class Refusal(Reply):
    """A step that failed: `failed` is its kind, `reason` says how.

    `cpu_share` is how many CPUs the server kept busy when the step failed, `answer` what is known
    of an answer that was wrong.
    """

    failed: str
    reason: str
    cpu_share: float | None = None
    answer: WrongAnswer | None = None


class LookedAt(Reply):
    """What a path answered that was asked alone; times in seconds.

    `failed` is None where it answered right, and then `first_s` is how long that took at first, and
    `lone_s` the shortest time. `took_s` is the same in the application, `computed_s` what its
    thread computed of that; None where the server did not tell.
    """

    path: str
    failed: str | None
    reason: str
    answer: WrongAnswer | None
    first_s: float | None
    lone_s: float | None
    took_s: float | None
    computed_s: float | None


class LookReply(Reply):
    """What paths answered, in the order in which they were asked, and which routes there are."""

    looked: tuple[LookedAt, ...]
    routes: tuple[str, ...]


class SamplesReply(Reply):
    """The answers that the agent looked at itself, and what was wrong with the first such one."""

    sent: int
    right: int
    first_wrong: Refusal | None


class LoadReply(Reply):
    """One load with the counters around it.

    `last_cpu_share` is how many CPUs the server kept busy over the load's last seconds.
    """

    ab: AbRun
    machine: MachineGrowth
    before: Snapshot
    after: Snapshot
    tasks: TaskGrowth
    peak_threads: int
    peak_rss_kib: int
    last_cpu_share: float | None = None
    samples: SamplesReply | None = None
    server_alive: bool
    percentiles_csv: str | None
    requests_tsv_gz: str | None
    served_tsv_gz: str | None

    @property
    def requests_archive(self) -> bytes | None:
        """Every request's times as `ab -g` wrote them, gzipped."""
        return _unpacked(self.requests_tsv_gz)

    @property
    def served_archive(self) -> bytes | None:
        """The requests that the server's processes recorded, gzipped; None where some miss."""
        return _unpacked(self.served_tsv_gz)


def _unpacked(text: str | None) -> bytes | None:
    return base64.b64decode(text) if text else None


def ask(pod: Pod, command: str, config: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Run one command of the agent; `timeout` in seconds. Raise `EngineError` without an answer."""
    base = {
        "port": PORT,
        "uid": SERVER_UID,
        "recordings": RECORDINGS,
        "record": RECORD,
        "started": STARTED,
        "effects": EFFECTS,
        "looked": LOOKED,
        "ask": ASK,
        "stacks": STACKS,
        "blocks": BLOCKS,
        "threads_only": THREADS_ONLY,
        "with_greenlets": WITH_GREENLETS,
        "with_scan": WITH_SCAN,
    }
    try:
        answer = pod.ask(json.dumps([command, {**base, **config}]), timeout)
    except EngineError as error:
        raise EngineError(f"the agent's {command!r}: {error}") from error
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        why = answer[-300:].decode("utf-8", "replace")
        raise EngineError(f"the agent's {command!r} answered no JSON object: {why}")
    return found


def ready(pod: Pod, config: dict[str, Any], timeout: float) -> ReadyReply | Refusal:
    """Wait for the server to accept connections."""
    return _read(ReadyReply, ask(pod, "ready", config, timeout))


def check(pod: Pod, config: dict[str, Any], timeout: float) -> CheckReply | Refusal:
    """Verify a server that is ready."""
    return _read(CheckReply, ask(pod, "check", config, timeout))


def calibrate(pod: Pod, config: dict[str, Any], timeout: float) -> CalibrateReply | Refusal:
    """Find out how many requests a verified server takes at once, and what one costs."""
    return _read(CalibrateReply, ask(pod, "calibrate", config, timeout))


def look(pod: Pod, config: dict[str, Any], timeout: float) -> LookReply | Refusal:
    """Ask several paths of a server that is ready, each alone."""
    return _read(LookReply, ask(pod, "look", config, timeout))


def load(pod: Pod, config: dict[str, Any], timeout: float) -> LoadReply | Refusal:
    """Load the server with `ab`."""
    return _read(LoadReply, ask(pod, "load", config, timeout))


def stacks(pod: Pod, config: dict[str, Any], timeout: float) -> Seen:
    """Look at the server's threads while it works on requests, or on nothing."""
    return _as(Seen, ask(pod, "stacks", config, timeout))


def blocks(pod: Pod, since_ns: int, timeout: float) -> BlocksReply:
    """What blocked the server's event loops since a moment (`CLOCK_MONOTONIC` in ns)."""
    return _as(BlocksReply, ask(pod, "blocks", {"since_ns": since_ns}, timeout))


def canary(pod: Pod) -> Canary | None:
    """Time the canary in a pod's sidecar; None where that answers no more."""
    try:
        return Canary(**ask(pod, "canary", {}, CANARY_TIMEOUT_S))
    except (EngineError, ValidationError):
        return None


def accepts(pod: Pod, port: int) -> bool:
    """Whether something in the pod accepts connections at a port."""
    return bool(ask(pod, "accepts", {"port": port}, ACCEPTS_TIMEOUT_S).get("accepts"))


def _read(kind: type[T], answer: dict[str, Any]) -> T | Refusal:
    return _as(Refusal, answer) if "failed" in answer else _as(kind, answer)


def _as(kind: type[T], answer: dict[str, Any]) -> T:
    try:
        return kind(**answer)
    except ValidationError as error:
        raise EngineError(f"the sidecar's agent is of another version: {error}") from error


# -- how ab opens its connections, once per run ----------------------------------------------------

PROBE_TIMEOUT_S = 30.0


@contextlib.contextmanager
def _sidecar(engine: Engine, image: str) -> Iterator[str]:
    """A sidecar without a server, for as long as the block lasts."""
    token = uuid.uuid4().hex[:12]
    spec = loadgen_spec(image, f"monkey-matrix-{token}", owner_labels("probe", "ab", token))
    with started(engine, spec) as container:
        yield container


@dataclass(frozen=True, kw_only=True)
class AbFacts:
    """What was found out about the `ab` in use; `version` is its package's."""

    opening: AbOpening
    version: str | None


def ab_facts(engine: Engine, image: str) -> AbFacts:
    """How the sidecar image's `ab` opens its connections, tried on a listener of the agent's own.

    Raises `EngineError` if that cannot be measured.
    """
    with _sidecar(engine, image) as container:
        command = ("python3", "/agent/agent.py", "ab-opening", "{}")
        result = engine.exec(container, command, timeout=PROBE_TIMEOUT_S)
    try:
        answer = json.loads(result.stdout)
        opened, version = answer["opened_before_first_answer"], answer["version"]
    except (ValueError, KeyError):
        printed = (result.stderr or result.stdout).decode("utf-8", "replace").strip()[-300:]
        why = printed or f"its container printed nothing, exit status {result.exit_code}"
        raise EngineError(f"ab's way of opening connections could not be measured: {why}") from None
    opening = AbOpening.FIRST_ALONE if opened == 1 else AbOpening.TOGETHER
    return AbFacts(opening=opening, version=version)
