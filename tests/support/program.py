"""The server program as its image has it, run here."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from runner import contract
from runner.build.images import server_files

#: Far beyond what a start takes, for a server that neither answers nor ends.
WITHIN_S = 30.0
SHARED = "/dev/shm/monkey-matrix-"


def install(directory: Path, *, port: int = contract.PORT) -> Path:
    """Write the program into a directory; return what belongs into PYTHONPATH.

    Files for the pod's shared memory go into the directory as well: `shared-…`.
    """
    for file in server_files():
        path = directory / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        content = file.content or b""
        if path.name == contract.CONTRACT.name:
            text = content.decode().replace(SHARED, f"{directory}/shared-")
            content = text.replace(f"PORT = {contract.PORT}", f"PORT = {port}").encode()
        path.write_bytes(content)
    return directory / "server"


def module(name: str, path: Path) -> ModuleType:
    """A file as a module, which need not be in a package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def eventually(what: Callable[[], bool]) -> bool:
    """Whether something is so within `WITHIN_S`."""
    deadline = time.monotonic() + WITHIN_S
    while not (is_so := what()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so


@dataclass(frozen=True, kw_only=True)
class Program:
    """The program, installed in `directory`, for an application in `cwd`.

    What is in `path` can be imported before anything that is installed here.
    """

    directory: Path
    cwd: Path
    port: int
    path: tuple[Path, ...] = ()

    @contextlib.contextmanager
    def started(self, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start it; on the way out, end it and every process that it made."""
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON"))
        }
        path = (*self.path, self.directory / "server")
        settings = {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONUNBUFFERED": "1"}
        with self.log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "monkey_matrix_server"],
                cwd=self.cwd,
                env=inherited | settings | variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def ended(self, **variables: str) -> int:
        """Start it and wait until it ends by itself; return its exit status."""
        with self.started(**variables) as process:
            return process.wait(WITHIN_S)

    def answer(self, process: subprocess.Popen[bytes]) -> str:
        """What it answers to `GET /`, as soon as it does."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WITHIN_S)
                connection.request("GET", "/")
                return connection.getresponse().read().decode()
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"it does not answer:\n{self.log}") from None
                time.sleep(0.02)
            finally:
                connection.close()

    @property
    def log_file(self) -> Path:
        """What it prints."""
        return self.directory / "log"

    @property
    def log(self) -> str:
        """What it has printed."""
        return self.log_file.read_text(encoding="utf-8")

    def shared(self, kind: str) -> list[str]:
        """The content of the files in shared memory whose names begin so."""
        files = sorted(self.directory.glob(f"shared-{kind}*"))
        return [file.read_text(encoding="utf-8") for file in files]
