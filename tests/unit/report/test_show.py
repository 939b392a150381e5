from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix import plugins
from runner.measurement.records import Canary, Machine, Placement, Resources
from runner.outcome import Outcome
from runner.report.notes import CLOSED_LOOP, OPEN_LOOP, machine_text, workload_text
from runner.report.run import read_run
from runner.report.show import show
from runner.store.records import RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.samples import (
    LOCK,
    RESOURCES,
    cell_with_workload,
    in_per_cent,
    launch,
    launch_at,
    run_record,
    traffic,
)

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
    text = show(directory, read_run(directory), BOTH)
    for line in (
        f"== {BOTH} ==",
        "outcome: hang-under-load",
        "reason: 1 of 2 launches: hang-under-load (no answer); 1: ok",
        "Python 3.11, patch gevent+grpc, server werkzeug",
        "gevent 25.9.1",
        "load: ab -c 100 -n 5000",
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
        "CPU 1.00 ms/request (4000 ms user, 1000 ms system)",
        "peak RSS 61.4 MiB, 101 threads at most",
        "context switches: not known voluntary, not known involuntary",
        "ab's share of a CPU: not known",
        "== Reproduce by hand ==",
        "docker rm -f -v by-hand-server",
        "docker rm -f -v by-hand-loadgen",
        "image: sha256:cc",
        "base: matrix-base:3.11 (debian)",
        "flask==3.1.2",
    ):
        assert line in text.splitlines(), line


def test_the_evidence_comes_first_and_the_lock_last(directory: RunDirectory) -> None:
    headings = [
        line[3:-3]
        for line in show(directory, read_run(directory), BOTH).splitlines()
        if "== " in line
    ]
    also = f"Also in {directory.launch_directory(BOTH, 1)}"
    first = ["Launch 1: hang-under-load", "ab.txt", "stacks.txt", "server.log", also]
    second = ["Launch 2: ok", f"Also in {directory.launch_directory(BOTH, 2)}"]
    assert headings == [BOTH, *first, *second, "Reproduce by hand", "Environment"]


def test_hashes_are_printed_where_they_are_asked_for(directory: RunDirectory) -> None:
    assert "--hash" not in show(directory, read_run(directory), BOTH)
    assert show(directory, read_run(directory), BOTH, hashes=True).endswith(f"lock:\n{LOCK}")


def test_the_rows_figures_are_in_the_summary(tmp_path: Path, run: RunRecord) -> None:
    made = RunDirectory.create(tmp_path, "sleep", datetime.now(UTC))
    made.write_run(run)
    none, patched = run.cells[3], run.cells[2]
    for number, rate in enumerate((10.0, 30.0), 1):
        made.write_launch(launch(none, number, rate=20.0), {})
        made.write_launch(launch(patched, number, rate=rate), {})
    figures = show(made, read_run(made), patched.id).splitlines()[2]
    assert figures.startswith("figures: requests/s 20.00 (10.00–30.00), ceiling 49.02, ")
    assert "× baseline 0.866, " in figures
    assert "configuration" not in figures


def test_what_the_configuration_allows_is_a_figure_where_it_is_less(
    tmp_path: Path, run: RunRecord
) -> None:
    made = RunDirectory.create(tmp_path, "sleep", datetime.now(UTC))
    made.write_run(run)
    held = launch(run.cells[3], rate=7.9).model_copy(update={"configuration_rps": 7.96})
    made.write_launch(held, {})
    found = show(made, read_run(made), run.cells[3].id)
    assert "ceiling 49.02, efficiency % 16.1, configuration 7.96, " in found


@pytest.mark.parametrize("name", plugins.workloads())
def test_every_workload_can_be_shown(name: str, tmp_path: Path) -> None:
    cell = cell_with_workload(name)
    made = RunDirectory.create(tmp_path, "sample", datetime.now(UTC))
    made.write_run(run_record(cell))
    made.write_launch(launch(cell), {})
    text = show(made, read_run(made), cell.id)
    assert f"workload: {workload_text(cell)}\n" in text
    for parameter, value in cell.workload_parameters.items():
        assert value in workload_text(cell), parameter


def test_a_rate_in_per_cent_is_sent_by_hand_as_it_was_found(tmp_path: Path) -> None:
    run = in_per_cent()
    made = RunDirectory.create(tmp_path, "traffic", datetime.now(UTC))
    made.write_run(run)
    launched, other = run.cells[2:]
    made.write_launch(launch_at(launched, 38.4), {})
    text = show(made, read_run(made), launched.id)
    assert "load: 80% of the baseline's rate for 60 s\n" in text
    assert '"rate": 38.4, "requests": 2304, "seed": 1' in text
    assert "by hand" not in show(made, read_run(made), other.id)


def test_a_load_at_a_fixed_rate_is_shown_with_its_lags_and_errors(tmp_path: Path) -> None:
    run = traffic()
    made = RunDirectory.create(tmp_path, "traffic", datetime.now(UTC))
    made.write_run(run)
    cell = run.cells[2]
    one = launch(cell)
    assert one.rate
    failed = one.rate.model_copy(update={"errors": {"reset": 2, "empty": 1}})
    made.write_launch(one.model_copy(update={"rate": failed}), {})
    text = show(made, read_run(made), cell.id)
    for line in (
        "load: 45 requests/s for 60 s",
        "sent: 2700 of 2700 requests, 45 a second",
        "late by: median 0.1 ms, p99 0.4 ms, at most 1.5 ms",
        "errors: 2 reset, 1 empty",
        OPEN_LOOP,
    ):
        assert f"{line}\n" in text
    assert "of them by the load generator" in text
    assert CLOSED_LOOP not in text


