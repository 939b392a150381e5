from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.matrix.cell import Limits
from runner.measurement.records import LAUNCH_SCHEMA, UNKNOWN_BOOT, LaunchRecord
from runner.outcome import Outcome
from runner.store.records import Block, CompanionRecord, RunRecord
from runner.store.reuse import adopt, reusable
from runner.store.run_directory import RunDirectory
from tests.support.samples import (
    RESOURCES,
    attempt,
    cell,
    in_per_cent,
    launch,
    launch_at,
    run_record,
)

CELL = cell("3.11", "gevent", gevent="25.9.1").model_copy(update={"companion": "grpc"})
COMPANION = {"grpc": CompanionRecord(image_id="sha256:dd", key="dd")}
OLD, NEWER, NOW = "20261101T120000Z", "20261102T120000Z", "20261103T120000Z"
BOOT, ANOTHER = "boot-1", "boot-2"


def booted(run: RunRecord, boot: str | None = BOOT) -> RunRecord:
    """The run as this boot of its machine would have made it."""
    assert run.host
    return run.model_copy(update={"host": run.host.model_copy(update={"boot_id": boot})})


RUN = booted(run_record(CELL).model_copy(update={"companions": COMPANION}))


def called(run_id: str, *, launches: int = 1) -> RunRecord:
    return RUN.model_copy(update={"run_id": run_id, "launches": launches})


def stored(results: Path, run: RunRecord, *launches: LaunchRecord) -> RunDirectory:
    directory = RunDirectory(results=results, path=results / run.experiment / run.run_id)
    directory.path.mkdir(parents=True)
    directory.write_run(run)
    for record in launches:
        directory.write_launch(record, {"ab.txt": b"Finished"})
    return directory


def found(run: RunRecord, results: Path) -> dict[tuple[str, int], str]:
    """The run that each reusable launch was found in."""
    return {made: launch.run_id for made, launch in reusable(run, results).items()}


def test_an_equal_cells_launch_is_used_again(tmp_path: Path) -> None:
    directory = stored(tmp_path, called(OLD), launch(CELL))
    [earlier] = reusable(called(NOW), tmp_path).values()
    assert earlier.record == launch(CELL)
    assert earlier.directory == directory


@pytest.mark.parametrize(("before", "after", "kept"), [(1, 5, [1]), (5, 2, [1, 2])])
def test_another_number_of_launches_keeps_the_rounds_there_are(
    tmp_path: Path, before: int, after: int, kept: list[int]
) -> None:
    made = [launch(CELL, number) for number in range(1, before + 1)]
    stored(tmp_path, called(OLD, launches=before), *made)
    again = found(called(NOW, launches=after), tmp_path)
    assert again == {(CELL.id, number): OLD for number in kept}


DISTURBED = launch(CELL).model_copy(
    update={
        "disturbed": "ab waited 0.31 ms",
        "attempt": 2,
        "resources": RESOURCES.model_copy(update={"loadgen_run_queue_delay_ms": 1e6}),
    }
)


@pytest.mark.parametrize(("repeats", "kept"), [(0, True), (1, True), (2, False)])
def test_a_disturbed_launch_is_used_again_by_runs_that_would_repeat_it_no_more(
    tmp_path: Path, repeats: int, kept: bool
) -> None:
    stored(tmp_path, called(OLD).model_copy(update={"repeats": 1}), DISTURBED)
    now = called(NOW).model_copy(update={"repeats": repeats})
    assert bool(found(now, tmp_path)) is kept


@pytest.mark.parametrize(
    ("before", "sent", "after", "kept"),
    [
        ([48.0], 38.4, [], [1, 1]),
        # The baseline was measured again since, and had another rate.
        ([48.0], 38.4, [50.0], [1]),
        # Its second launch is not what the rate is a percentage of.
        ([48.0, 50.0], 38.4, [], [1, 1, 2]),
        ([], 38.4, [], []),
    ],
)
def test_a_launch_in_per_cent_is_used_again_at_the_rate_that_its_baseline_has(
    tmp_path: Path, before: list[float], sent: float, after: list[float], kept: list[int]
) -> None:
    run = booted(in_per_cent()).model_copy(update={"run_id": OLD, "launches": 2})
    closed, share = run.cells[0], run.cells[-1]
    made = [launch(closed, number, rate=rate) for number, rate in enumerate(before, 1)]
    stored(tmp_path, run, *made, launch_at(share, sent))
    if after:
        newer = run.model_copy(update={"run_id": NEWER})
        again = (launch(closed, number, rate=rate) for number, rate in enumerate(after, 1))
        stored(tmp_path, newer, *again)
    now = run.model_copy(update={"run_id": NOW})
    assert sorted(number for _, number in found(now, tmp_path)) == kept


