"""What `make chaos` looks for is seen where it is: a lost launch, one made twice, an orphan, …"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.store.run_directory import RESULT, RunDirectory
from tests.chaos import checks
from tests.chaos.__main__ import summary
from tests.chaos.faults import FAULTS, HOST_FAULTS, Fault
from tests.chaos.own_engine import children
from tests.chaos.soak import plan
from tests.support.samples import cell, run_record

CELL = "py3.11-none"
LATER = "2026-11-02T12:00:00+00:00"


def a_launch(number: int = 1, **changes: object) -> LaunchRecord:
    record = LaunchRecord(
        cell=CELL,
        launch=number,
        outcome=Outcome.OK,
        started_at="2026-11-01T12:00:00+00:00",
        requests=20,
        concurrency=5,
    )
    return record.model_copy(update=changes)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run with two launches."""
    made = RunDirectory.create(tmp_path, "chaos", datetime(2026, 11, 1, tzinfo=UTC))
    made.write_run(run_record(cell("3.11", "none")))
    for number in (1, 2):
        made.write_launch(a_launch(number), {"ab.txt": b""})
    return made


def result(directory: RunDirectory, number: int) -> Path:
    return directory.launch_directory(CELL, number) / RESULT


def test_of_a_sound_directory_nothing_is_said(directory: RunDirectory) -> None:
    results = directory.results
    before = checks.finished(results)
    assert set(before) == {result(directory, 1), result(directory, 2)}
    said = f"measuring 2 launches\n[1/2] {CELL}\n  {CELL} #1: ok, 45 requests/s\n"
    assert [
        *checks.lost(before, before),
        *checks.unstored(said, directory.path),
        *checks.made_twice(checks.made(before)),
        *checks.damaged(results),
        *checks.dangling(results),
        *checks.tracebacks(said),
    ] == []


def test_a_lost_launch(directory: RunDirectory) -> None:
    before = checks.finished(directory.results)
    result(directory, 2).unlink()
    after = checks.finished(directory.results)
    assert list(checks.lost(before, after)) == [f"lost: {result(directory, 2)}"]
    said = f"  {CELL} #1: ok, 45 requests/s\n  {CELL} #2: engine-error (it has ended)\n"
    (lost,) = checks.unstored(said, directory.path)
    assert f"{CELL} #2" in lost
    assert len(list(checks.unstored(said, None))) == 2


def test_a_launch_that_became_another(directory: RunDirectory) -> None:
    before = checks.finished(directory.results)
    result(directory, 1).write_text(a_launch(requests=19).model_dump_json())
    (changed,) = checks.lost(before, checks.finished(directory.results))
    assert changed == f"changed: {result(directory, 1)}"


def test_a_launch_made_twice(directory: RunDirectory) -> None:
    second = RunDirectory.create(directory.results, "chaos", datetime(2026, 11, 2, tzinfo=UTC))
    second.write_launch(a_launch(1, reused_from=directory.run_id), {})
    assert list(checks.made_twice(checks.made(checks.finished(directory.results)))) == []
    second.write_launch(a_launch(2, started_at=LATER), {})
    made = checks.made(checks.finished(directory.results))
    assert list(checks.made_twice(made)) == [f"made 2 times: {CELL} #2"]


def test_a_launch_that_two_runs_have_from_a_worker_was_made_once() -> None:
    assert list(checks.made_twice([a_launch(1), a_launch(1)])) == []


def test_a_launch_that_a_worker_had_and_nobody_has(directory: RunDirectory) -> None:
    held = checks.finished(directory.results)
    assert list(checks.dropped(held, checks.made(held))) == []
    assert list(checks.dropped(held, [a_launch(1)])) == [f"lost: {CELL} #2 was on a worker's disk"]
    again = a_launch(2, started_at=LATER)
    assert len(list(checks.dropped(held, [a_launch(1), again]))) == 1


