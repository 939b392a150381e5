from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.measurement.outcome import Outcome
from runner.report.show import show
from runner.report.text import workload_text
from runner.spec import catalogue
from runner.store.records import RunRecord
from runner.store.run_directory import RunDirectory
from tests.unit.store.run_samples import cell_with_workload, launch, run_record

COMMANDS = ["docker run --rm matrix:py3.11-none"]
BOTH = "py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc"


@pytest.fixture
def directory(tmp_path: Path, run: RunRecord) -> RunDirectory:
    made = RunDirectory.create(tmp_path, "sleep", datetime.now(UTC))
    made.write_run(run)
    hang = launch(
        run.cells[0],
        outcome=Outcome.HANG_UNDER_LOAD,
        reason="no answer",
        disturbed="waited for a CPU",
    )
    files = {
        "ab.txt": b"Finished 3 requests\n",
        "server.log": b"\x1b[31mTraceback\n\tat \xff\n",
        "stacks.txt": b"Thread 0x01\n",
        "requests.tsv.gz": b"\x1f\x8b",
    }
    made.write_launch(hang, files)
    made.write_launch(launch(run.cells[0], 2).model_copy(update={"concurrency_factor": 5.0}), {})
    return made


def test_everything_about_a_cell(directory: RunDirectory) -> None:
    text = show(directory, BOTH, COMMANDS)
    for line in (
        f"== {BOTH} ==",
        "outcome: hang-under-load",
        "reason: 1 of 2 launches: hang-under-load (no answer); 1: ok",
        "Python 3.11, patch gevent+grpc, server werkzeug",
        "gevent 25.9.1",
        "image: sha256:cc",
        "load: ab -c 100 -n 5000",
        "base: matrix-base:3.11 (debian)",
        "    --hash=sha256:00ff",
        "== Launch 1: hang-under-load ==",
        "disturbed: waited for a CPU",
        "== ab.txt ==",
        "Finished 3 requests",
        "== server.log ==",
        "== stacks.txt ==",
        "Thread 0x01",
        "requests.tsv.gz",
        "== Launch 2: ok ==",
        "concurrency factor 5.00",
        "48.00 requests/s",
        "== By hand ==",
        *COMMANDS,
    ):
        assert line in text.splitlines(), line


@pytest.mark.parametrize("name", catalogue.workloads())
def test_every_workload_can_be_shown(name: str, tmp_path: Path) -> None:
    cell = cell_with_workload(name)
    made = RunDirectory.create(tmp_path, "sample", datetime.now(UTC))
    made.write_run(run_record(cell))
    made.write_launch(launch(cell), {})
    text = show(made, cell.id, COMMANDS)
    assert f"workload: {workload_text(cell)}\n" in text
    for parameter, value in cell.workload_parameters.items():
        assert value in workload_text(cell), parameter


def test_a_log_cannot_steer_the_terminal(directory: RunDirectory) -> None:
    text = show(directory, BOTH, COMMANDS)
    assert "\x1b" not in text
    assert "[31mTraceback\n        at \ufffd\n" in text


def test_files_that_are_not_for_reading_are_named_with_their_place(directory: RunDirectory) -> None:
    text = show(directory, BOTH, COMMANDS)
    place = directory.launch_directory(BOTH, 1)
    assert f"== Also in {place} ==\nrequests.tsv.gz\nresult.json\n" in text


def test_a_cell_that_is_unavailable(directory: RunDirectory) -> None:
    text = show(directory, "py3.9-gevent25.9.1-gevent", [])
    assert "outcome: unavailable" in text
    assert "reason: no wheel | of gevent" in text
    assert "By hand" not in text


def test_a_cell_that_was_not_measured(directory: RunDirectory) -> None:
    text = show(directory, "py3.11-none", COMMANDS)
    assert "outcome: not measured\nPython 3.11" in text
    assert "Launch" not in text


def test_a_cell_that_the_run_does_not_have(directory: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"no cell 'py3.11-non'; did you mean 'py3.11-none'"):
        show(directory, "py3.11-non", COMMANDS)