def test_times_are_shown_with_their_units() -> None:
    cell = cell_with_workload("sleep")
    spread = cell.model_copy(update={"workload_parameters": {"seconds": "2", "spread": "1"}})
    assert workload_text(spread) == "sleep 2 s ± 1 s"
    spin = cell.model_copy(update={"workload_parameters": {"seconds": "2", "spin": "0.1"}})
    assert workload_text(spin) == "sleep 2 s spin 0.1 ms"


def test_every_resource_that_is_measured_is_shown(directory: RunDirectory) -> None:
    measured = {
        "voluntary_switches": 10_001,
        "involuntary_switches": 22,
        "run_queue_delay_ms": 33.5,
        "loadgen_run_queue_delay_ms": 4.25,
        "throttled_ms": 55.0,
        "listen_overflows": 66,
        "listen_drops": 77,
        "syn_retransmits": 88,
        "loadgen_cpu_share": 0.0991,
    }
    assert {*measured} == {
        name for name, field in Resources.model_fields.items() if not field.is_required()
    }
    used = RESOURCES.model_copy(update=measured)
    cell = directory.read_run().cells[1]
    directory.write_launch(launch(cell).model_copy(update={"resources": used}), {})
    text = show(directory, read_run(directory), cell.id)
    for line in (
        "context switches: 10001 voluntary, 22 involuntary",
        "waits for a CPU: 33.5 ms, of them by ab 4.2 ms",
        "ab's share of a CPU: 9.9%",
        "throttled: 55.0 ms",
        "listen queue: 66 overflows, 77 drops",
        "SYN retransmits: 88",
    ):
        assert line in text.splitlines(), line


def test_what_the_machine_did_is_shown(directory: RunDirectory) -> None:
    shares = {"busy": 0.5, "steal": 0.011, "psi_some": 0.6}
    cpu = {"pods": 0.2, "engine": 0.03, "runner": 0.004, "others": 0.25}
    machine = Machine(
        cpus=2,
        **{f"{name}_share": share for name, share in shares.items()},
        **{f"{name}_cpu_share": share for name, share in cpu.items()},
    )
    place = Placement(position=7, wave=1, group=2, group_size=9, start_offset_s=0.25)
    seen = {"machine": machine, "placement": place, "canary_before": Canary(wall_ms=50, cpu_ms=49)}
    cell = directory.read_run().cells[1]
    directory.write_launch(launch(cell).model_copy(update=seen), {})
    lines = show(directory, read_run(directory), cell.id).splitlines()
    assert set(lines) > {
        "machine: 50.0% of the CPUs' time busy: pods 20.0%, engine 3.0%, runner 0.4%, others 25.0%",
        "taken by the hypervisor: 1.1%; some task waited for a CPU: 60.0% of the time",
        "loaded in wave 1, group 2, one of 9, 0.25 s after its begin; number 7 of its round",
        "canary: 50.0 ms (49.0 ms of CPU) before the wave's loads, not known after them",
    }


def test_the_machine_is_told_from_other_boots_and_kinds() -> None:
    host = run_record().host
    assert host
    boot = "d7e95b5d-5361-45f2-90c8-e27158875313"
    virtual = host.model_copy(update={"hypervisor": True, "boot_id": boot})
    assert machine_text(virtual) == f"{machine_text(host)}, virtual machine, boot d7e95b5d"


def test_the_companions_log_is_there_to_read(directory: RunDirectory) -> None:
    cell = directory.read_run().cells[1]
    directory.write_launch(launch(cell), {"companion.log": b"companion ready\n"})
    assert "== companion.log ==\ncompanion ready\n" in show(directory, read_run(directory), cell.id)


def test_attempts_that_were_rejected_are_named(directory: RunDirectory) -> None:
    cell = directory.read_run().cells[1]
    again = launch(cell, rate=40.0, disturbed="ab waited 0.31 ms").model_copy(update={"attempt": 2})
    directory.write_disturbed(again, {})
    directory.write_launch(launch(cell).model_copy(update={"attempt": 3}), {})
    text = show(directory, read_run(directory), cell.id)
    place = directory.path / "cells" / cell.id / "disturbed" / "launch-01-attempt-2"
    assert (
        "== Rejected attempts ==\n"
        f"launch 1, attempt 2: ab waited 0.31 ms; 40.00 requests/s; in {place}\n"
        "1 attempt of which nothing was kept\n"
    ) in text
    assert "Rejected" not in show(directory, read_run(directory), BOTH)


def test_a_log_cannot_steer_the_terminal(directory: RunDirectory) -> None:
    text = show(directory, read_run(directory), BOTH)
    assert "\x1b" not in text
    assert "[31mTraceback\n        at \ufffd\n" in text


def test_files_that_are_not_for_reading_are_named_with_their_place(directory: RunDirectory) -> None:
    text = show(directory, read_run(directory), BOTH)
    place = directory.launch_directory(BOTH, 1)
    assert f"== Also in {place} ==\nrequests.tsv.gz\nresult.json\n" in text


def test_a_cell_that_is_unavailable(directory: RunDirectory) -> None:
    text = show(directory, read_run(directory), "py3.9-gevent25.9.1-gevent")
    assert "outcome: unavailable" in text
    assert "reason: no wheel | of gevent" in text
    assert "by hand" not in text


def test_a_cell_that_was_not_measured(directory: RunDirectory) -> None:
    text = show(directory, read_run(directory), "py3.11-none")
    assert "outcome: not measured\nPython 3.11" in text
    assert "Launch" not in text


def test_a_cell_that_the_run_does_not_have(directory: RunDirectory) -> None:
    with pytest.raises(UsageError, match=r"no cell 'py3.11-non'; did you mean 'py3.11-none'"):
        show(directory, read_run(directory), "py3.11-non")
