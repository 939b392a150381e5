"""What a machine does to a run: the engine goes, the disk fills up, the clock is set back."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from runner.build.prepare import Prepared
from tests.integration.test_run import A_RESULT, CELLS, LAUNCHES, MATRIX, Project, wait_for

pytestmark = pytest.mark.engine


class SecondEngine:
    """A Docker engine of the test's own, in a network namespace of its own.

    In the host's it would take the first one's bridge away.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "docker.sock"
        self.process: subprocess.Popen[bytes] | None = None
        #: Sockets are made here, and the path of one may have 104 characters.
        self.short = tempfile.TemporaryDirectory(prefix="engine-")

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        log = (self.directory / "log").open("ab")
        self.process = subprocess.Popen(
            [
                "unshare", "--net", "dockerd", "--host", self.url, "--bridge=none",
                "--iptables=false", "--ip6tables=false",
                "--data-root", str(self.directory / "data"),
                "--exec-root", str(Path(self.short.name) / "exec"),
                "--pidfile", str(self.directory / "pid"),
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(docker.errors.DockerException, OSError):
                client = docker.DockerClient(base_url=self.url, version="1.41")
                try:
                    client.ping()
                finally:
                    client.close()
                return
            assert self.process.poll() is None, (self.directory / "log").read_text()
            time.sleep(0.2)
        raise AssertionError((self.directory / "log").read_text())

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(60)
        # It ends without unmounting its data where it failed to start.
        subprocess.run(
            ["umount", "--lazy", self.directory / "data"],
            stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def take(self, client: docker.DockerClient, *references: str) -> None:
        """Give it images of another engine."""
        second = docker.DockerClient(base_url=self.url, version="1.41")
        try:
            for reference in references:
                second.images.load(b"".join(client.images.get(reference).save(named=reference)))
        finally:
            second.close()


@pytest.fixture
def second_engine(
    tmp_path: Path, client: docker.DockerClient, prepared: Prepared
) -> Iterator[SecondEngine]:
    engine = SecondEngine(tmp_path)
    try:
        engine.start()
        tags = [
            tag
            for image in client.api.images("localhost/monkey-matrix/base")
            for tag in image["RepoTags"] or ()
        ]
        loadgen = [tag for tag in tags if tag.startswith("localhost/monkey-matrix/base:loadgen-")]
        engine.take(client, *(base.reference for base in prepared.bases.values()), *loadgen)
        yield engine
    finally:
        engine.stop()
        engine.short.cleanup()


@pytest.mark.root
def test_an_engine_that_stops_and_starts_again(tmp_path: Path, second_engine: SecondEngine) -> None:
    project = Project(tmp_path)
    process = project.start("run", "--jobs", "1", DOCKER_HOST=second_engine.url)
    wait_for(process, A_RESULT)
    wait_for(process, A_RESULT)
    second_engine.stop()
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 3, stderr
    assert "Traceback" not in stderr
    errors = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "run the same command to resume" in errors[0]
    good = [p for p in project.finished() if json.loads(p.read_text())["outcome"] != "engine-error"]
    assert len(good) >= 2
    second_engine.start()
    code, _, stderr = project.matrix("run", "--jobs", "1", DOCKER_HOST=second_engine.url)
    assert code == 0, stderr
    assert f"used again: {len(good)} of " in stderr
    rows = project.rows()
    assert len(rows) == CELLS
    assert {row["launches"] for row in rows} == {LAUNCHES}
    assert not any("engine-error" in (row["reason"] or "") for row in rows), rows
    left = docker.DockerClient(base_url=second_engine.url, version="1.41")
    try:
        assert left.containers.list(all=True, ignore_removed=True) == []
    finally:
        left.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(disk)], check=True, timeout=30
    )
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=30)


@pytest.mark.root
@pytest.mark.usefixtures("prepared")
def test_a_disk_that_fills_up(small_disk: Path) -> None:
    project = Project(small_disk)
    process = project.start("run", "--jobs", "1")
    wait_for(process, A_RESULT)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"x")
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2, stderr
    assert "Traceback" not in stderr
    errors = [line for line in stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "no room" in errors[0] or "No space" in errors[0] or "full" in errors[0]
    kept = project.finished()
    assert kept
    for path in kept:
        json.loads(path.read_text())
    filler.unlink()
    code, _, stderr = project.matrix("run", "--jobs", "1")
    assert code == 0, stderr
    assert f"used again: {len(kept)} of " in stderr


@pytest.mark.root
@pytest.mark.usefixtures("prepared")
def test_a_clock_set_back(tmp_path: Path) -> None:
    """As if the clock had been years ahead when the first run was made."""
    project = Project(tmp_path, MATRIX.replace("launches: 3", "launches: 1"))
    assert project.matrix("run", "--select", "patch=none")[0] == 0
    latest = project.results / "latest"
    old = latest.resolve()
    ahead = old.with_name("20990101T000000Z")
    old.rename(ahead)
    record = json.loads((ahead / "run.json").read_text())
    record["run_id"] = ahead.name
    (ahead / "run.json").write_text(json.dumps(record))
    latest.unlink()
    latest.symlink_to(Path("tiny") / ahead.name)
    code, _, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "used again: 1 of 2 launches" in stderr
    assert latest.resolve() != ahead
    assert len(project.rows()) == CELLS


@pytest.mark.usefixtures("prepared")
def test_a_run_whose_output_nobody_reads(tmp_path: Path) -> None:
    """`matrix run | head` and a terminal that went away end no run in the middle."""
    project = Project(tmp_path, MATRIX.replace("launches: 3", "launches: 1"))
    process = project.start("run", "--jobs", "1")
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    with process.stderr:
        process.stderr.read()
    process.wait(120)
    assert len(project.finished()) == CELLS
    assert process.returncode == 0
