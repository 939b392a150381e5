"""`matrix merge` and `--shard` through the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.measurement.diagnosis_record import BlockRecord, DiagnosisRecord
from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.store.diagnoses import diagnoses, write_diagnosis
from runner.store.records import CellRecord, RunRecord
from runner.store.reuse import reusable
from runner.store.run_directory import RunDirectory
from tests.support.command_line import Matrix
from tests.support.samples import attempt, cell, launch, run_record

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")


def run_of(host: str, *cells: CellRecord) -> RunRecord:
    run = run_record(*cells)
    assert run.host
    return run.model_copy(update={"host": run.host.model_copy(update={"hostname": host})})


def stored(host: str, rate: float, *cells: CellRecord) -> str:
    """Path of a run on a host, as an artifact of a CI comes down."""
    results = Path("down") / host
    directory = RunDirectory(results=results, path=results / "sleep" / "20261101T120000Z")
    directory.path.mkdir(parents=True)
    directory.write_run(run_of(host, *cells))
    for made in cells:
        record = launch(made, rate=rate).model_copy(update={"wall_s": rate})
        directory.write_launch(record, {"ab.txt": host.encode()})
    return str(directory.path)


@pytest.fixture
def shards(matrix: Matrix) -> list[str]:  # in its directory
    return [stored("a", 40.0, NONE), stored("b", 20.0, NONE, GEVENT)]


def test_the_runs_are_one_with_all_their_files(matrix: Matrix, shards: list[str]) -> None:
    said = matrix("merge", *shards)
    assert said.code == 0, said.err
    assert "Merged from 2 runs on 2 hosts" in said.out
    made = RunDirectory(results=Path("results"), path=Path("results/latest").resolve())
    assert made.path.parent.name == "sleep"
    assert made.read_run().run_id == made.path.name
    files = {path.parent.name: path.read_text() for path in made.path.glob("cells/*none/*/ab.txt")}
    assert files == {"launch-01": "a", "launch-02": "b"}
    assert {path.name for path in made.path.glob("table.*")} == {
        "table.json", "table.csv", "table.md",
    }  # fmt: skip
    assert "started at 2026-11-01T12:01:00+00:00 on b" in matrix("show", "latest", GEVENT.id).out
    assert "run 20261101T120000Z on b" in matrix("show", "latest", GEVENT.id).out


def test_rejected_attempts_come_along_with_their_files(matrix: Matrix, shards: list[str]) -> None:
    directory = RunDirectory(results=Path("results"), path=Path(shards[1]))
    first = attempt(NONE, 1, 1, rate=10.0)
    directory.write_disturbed(first, {"ab.txt": b"rejected"})
    assert matrix("merge", *shards).code == 0
    made = RunDirectory(results=Path("results"), path=Path("results/latest").resolve())
    assert made.rejected() == {
        NONE.id: [first.model_copy(update={"launch": 2, "block": "b"})],
    }
    [kept] = made.path.glob("cells/*none/disturbed/launch-02-attempt-1/ab.txt")
    assert kept.read_bytes() == b"rejected"
    rows = json.loads((made.path / "table.json").read_text(encoding="utf-8"))["rows"]
    assert [row["rejected"] for row in rows if row["patch"] == "none"] == [
        "1 of 2 attempts: ab waited for a CPU"
    ]


def test_a_run_with_itself_is_refused_and_nothing_is_left(
    matrix: Matrix, shards: list[str]
) -> None:
    for other in (shards[0], f"{shards[0]}/"):
        said = matrix("merge", shards[0], other)
        assert said.code == 2
        assert "launch 1 of py3.11-none is also in" in said.err
    assert not Path("results").exists()


@pytest.mark.parametrize("stop", [1, 2])
def test_a_merge_that_is_interrupted_leaves_no_run(
    matrix: Matrix, shards: list[str], stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_of = RunDirectory.files_of
    calls: list[LaunchRecord] = []

    def interrupted(
        self: RunDirectory, launch: LaunchRecord, *, final: bool = True
    ) -> dict[str, bytes]:
        calls.append(launch)
        if len(calls) > stop:
            raise KeyboardInterrupt
        return files_of(self, launch, final=final)

    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, "files_of", interrupted)
        assert matrix("merge", *shards).code == 130
    assert list(Path("results").glob("*/*")) == []
    assert not Path("results/latest").is_symlink()
    assert matrix("merge", *shards).code == 0


def test_what_is_no_run(matrix: Matrix, shards: list[str]) -> None:
    said = matrix("merge", shards[0], "nowhere")
    assert (said.code, said.out) == (2, "")
    assert "nowhere: no such run" in said.err


def test_a_merged_run_is_not_used_again(matrix: Matrix, shards: list[str]) -> None:
    """Its launches are those of other runs, and some of other machines."""
    results = Path(shards[0]).parents[1]
    assert matrix("merge", *shards, "--results", str(results)).code == 0
    (Path(shards[0]) / "run.json").unlink()
    assert reusable(run_of("a", NONE).model_copy(update={"run_id": "new"}), results) == {}


def test_the_comparison_of_merged_runs_names_their_hosts(matrix: Matrix, shards: list[str]) -> None:
    matrix("merge", *shards)
    said = matrix("compare", shards[0], "latest")
    assert "host: a → a, b" in said.out
    assert "CPUs" not in said.out


# -- shards ----------------------------------------------------------------------------------------

FILE = """\
version: 1
experiments:
  one:
    axes: {python: [3.11], patch: [none, gevent]}
    packages: {flask: "3.1.*", gevent: "*"}
    limits: {load: 300}
"""


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "1/9999999"]
)
@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_is_no_shard(matrix: Matrix, command: str, text: str) -> None:
    Path("matrix.yaml").write_text(FILE, encoding="utf-8")
    said = matrix(command, f"--shard={text}")
    assert said.code == 2
    [line] = said.err.splitlines()
    assert line.startswith(f"error: --shard {text}: write I/N")


def test_a_shard_without_cells_is_no_failure(matrix: Matrix) -> None:
    Path("matrix.yaml").write_text(FILE, encoding="utf-8")
    said = matrix("run", "--shard", "2/2")
    assert said == (0, "one: shard 2/2 has no cells, there is nothing to measure\n", "")
    assert matrix("plan", "--shard", "2/2").out == said.out
    listed = matrix("plan", "--json", "--shard", "2/2")
    assert (listed.code, json.loads(listed.out)) == (0, [])


def test_what_blocks_the_event_loop_comes_along(matrix: Matrix, shards: list[str]) -> None:
    directory = RunDirectory(results=Path("results"), path=Path(shards[1]))
    block = BlockRecord(what="app.py:8 computes", times=3, total_s=1.5, longest_s=0.6)
    found = DiagnosisRecord(
        cell=GEVENT.id, made_in="run", outcome=Outcome.OK, gevent="25.9.1", loops=1, blocks=(block,)
    )
    write_diagnosis(directory, found, {"server.log": b"printed"})
    said = matrix("merge", *shards)
    assert f"{GEVENT.id}: the event loop was blocked for 1.5 s: app.py:8 computes" in said.out
    made = RunDirectory(results=Path("results"), path=Path("results/latest").resolve())
    assert diagnoses(made) == {GEVENT.id: found}
    [log] = made.path.glob("cells/*/diagnosis/server.log")
    assert log.read_bytes() == b"printed"
