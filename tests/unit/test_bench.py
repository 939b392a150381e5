"""The benchmarks: that each can be asked for, and that those without an engine count right."""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import aa, coscheduling, cost, overhead, plan, setup
from bench.__main__ import BENCHMARKS, main, parser
from bench.common import Measured, Options, Timeline, figure, spread
from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.options import THRESHOLD
from runner.outcome import Outcome
from runner.report.run import collate
from runner.report.statistics import Difference
from runner.store.run_directory import RunDirectory
from tests.support import samples
from tests.support.samples import cell, run_record
from tests.support.simulated import a_cell


def launch(*, rate: float = 49.0, wall_s: float = 3.0, overhead_s: float = 1.0) -> LaunchRecord:
    record = cost.stored_launch(cost.stored_cell(100, "none"), 1, rate=rate)
    return record.model_copy(update={"wall_s": wall_s, "overhead_s": overhead_s})


def measured(timeline: Timeline, finished: float) -> Measured:
    directory = RunDirectory(results=Path("results"), path=Path("results/bench/x"))
    return Measured(directory=directory, finished=finished, timeline=timeline)


def test_help_lists_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    listed = re.findall(r"^  (\w+) +[A-Z]", capsys.readouterr().out, re.MULTILINE)
    assert listed == list(BENCHMARKS)
    assert sorted(BENCHMARKS) == sorted(
        [
            "aa",
            "companions",
            "coscheduling",
            "cost",
            "fidelity",
            "overhead",
            "plan",
            "publish",
            "setup",
            "startup",
            "recording",
        ]
    )


def test_an_unknown_name_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "speed"])
    with pytest.raises(SystemExit):
        main()
    assert "no benchmark speed" in capsys.readouterr().err


def test_a_figure_says_whether_its_goal_is_met() -> None:
    assert figure("x", "1 s", "≤ 2 s", met=True).endswith("goal ≤ 2 s  met")
    assert figure("x", "3 s", "≤ 2 s", met=False).endswith("goal ≤ 2 s  MISSED")
    assert "goal" not in figure("x", "3 s")


@pytest.mark.parametrize(("step_s", "ending"), [(1.0, "met"), (1.5, "MISSED")])
def test_collating_reads_and_renders_a_stored_run(
    step_s: float, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0.0, step_s)
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    lines = list(cost.collating(6, 5))
    assert "6 cells × 5 launches" in lines[0]
    assert f"{step_s:.2f} s" in lines[0]
    assert lines[0].endswith(ending)


def test_a_long_run_counts_the_calls_of_each_launch() -> None:
    text = "\n".join(cost.long_run(20))
    assert "to launch 20" in text
    for call in ("create 2", "start 2", "attach 1", "ask 6", "remove 2"):
        assert call in text


def test_plan_is_held_against_its_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "REPEATS", 1)
    seen = []

    def once(_file: Path, _directory: Path, arguments: list[str]) -> tuple[float, float]:
        seen.append(arguments)
        return 0.9, 400.0

    monkeypatch.setattr(plan, "measured_once", once)
    lines = list(plan.run(Options(cells=10)))
    assert [line.rpartition(" ")[2] for line in lines] == ["met", "MISSED"] * 2
    assert seen[1:] == [["--json"], []]


def test_overhead_leaves_out_ab_and_the_checks_requests() -> None:
    timeline = Timeline()
    timeline.begun = [(10.0, ["a"]), (14.0, ["a"])]
    timeline.ends = [(13.0, launch()), (17.0, launch())]
    done = measured(timeline, finished=17.5)
    assert overhead.whole(done) == [4.0, 3.5]
    # ab took 3 − 1 s, the check 5 requests of 10 ms.
    assert overhead.overheads(done) == pytest.approx([1.95, 1.45])


def test_around_the_loads_of_a_round_is_what_no_load_was_in() -> None:
    timeline = Timeline()
    timeline.begun = [(10.0, ["a", "b", "c"])]
    # Loads from 12 to 14, 13 to 15, and, of the second group, 16 to 18; the pods are gone at 20.
    timeline.ends = [(14.0, launch()), (18.0, launch()), (15.0, launch())]
    assert overhead.around_loads(measured(timeline, finished=20.0)) == 2.0 + 1.0 + 2.0


def test_the_wall_clock_is_from_the_first_load_to_the_end_of_the_last() -> None:
    timeline = Timeline()
    timeline.ends = [(13.0, launch()), (17.0, launch(wall_s=9.0))]
    assert coscheduling.wall_s(measured(timeline, finished=99.0)) == 17.0 - (17.0 - 8.0)


def test_coscheduling_names_the_worst_cell() -> None:
    alone = {"a": launch(rate=49.0), "b": launch(rate=49.0), "c": launch(rate=49.0)}
    together = {"a": launch(rate=49.0), "b": launch(rate=48.0), "c": launch(rate=49.1)}
    lines = list(coscheduling.compared(alone, together))
    assert "-2.04%" in lines[0]
    assert lines[0].endswith("MISSED")
    assert "(b; of 3 cells 1 beyond" in lines[1]
    assert "+0.00%" in lines[2]


