"""What can happen to a run, each at a moment that chance chose."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker
import docker.errors
import requests
from docker.models.containers import Container

from tests.chaos.hosts import Hosts
from tests.chaos.own_engine import OwnEngine

#: How long to wait for a container that something can happen to.
APPEAR_S = 20.0
POLL_S = 0.02
#: The largest step of a clock, in seconds.
TEN_YEARS_S = 10 * 365 * 24 * 3600
ROLES = ("loadgen", "server", "grpc")
#: A gibibyte in a container that may use less; the kernel ends one of its processes.
EAT = ["python3", "-c", "b'x' * 2**30"]


class TooLateError(Exception):
    """The run had ended, or nothing was there that it could have happened to."""


@dataclass
class Scene:
    """A run that goes on: its process, its engine, its results, and what must be undone after.

    With `hosts` the process is the client of a run on these.
    """

    process: subprocess.Popen[str]
    engine: OwnEngine
    results: Path
    clock: Path
    random: random.Random
    hosts: Hosts | None = None
    undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def require_running(self) -> None:
        if self.process.poll() is not None:
            raise TooLateError("the run had ended")

    @contextlib.contextmanager
    def container(self) -> Iterator[Container]:
        """One of the run's running containers, a moment after one of its role appeared."""
        role = self.random.choice(ROLES)
        later = self.random.uniform(0, 1.5)
        deadline = time.monotonic() + APPEAR_S
        with contextlib.closing(self.engine.client(timeout=60)) as client:
            while not _of_role(client, role):
                self.require_running()
                if time.monotonic() > deadline:
                    raise TooLateError(f"no {role} appeared")
                time.sleep(POLL_S)
            time.sleep(later)
            found = _of_role(client, role) or _of_role(client, "")
            if not found:
                raise TooLateError("no container was there any more")
            try:
                yield self.random.choice(found)
            except docker.errors.APIError as error:
                raise TooLateError(f"it had ended: {error.explanation}") from None


def _of_role(client: docker.DockerClient, role: str) -> list[Container]:
    try:
        found = client.containers.list(filters={"name": f"-{role}"} if role else {})
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise TooLateError(f"the engine did not tell: {error}") from None
    return sorted(found, key=lambda container: str(container.name))


# -- the runner ------------------------------------------------------------------------------------


def _signal(number: signal.Signals) -> Callable[[Scene], str]:
    def send(scene: Scene) -> str:
        scene.process.send_signal(number)
        return f"{number.name} to the runner"

    return send


def _twice(scene: Scene) -> str:
    scene.process.send_signal(signal.SIGINT)
    between = scene.random.uniform(0.01, 1)
    time.sleep(between)
    with contextlib.suppress(ProcessLookupError):
        scene.process.send_signal(signal.SIGINT)
    return f"SIGINT to the runner, and again {between:.2f} s later"