def test_a_launch_in_per_cent_that_ended_before_its_load_is_used_again(tmp_path: Path) -> None:
    run = booted(in_per_cent()).model_copy(update={"run_id": OLD})
    hung = launch(run.cells[-1], outcome=Outcome.HANG_AT_STARTUP)
    stored(tmp_path, run, launch(run.cells[0]), hung)
    now = run.model_copy(update={"run_id": NOW})
    assert (hung.cell, 1) in found(now, tmp_path)


def test_a_share_makes_a_result_what_it_is_and_the_name_of_its_baseline_does_not(
    tmp_path: Path,
) -> None:
    run = booted(in_per_cent()).model_copy(update={"run_id": OLD})
    closed, share = run.cells[0], run.cells[-1]
    stored(tmp_path, run, launch(closed), launch_at(share, 38.4))
    base = closed.model_copy(update={"id": "base"})
    for update, reused in (({}, True), ({"rate_share": 0.5}, False)):
        other = share.model_copy(update={"rate_of": "base", **update})
        now = run.model_copy(update={"run_id": NOW, "cells": (base, other)})
        assert ((other.id, 1) in found(now, tmp_path)) is reused


def with_cell(**update: object) -> RunRecord:
    return RUN.model_copy(update={"cells": (CELL.model_copy(update=update),)})


def with_lock(digest: str) -> RunRecord:
    environment = RUN.environments["py3.11"].model_copy(update={"lock_digest": digest})
    return RUN.model_copy(update={"environments": {"py3.11": environment}})


def with_part(part: str, **update: object) -> RunRecord:
    """The run with its host, its engine or its method changed."""
    record = getattr(RUN, part)
    if part == "engine":
        return RUN.model_copy(update={part: replace(record, **update)})
    return RUN.model_copy(update={part: record.model_copy(update=update)})


