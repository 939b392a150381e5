from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.notes import notes
from runner.report.row import Row
from runner.report.run import collate
from runner.store.application_record import ApplicationRecord
from runner.store.merge import Merged, Part, merge
from runner.store.records import RunRecord
from tests.support.samples import attempt, cell, launch, run_record, unavailable

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")
GRPC = cell("3.11", "grpc", gevent="25.9.1", grpcio="1.76.0")
CELLS = {"none": NONE, "gevent": GEVENT, "grpc": GRPC}
Rates = Mapping[str, Sequence[float]]


def part(host: str, rates: Rates, *, launches: int = 1, **changes: Any) -> Part:
    """A run of these cells with these rates, as made on another machine."""
    cells = [CELLS[name] for name in rates]
    run = run_record(*cells, launches=launches)
    assert run.host
    named = run.host.model_copy(update={"hostname": host})
    facts = {"host": named, "run_id": f"of-{host}"} | changes
    made = {
        CELLS[name].id: [launch(CELLS[name], n, rate=rate) for n, rate in enumerate(values, 1)]
        for name, values in rates.items()
    }
    return Part(source=host, run=run.model_copy(update=facts), launches=made)


def merged(*parts: Part) -> Merged:
    return merge(parts, command=("matrix", "merge"))


def launches_of(found: Merged) -> dict[str, list[LaunchRecord]]:
    by_cell: dict[str, list[LaunchRecord]] = {}
    for joined in found.launches:
        by_cell.setdefault(joined.record.cell, []).append(joined.record)
    return by_cell


def rows_of(found: Merged) -> dict[str, Row]:
    return {row.patch or "": row for row in collate(found.run, launches_of(found)).rows}


def said(found: Merged) -> str:
    return "\n".join(note for n in notes(collate(found.run, {})) for note in n.items)


def test_two_boots_of_a_host_are_one_machine() -> None:
    first, second = part("a", {"none": [40.0]}), part("a", {"gevent": [44.0]}, run_id="of-b")
    assert second.run.host
    booted = second.run.host.model_copy(update={"boot_id": "another"})
    second = replace(second, run=second.run.model_copy(update={"host": booted}))
    assert merged(first, second).run.hosts == ("a",)


def test_each_run_that_ended_by_itself_says_why() -> None:
    """Its intervals are those of a run that looked at them, if one of its parts did."""
    why = "after 3 rounds: no interval of a patch mode reaches further than δ from its ratio"
    first = part("a", {"none": [40.0] * 3}, launches=15, least_launches=3, stopped=why)
    second = part("b", {"gevent": [44.0] * 4}, launches=4)
    for parts in ((first, second), (second, first)):
        found = merged(*parts).run
        assert (found.least_launches, found.stopped) == (3, f"{why} (run of-a)")
    assert merged(second, part("c", {"none": [40.0]})).run.least_launches is None
    collated = collate(merged(first, second).run, launches_of(merged(first, second)))
    assert collated.rounds == 3
    assert "each cell launched 3 to 4 times, medians shown" in notes(collated)[0].items[0]


def test_two_shards_of_two_hosts_are_one_run() -> None:
    fast = part("a", {"none": [40.0], "gevent": [44.0]}, shard="1/2", finished_at="2026-11-01T13")
    slow = part("b", {"none": [20.0], "grpc": [30.0]}, shard="2/2", finished_at="2026-11-01T14")
    found = merged(fast, slow)
    assert [c.id for c in found.run.cells] == [NONE.id, GEVENT.id, GRPC.id]
    assert found.run.shard is None
    assert found.run.finished_at == "2026-11-01T14"
    assert [(b.label, b.run_id) for b in found.run.blocks] == [("a", "of-a"), ("b", "of-b")]
    assert found.run.hosts == ("a", "b")
    rows = rows_of(found)
    assert {name: row.launches for name, row in rows.items()} == {"none": 2, "gevent": 1, "grpc": 1}
    assert rows["gevent"].speedup == pytest.approx(1.1)
    assert rows["grpc"].speedup == pytest.approx(1.5)  # against 20 of its own host, not 30 or 40
    assert "Merged from 2 runs on 2 hosts; ratios to the baseline are taken within a round" in said(
        found
    )
    assert "a: 2 × Example CPU, 8.0 GiB" in said(found)
    assert "shard" not in said(found)