SAMPLE = [cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1"), cell("3.13", "none")]


def stored_a(results: Path, *, launches: int = 7, factor: float = 1.0) -> Path:
    """A run of three cells whose rates are the sample's times a factor."""
    directory = RunDirectory.create(results, "sleep", datetime.now(UTC))
    directory.write_run(run_record(*SAMPLE).model_copy(update={"run_id": directory.run_id}))
    for of in SAMPLE:
        for number in range(1, launches + 1):
            rate = (48 + number / 1000) * factor
            directory.write_launch(samples.launch(of, number, rate=rate), {})
    return directory.path


def aa_of(first: Path, second: Path) -> dict[str, str]:
    """The benchmark's lines by what they tell."""
    lines = [line.strip() for line in aa.run(Options(runs=(first, second)))]
    return {re.split("  +", line)[0]: " ".join(re.split("  +", line)[1:]) for line in lines}


def test_equal_runs_do_not_differ(tmp_path: Path) -> None:
    said = aa_of(stored_a(tmp_path), stored_a(tmp_path))
    assert said["two runs: cell pairs: launches a side"] == "3: 7"
    assert said["two runs: said to differ, threshold 2%"] == "0.00% (0 of 3) goal ≤ 1 % met"
    assert said["two runs: said to differ, threshold 0%"] == "0.00% (0 of 3)"
    assert said["dealt: cells, of them with launches enough"] == "3, 3"
    assert said["dealt: cell pairs: launches a side"] == "1040: 7 goal ≥ 200 pairs met"
    assert said["dealt: said to differ, threshold 2%"] == "0.00% (0 of 1040) goal ≤ 1 % met"


@pytest.mark.parametrize(
    ("factor", "with_threshold"), [(1.1, "100.00% (3 of 3) goal ≤ 1 % MISSED"), (1.01, "0.00% (0")]
)
def test_every_false_verdict_on_two_runs_is_counted(
    tmp_path: Path, factor: float, with_threshold: str
) -> None:
    said = aa_of(stored_a(tmp_path), stored_a(tmp_path, factor=factor))
    assert said["two runs: said to differ, threshold 2%"].startswith(with_threshold)
    assert said["two runs: said to differ, threshold 0%"] == "100.00% (3 of 3)"


def test_launches_too_few_for_a_verdict_prove_nothing(tmp_path: Path) -> None:
    said = aa_of(stored_a(tmp_path, launches=4), stored_a(tmp_path, launches=4))
    assert "(of 3, 3 with too few launches)" in said
    assert said["two runs: said to differ, threshold 2%"] == "0.00% (0 of 0) goal ≤ 1 %"


def test_cells_that_are_not_in_both_runs_are_named(tmp_path: Path) -> None:
    first, second = stored_a(tmp_path), stored_a(tmp_path)
    shutil.rmtree(second / "cells" / SAMPLE[2].id)
    said = aa_of(first, second)
    assert f"{SAMPLE[2].id}: outcome changed (ok → None)" in said
    assert said["two runs: cell pairs: launches a side"] == "2: 7"


def test_a_cell_without_figures_on_either_side_is_no_pair(tmp_path: Path) -> None:
    sides = stored_a(tmp_path), stored_a(tmp_path)
    for path in sides:
        shutil.rmtree(path / "cells" / SAMPLE[2].id)
        directory = RunDirectory(results=tmp_path, path=path)
        hang = samples.launch(SAMPLE[2], 1, outcome=Outcome.HANG_AT_STARTUP)
        directory.write_launch(hang, {})
    said = aa_of(*sides)
    assert said["two runs: cell pairs: launches a side"] == "2: 7"
    assert said["two runs: said to differ, threshold 2%"] == "0.00% (0 of 2) goal ≤ 1 % met"


def test_a_launch_that_both_runs_have_is_pooled_once() -> None:
    run = run_record(SAMPLE[0])
    made = [samples.launch(SAMPLE[0], number) for number in range(1, 6)]
    taken = [launch.model_copy(update={"reused_from": run.run_id}) for launch in made]
    later = run.model_copy(update={"run_id": "20261102T120000Z"})
    pools = aa.pooled(collate(run, {SAMPLE[0].id: made}), collate(later, {SAMPLE[0].id: taken}))
    assert [len(pool) for pool in pools] == [5]
    assert aa.pooled(collate(run, {SAMPLE[0].id: made[:4]})) == []


def test_an_a_a_proof_takes_two_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes two run directories"):
        list(aa.run(Options(runs=(tmp_path,))))
    with pytest.raises(UsageError, match="no such run"):
        list(aa.run(Options(runs=(tmp_path / "a", tmp_path / "b"))))


def test_every_false_verdict_on_dealt_launches_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def all_faster(table: list[object], *, threshold: float) -> list[Difference]:
        assert threshold in {0.0, THRESHOLD}
        return [Difference.FASTER for _ in table]

    monkeypatch.setattr(aa, "differences", all_faster)
    lines = list(aa.dealt([[1.0] * 14], 7, tables=2))
    assert lines[1].endswith("MISSED")  # 52 pairs are too few
    assert " 100.00% (52 of 52)" in lines[2]
    assert lines[2].endswith("MISSED")


def test_launches_are_dealt_whole_where_there_are_enough() -> None:
    dealt = aa.deal([1.0, 2.0, 3.0, 4.0], 2, random.Random(1))
    assert sorted(dealt.values + dealt.reference) == [1.0, 2.0, 3.0, 4.0]
    scarce = aa.deal([1.0, 2.0, 3.0], 2, random.Random(1))
    assert len(scarce.values) == len(scarce.reference) == 2


def test_cells_are_spread_over_the_experiment() -> None:
    cells = tuple(a_cell(concurrency=number) for number in range(1, 11))
    assert [cell.concurrency for cell in spread(cells, 5)] == [1, 3, 5, 7, 9]
    assert spread(cells, 20) == cells


def test_uvs_cache_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", "before")
    with setup.uv_cache(tmp_path):
        assert os.environ["UV_CACHE_DIR"] == str(tmp_path)
    assert os.environ["UV_CACHE_DIR"] == "before"
