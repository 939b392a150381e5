"""The benchmarks: that each can be asked for, and that those without an engine count right."""

from __future__ import annotations

import itertools
import math
import os
import random
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from bench import aa, coscheduling, cost, overhead, plan, setup
from bench.__main__ import BENCHMARKS, main, parser
from bench.common import Measured, Options, Timeline, figure, spread
from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.store.records import CellRecord
from runner.store.run_directory import RunDirectory
from tests.support import samples
from tests.support.published import every_outcome, stored
from tests.support.samples import AXES, cell, run_record
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
            "coverage",
            "engines4",
            "fidelity",
            "hosts",
            "looks",
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
    text = "\n".join(cost.long_run(10))
    assert "to launch 10" in text
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


# -- A against A -----------------------------------------------------------------------------------

CONTROL = ("copy", "seconds", "spin")
ROUNDS = range(1, 8)


def control_cell(*values: str) -> CellRecord:
    """A cell of the experiment `control`, by its copy, seconds and milliseconds of CPU."""
    further = dict(zip(CONTROL, values, strict=True))
    return cell("3.11", "none", further=further, suffix="-" + "-".join(values))


A, B, LONGER, BUSIER = (
    control_cell(*values)
    for values in (("a", "2", "0"), ("b", "2", "0"), ("a", "2.01", "0"), ("a", "2", "0.1"))
)
#: What each cell's rate, p99 and CPU per request are of the baseline's.
TRUE = {A.id: (1, 1, 1), B.id: (1, 1, 1), LONGER.id: (2 / 2.01, 1.005, 1), BUSIER.id: (1, 1, 1.1)}


def control_launch(of: CellRecord, number: int, factors: tuple[float, ...]) -> LaunchRecord:
    """A launch whose figures are the baseline's times factors, and a little chance."""
    chance = random.Random(f"{of.id} {number}")
    rate, p99, cpu = (factor * math.exp(chance.gauss(0, 0.0005)) for factor in factors)
    made = samples.launch(of, number, rate=48 * rate)
    figures = {
        "ab": {"p99_ms": 2000 * p99},
        "resources": {"cpu_ms_per_request": cpu, "peak_rss_mib": 40 * cpu / factors[2]},
    }
    return made.model_copy(
        update={
            name: getattr(made, name).model_copy(update=update) for name, update in figures.items()
        }
    )


def aa_lines(
    results: Path,
    factors: Mapping[str, tuple[float, ...]] = MappingProxyType({}),
    rounds: Iterable[int] = ROUNDS,
) -> dict[str, str]:
    """The benchmark's lines on a run of `control`, by what they tell; factors by the cell's id."""
    run = run_record(
        A,
        B,
        LONGER,
        BUSIER,
        axes=(*AXES, *CONTROL),
        baseline={"copy": "a", "seconds": "2", "spin": "0"},
    )
    true = TRUE | {**factors}
    launches = [control_launch(one, n, true[one.id]) for one in run.cells for n in rounds]
    directory = stored(results, run, launches)
    lines = [re.split("  +", line.strip()) for line in aa.run(Options(run=str(directory.path)))]
    return {first: " ".join(rest) for first, *rest in lines}


def test_equal_cells_are_equal_and_known_effects_are_found(tmp_path: Path) -> None:
    said = aa_lines(tmp_path)
    assert len(said) == 3 * 4 + 3
    assert said["none, copy b: requests/s"].endswith("goal holds 1 met")
    assert said["none, seconds 2.01: requests/s"].endswith("goal holds 0.9950 met, found")
    assert said["none, seconds 2.01: p99"].endswith("goal holds 1.0050 met, found")
    assert said["none, spin 0.1: CPU per request"].endswith("goal holds 1.1000 met, found")
    assert said["none, spin 0.1: memory"].endswith("goal holds 1 met")
    assert said["equal: intervals that hold 1"] == "9 of 9 goal all met"
    assert said["known effects found"] == "3 of 3"
    [could_show] = [line for line in said if line.startswith("Four of five such runs would show")]
    assert re.search(r"difference of 0\.\d+ % of requests/s, .* % of memory\.$", could_show)


def test_a_copy_that_is_not_equal_is_told(tmp_path: Path) -> None:
    said = aa_lines(tmp_path, {B.id: (1.01, 1, 1)})
    assert said["none, copy b: requests/s"].endswith("goal holds 1 MISSED")
    assert said["equal: intervals that hold 1"] == "8 of 9 goal all MISSED"


@pytest.mark.parametrize("rate", [1.0, 1.01])
def test_an_effect_that_is_not_there_or_the_other_way_is_not_found(
    tmp_path: Path, rate: float
) -> None:
    said = aa_lines(tmp_path, {LONGER.id: (rate, 1.005, 1)})
    assert said["none, seconds 2.01: requests/s"].endswith("MISSED, not found")
    assert said["known effects found"] == "2 of 3"


def test_two_rounds_show_ratios_and_say_why_that_is_all(tmp_path: Path) -> None:
    said = aa_lines(tmp_path, rounds=(1, 2))
    assert re.fullmatch(
        r"× [\d.]+ fewer than 3 rounds have figures .*", said["none, copy b: requests/s"]
    )
    assert "equal: intervals that hold 1" not in said
    assert not any(line.startswith("this run") for line in said)


def test_cells_that_differ_in_more_are_no_pair(tmp_path: Path) -> None:
    run, launches = every_outcome(launches=3)
    directory = stored(tmp_path, run, launches)
    with pytest.raises(UsageError, match="no cell differs from its baseline in copy"):
        list(aa.run(Options(run=str(directory.path))))


def test_without_a_run_it_says_how_to_make_one() -> None:
    [line] = aa.run(Options())
    assert "EXPERIMENT=control" in line


def test_a_run_that_is_none_is_bad_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "aa", "--run", str(tmp_path / "none")])
    assert main() == 2
    assert "no such run" in capsys.readouterr().err


# -- their options ---------------------------------------------------------------------------------


def test_cells_are_spread_over_the_experiment() -> None:
    cells = tuple(a_cell(concurrency=number) for number in range(1, 11))
    assert [cell.concurrency for cell in spread(cells, 5)] == [1, 3, 5, 7, 9]
    assert spread(cells, 20) == cells


def test_uvs_cache_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", "before")
    with setup.uv_cache(tmp_path):
        assert os.environ["UV_CACHE_DIR"] == str(tmp_path)
    assert os.environ["UV_CACHE_DIR"] == "before"