def test_a_ratio_leaves_out_hosts_that_the_cell_did_not_run_on() -> None:
    """Against the baseline of both hosts the slow host's cell would look slower."""
    slow = part("slow", {"none": [20.0 + n / 100 for n in range(8)]}, launches=8)
    same = [20.003 + n / 100 for n in range(8)]
    slow = replace(slow, launches={**slow.launches, GEVENT.id: rates(same)})
    slow = replace(slow, run=slow.run.model_copy(update={"cells": (NONE, GEVENT)}))
    fast = part("fast", {"none": [40.0 + n / 100 for n in range(30)]}, launches=30)
    rows = rows_of(merged(fast, slow))
    assert rows["gevent"].value("verdict_rate") == "same within δ"
    assert rows["none"].launches == 38


def test_a_ratio_leaves_out_hosts_that_the_baseline_did_not_run_on() -> None:
    fast = part("fast", {"gevent": [40.0 + n / 100 for n in range(30)]}, launches=30)
    slow = part("slow", {"none": [20.0 + n / 100 for n in range(8)]}, launches=8)
    slow = replace(slow, launches={**slow.launches, GEVENT.id: rates([20.003] * 8)})
    slow = replace(slow, run=slow.run.model_copy(update={"cells": (NONE, GEVENT)}))
    assert rows_of(merged(fast, slow))["gevent"].value("verdict_rate") == "same within δ"


def rates(values: Sequence[float]) -> list[LaunchRecord]:
    return [launch(GEVENT, n, rate=rate) for n, rate in enumerate(values, start=1)]


def test_rounds_follow_each_other_and_keep_their_host() -> None:
    first = part("a", {"none": [40.0, 41.0], "gevent": [44.0, 45.0]}, launches=2)
    second = part("b", {"none": [20.0, 21.0], "gevent": [24.0]}, launches=2)
    found = launches_of(merged(first, second))
    assert [(x.launch, x.block) for x in found[NONE.id]] == [
        (1, "a"), (2, "a"), (3, "b"), (4, "b"),
    ]  # fmt: skip
    assert [(x.launch, x.block) for x in found[GEVENT.id]] == [(1, "a"), (2, "a"), (3, "b")]
    rows = rows_of(merged(first, second))
    assert rows["gevent"].rate_contrast.rounds == 3
    assert rows["gevent"].speedup == pytest.approx((44 / 40 * 45 / 41 * 24 / 20) ** (1 / 3))


def test_machines_of_one_name_are_told_apart_and_one_machine_is_one_block() -> None:
    first, again = part("a", {"none": [40.0]}), part("a", {"none": [41.0]}, run_id="later")
    assert first.run.host
    bigger = first.run.host.model_copy(update={"cpus": 64})
    other = part("a", {"none": [80.0]})
    other = replace(other, run=other.run.model_copy(update={"host": bigger}))
    found = merged(first, again, other)
    assert [block.label for block in found.run.blocks] == ["a", "a", "a#2"]
    assert "Merged from 3 runs on 2 hosts" in said(found)


def test_rejected_attempts_keep_to_their_launches() -> None:
    """Also those of an interrupted run, of which no launch was kept."""
    first = part("a", {"none": [40.0]})
    first = replace(first, rejected={NONE.id: [attempt(NONE, 1, 1), attempt(NONE, 2, 1)]})
    second = part("b", {"none": [20.0]})
    second = replace(second, rejected={NONE.id: [attempt(NONE, 1, 1, rate=10.0)]})
    found = merged(first, second)
    assert [(x.record.launch, x.record.block, x.part) for x in found.rejected] == [
        (1, "a", 0), (2, "a", 0), (3, "b", 1),
    ]  # fmt: skip
    assert [(x.launch, x.block) for x in launches_of(found)[NONE.id]] == [(1, "a"), (3, "b")]


