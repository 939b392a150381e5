"""What a run says: sentences that claim what the verdicts do, and no more."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.baseline import TOO_SHORT
from runner.report.run import Run, collate
from runner.report.sentences import DOES, MOST_TOLD, sentences
from runner.report.summary import summary
from runner.store.records import CellRecord
from tests.support.samples import AXES, cell, launch, run_record, traffic

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")
OLD_NONE = cell("3.9", "none")
OLD_GEVENT = cell("3.9", "gevent", gevent="25.9.1")
ROUNDS = 7
#: What rounds do to a figure, so that no two launches are equal.
WOBBLE = (1.0, 1.002, 0.999, 1.001, 0.998, 1.003, 0.997)


def measured(
    of: CellRecord, number: int, *, rate: float = 1.0, cpu: float = 1.0, rss: float = 1.0
) -> LaunchRecord:
    """A launch whose figures are so many times the usual ones."""
    made = launch(of, number, rate=48 * rate * WOBBLE[number % len(WOBBLE)])
    assert made.resources
    used = {
        "cpu_ms_per_request": made.resources.cpu_ms_per_request * cpu * WOBBLE[(3 * number) % 7],
        "peak_rss_mib": made.resources.peak_rss_mib * rss,
    }
    return made.model_copy(update={"resources": made.resources.model_copy(update=used)})


def run_of(
    figures: Mapping[str, Mapping[str, float]], *cells: CellRecord, rounds: int = ROUNDS
) -> Run:
    """A run of these cells; `figures` by the cell's id, the usual ones where it is not named."""
    launches = {
        one.id: [measured(one, n, **figures.get(one.id, {})) for n in range(1, rounds + 1)]
        for one in cells
    }
    return collate(run_record(*cells, launches=rounds), launches)


def test_a_mode_is_told_with_its_load_its_differences_and_what_is_the_same() -> None:
    run = run_of({GEVENT.id: {"cpu": 0.8, "rss": 1.2}}, NONE, GEVENT)
    told, could_have_shown = sentences(run)
    start, _, rest = told.partition(": ")
    assert start == "`gevent` against `none` under `ab -c 100 -n 5000` (sleep 2 s)"
    cpu, memory, same, basis = rest.replace(". 1 cell", "; 1 cell").split("; ")
    assert cpu.startswith("CPU per request lower, × 0.800")
    assert memory == "memory higher, × 1.2000 [1.2000–1.2000]"
    assert same == "requests/s and p99 the same within 2 % and 5 %"
    assert basis == "1 cell, 7 rounds."
    assert could_have_shown.startswith("Four of five such runs would show a difference of ")


def test_figures_with_the_same_delta_name_it_once() -> None:
    run = run_of({GEVENT.id: {"rate": 1.5, "cpu": 0.5}}, NONE, GEVENT)
    assert "; p99 and memory the same within 5 %. 1 cell" in sentences(run)[0]


def test_what_is_undecided_is_called_that_and_has_no_direction() -> None:
    run = run_of({}, NONE, GEVENT)
    wild = [measured(GEVENT, n, cpu=(0.3, 3.0)[n % 2], rate=1.5) for n in range(1, ROUNDS + 1)]
    told = sentences(collate(run.record, {**run.launches, GEVENT.id: wild}))[0]
    assert "undecided: CPU per request. 1 cell" in told
    assert told.count("CPU per request") == 1


def hung(run: Run, of: CellRecord, times: int) -> Run:
    """The run, with a cell that hung in the first of its launches."""
    made = [
        launch(of, n, outcome=Outcome.HANG_AT_STARTUP) if n <= times else measured(of, n)
        for n in range(1, len(run.launches[of.id]) + 1)
    ]
    return collate(run.record, {**run.launches, of.id: made})


def test_failures_say_of_how_many_launches() -> None:
    run = hung(run_of({}, NONE, GEVENT), GEVENT, ROUNDS)
    told = sentences(run)[0]
    assert told.endswith("(sleep 2 s): hangs at start-up in 7 of 7 launches. 1 cell.")


def test_one_hang_is_not_the_outcome_of_all_launches_of_its_cell() -> None:
    cells = (OLD_NONE, NONE, OLD_GEVENT, GEVENT)
    told = sentences(hung(run_of({}, *cells), OLD_GEVENT, 1))[0]
    assert "hangs at start-up in 1 of 14 launches; " in told
    assert told.endswith("1 of 2 cells compared, 7 rounds.")


def test_a_baseline_that_fails_is_told() -> None:
    told = sentences(hung(run_of({}, NONE, GEVENT), NONE, ROUNDS))
    assert told[0] == (
        "`none` under `ab -c 100 -n 5000` (sleep 2 s): "
        "hangs at start-up in 7 of 7 launches. 1 cell."
    )
    assert told[-1] == "No difference of a figure is claimed: there are no figures of both."


def test_every_outcome_of_a_launch_but_ok_has_its_words() -> None:
    assert set(DOES) == {one for one in Outcome if one.is_launched} - {Outcome.OK}


