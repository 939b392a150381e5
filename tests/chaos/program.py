"""The program as a user starts it, on an engine of the soak's own, under a clock that may jump."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.own_engine import OwnEngine

MATRIX = Path(__file__).with_name("matrix.yaml")
#: Preloaded, it lets the time of day jump. (Where libfaketime leaves the monotonic clock alone, it
#: breaks `clock_nanosleep`: Python's `time.sleep` fails.)
CLOCK = Path(__file__).with_name("jumping_clock.c")
#: A run that lasts longer hangs: with all that may happen it takes a minute.
HANG_S = 180.0
#: The same of the first run, which builds the base images.
FIRST_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A start of the program that ended: its exit status, None if it hung, and what it said."""

    exit: int | None
    said: str
    pid: int


class Program:
    """Starts `matrix run`, one at a time."""

    def __init__(self, directory: Path, engine: OwnEngine) -> None:
        self._engine = engine
        self._said = directory / "said"
        self._library = directory / "jumping_clock.so"
        self.clock = directory / "clock"
        if shutil.which("cc"):
            command = ["cc", "-shared", "-fPIC", "-O", "-o", str(self._library), str(CLOCK), "-ldl"]
            subprocess.run(command, check=True)

    @property
    def has_clock(self) -> bool:
        """Whether its clock can jump."""
        return self._library.is_file()

    def start(
        self, results: Path, jobs: str, *, faked: bool = False, dask: str = ""
    ) -> subprocess.Popen[str]:
        """Start it, on the workers of the scheduler `dask` where that is given."""
        environment = os.environ | {"DOCKER_HOST": self._engine.url}
        if faked:
            self.clock.write_text("0")
            environment |= {"LD_PRELOAD": str(self._library), "CLOCK_STEP": str(self.clock)}
        command = [sys.executable, "-m", "runner", "run", "--file", str(MATRIX)]
        command += ["--results", str(results), "--jobs", jobs, *(["--dask", dask] if dask else [])]
        with self._said.open("w") as said:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                text=True,
                env=environment,
                # A shell lets what it starts in the background ignore SIGINT, and hands that on.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    def end(self, process: subprocess.Popen[str], hangs_s: float = HANG_S) -> Ended:
        """Wait until it has ended; one that hangs is killed."""
        code: int | None
        try:
            code = process.wait(hangs_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        return Ended(exit=code, said=self._said.read_text(errors="replace"), pid=process.pid)

    def run(self, results: Path, jobs: str, *, dask: str = "", hangs_s: float = HANG_S) -> Ended:
        return self.end(self.start(results, jobs, dask=dask), hangs_s)