def _address_space(scene: Scene) -> str:
    """Give the runner little more memory than it has."""
    more = scene.random.choice([0, 1 << 20, 4 << 20, 16 << 20])
    try:
        pages = int(Path(f"/proc/{scene.process.pid}/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGESIZE") + more
        resource.prlimit(scene.process.pid, resource.RLIMIT_AS, (limit, limit))
    except (OSError, IndexError):
        raise TooLateError("the run had ended") from None
    return f"the runner may use {more >> 20} MiB more than it did"


def _clock(scene: Scene) -> str:
    step = scene.random.choice([-1, 1]) * scene.random.choice([1, 60, 3600, 86400, TEN_YEARS_S])
    scene.clock.write_text(f"{step:+d}\n")
    return f"the clock jumps by {step} s"


# -- workers ---------------------------------------------------------------------------------------


def _worker_ends(number: signal.Signals) -> Callable[[Scene], str]:
    """It ends, and another one is started a moment later."""

    def end(scene: Scene) -> str:
        assert scene.hosts
        later = scene.random.uniform(0, 3)
        scene.hosts.end_worker(number)
        time.sleep(later)
        scene.hosts.start()
        return f"{number.name} to the worker, and another one {later:.1f} s later"

    return end


def _scheduler_killed(scene: Scene) -> str:
    assert scene.hosts
    scene.undo.callback(scene.hosts.start)
    scene.undo.callback(scene.hosts.worker_ends)
    scene.hosts.kill_scheduler()
    return "SIGKILL to the scheduler"


# -- the engine ------------------------------------------------------------------------------------


def _engine_ends(number: signal.Signals, *, comes_back: bool) -> Callable[[Scene], str]:
    """It ends; it is started again at once, or when the run has ended."""

    def end(scene: Scene) -> str:
        scene.engine.signal(number)
        if comes_back:
            scene.engine.start()
            return f"{number.name} to the engine, and started again"
        scene.undo.callback(scene.engine.start)
        return f"{number.name} to the engine"

    return end


def _engine_freezes(scene: Scene) -> str:
    seconds = scene.random.uniform(0.5, 6)
    scene.engine.freeze(seconds)
    return f"the engine stood still for {seconds:.1f} s"


def _containerd(scene: Scene) -> str:
    scene.engine.kill_containerd()
    scene.undo.callback(scene.engine.recover)
    return "SIGKILL to containerd"


# -- containers ------------------------------------------------------------------------------------


def _remove(scene: Scene) -> str:
    with scene.container() as container:
        container.remove(force=True)
        return f"removed {container.name}"


def _kill(scene: Scene) -> str:
    with scene.container() as container:
        container.kill()
        return f"killed {container.name}"


def _pause(scene: Scene) -> str:
    with scene.container() as container:
        container.pause()
        return f"paused {container.name}"


def _pause_for_a_while(scene: Scene) -> str:
    seconds = scene.random.uniform(0.2, 4)
    with scene.container() as container:
        container.pause()
        time.sleep(seconds)
        container.unpause()
        return f"paused {container.name} for {seconds:.1f} s"


def _eat_memory(scene: Scene) -> str:
    with scene.container() as container:
        # Attached to it, one would wait for ever where the container goes meanwhile.
        container.exec_run(EAT, detach=True)
        return f"a process in {container.name} wants 1 GiB"


def _network(scene: Scene) -> str:
    """Take the loopback of a pod's network namespace down."""
    with scene.container() as container:
        pid = str(container.attrs["State"]["Pid"])
        command = ("nsenter", f"--target={pid}", "--net", "ip", "link", "set", "lo", "down")
        done = subprocess.run(
            scene.engine.inside(*command), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise TooLateError(f"the namespace had gone: {done.stderr.strip()}")
        return f"no network any more in {container.name}"


# -- results ---------------------------------------------------------------------------------------


def _fill(scene: Scene) -> str:
    """Leave no byte free on the results' file system."""
    filler = scene.results.parent / "filler"
    scene.undo.callback(filler.unlink, missing_ok=True)
    for size in (1 << 16, 1):
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while file.write(b"x" * size):
                pass
    return "the disk is full"


def _read_only(scene: Scene) -> str:
    """Mount the experiment's results over themselves, read-only."""
    directory = scene.results / "chaos"
    if not directory.is_dir():
        raise TooLateError("there were no results yet")
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    scene.undo.callback(lambda: subprocess.run(["umount", "--lazy", directory], check=True))
    subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
    return "the results are read-only"


# -- all of them -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that happens to a run, and how the run may end then.

    After one that `ends` the run no other follows. One that `leaves` containers may keep the run
    from removing them: the next start does.
    """

    name: str
    happen: Callable[[Scene], str]
    exits: frozenset[int]
    ends: bool = False
    leaves: bool = False


#: What ends by a signal was still importing, and had done nothing.
INTERRUPTED = 130
KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


def _fault(
    name: str,
    happen: Callable[[Scene], str],
    *exits: int,
    ends: bool = False,
    leaves: bool = False,
) -> Fault:
    return Fault(name=name, happen=happen, exits=frozenset({0, *exits}), ends=ends, leaves=leaves)


FAULTS = (
    _fault("runner killed", _signal(KILL), -KILL, ends=True, leaves=True),
    _fault("runner terminated", _signal(TERM), INTERRUPTED, -TERM, ends=True),
    _fault("runner interrupted", _signal(INT), INTERRUPTED, -INT, ends=True),
    _fault("runner interrupted twice", _twice, INTERRUPTED, -INT, ends=True),
    _fault("runner out of memory", _address_space, 2, 3, ends=True, leaves=True),
    _fault("clock jumps", _clock),
    _fault("engine stopped", _engine_ends(TERM, comes_back=False), 3, ends=True, leaves=True),
    _fault("engine killed", _engine_ends(KILL, comes_back=False), 3, ends=True, leaves=True),
    _fault(
        "engine stopped and started", _engine_ends(TERM, comes_back=True), 3, ends=True, leaves=True
    ),
    _fault(
        "engine killed and started", _engine_ends(KILL, comes_back=True), 3, ends=True, leaves=True
    ),
    _fault("engine stands still", _engine_freezes, leaves=True),
    _fault("containerd killed", _containerd, 3, leaves=True),
    _fault("container removed", _remove),
    _fault("container killed", _kill),
    _fault("container paused", _pause),
    _fault("container paused a while", _pause_for_a_while),
    _fault("pod out of memory", _eat_memory),
    _fault("network namespace down", _network),
    _fault("disk full", _fill, 2, ends=True),
    _fault("results read-only", _read_only, 2, ends=True),
)

#: What happens to runs with `--dask`: they have a client, a scheduler and a worker. Each has a name
#: of its own in the summary.
HOST_FAULTS = (
    _fault("client killed", _signal(KILL), -KILL, ends=True),
    _fault("client terminated", _signal(TERM), INTERRUPTED, -TERM, ends=True),
    _fault("client interrupted", _signal(INT), INTERRUPTED, -INT, ends=True),
    _fault("worker killed", _worker_ends(KILL)),
    _fault("worker terminated", _worker_ends(TERM)),
    _fault("scheduler killed", _scheduler_killed, 3, ends=True),
    _fault("worker's container removed", _remove),
    _fault("worker's container killed", _kill),
)