def test_cells_that_disagree_have_their_range() -> None:
    figures = {OLD_GEVENT.id: {"cpu": 0.5}, GEVENT.id: {"cpu": 0.9}}
    told = sentences(run_of(figures, OLD_NONE, NONE, OLD_GEVENT, GEVENT))[0]
    assert "] (cells 0.50–0.90); " in told
    assert "2 cells, 7 rounds." in told


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        (1, "One launch of a cell shows values and claims nothing."),
        (2, "2 launches of a cell show values and claim nothing."),
    ],
)
def test_too_few_launches_claim_nothing(rounds: int, words: str) -> None:
    run = run_of({GEVENT.id: {"rate": 2.0, "cpu": 0.5}}, NONE, GEVENT, rounds=rounds)
    assert sentences(run) == (words,)


def test_one_launch_still_tells_how_it_ended() -> None:
    told = sentences(hung(run_of({}, NONE, GEVENT, rounds=1), GEVENT, 1))
    assert "hangs at start-up in 1 of 1 launch" in told[0]


def test_why_many_launches_claim_nothing() -> None:
    run = run_of({}, NONE, GEVENT)
    quick = {
        one: [
            made.model_copy(update={"lone_request_ms": 60_000.0, "resources": None})
            for made in launches
        ]
        for one, launches in run.launches.items()
    }
    assert sentences(collate(run.record, quick)) == (
        f"No difference of a figure is claimed: {TOO_SHORT}.",
    )


def test_without_a_baseline_nothing_is_compared() -> None:
    run = collate(run_record(NONE, baseline={}), {NONE.id: [launch(NONE)]})
    assert sentences(run) == ("Nothing in this run is compared with a baseline.",)


def test_each_load_is_named() -> None:
    record = traffic()
    launches = {one.id: [measured(one, n) for n in range(1, 6)] for one in record.cells}
    told = [text.partition(": ")[0] for text in sentences(collate(record, launches))]
    assert told[:-1] == [
        "`gevent` against `none` under 45 requests/s for 60 s (sleep 2 s)",
        "`gevent` against `none` under `ab -c 100 -n 5000` (sleep 2 s)",
    ]


def test_a_baseline_is_named_by_what_tells_it_apart() -> None:
    cells = [
        cell("3.11", "gevent", gevent="25.9.1", further={"copy": copy}, suffix=f"-{copy}")
        for copy in "ab"
    ]
    launches = {one.id: [measured(one, n) for n in range(1, 6)] for one in cells}
    record = run_record(*cells, axes=(*AXES, "copy"), baseline={"copy": "a"})
    told = sentences(collate(record, launches))[0]
    assert told.startswith("`gevent`, copy b against copy a under ")


def many(number: int, *, rounds: int = ROUNDS) -> Run:
    """So many patch modes against one baseline; the last one halves the CPU time."""
    modes = [cell("3.11", f"mode-{n}", gevent="25.9.1") for n in range(number)]
    return run_of({modes[-1].id: {"cpu": 0.5}}, NONE, *modes, rounds=rounds)


def test_many_modes_are_counted_and_not_told_one_by_one() -> None:
    assert len(sentences(many(MOST_TOLD))) == MOST_TOLD + 1
    counts, *figures, could_have_shown = sentences(many(MOST_TOLD + 1))
    assert counts == "9 patch modes and loads; of their 63 launches ended 63 `ok`."
    assert figures == [
        "requests/s: the same within 2 % in 9.",
        "CPU per request: lower in 1 and the same within 10 % in 8.",
        "p99: the same within 5 % in 9.",
        "memory: the same within 5 % in 9.",
    ]
    assert could_have_shown.startswith("Four of five such runs would show ")
    assert len(sentences(many(MOST_TOLD + 1, rounds=1))) == 2


def test_only_names_stand_between_backticks() -> None:
    strange = GEVENT.model_copy(update={"patch": "a`b\n`c", "id": "strange"})
    told = sentences(run_of({strange.id: {"cpu": 0.5}}, NONE, strange))[0]
    assert told.startswith("`a'b 'c` against `none` under ")
    assert told.count("`") == 6


def test_launches_that_stayed_disturbed_are_named_beside_what_is_claimed() -> None:
    run = run_of({}, NONE, GEVENT)
    busy = {"disturbed": "other processes used the CPUs"}
    launches = {
        cell: [one.model_copy(update=busy if one.launch <= 2 else {}) for one in of_cell]
        for cell, of_cell in run.launches.items()
    }
    found = collate(run.record, launches)
    assert sentences(found)[0].endswith("1 cell, 7 rounds; 4 of 14 launches were disturbed.")
    table = summary(found)
    assert table is not None
    said = "4 of 14 launches were disturbed, and are in these figures."
    assert said in table.notes[0].items
    undisturbed = summary(run)
    assert undisturbed is not None
    assert not any("disturbed" in item for item in undisturbed.notes[0].items)
