"""`matrix run` as a user runs it: a process of its own, real containers, and things going wrong."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from runner.engine.ownership import OWNER_LABEL, identity
from runner.measurement import explanation
from tests.integration.conftest import SERVED
from tests.support.by_hand import printed_by

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("prepared")]

MATRIX = """\
version: 1
experiments:
  tiny:
    axes:
      python: [3.11]
      patch: [none, gevent]
      server: [werkzeug]
    packages: {flask: "3.1.*", gevent: 25.9.1}
    exclude_newer: 2026-11-01
    workload: {seconds: 0.03}
    load: {concurrency: 5, requests: 20}
    limits: {startup: 20, load: 20, memory: 128m, pids: 256}
    base: debian
    launches: 3
    repeats: 0
"""
CELLS = 2
LAUNCHES = 3
TWO_SERVERS = MATRIX.replace("[werkzeug]", "[werkzeug, werkzeug-single]")
SIX_CELLS = TWO_SERVERS.replace("[none, gevent]", "[none, gevent, gevent-time]")


class Project:
    """A matrix file and a results directory of a test's own."""

    def __init__(self, directory: Path, matrix: str = MATRIX) -> None:
        self.file = directory / "matrix.yaml"
        self.results = directory / "results"
        self.file.write_text(matrix, encoding="utf-8")
        #: Who made the containers: two runs that begin in the same second have the same id.
        self.owners: set[str] = set()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "runner", *arguments, "--results", str(self.results)]
        if arguments[0] in {"plan", "run", "doctor"}:
            command += ["--file", str(self.file)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            # A shell that runs the tests in the background ignores SIGINT, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.owners.add(identity(process.pid))
        return process

    def matrix(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        stdout, stderr = process.communicate(timeout=300)
        assert "Traceback" not in stderr, stderr
        return process.returncode, stdout, stderr

    def rows(self) -> list[dict[str, Any]]:
        table = json.loads((self.results / "latest" / "table.json").read_text())
        assert table["schema"] == 2
        rows: list[dict[str, Any]] = table["rows"]
        return rows

    def stopped(self) -> str:
        run = json.loads((self.results / "latest" / "run.json").read_text())
        return str(run["stopped"])

    def finished(self) -> set[Path]:
        return set(self.results.glob("tiny/2*/cells/*/launch-*/result.json"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def pods(client: docker.DockerClient, project: Project) -> Iterator[Any]:
    """The containers of the project's runs; none may be left by a test."""

    def names() -> list[str]:
        found = client.containers.list(
            all=True, filters={"label": OWNER_LABEL}, ignore_removed=True
        )
        return [str(c.name) for c in found if c.labels[OWNER_LABEL] in project.owners]

    yield names
    assert names() == []


def test_a_run_stores_everything_and_prints_a_table(project: Project, pods: Any) -> None:
    project.file.write_text(TWO_SERVERS)
    code, stdout, stderr = project.matrix("run", "--launches", "2")
    assert code == 0, stderr
    assert "requests/s" in stdout
    assert "repeated" not in stderr
    assert "serialised" in stdout
    rows = {row["cell"]: row for row in project.rows()}
    assert len(rows) == 2 * CELLS
    for row in rows.values():
        single = row["server"] == "werkzeug-single"
        assert row["outcome"] in ({"serialised"} if single else SERVED), row
        assert row["launches"] == 2
        assert row["verdict_rate"] in {None, "undecided"}
    run = project.results / "latest"
    assert str(run.readlink()).startswith("tiny/")
    record = json.loads((run / "run.json").read_text())
    assert record["finished_at"]
    assert record["repeats"] == 0
    assert record["method"]["ab_first_request_alone"] in {True, False}
    assert record["method"]["ab_version"]
    assert all(hashes.startswith("sha256:") for hashes in record["distributions"].values())
    locked = {name for one in record["environments"].values() for name in one["lock"]}
    assert locked == set(record["distributions"])
    launch = run / "cells" / "py3.11-none-werkzeug" / "launch-01"
    names = {path.name for path in launch.iterdir()}
    # A busy machine may have held it back, and its server was looked at then.
    assert names - {explanation.FILE} == {
        "result.json",
        "ab.txt",
        "percentiles.csv",
        "requests.tsv.gz",
        "served.tsv.gz",
        "server.log",
    }
    assert {"table.json", "table.csv", "table.md"} <= {path.name for path in run.iterdir()}
    assert pods() == []


BUSY_LOOP = ("sh", "-c", "while :; do :; done")


@pytest.mark.alone
def test_busy_programs_beside_a_run_are_named_as_what_disturbed_it(project: Project) -> None:
    loops = [subprocess.Popen(BUSY_LOOP) for _ in range(os.cpu_count() or 1)]
    try:
        code, _, stderr = project.matrix("run", "--launches", "1")
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert code == 0, stderr
    for row in project.rows():
        assert "other processes used" in row["disturbed"], row
    for path in project.finished():
        record = json.loads(path.read_text())
        machine = record["machine"]
        parts = ("pods_cpu_share", "engine_cpu_share", "runner_cpu_share", "others_cpu_share")
        assert all(0 <= machine[part] <= 1 for part in parts), machine
        assert record["canary_before"]
        assert record["canary_after"]
        assert record["placement"]["group_size"] >= 1


def test_a_second_run_measures_nothing_and_a_changed_axis_only_what_is_new(
    project: Project,
) -> None:
    assert project.matrix("run")[0] == 0
    code, stdout, stderr = project.matrix("run")
    assert code == 0
    assert "measuring" not in stderr
    assert "Measured before" in stdout
    assert all(row["reused_from"] for row in project.rows())
    project.file.write_text(MATRIX.replace("[none, gevent]", "[none, gevent, gevent-time]"))
    code, _, stderr = project.matrix("run")
    assert code == 0
    assert "measuring 3 launches" in stderr
    [fresh] = [row["cell"] for row in project.rows() if not row["reused_from"]]
    assert "gevent-time" in fresh
    code, _, stderr = project.matrix("run", "--fresh", "--select", "patch=none")
    assert code == 0
    assert "measuring 3 launches" in stderr


def test_a_run_ends_when_its_intervals_are_narrow_enough(project: Project) -> None:
    """Such short loads have an interval of memory alone: its δ decides."""
    coarse = MATRIX.replace("launches: 3", "launches: {min: 3, max: 4}\n    delta: {rss: 0.9}")
    # Requests mostly wait: on a busy machine, too, all launches of a cell end in the same way.
    coarse = coarse.replace("seconds: 0.03", "seconds: 0.3")
    project.file.write_text(coarse)
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert {row["launches"] for row in project.rows()} == {3}
    reached = "no interval of a patch mode reaches further than δ from its ratio"
    narrow = f"after 3 rounds: {reached}; without an interval: "
    assert project.stopped().startswith(narrow)
    assert f"Stopped {narrow}" in stdout
    assert stderr.count("Against the baseline:") == 1
    assert "after round 2 of 3 to 4: too few rounds for intervals yet" in stderr
    project.file.write_text(coarse.replace("rss: 0.9", "rss: 0.00001"))
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "used again: 6 launches" in stderr
    assert {row["launches"] for row in project.rows()} == {4}
    assert project.stopped().startswith(
        "after 4 rounds, the maximum: memory of gevent is still ± "
    ), stdout
    project.file.write_text(coarse)
    code, _, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "measuring" not in stderr
    assert project.stopped().startswith(narrow)


def test_what_cannot_be_had_does_not_stop_the_rest(tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        MATRIX.replace("gevent: 25.9.1", "gevent: [22.10.2, 25.9.1]")
        .replace("[3.11]", "[3.11, 3.13, 3.10]")
        .replace("launches: 3", "launches: 1")
        .replace('flask: "3.1.*"', 'flask: "3.1.*", setuptools: "<81"'),
    )
    code, stdout, stderr = project.matrix("run", "--jobs", "1")
    assert code == 0, stderr
    outcomes = {row["cell"]: row["outcome"] for row in project.rows()}
    assert outcomes["py3.13-gevent22.10.2-gevent"] == "unavailable"
    assert {outcomes["py3.13-none"], outcomes["py3.11-gevent22.10.2-gevent"]} <= SERVED
    assert outcomes["py3.10-none"] == "unavailable"
    assert "no usable wheels" in stdout
    assert "no Debian suite carries Python 3.10" in stdout
    unavailable = [row for row in project.rows() if row["outcome"] == "unavailable"]
    assert all(row["requests_per_second"] is None for row in unavailable)


def test_an_expectation_that_is_not_met_is_said_and_exits_1(tmp_path: Path) -> None:
    expect = """\
    expect:
      - {cells: {patch: none}, outcome: hang-at-startup}
      - {cells: {patch: gevent}, requests_per_second: "> 1, < 100000"}
"""
    project = Project(tmp_path, MATRIX + expect)
    chosen = ("--launches", "1", "--repeats", "1")
    code, stdout, stderr = project.matrix("run", *chosen)
    assert code == 1
    assert "requests/s" in stdout  # the table is there all the same
    (line,) = [line for line in stderr.splitlines() if line.startswith("  ") and "expected" in line]
    assert re.search("py3.11-none: expected hang-at-startup, saw (ok|limited|serialised)", line)
    assert f"{project.file}:" in line
    record = json.loads((project.results / "latest" / "run.json").read_text())
    assert (record["launches"], record["repeats"]) == (1, 1)
    assert project.matrix("run", *chosen, "--select", "patch=gevent")[0] == 0


@pytest.mark.alone
def test_plan_starts_nothing(project: Project, client: docker.DockerClient) -> None:
    before = {container.id for container in client.containers.list(all=True, ignore_removed=True)}
    code, stdout, _ = project.matrix("plan", "--json")
    assert code == 0
    assert {
        container.id for container in client.containers.list(all=True, ignore_removed=True)
    } == before
    plan = json.loads(stdout)
    assert len(plan) == CELLS
    assert all(cell["ceiling_rps"] and cell["predicted_s"] for cell in plan)
    assert not project.results.exists()


#: What a launch is announced with that ended.
A_RESULT = "#1: "


def wait_for(process: subprocess.Popen[str], wanted: str) -> str:
    """Read the process's messages until one has the words."""
    assert process.stderr
    seen = ""
    for line in process.stderr:
        seen += line
        if wanted in line:
            return seen
    raise AssertionError(f"never said {wanted!r}: {seen}")


@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGINT, "1"), (signal.SIGTERM, "1"), (signal.SIGINT, "2")]
)
def test_interrupted(project: Project, pods: Any, number: signal.Signals, jobs: str) -> None:
    # Two at a time need more, so that some are left when the signal comes.
    matrix, cells = (SIX_CELLS, 6) if jobs == "2" else (TWO_SERVERS, 4)
    project.file.write_text(matrix)
    process = project.start("run", "--jobs", jobs, "--launches", "1")
    wait_for(process, A_RESULT)
    wait_for(process, "[")
    time.sleep(1)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    assert "requests/s" in stdout
    assert "Not measured" in stdout
    assert pods() == []
    assert {row["outcome"] for row in project.rows()} <= SERVED | {None}
    done = len(project.finished())
    assert 0 < done < cells
    code, _, stderr = project.matrix("run", "--jobs", jobs, "--launches", "1")
    assert code == 0
    assert f"used again: {done} of {cells} launches" in stderr
    assert all(row["launches"] == 1 for row in project.rows())


def test_killed_at_random_moments(project: Project, pods: Any) -> None:
    """No finished launch is lost or made twice, nothing is left, the table is complete.

    Each start takes over all that was finished before it, so the runs' own launches, those that no
    other run made, are in the end as many as there are cells and rounds.
    """
    moments = random.Random(20261101)
    for _ in range(8):
        process = project.start("run", "--jobs", "1")
        time.sleep(moments.uniform(0.3, 6))
        process.kill()
        process.communicate()
    code, _, stderr = project.matrix("run", "--jobs", "1")
    assert code == 0, stderr
    rows = project.rows()
    assert len(rows) == CELLS
    assert all(row["launches"] == LAUNCHES for row in rows)
    results = [json.loads(path.read_text()) for path in project.finished()]
    made = [(r["cell"], r["launch"]) for r in results if not r["reused_from"]]
    assert sorted(made) == sorted(set(made))
    assert len(made) == CELLS * LAUNCHES
    assert pods() == []


def test_one_run_at_a_time(project: Project) -> None:
    first = project.start("run", "--jobs", "1")
    wait_for(first, "measuring")
    code, _, stderr = project.matrix("run")
    assert code == 2
    assert f"pid {first.pid}" in stderr
    assert "another run is using it" in stderr
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert project.matrix("run", "--select", "patch=none")[0] == 0


def test_a_container_removed_by_somebody_else(
    project: Project, pods: Any, client: docker.DockerClient
) -> None:
    process = project.start("run", "--jobs", "1", "--requests", "100")
    cell = wait_for(process, "[2/").splitlines()[-1].split()[-1]
    deadline = time.monotonic() + 30
    [run] = (path.name for path in project.results.glob("tiny/2*"))
    while time.monotonic() < deadline:
        labels = [f"org.monkey-matrix.run={run}", f"org.monkey-matrix.cell={cell}"]
        sidecars = client.containers.list(
            filters={"label": labels, "name": "-loadgen"}, ignore_removed=True
        )
        if sidecars:
            sidecars[0].remove(force=True)
            break
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    reasons = [row["reason"] for row in project.rows()]
    assert any("engine-error" in (reason or "") for reason in reasons), (reasons, stderr)
    assert pods() == []


def test_show_prints_commands_that_reproduce_the_cell(project: Project, pods: Any) -> None:
    assert project.matrix("run", "--launches", "1", "--select", "patch=gevent")[0] == 0
    cell = "py3.11-gevent25.9.1-gevent"
    code, stdout, stderr = project.matrix("show", "latest", cell)
    assert code == 0, stderr
    commands = "\n".join(printed_by(stdout))
    assert commands.startswith("docker run")
    result = subprocess.run(
        ["bash", "-ec", commands], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "Complete requests:      20" in result.stdout
    assert "Failed requests:        0" in result.stdout
    assert "=== greenlets ===" in result.stdout + result.stderr


TALKING = """
version: 1
experiments:
  tiny:
    axes: {python: [3.11], gevent: [25.9.1], grpcio: [1.76.0], patch: [gevent]}
    packages: {flask: "3.1.*"}
    exclude_newer: 2026-11-01
    workload: {name: grpc, seconds: 0.1, ready: true}
    load: {concurrency: 4, requests: 8}
    limits: {startup: 8, load: 20, memory: 256m, pids: 256}
    launches: 1
"""


def test_the_commands_reproduce_a_hang_with_what_it_talks_to(tmp_path: Path) -> None:
    project = Project(tmp_path, TALKING)
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "hang-at-startup" in stdout
    _, stdout, _ = project.matrix("show", "latest", project.rows()[0]["cell"])
    assert "in _poll_connectivity" in stdout
    commands = "\n".join(printed_by(stdout))
    result = subprocess.run(
        ["bash", "-ec", commands], capture_output=True, text=True, check=False, timeout=240
    )
    assert result.returncode == 0, result.stderr
    assert "it does not answer" in result.stdout
    assert "in _poll_connectivity" in result.stdout + result.stderr


def test_doctor_and_clean_of_a_healthy_machine(project: Project) -> None:
    code, stdout, _ = project.matrix("doctor")
    assert code == 0
    assert "ready" in stdout
    assert "API" in stdout


def test_shards_are_merged_into_the_whole(project: Project) -> None:
    project.file.write_text(TWO_SERVERS)
    for index in (1, 2):
        shard = ("--shard", f"{index}/2", "--launches", "1")
        code, _, stderr = project.matrix("run", *shard, "--fresh")
        assert code == 0, stderr
    runs = sorted(project.results.glob("tiny/2*"))
    shards = [json.loads((run / "run.json").read_text())["shard"] for run in runs]
    assert sorted(shards) == ["1/2", "2/2"]
    code, stdout, stderr = project.matrix("merge", *map(str, runs))
    assert code == 0, stderr
    assert "Merged from 2 runs on 1 host" in stdout
    rows = project.rows()
    assert len(rows) == 2 * CELLS
    assert {row["launches"] for row in rows} == {1}
    assert None not in {row["speedup"] for row in rows}
