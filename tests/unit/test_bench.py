"""The benchmarks: that each can be asked for, and that those without an engine count right."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from bench import aa, coscheduling, cost, overhead, plan, setup
from bench.__main__ import BENCHMARKS, main, parser
from bench.measured import Measured, Timeline, spread
from bench.options import Options, figure
from runner.measurement.records import LaunchRecord
from runner.report.statistics import THRESHOLD, Difference
from runner.store.run_directory import RunDirectory


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


def test_collating_reads_and_renders_a_stored_run() -> None:
    lines = list(cost.collating(6, 5))
    assert "6 cells × 5 launches" in lines[0]
    assert lines[0].endswith("met")


def test_a_long_run_counts_the_calls_of_each_launch() -> None:
    text = "\n".join(cost.long_run(20))
    assert "to launch 20" in text
    for call in ("create 2", "start 2", "exec 2", "remove 2"):
        assert call in text


def test_plan_is_held_against_its_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "REPEATS", 1)
    seen = []

    def once(_file: Path, _directory: Path, arguments: list[str]) -> tuple[float, float]:
        seen.append(arguments)
        return 1.5, 400.0

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


def test_runs_dealt_from_one_cell_do_not_differ() -> None:
    generator = random.Random(1)
    same = [[generator.gauss(50, 0.1) for _ in range(14)] for _ in range(4)]
    assert " 0.00% (0)" in list(aa.judged(same, 7, tables=2))[2]


def test_every_false_verdict_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_faster(table: list[object], *, threshold: float) -> list[Difference]:
        assert threshold in {0.0, THRESHOLD}
        return [Difference.FASTER for _ in table]

    monkeypatch.setattr(aa, "differences", all_faster)
    line = list(aa.judged([[1.0] * 14], 7, tables=2))[2]
    assert " 100.00% (52)" in line
    assert line.endswith("MISSED")


def test_launches_are_dealt_whole_where_there_are_enough() -> None:
    dealt = aa.deal([1.0, 2.0, 3.0, 4.0], 2, random.Random(1))
    assert sorted(dealt.values + dealt.reference) == [1.0, 2.0, 3.0, 4.0]
    scarce = aa.deal([1.0, 2.0, 3.0], 2, random.Random(1))
    assert len(scarce.values) == len(scarce.reference) == 2


def test_stored_launches_are_found_where_there_are_enough(tmp_path: Path) -> None:
    five = cost.stored_run(tmp_path / "five", 2, 5)
    four = cost.stored_run(tmp_path / "four", 2, 4)
    assert [len(rates) for rates in aa.stored_rates([five.path, four.path])] == [5, 5]


def test_cells_are_spread_over_the_experiment() -> None:
    cells = tuple(cost.cell(number) for number in range(1, 11))
    assert [cell.concurrency for cell in spread(cells, 5)] == [1, 3, 5, 7, 9]
    assert spread(cells, 20) == cells


def test_uvs_cache_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", "before")
    with setup.uv_cache(tmp_path):
        assert os.environ["UV_CACHE_DIR"] == str(tmp_path)
    assert os.environ["UV_CACHE_DIR"] == "before"
