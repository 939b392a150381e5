"""A Dask scheduler, and a worker on the soak's engine, for runs with `--dask`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from runner.commands.hosts.ssh import LOOPBACK, free_port
from runner.store.run_directory import RESULT
from tests.chaos.checks import Finished
from tests.chaos.own_engine import OwnEngine

#: Until a worker serves, and until one that was told to end has: it ends its launch first.
START_S, END_S = 180.0, 180.0
POLL_S = 0.05
#: What a worker says once it is asked for nothing that it cannot do.
SERVING = "serving tcp://"


class Hosts:
    """They end with the process that started them. `said` is all that the worker ever said."""

    def __init__(self, directory: Path, engine: OwnEngine) -> None:
        self._engine = engine
        self._rounds = directory / "rounds"
        self._log = directory / "worker"
        self._port = free_port()
        self.address = f"tcp://{LOOPBACK}:{self._port}"
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        shutil.rmtree(self._rounds, ignore_errors=True)
        self._log.write_bytes(b"")

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def held(self) -> Finished:
        """The launches on the worker's disk."""
        return {path: path.read_bytes() for path in self._rounds.rglob(RESULT)}

    def start(self) -> None:
        """Start what does not run, and wait until the worker serves."""
        if self._scheduler is None:
            command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", LOOPBACK]
            command += ["--port", str(self._port), "--dashboard-address", f"{LOOPBACK}:0"]
            self._scheduler = _with_us(command, Path(os.devnull))
        if self._worker is None:
            begin = len(self.said)
            command = [sys.executable, "-m", "runner", "worker", self.address]
            command += ["--listen", LOOPBACK, "--rounds", str(self._rounds)]
            # Its lock, too, is there: Docker 20.10 has its id from /etc, as the machine's own has.
            own = {"DOCKER_HOST": self._engine.url, "TMPDIR": str(self._log.parent)}
            self._worker = _with_us(command, self._log, **own)
            deadline = time.monotonic() + START_S
            while SERVING not in self.said[begin:]:
                assert self._worker.poll() is None, f"the worker ended: {self.said[begin:]}"
                assert time.monotonic() < deadline, f"it does not serve: {self.said[begin:]}"
                time.sleep(POLL_S)

    def end_worker(self, number: signal.Signals) -> None:
        """Send it a signal, and wait until it has ended."""
        assert self._worker
        self._worker.send_signal(number)
        self._worker.wait(END_S)
        self._worker = None

    def kill_scheduler(self) -> None:
        assert self._scheduler
        self._scheduler.kill()
        self._scheduler.wait()
        self._scheduler = None

    def worker_ends(self) -> None:
        """Wait until it has ended by itself, which it does without a scheduler."""
        assert self._worker
        self._worker.wait(END_S)
        self._worker = None

    def close(self) -> None:
        """End both."""
        for process in (self._worker, self._scheduler):
            if process:
                process.terminate()
                process.wait(END_S)


def _with_us(command: list[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=out,
            env=os.environ | environment,
        )
