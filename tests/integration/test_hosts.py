"""`matrix run --dask` with a scheduler and a worker, each a process, on the real engine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import docker
import docker.errors
import pytest

from bench.hosts import Scheduler
from runner.engine.ownership import OWNER_LABEL, identity

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]

MATRIX = """\
version: 1
experiments:
  tiny:
    axes: {python: [3.11], patch: [none, gevent, gevent-time]}
    packages: {flask: "3.1.*", gevent: 25.9.1}
    exclude_newer: 2026-11-01
    workload: {seconds: 0.4}
    load: {concurrency: 10, requests: 40}
    base: debian
    launches: 1
    repeats: 0
"""
CELLS = 3


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A command, which is ended with the test if it has not ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests run in the background SIGINT is ignored, which is handed on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_interrupted_a_run_is_resumed_on_its_worker(
    tmp_path: Path, client: docker.DockerClient
) -> None:
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    results = tmp_path / "results"
    scheduler = Scheduler()
    work: list[str | Path] = ["worker", scheduler.address, "--rounds"]
    run: list[str | Path] = ["run", "--dask", scheduler.address, "--jobs", "1"]
    run += ["--results", results, "--file", tmp_path / "matrix.yaml"]

    def containers() -> list[str]:
        """The worker's."""
        filters = {"label": f"{OWNER_LABEL}={identity(worker.pid)}"}
        return [one["Id"] for one in client.api.containers(all=True, filters=filters)]

    def is_loading() -> bool:
        for one in containers():
            with suppress(docker.errors.APIError):  # it is not started yet, or gone
                if any(" -n 40 " in row[-1] for row in client.api.top(one)["Processes"]):
                    return True
        return False

    def launches() -> dict[str, str]:
        """The cells of the newest run, with the moment at which each began."""
        stored = results.glob("latest/cells/*/launch-*/result.json")
        return {path.parts[-3]: json.loads(path.read_text())["started_at"] for path in stored}

    try:
        with started(*work, tmp_path / "rounds") as worker:
            assert worker.stderr
            said = ""
            while "serving" not in said:
                said = worker.stderr.readline()
                assert worker.poll() is None, said
            with started(*work, tmp_path / "others") as second:
                _, said = second.communicate()
                assert second.returncode == 2
                assert "another worker uses this engine" in said.splitlines()[-1]
            with started(*run) as first:
                while not is_loading():
                    assert first.poll() is None, first.communicate()
                    time.sleep(0.02)
                first.send_signal(signal.SIGINT)
                table, said = first.communicate()
                assert first.returncode == 130, said
                assert "requests/s" in table
                assert "Traceback" not in said
            assert containers() == []
            interrupted = launches()
            # One; two where a busy machine let the test see the load so late that it was over.
            assert 0 < len(interrupted) < CELLS
            with started(*run) as again:
                _, said = again.communicate()
                assert again.returncode == 0, said
            assert len(launches()) == CELLS
            assert interrupted.items() <= launches().items()
            assert containers() == []
            worker.send_signal(signal.SIGINT)
            _, said = worker.communicate()
            assert (worker.returncode, "Traceback" in said) == (0, False), said
    finally:
        scheduler.close()