def test_a_launch_that_failed_for_the_engine_is_made_again() -> None:
    launches = [a_launch(1, outcome=Outcome.ENGINE_ERROR), a_launch(1, started_at=LATER)]
    assert list(checks.made_twice(launches)) == []


@pytest.mark.parametrize("name", ["run.json", f"cells/{CELL}/launch-01/result.json", "table.json"])
@pytest.mark.parametrize("content", ["", '{"schema_version": 1', "[NaN"])
def test_damaged_json(directory: RunDirectory, name: str, content: str) -> None:
    (directory.path / name).write_text(content)
    (damaged,) = checks.damaged(directory.results)
    assert str(directory.path / name) in damaged


def test_a_link_to_a_run_that_is_none(directory: RunDirectory) -> None:
    (directory.path / "run.json").unlink()
    (dangling,) = checks.dangling(directory.results)
    assert "latest" in dangling


def test_an_orphan() -> None:
    left = [
        checks.Container(name="monkey-matrix-a-server", owner_pid=7),
        checks.Container(name="monkey-matrix-b-loadgen", owner_pid=8),
    ]
    assert list(checks.orphans(left, allowed={7})) == [
        "orphan: monkey-matrix-b-loadgen of process 8"
    ]
    assert len(list(checks.orphans(left))) == 2


ROW = dict.fromkeys(checks.EQUAL) | {"cell": CELL, "outcome": "ok", "launches": 3}


def test_another_table() -> None:
    assert list(checks.other_table([ROW], [ROW], ())) == []
    other = ROW | {"failed_requests": 1}
    assert list(checks.other_table([other], [ROW], ())) == [
        f"table: {CELL}: failed_requests is 1, not None"
    ]
    assert list(checks.other_table([other], [ROW], {CELL})) == []
    fewer = ROW | {"launches": 2}
    assert list(checks.other_table([fewer], [ROW], {CELL})) == [
        f"table: {CELL}: launches is 2, not 3"
    ]
    assert len(list(checks.other_table([], [ROW], {CELL}))) == 1


def test_marked_launches() -> None:
    launches = [a_launch(1), a_launch(2, outcome=Outcome.CRASHED, reason="exit status 137")]
    assert checks.marked(launches, {CELL: "ok"}) == {CELL: ["#2 crashed: exit status 137"]}


def test_an_error_that_is_none_of_the_programs_own() -> None:
    said = 'Traceback (most recent call last):\n  File "x.py", line 1\nMemoryError\n'
    assert list(checks.tracebacks(said)) == ["traceback: MemoryError"]


@pytest.mark.parametrize("all_of_them", [FAULTS, HOST_FAULTS], ids=["engine", "hosts"])
def test_chance_is_the_same_for_the_same_seed(all_of_them: tuple[Fault, ...]) -> None:
    plans = [plan(7, start, all_of_them) for start in range(1, 200)]
    assert plans == [plan(7, start, all_of_them) for start in range(1, 200)]
    assert plans != [plan(8, start, all_of_them) for start in range(1, 200)]
    assert {fault for faults in plans for fault, _ in faults} == {*all_of_them}
    for faults in plans:
        assert not any(fault.ends for fault, _ in faults[:-1])


def test_the_summary_counts_by_kind() -> None:
    lines: list[dict[str, object]] = [
        {"fault": "disk full", "exit": 2, "marked": [], "problems": []},
        {"fault": "disk full", "exit": None, "marked": ["x"], "problems": ["hangs"]},
        {"episode": 1, "marked": [], "problems": []},
    ]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in summary(lines).splitlines()]
    assert rows[2:] == [
        ["an episode to its end", "1", "0: 1 ×", "0", "0"],
        ["disk full", "2", "2: 1 ×, hung: 1 ×", "1", "1"],
    ]


def test_the_children_of_a_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.pid in children(os.getpid())
    child.communicate(b"\n")
    assert child.pid not in children(os.getpid())