CHANGES: dict[str, Callable[[], RunRecord]] = {
    "lock": lambda: with_lock("sha256:ab"),
    "image": lambda: with_cell(image_key="ce"),
    "requests": lambda: with_cell(requests=4999),
    "clients": lambda: with_cell(concurrency=99),
    "server": lambda: with_cell(server="werkzeug-single"),
    "workload": lambda: with_cell(workload_parameters={"seconds": "2", "call": "stream"}),
    "placement": lambda: with_cell(placement="late"),
    "variables": lambda: with_cell(variables={"A": "1"}),
    "limit": lambda: RUN.model_copy(update={"limits": replace(Limits(), load_s=299)}),
    "jobs": lambda: RUN.model_copy(update={"jobs": 1}),
    "host": lambda: with_part("host", hostname="other"),
    "kernel": lambda: with_part("host", kernel="6.13.0"),
    "engine": lambda: with_part("engine", version="27.0"),
    "ab": lambda: with_part("method", ab_version="2.4.71"),
    "sidecar": lambda: with_part("method", loadgen_key="ee"),
    "method": lambda: with_part("method", version=2),
    "companion": lambda: RUN.model_copy(
        update={"companions": {"grpc": CompanionRecord(image_id="sha256:dd", key="de")}}
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_makes_a_result_what_it_is_must_be_equal(tmp_path: Path, what: str) -> None:
    stored(tmp_path, called(OLD), launch(CELL))
    now = CHANGES[what]().model_copy(update={"run_id": NOW})
    assert found(now, tmp_path) == {}


def test_a_copys_launch_counts_for_that_copy_alone(tmp_path: Path) -> None:
    first, second = (
        CELL.model_copy(update={"id": f"{CELL.id}-copy-{x}", "axes": {**CELL.axes, "copy": x}})
        for x in ("a", "b")
    )
    both = RUN.model_copy(update={"cells": (first, second)})
    stored(tmp_path, both.model_copy(update={"run_id": OLD}), launch(first))
    assert found(both.model_copy(update={"run_id": NOW}), tmp_path) == {(first.id, 1): OLD}


def test_what_makes_no_difference_may_differ(tmp_path: Path) -> None:
    stored(tmp_path, called(OLD), launch(CELL))
    other = {"seed": 8, "started_at": "2026-11-03T12:00:00+00:00", "command": ("matrix", "again")}
    assert found(called(NOW).model_copy(update=other), tmp_path) == {(CELL.id, 1): OLD}
    for stored_otherwise in (
        with_cell(image="sha256:another-engines"),
        with_part("method", loadgen_image="sha256:another-engines"),
        with_part("engine", endpoint="unix:///another.sock"),
        RUN.model_copy(update={"companions": {"grpc": CompanionRecord(image_id="x", key="dd")}}),
    ):
        now = stored_otherwise.model_copy(update={"run_id": NOW})
        assert found(now, tmp_path) == {(CELL.id, 1): OLD}
    virtual = with_part("host", hypervisor=True)
    assert found(virtual.model_copy(update={"run_id": NOW}), tmp_path) == {(CELL.id, 1): OLD}


def test_the_newest_of_several_counts(tmp_path: Path) -> None:
    stored(tmp_path, called(OLD, launches=2), launch(CELL), launch(CELL, 2))
    stored(tmp_path, called(NEWER), launch(CELL))
    again = found(called(NOW, launches=2), tmp_path)
    assert again == {(CELL.id, 1): NEWER, (CELL.id, 2): OLD}


def test_a_launch_that_failed_for_the_engines_sake_is_made_again(tmp_path: Path) -> None:
    stored(tmp_path, called(OLD), launch(CELL))
    stored(tmp_path, called(NEWER), launch(CELL, outcome=Outcome.ENGINE_ERROR, reason="timeout"))
    assert found(called(NOW), tmp_path) == {(CELL.id, 1): OLD}


def test_a_hang_is_a_finding_like_any_other(tmp_path: Path) -> None:
    stored(tmp_path, called(OLD), launch(CELL, outcome=Outcome.HANG_UNDER_LOAD, reason="no answer"))
    assert found(called(NOW), tmp_path) == {(CELL.id, 1): OLD}


def test_a_merged_run_is_no_source(tmp_path: Path) -> None:
    assert RUN.host
    assert RUN.engine
    block = Block(label="bench", run_id=OLD, host=RUN.host, engine=RUN.engine)
    merged = called(OLD).model_copy(update={"blocks": (block,)})
    stored(tmp_path, merged, launch(CELL))
    assert found(called(NOW), tmp_path) == {}


def test_a_damaged_run_is_skipped(tmp_path: Path) -> None:
    stored(tmp_path, called(OLD), launch(CELL))
    damaged = stored(tmp_path, called(NEWER), launch(CELL))
    (damaged.path / "run.json").write_text("{", encoding="utf-8")
    assert found(called(NOW), tmp_path) == {(CELL.id, 1): OLD}


def test_a_damaged_launch_is_skipped_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = stored(tmp_path, called(OLD, launches=2), launch(CELL), launch(CELL, 2))
    (directory.launch_directory(CELL.id, 1) / "result.json").write_text("{", encoding="utf-8")
    assert found(called(NOW, launches=2), tmp_path) == {(CELL.id, 2): OLD}
    assert capsys.readouterr().err == ""


def test_a_run_does_not_find_itself(tmp_path: Path) -> None:
    stored(tmp_path, called(NOW), launch(CELL))
    assert found(called(NOW), tmp_path) == {}


def test_a_launch_that_is_adopted_brings_its_files_and_says_where_it_was_made(
    tmp_path: Path,
) -> None:
    stored(tmp_path, called(OLD), launch(CELL))
    for run_id in (NEWER, NOW):  # the second time it comes from a run that had adopted it
        run = called(run_id)
        [earlier] = reusable(run, tmp_path).values()
        directory = stored(tmp_path, run)
        adopted = adopt(directory, earlier)
        assert adopted == launch(CELL).model_copy(update={"reused_from": OLD})
        assert directory.launches() == {CELL.id: [adopted]}
        path = directory.launch_directory(CELL.id, 1)
        assert (path / "ab.txt").read_bytes() == b"Finished"
    assert earlier.run_id == NEWER


def test_a_launch_that_is_adopted_brings_its_own_rejected_attempts(tmp_path: Path) -> None:
    directory = stored(tmp_path, called(OLD, launches=2), launch(CELL), launch(CELL, 2))
    own, another = attempt(CELL, 1, 1), attempt(CELL, 2, 1)
    for rejected in (own, another):
        directory.write_disturbed(rejected, {"ab.txt": b"rejected"})
    run = called(NOW)
    [earlier] = reusable(run, tmp_path).values()
    now = stored(tmp_path, run)
    adopt(now, earlier)
    [[adopted]] = now.rejected().values()
    assert adopted == own.model_copy(update={"reused_from": OLD})
    assert (now.disturbed_directory(own) / "ab.txt").read_bytes() == b"rejected"


def test_more_launches_of_a_cell_that_failed_are_used_again_with_the_failure(
    tmp_path: Path,
) -> None:
    hung = Outcome.HANG_UNDER_LOAD
    made = [launch(CELL, number, outcome=hung) for number in (1, 2, 3)]
    stored(tmp_path, called(OLD, launches=1), *made)
    assert {number for _, number in found(called(NOW, launches=1), tmp_path)} == {1, 2, 3}


def test_without_a_failure_among_the_first_no_more_are_used(tmp_path: Path) -> None:
    made = [launch(CELL), launch(CELL, 2, outcome=Outcome.HANG_UNDER_LOAD)]
    stored(tmp_path, called(OLD, launches=2), *made)
    assert {number for _, number in found(called(NOW, launches=1), tmp_path)} == {1}


# -- other boots -----------------------------------------------------------------------------------

NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
BOTH = booted(run_record(NONE, GEVENT, launches=3))


def of_boot(run_id: str, boot: str | None, launches: int = 3) -> RunRecord:
    update = {"run_id": run_id, "launches": launches}
    return booted(BOTH, boot).model_copy(update=update)


def other_boots(run: RunRecord, results: Path) -> dict[tuple[str, int], str | None]:
    return {made: launch.other_boot for made, launch in reusable(run, results).items()}


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [(ANOTHER, BOOT, ANOTHER), (None, BOOT, UNKNOWN_BOOT), (None, None, UNKNOWN_BOOT)],
)
def test_of_another_boot_only_whole_rounds_are_used(
    tmp_path: Path, before: str | None, now: str | None, said: str
) -> None:
    made = [launch(NONE), launch(GEVENT), launch(NONE, 2), launch(GEVENT, 3)]
    stored(tmp_path, of_boot(OLD, before), *made)
    found_ = other_boots(of_boot(NOW, now), tmp_path)
    assert found_ == {(NONE.id, 1): said, (GEVENT.id, 1): said}


def test_of_this_boot_single_launches_are_used(tmp_path: Path) -> None:
    stored(tmp_path, of_boot(OLD, BOOT), launch(NONE), launch(GEVENT), launch(NONE, 2))
    assert other_boots(of_boot(NOW, BOOT), tmp_path) == {
        (NONE.id, 1): None,
        (GEVENT.id, 1): None,
        (NONE.id, 2): None,
    }


def test_a_round_that_this_boot_has_begun_is_not_made_up_from_another(tmp_path: Path) -> None:
    stored(tmp_path, of_boot(OLD, BOOT), launch(NONE))
    stored(tmp_path, of_boot(NEWER, ANOTHER), launch(NONE), launch(GEVENT))
    assert found(of_boot(NOW, BOOT), tmp_path) == {(NONE.id, 1): OLD}


def test_half_a_round_of_each_of_two_boots_is_none(tmp_path: Path) -> None:
    stored(tmp_path, of_boot(OLD, ANOTHER), launch(NONE))
    stored(tmp_path, of_boot(NEWER, "boot-3"), launch(GEVENT))
    assert found(of_boot(NOW, BOOT), tmp_path) == {}


def test_a_round_that_a_run_had_from_two_boots_is_none(tmp_path: Path) -> None:
    of_another = {"reused_from": OLD, "other_boot": "boot-3"}
    mixed = launch(NONE).model_copy(update=of_another), launch(GEVENT)
    stored(tmp_path, of_boot(NEWER, ANOTHER), *mixed)
    assert found(of_boot(NOW, BOOT), tmp_path) == {}


def test_the_newest_whole_round_of_another_boot_counts(tmp_path: Path) -> None:
    stored(tmp_path, of_boot(OLD, "boot-3"), launch(NONE), launch(GEVENT))
    stored(tmp_path, of_boot(NEWER, ANOTHER), launch(NONE), launch(GEVENT))
    assert {*found(of_boot(NOW, BOOT), tmp_path).values()} == {NEWER}


def test_a_newer_round_that_lacks_a_cell_does_not_hide_a_whole_one(tmp_path: Path) -> None:
    stored(tmp_path, of_boot(OLD, ANOTHER), launch(NONE), launch(GEVENT))
    stored(tmp_path, of_boot(NEWER, ANOTHER), launch(NONE))
    assert {*found(of_boot(NOW, BOOT), tmp_path).values()} == {OLD}


def test_a_round_at_a_rate_that_is_not_this_runs_is_not_whole(tmp_path: Path) -> None:
    run = in_per_cent()
    closed = [one for one in run.cells if one.rate_share is None]
    shares = [one for one in run.cells if one.rate_share is not None]
    made = [launch(one, rate=48.0) for one in closed]
    old = booted(run, ANOTHER).model_copy(update={"run_id": OLD})
    now = booted(run).model_copy(update={"run_id": NOW})
    stored(tmp_path / "right", old, *made, *(launch_at(one, 38.4) for one in shares))
    assert len(found(now, tmp_path / "right")) == 4
    stored(tmp_path / "wrong", old, *made, *(launch_at(one, 30.0) for one in shares))
    assert found(now, tmp_path / "wrong") == {}


def test_further_launches_of_a_cell_that_failed_come_with_the_whole_round(tmp_path: Path) -> None:
    hung = [launch(GEVENT, n, outcome=Outcome.HANG_AT_STARTUP) for n in (1, 2, 3)]
    stored(tmp_path, of_boot(OLD, ANOTHER, launches=1), launch(NONE), *hung)
    again = found(of_boot(NOW, BOOT, launches=1), tmp_path)
    assert sorted(again) == [(GEVENT.id, n) for n in (1, 2, 3)] + [(NONE.id, 1)]


def test_the_boot_that_a_launch_was_made_in_stays_known(tmp_path: Path) -> None:
    """From run to run, whatever boots lie between; of an earlier release's it is not known."""
    stored(tmp_path, of_boot(OLD, ANOTHER, launches=1), launch(NONE), launch(GEVENT))
    for run_id, boot, said in ((NEWER, "boot-3", ANOTHER), (NOW, ANOTHER, None)):
        run = of_boot(run_id, boot, launches=1)
        earlier = reusable(run, tmp_path).values()
        directory = stored(tmp_path, run)
        adopted = [adopt(directory, one) for one in earlier]
        assert {(one.other_boot, one.reused_from) for one in adopted} == {(said, OLD)}
        (tmp_path / "sleep" / OLD / "run.json").unlink(missing_ok=True)  # the newer run is left


def test_what_an_earlier_release_reused_is_of_an_unknown_boot(tmp_path: Path) -> None:
    before = {"reused_from": "20261001T120000Z", "schema_version": 4}
    made = [launch(one).model_copy(update=before) for one in (NONE, GEVENT)]
    stored(tmp_path, of_boot(OLD, BOOT), *made)
    now = of_boot(NOW, BOOT)
    assert {*other_boots(now, tmp_path).values()} == {UNKNOWN_BOOT}
    [one, *_] = reusable(now, tmp_path).values()
    assert adopt(stored(tmp_path, now), one).schema_version == LAUNCH_SCHEMA
