from __future__ import annotations

from dataclasses import replace

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.publish.answers import HELPS, WORKS, Sentence, answers
from runner.report.run import collate
from runner.store.records import CellRecord, RunRecord
from tests.support.published import FRAME, every_outcome
from tests.support.samples import cell, launch, run_record, unavailable

NONE, GEVENT, GRPC = (
    cell("3.11", "none"),
    cell("3.11", "gevent", gevent="25.9.1"),
    cell("3.11", "grpc", gevent="25.9.1", grpcio="1.76.0"),
)
HANGS = "Does it hang?"
COSTS = "What does it cost?"


def said(run: RunRecord, *launches: LaunchRecord) -> dict[str, list[str]]:
    """The sentences by question."""
    by_cell: dict[str, list[LaunchRecord]] = {}
    for record in launches:
        by_cell.setdefault(record.cell, []).append(record)
    found = answers(collate(run, by_cell).rows, run)
    return {answer.question: [s.text for s in answer.sentences] for answer in found}


def rounds(of: CellRecord, rate: float, number: int = 7) -> list[LaunchRecord]:
    return [launch(of, n, rate=rate + n / 1000) for n in range(1, number + 1)]


def test_modes_of_which_the_same_is_true_share_a_sentence() -> None:
    found = said(run_record(NONE, GEVENT), launch(NONE), launch(GEVENT))
    assert found[WORKS] == ["`none` and `gevent` work in both cells (Python 3.11; gevent 25.9.1)."]
    assert found[HANGS] == ["No: none of 2 measured cells hangs."]


def test_a_hang_names_its_versions_and_its_place() -> None:
    run, launches = every_outcome()
    assert said(run, *launches)[HANGS] == [
        (
            "`gevent+grpc` hangs at start-up in both cells (Python 3.11 and 3.13; gevent 25.9.1; "
            f"grpcio 1.76.0); its main thread is in `{FRAME}`."
        )
    ]


def test_one_place_with_two_line_numbers_is_one_hang() -> None:
    other = cell("3.13", "gevent", gevent="25.9.1")
    hung = [
        launch(c, outcome=Outcome.HANG_UNDER_LOAD, reason=f"main thread in hub.py:{n} in wait")
        for n, c in enumerate((GEVENT, other), 1)
    ]
    found = said(run_record(GEVENT, other), *hung)
    (hang,) = found[HANGS]
    assert hang.endswith("its main thread is in `hub.py:1 in wait` or `hub.py:2 in wait`.")


def test_a_hang_without_a_stack_is_still_told() -> None:
    found = said(run_record(GEVENT), launch(GEVENT, outcome=Outcome.HANG_AT_STARTUP, reason="no"))
    assert found[HANGS] == [
        "`gevent` hangs at start-up in the one cell (Python 3.11; gevent 25.9.1)."
    ]


def test_every_way_to_end_is_told_with_a_shared_reason() -> None:
    for outcome in Outcome:
        record = launch(GEVENT, outcome=outcome, reason="`because` of <it>")
        text = " ".join(
            s for sentences in said(run_record(GEVENT), record).values() for s in sentences
        )
        assert "in the one cell" in text
        assert text.count("`") % 2 == 0


def test_seven_launches_allow_a_claim() -> None:
    run = run_record(NONE, GEVENT, GRPC, launches=7)
    found = said(run, *rounds(NONE, 24), *rounds(GEVENT, 48), *rounds(GRPC, 12))
    assert found[HELPS] == [
        "`gevent` is faster than `none` in the one cell: 2.00 × its rate.",
        "`grpc` is slower than `none` in the one cell: 0.50 × its rate.",
    ]


def test_no_difference_is_told_with_what_could_have_been_gained() -> None:
    run = run_record(NONE, GEVENT, launches=7)
    found = said(run, *rounds(NONE, 49), *rounds(GEVENT, 49.01))
    assert found[HELPS] == [
        (
            "`gevent` makes no difference that could be shown in the one cell: 1.000 × the rate of "
            "`none`."
        ),
        "Nothing could be gained: `none` already reaches 98.0 % of this load's ceiling.",
    ]


