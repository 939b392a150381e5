"""A Docker engine that may be stopped and killed: in namespaces of its own, with its own data.

What is started here ends with the process that started it, whichever way that ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import docker
import docker.errors
import requests

from runner.engine.ownership import process_start
from tests.engines.debian_engine import WITH_US, remove_cgroups

API = "1.41"
START_S = 90.0
STOP_S = 30.0
RECOVERY_S = 20.0
POLL_S = 0.05
#: The first process of the namespaces waits, and collects what has ended: a containerd that was
#: killed and not collected is "still running" for the engine's next start.
HOLD = r"""
mount --make-rprivate /
mount -t proc proc /proc
ip link set lo up
echo ready
exec docker-init -- sleep infinity
"""


def children(pid: int) -> list[int]:
    """The processes that a process has started and that have not ended."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class OwnEngine:
    """The engine, and what can happen to it. Its client has short timeouts."""

    def __init__(self, directory: Path, log: Path) -> None:
        self.directory = directory
        self.socket = directory / "docker.sock"
        self._cgroup = f"monkey-matrix-chaos-{os.getpid()}"
        self._log = log.open("ab")
        command = [*WITH_US, "--net", "--pid", "--fork", "--kill-child", "sh", "-c", HOLD]
        self._holder = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"ready\n"
        self._namespaces = children(self._holder.pid)[0]
        self._entered: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def client(self, timeout: float = 10) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.url, version=API, timeout=int(timeout))

    def inside(self, *command: str) -> list[str]:
        """A command, to be run where the engine is."""
        return ["nsenter", f"--target={self._namespaces}", "--mount", "--net", "--pid", *command]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        directory = self.directory
        for stale in (self.socket, directory / "pid"):
            stale.unlink(missing_ok=True)
        self._entered = subprocess.Popen(
            self.inside(
                "dockerd", f"--host={self.url}", "--bridge=none", "--iptables=false",
                "--ip6tables=false", f"--data-root={directory / 'data'}",
                f"--exec-root={directory / 'exec'}", f"--pidfile={directory / 'pid'}",
                f"--cgroup-parent=/{self._cgroup}",
            ),
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self._entered.poll() is None, f"the engine has ended: see {self._log.name}"
            assert time.monotonic() < deadline, f"the engine does not answer: see {self._log.name}"
            time.sleep(POLL_S)

    def answers(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            with contextlib.closing(self.client(timeout=5)) as client:
                return bool(client.ping())
        except (docker.errors.DockerException, requests.RequestException):
            return False

    @property
    def daemon(self) -> int:
        """The engine's process."""
        assert self._entered
        return children(self._entered.pid)[0]

    def signal(self, number: signal.Signals) -> None:
        """Send the engine's process a signal that ends it, and wait until it has."""
        assert self._entered
        os.kill(self.daemon, number)
        try:
            self._entered.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.kill(self.daemon, signal.SIGKILL)
            self._entered.wait()

    def kill_containerd(self) -> None:
        """Kill the process below the engine that keeps the containers; the engine restarts it."""
        for pid in children(self.daemon):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "containerd":
                os.kill(pid, signal.SIGKILL)

    def recover(self) -> None:
        """Wait until it has a containerd again; start it again if it never has."""
        deadline = time.monotonic() + RECOVERY_S
        while not self._has_containerd():
            if time.monotonic() > deadline:
                self.signal(signal.SIGTERM)
                self.start()
                return
            time.sleep(POLL_S)

    def _has_containerd(self) -> bool:
        with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
            with contextlib.closing(self.client()) as client:
                # It asks containerd for its version, too.
                found = {part["Name"] for part in client.version().get("Components", ())}
            return "containerd" in found
        return False

    def freeze(self, seconds: float) -> None:
        """Keep the engine from answering for a while."""
        assert self._entered
        daemon = self.daemon
        os.kill(daemon, signal.SIGSTOP)
        time.sleep(seconds)
        # `nsenter` stops with what it has started.
        for pid in (daemon, self._entered.pid):
            os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError, IndexError):
            self.signal(signal.SIGTERM)
        first, started = self._namespaces, process_start(self._namespaces)
        self._holder.kill()
        self._holder.wait()
        # The mounts go with the last process of their namespace; its number may be taken again.
        while started and process_start(first) == started:
            time.sleep(POLL_S)
        self._log.close()
        remove_cgroups(self._cgroup)