def test_a_merged_run_can_be_merged_again() -> None:
    found = merged(part("a", {"none": [40.0]}), part("b", {"none": [20.0]}))
    joined = Part(source="ab", run=found.run, launches=launches_of(found))
    again = merged(joined, part("c", {"none": [10.0]}))
    assert [block.label for block in again.run.blocks] == ["a", "b", "c"]
    assert [(x.launch, x.block) for x in launches_of(again)[NONE.id]] == [
        (1, "a"), (2, "b"), (3, "c"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"launch 1 of py3.11-none is also in a"):
        merged(part("a", {"none": [40.0]}), joined)


def test_a_launch_that_another_run_reused_is_the_same_launch() -> None:
    first, second = part("a", {"none": [40.0]}), part("b", {"none": [20.0]})
    reused = {"reused_from": "earlier", "other_boot": "boot-2", "schema_version": 4}
    launches = {
        cell: [launch.model_copy(update=reused) for launch in of_cell]
        for cell, of_cell in first.launches.items()
    }
    with pytest.raises(UsageError, match=r"launch 1 of py3.11-none is also in a"):
        merged(first, replace(second, launches=launches))


def changed(run: RunRecord, **method: object) -> RunRecord:
    return run.model_copy(update={"method": run.method.model_copy(update=method)})


A = part("a", {"none": [40.0]})
B = part("b", {"none": [20.0]})


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (A, "launch 1 of py3.11-none is also in a; leave one of them out"),
        (replace(B, run=B.run.model_copy(update={"experiment": "io"})), "experiment io, and expe"),
        (replace(B, run=B.run.model_copy(update={"axes": ("python",)})), "axes python, and axes"),
        (
            replace(B, run=B.run.model_copy(update={"baseline": {}})),
            "baseline no cell, and baseline",
        ),
        (replace(B, run=changed(B.run, version=2)), "method version 2, and method version 1 in a"),
        (replace(B, run=changed(B.run, version=None)), "imported"),
        (replace(B, run=B.run.model_copy(update={"host": None})), "where it was measured"),
        (
            replace(
                B,
                run=B.run.model_copy(
                    update={"cells": (NONE.model_copy(update={"requests": 100}),)}
                ),
            ),
            "-n 100, and sleep, werkzeug, ab -c 100 -n 5000 in a; merge runs of one load",
        ),
    ],
)
def test_what_cannot_be_merged(other: Part, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        merged(A, other)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_was_not_alike_is_said() -> None:
    environment = B.run.environments["py3.11"].model_copy(update={"lock_digest": "sha256:other"})
    other = changed(B.run, ab_version="2.4.71", ab_first_request_alone=False).model_copy(
        update={"environments": {"py3.11": environment}, "jobs": 1}
    )
    found = merged(A, replace(B, run=other))
    assert found.run.method.ab_version is None
    assert found.run.method.ab_first_request_alone is None
    assert found.run.jobs is None
    for words in (
        "Differs between the runs: ab: 2.3 (run of-a); 2.4.71 (run of-b).",
        "Differs between the runs: ab sends its first request alone: True",
        "Differs between the runs: cells side by side: 20",
        "Locked to different packages in different runs: py3.11-none.",
    ):
        assert words in said(found)


def test_a_cell_that_only_one_host_can_have() -> None:
    missing = unavailable(GEVENT, "no wheels")
    without = part("b", {"none": [20.0]}, unavailable=(missing, unavailable(GRPC, "no wheels")))
    found = merged(part("a", {"none": [40.0], "gevent": [44.0]}), without)
    assert [c.id for c in found.run.unavailable] == [GRPC.id]
    assert f"{GEVENT.id} was unavailable (no wheels) in run of-b." in said(found)


def test_a_shard_that_is_lost_is_missed() -> None:
    found = merged(part("a", {"none": [40.0]}, shard="1/3"))
    assert "No run of shard 2/3, 3/3: it had no cells, or was lost." in said(found)


def test_an_unfinished_part_leaves_the_run_unfinished() -> None:
    assert merged(part("a", {"none": [1.0]}, finished_at="2026"), B).run.finished_at is None


def test_hangs_are_launches_like_others() -> None:
    hang = launch(NONE, outcome=Outcome.HANG_AT_STARTUP, reason="no answer")
    found = merged(A, replace(B, launches={NONE.id: [hang]}))
    assert rows_of(found)["none"].reason == "1 of 2 launches: ok; 1: hang-at-startup (no answer)"


def served(text: str, **changes: Any) -> ApplicationRecord:
    return ApplicationRecord(app=text, **changes)


def test_runs_of_different_applications_cannot_be_merged() -> None:
    shop = part("a", {"none": [40.0]}, application=served("shop"))
    other = part("b", {"none": [40.0]}, application=served("store"))
    with pytest.raises(UsageError, match="application store, and application shop in a"):
        merged(shop, other)
    with pytest.raises(UsageError, match="application of this program, and application shop"):
        merged(shop, part("b", {"none": [40.0]}))


def test_what_an_application_was_not_run_with_everywhere_is_said() -> None:
    runs = [
        part(host, {"none": [rate]}, application=served("shop", before=(command,)))
        for host, rate, command in (("a", 40.0, "flask db upgrade"), ("b", 41.0, "flask db stamp"))
    ]
    words = "The application differs in run of-b: before: flask db upgrade → flask db stamp."
    assert words in said(merged(*runs))