def test_one_launch_claims_nothing() -> None:
    found = said(
        run_record(NONE, GEVENT, GRPC),
        launch(NONE, rate=24),
        launch(GEVENT, rate=48),
        launch(GRPC, rate=24.1),
    )
    assert found[HELPS] == [
        (
            "`gevent` was faster than `none` in the one cell, 2.00 × its rate; too few launches to "
            "claim it."
        ),
        (
            "`grpc` was as fast as `none` within 2 % in the one cell, 1.004 × its rate; too few "
            "launches to claim it."
        ),
    ]


def test_costs_are_those_against_a_baseline_of_the_same_outcome() -> None:
    used = launch(GEVENT).resources
    assert used is not None
    lean = launch(GEVENT).model_copy(
        update={"resources": used.model_copy(update={"cpu_ms_per_request": 0.5, "peak_threads": 2})}
    )
    found = said(run_record(NONE, GEVENT), launch(NONE), lean)
    assert found[COSTS] == [
        (
            "Against `none`, `gevent` takes 0.50 × the CPU per request (0.50 ms), "
            "1.00 × the memory (61 MiB) and 2 threads instead of 101."
        )
    ]
    serial = launch(NONE, outcome=Outcome.SERIALISED)
    assert COSTS not in said(run_record(NONE, GEVENT), serial, lean)


def test_what_is_not_known_is_told() -> None:
    run = run_record(NONE, missing=(unavailable(GEVENT, "no wheel"),))
    found = said(run)
    assert found["What is not known?"] == [
        "`gevent`: no such set of distributions in the one cell.",
        "`none`: not measured in the one cell.",
    ]
    assert HANGS not in found


def test_disturbed_launches_and_full_queues_cast_doubt() -> None:
    used = launch(NONE).resources
    assert used is not None
    full = launch(NONE, disturbed="busy").model_copy(
        update={"resources": used.model_copy(update={"listen_overflows": 3})}
    )
    doubts = said(run_record(NONE), full)["What casts doubt on this?"]
    assert doubts[0] == "Launches of 1 cell were disturbed."
    assert doubts[1].startswith("In 1 cell connections found")


def sentences(run: RunRecord, launches: list[LaunchRecord]) -> list[Sentence]:
    by_cell = {c.id: [x for x in launches if x.cell == c.id] for c in run.cells}
    return [s for answer in answers(collate(run, by_cell).rows, run) for s in answer.sentences]


def test_every_sentence_has_evidence_and_the_view_shows_it() -> None:
    """The filters of each sentence keep the cells it is about."""
    run, launches = every_outcome(launches=7)
    by_cell = {c.id: [x for x in launches if x.cell == c.id] for c in run.cells}
    rows = {row.cell: row for row in collate(run, by_cell).rows}
    for sentence in sentences(run, launches):
        assert sentence.cells
        for cell_id in sentence.cells:
            values = rows[cell_id].values()
            for key, wanted in sentence.view.items():
                assert str(values[key] or "–") in wanted, (sentence.text, key)


def test_a_sentence_about_several_modes_shows_them_all() -> None:
    run, launches = run_record(NONE, GEVENT), [launch(NONE), launch(GEVENT)]
    (works,) = [s for s in sentences(run, launches) if "work in both" in s.text]
    assert works.view == {"patch": ("none", "gevent"), "outcome": ("ok",)}


def test_a_run_of_nothing_has_no_answers() -> None:
    assert answers([], run_record()) == ()


def test_without_a_baseline_nothing_is_compared() -> None:
    run = run_record(NONE, GEVENT, baseline={})
    found = said(run, launch(NONE), launch(GEVENT))
    assert HELPS not in found
    assert COSTS not in found
    rows = collate(run, {NONE.id: [launch(NONE)]}).rows
    assert answers([replace(rows[0], gevent=None)], run)
