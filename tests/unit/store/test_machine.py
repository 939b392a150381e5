"""What earlier runs say of a machine's speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.engine.ownership import boot_id
from runner.measurement.records import LaunchRecord
from runner.store.machine import _hypervisor, machine_of, this_host
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.samples import RESOURCES, cell, launch, run_record

CELLS = [cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1"), cell("3.13", "none")]
RUN = run_record(*CELLS).model_copy(update={"jobs": 0})
assert RUN.host
HOST = RUN.host
OLD, NEW = "20261101T120000Z", "20261102T120000Z"


def stored(
    results: Path, run_id: str, *launches: LaunchRecord, run: RunRecord = RUN, **changes: Any
) -> RunDirectory:
    run = run.model_copy(update={"run_id": run_id, **changes})
    directory = RunDirectory(results=results, path=results / run.experiment / run_id)
    directory.path.mkdir(parents=True)
    directory.write_run(run)
    for record in launches:
        directory.write_launch(record, {})
    return directory


def costing(cell_: CellRecord, cpu_ms: float, number: int = 1, **changes: Any) -> LaunchRecord:
    resources = RESOURCES.model_copy(update={"cpu_ms_per_request": cpu_ms})
    return launch(cell_, number).model_copy(update={"resources": resources, **changes})


def costs(results: Path) -> dict[tuple[str, ...], float]:
    machine = machine_of(results, HOST)
    assert machine
    return {kind: round(1000 * cost, 6) for kind, cost in machine.request_cpu_s.items()}


def test_without_runs_nothing_is_known(tmp_path: Path) -> None:
    stored(tmp_path, OLD)
    assert machine_of(tmp_path, HOST) is None
    assert machine_of(tmp_path / "none", HOST) is None


def test_costs_are_medians_by_kind_of_cell(tmp_path: Path) -> None:
    made = [costing(CELLS[0], ms, n) for n, ms in enumerate((1.0, 2.0, 9.0), 1)]
    stored(tmp_path, OLD, *made, costing(CELLS[1], 0.5), costing(CELLS[2], 3.0))
    assert costs(tmp_path) == {
        ("sleep", "werkzeug"): 2.0,
        ("sleep", "werkzeug", "none"): 2.5,
        ("sleep", "werkzeug", "none", "3.11"): 2.0,
        ("sleep", "werkzeug", "none", "3.13"): 3.0,
        ("sleep", "werkzeug", "gevent"): 0.5,
        ("sleep", "werkzeug", "gevent", "3.11"): 0.5,
    }


def test_the_newest_run_that_knows_a_kind_counts(tmp_path: Path) -> None:
    stored(tmp_path, OLD, costing(CELLS[0], 9.0), costing(CELLS[1], 7.0))
    stored(tmp_path, NEW, costing(CELLS[0], 1.0))
    found = costs(tmp_path)
    assert found["sleep", "werkzeug", "none"] == 1.0
    assert found["sleep", "werkzeug", "gevent"] == 7.0
    machine = machine_of(tmp_path, HOST)
    assert machine
    assert machine.run == f"sleep/{NEW}"


@pytest.mark.parametrize(
    "changes",
    [
        {"host": HOST.model_copy(update={"hostname": "another"})},
        {"host": HOST.model_copy(update={"cpu_model": "Another CPU"})},
        {"host": None},
    ],
)
def test_another_machine_says_nothing_of_this_one(tmp_path: Path, changes: dict[str, Any]) -> None:
    stored(tmp_path, OLD, costing(CELLS[0], 1.0), **changes)
    assert machine_of(tmp_path, HOST) is None


def test_a_published_run_is_none_of_this_machines(tmp_path: Path) -> None:
    directory = stored(tmp_path, OLD, costing(CELLS[0], 1.0))
    (tmp_path / "published").mkdir()
    directory.path.rename(tmp_path / "published" / "sleep")
    assert machine_of(tmp_path, HOST) is None


def test_a_damaged_run_is_passed_over(tmp_path: Path) -> None:
    stored(tmp_path, OLD, costing(CELLS[0], 1.0))
    (stored(tmp_path, NEW).path / "run.json").write_text("{", encoding="utf-8")
    assert costs(tmp_path)["sleep", "werkzeug"] == 1.0


def started(cell_: CellRecord, second: int, overhead_s: float, **changes: Any) -> LaunchRecord:
    return costing(
        cell_,
        1.0,
        started_at=f"2026-11-01T12:00:{second:02}+00:00",
        overhead_s=overhead_s,
        lone_request_ms=2000.0,
        **changes,
    )


def pod_s(results: Path) -> float:
    machine = machine_of(results, HOST)
    assert machine
    return machine.pod_s


def test_what_a_pod_adds_is_the_time_before_the_first_load(tmp_path: Path) -> None:
    """The first load began 12 s after the first pod's start, 4 s of which were a check."""
    records = [started(CELLS[0], 0, 12.0), started(CELLS[1], 2, 112.0), started(CELLS[2], 4, 9.0)]
    stored(tmp_path, OLD, *records)
    assert pod_s(tmp_path) == pytest.approx(8 / 4)


def test_first_attempts_count_and_repeats_do_not(tmp_path: Path) -> None:
    directory = stored(
        tmp_path,
        OLD,
        started(CELLS[0], 0, 12.0),
        started(CELLS[1], 50, 1.0, attempt=2),
    )
    directory.write_disturbed(started(CELLS[1], 2, 10.0), {})
    assert pod_s(tmp_path) == pytest.approx(8 / 3)
    machine = machine_of(tmp_path, HOST)
    assert machine
    assert (machine.launches, machine.repeated) == (2, 1)


@pytest.mark.parametrize(
    ("run", "record"),
    [
        ({"jobs": 1}, {}),
        ({"cells": tuple(c.model_copy(update={"companion": "grpc"}) for c in CELLS)}, {}),
        ({}, {"overhead_s": None}),
        ({}, {"reused_from": "20261001T120000Z"}),
    ],
)
def test_where_pods_did_not_start_side_by_side_a_common_value_is_taken(
    tmp_path: Path, run: dict[str, Any], record: dict[str, Any]
) -> None:
    records = [started(c, 0, 99.0).model_copy(update=record) for c in CELLS]
    stored(tmp_path, OLD, *records, **run)
    assert pod_s(tmp_path) == 0.4


def test_another_boot_is_the_same_machine(tmp_path: Path) -> None:
    stored(tmp_path, OLD, launch(CELLS[0]))
    booted = HOST.model_copy(update={"boot_id": "another", "hypervisor": True})
    assert machine_of(tmp_path, booted)


@pytest.mark.parametrize(
    ("cpuinfo", "virtual"),
    [
        ("processor\t: 0\nflags\t\t: fpu vme hypervisor lm\n", True),
        ("processor\t: 0\nflags\t\t: fpu vme lm\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", None),
        ("", None),
    ],
)
def test_a_hypervisor_is_known_by_the_cpus_flags(cpuinfo: str, virtual: bool | None) -> None:
    assert _hypervisor(cpuinfo) is virtual


def test_this_machine_says_which_boot_it_is() -> None:
    assert this_host().boot_id == boot_id()
