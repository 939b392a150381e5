from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runner import cli
from runner.matrix import plugins
from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.report.compare import Change, RunComparison, compare, comparison_text, paired
from runner.report.notes import workload_text
from runner.report.run import collate
from runner.report.statistics import Difference
from runner.store.records import CellRecord, CompanionRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.samples import cell, cell_with_workload, launch, run_record, unavailable

NONE = cell("3.11", "none")
GEVENT = cell("3.11", "gevent", gevent="25.9.1")
SLOW = [40.0 + n for n in range(8)]
FAST = [50.0 + n for n in range(8)]


def launches_of(
    of: CellRecord, rates: Sequence[float] = (), outcome: Outcome = Outcome.OK
) -> list[LaunchRecord]:
    if not outcome.has_figures:
        return [launch(of, outcome=outcome, reason="as told")]
    return [launch(of, n, rate=rate, outcome=outcome) for n, rate in enumerate(rates, start=1)]


def one_cell(old: list[LaunchRecord], new: list[LaunchRecord]) -> RunComparison:
    run = run_record(GEVENT)
    return compare(collate(run, {GEVENT.id: old}), collate(run, {GEVENT.id: new}))


def change_of(comparison: RunComparison) -> Change | Difference:
    [only] = comparison.cells
    return only.change


def test_ok_and_limited_are_compared_by_their_rates() -> None:
    """Earlier releases did not know `limited`; near its bound a cell may be either."""
    both = launches_of(GEVENT, FAST), launches_of(GEVENT, FAST, Outcome.LIMITED)
    assert change_of(one_cell(*both)) is Difference.NONE_SHOWN
    slow = launches_of(GEVENT, SLOW, Outcome.LIMITED)
    assert change_of(one_cell(launches_of(GEVENT, FAST), slow)) is Difference.SLOWER


def test_a_cell_that_serialises_now_is_a_regression_whatever_its_rate() -> None:
    serial = launches_of(GEVENT, FAST[:1], Outcome.SERIALISED)
    assert one_cell(launches_of(GEVENT, FAST[:1]), serial).has_regression


@pytest.mark.parametrize(
    ("old", "new", "change", "regression"),
    [
        (FAST, FAST, Difference.NONE_SHOWN, False),
        (FAST, SLOW, Difference.SLOWER, True),
        (SLOW, FAST, Difference.FASTER, False),
        (SLOW[:2], FAST[:2], Difference.TOO_FEW, False),
    ],
)
def test_rates(old: list[float], new: list[float], change: Difference, regression: bool) -> None:
    comparison = one_cell(launches_of(GEVENT, old), launches_of(GEVENT, new))
    assert change_of(comparison) is change
    assert comparison.has_regression is regression


OK, SERIAL, HANG = Outcome.OK, Outcome.SERIALISED, Outcome.HANG_AT_STARTUP


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (OK, HANG, Change.WORSE),
        (HANG, OK, Change.BETTER),
        (OK, SERIAL, Change.WORSE),
        (SERIAL, OK, Change.BETTER),
        (HANG, SERIAL, Change.BETTER),
        (HANG, Outcome.CRASHED, Change.OTHER),
        (OK, Outcome.ENGINE_ERROR, Change.OTHER),
        (Outcome.ENGINE_ERROR, HANG, Change.OTHER),
        (HANG, HANG, Difference.NONE_SHOWN),
    ],
)
def test_outcomes(old: Outcome, new: Outcome, change: Change) -> None:
    comparison = one_cell(launches_of(GEVENT, SLOW, old), launches_of(GEVENT, SLOW, new))
    assert change_of(comparison) is change
    assert comparison.has_regression is (change is Change.WORSE)


def test_new_vanished_and_unavailable_cells() -> None:
    old = run_record(NONE, GEVENT)
    new = run_record(NONE, cell("3.13", "none"), missing=(unavailable(GEVENT, "no wheels"),))
    comparison = compare(collate(old, {NONE.id: launches_of(NONE, SLOW)}), collate(new, {}))
    changes = {c.cell: c.change for c in comparison.cells}
    assert changes[cell("3.13", "none").id] is Change.NEW
    assert changes[GEVENT.id] is Change.OTHER
    assert changes[NONE.id] is Change.OTHER
    back = compare(collate(new, {}), collate(old, {}))
    assert {c.cell: c.change for c in back.cells}[cell("3.13", "none").id] is Change.VANISHED


def test_equal_runs_leave_no_doubt() -> None:
    run = run_record(GEVENT)
    later = run.model_copy(update={"run_id": "20261102T120000Z", "seed": 8, "launches": 9})
    launches = {GEVENT.id: launches_of(GEVENT, SLOW)}
    assert compare(collate(run, launches), collate(later, launches)).setup_differences == ()


BASE, LOAD = "matrix-base:3.11", "sleep 2 s, ab -c 100 -n"


def test_whatever_was_not_equal_is_named_first() -> None:
    old = run_record(GEVENT)
    comparison = compare(collate(old, {}), collate(changed(old), {}))
    assert list(comparison.setup_differences) == [
        "method version: 1 → 2",
        "host: bench → other",
        "kernel: 6.12.0 → 6.13.0",
        "engine: 20.10.24 → 27.0",
        "storage driver: overlay2 → vfs",
        "ab: 2.3 → 2.4.71",
        "ab sends its first request alone: True → False",
        "cells side by side: 20 → 1",
        "limit load_s: 300.0 → 60.0",
        f"base image of Python 3.11: {BASE} from debian (no digest) → {BASE} from registry (cc)",
        f"{GEVENT.id}: werkzeug, {LOAD} 5000 → werkzeug-single, {LOAD} 100",
        f"{GEVENT.id}: locked to different packages",
    ]
    said = comparison_text(comparison)
    assert said.index("Differences in setup") < said.index("verdict")


def test_what_holds_for_all_cells_is_said_once() -> None:
    old = run_record(NONE, GEVENT)
    fewer = tuple(c.model_copy(update={"requests": 100}) for c in old.cells)
    [difference] = compare(
        collate(old, {}), collate(old.model_copy(update={"cells": fewer}), {})
    ).setup_differences
    assert difference.startswith("all 2 cells: werkzeug, sleep 2 s, ab -c 100 -n 5000 → ")


def test_a_python_that_only_one_run_has_is_no_doubt() -> None:
    old = run_record(GEVENT)
    more = old.environments["py3.11"].model_copy(update={"python": "3.13"})
    new = old.model_copy(update={"environments": {**old.environments, "py3.13": more}})
    assert compare(collate(old, {}), collate(new, {})).setup_differences == ()
    assert compare(collate(new, {}), collate(old, {})).setup_differences == ()


def test_launches_taken_over_are_not_a_second_measurement() -> None:
    old = run_record(GEVENT)
    new = old.model_copy(update={"run_id": "20261102T120000Z"})
    made = launches_of(GEVENT, SLOW)
    again = [x.model_copy(update={"reused_from": old.run_id}) for x in made[:3]] + made[3:]
    [difference] = compare(
        collate(old, {GEVENT.id: made}), collate(new, {GEVENT.id: again})
    ).setup_differences
    assert difference.startswith("launches that are the same in both runs: 3 of 8")


def imported(*cells: CellRecord) -> RunRecord:
    """A run of reports made elsewhere, in which nothing but these cells' settings is known."""
    run = run_record(*cells, axes=("patch",), baseline={})
    method = run.method.model_copy(update={"version": None})
    unknown = dict.fromkeys(("host", "engine", "limits", "jobs", "seed"))
    facts = {"run_id": "elsewhere", "method": method, "environments": {}}
    return run.model_copy(update=facts | unknown)


def told(name: str, **said: str) -> CellRecord:
    """An imported cell of which this is said."""
    known = {"python": None, "patch": None, "server": None, "workload": None} | said
    update = {"id": name, "packages": {}, "axes": said, "environment": None, **known}
    return NONE.model_copy(update=update)


OTHER = cell("3.13", "gevent", gevent="25.9.1")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ([told("a", patch="gevent", python="3.13")], {f"a → {OTHER.id}"}),
        ([told("a", patch="gevent")], set()),  # two agree
        ([told("a", patch="grpc")], set()),  # none does
        ([told("a")], set()),  # nothing is said, so any would
        ([told("a", patch="none"), told("b", patch="none", python="3.11")], set()),  # both want one
        ([told(NONE.id, patch="gevent")], {NONE.id}),  # an equal id comes first
    ],
)
def test_an_imported_cell_is_held_against_the_one_that_it_partly_matches(
    cells: list[CellRecord], labels: set[str]
) -> None:
    old, new = imported(*cells), run_record(NONE, GEVENT, OTHER)
    assert {pair.label for pair in paired(collate(old, {}), collate(new, {}))} == labels
    back = {" → ".join(reversed(label.split(" → "))) for label in labels}
    assert {pair.label for pair in paired(collate(new, {}), collate(old, {}))} == back


def test_a_concurrency_that_the_other_run_varies_decides() -> None:
    clients = [
        cell("3.11", "none", concurrency=n, further={"concurrency": str(n)}, suffix=f"-c{n}")
        for n in (50, 100)
    ]
    new = run_record(*clients, axes=("python", "patch", "concurrency"))
    assert [
        pair.new.id
        for pair in paired(collate(imported(told("a", patch="none")), {}), collate(new, {}))
    ] == ["py3.11-none-c100"]


def test_runs_of_this_program_are_paired_by_id_alone() -> None:
    assert (
        paired(collate(run_record(told("a", patch="none")), {}), collate(run_record(NONE), {}))
        == []
    )


@pytest.mark.parametrize("name", plugins.workloads())
def test_every_workload_can_be_compared(name: str) -> None:
    of = cell_with_workload(name)
    other = of.model_copy(update={"requests": 100})
    old, new = (run_record(c) for c in (of, other))
    comparison = compare(collate(old, {of.id: [launch(of)]}), collate(new, {of.id: [launch(of)]}))
    doing = f"werkzeug, {workload_text(of)}, ab -c 100 -n"
    assert f"{of.id}: {doing} 5000 → {doing} 100" in comparison.setup_differences
    assert of.id in comparison_text(comparison)


def differences_between(old: RunRecord, new: RunRecord) -> list[str]:
    return list(compare(collate(old, {}), collate(new, {})).setup_differences)


def test_another_companion_is_a_doubt() -> None:
    def talking_to(image: str, version: str) -> RunRecord:
        record = CompanionRecord(image_id=f"sha256:{image * 64}", versions={"grpcio": version})
        return run_record(GEVENT).model_copy(update={"companions": {"grpc": record}})

    old = talking_to("a", "1.76.0")
    assert differences_between(old, talking_to("b", "1.77.0")) == [
        "companion grpc: grpcio 1.76.0, image aaaaaaaaaaaa → grpcio 1.77.0, image bbbbbbbbbbbb"
    ]
    assert differences_between(old, old) == []
    assert differences_between(old, run_record(GEVENT)) == []


def test_other_parameters_of_the_workload_are_a_doubt() -> None:
    unary = cell_with_workload("grpc")
    stream = {**unary.workload_parameters, "call": "stream"}
    other = unary.model_copy(update={"workload_parameters": stream})
    [difference] = differences_between(run_record(unary), run_record(other))
    assert "call unary" in difference.partition(" → ")[0]
    assert "call stream" in difference.partition(" → ")[2]


def test_another_order_of_patching_is_a_doubt() -> None:
    first, late, untold = (
        run_record(GEVENT.model_copy(update={"order": order})) for order in ("first", "late", None)
    )
    assert differences_between(first, late) == [f"{GEVENT.id}: order of patching: first → late"]
    assert differences_between(first, first) == []
    assert differences_between(untold, late) == []


@pytest.mark.parametrize(("old", "new"), [(0, 1), (2, 0), (2, 2)])
def test_disturbed_attempts_are_counted_on_either_side(old: int, new: int) -> None:
    """Those that are in the figures, and those before the second launch, which took two more."""

    def with_disturbed(number: int) -> list[LaunchRecord]:
        made = launches_of(GEVENT, SLOW)
        if number == 2:
            return [made[0], made[1].model_copy(update={"attempt": 3}), *made[2:]]
        waited = [x.model_copy(update={"disturbed": "ab waited"}) for x in made[:number]]
        return waited + made[number:]

    before, after = run_record(GEVENT), run_record(GEVENT).model_copy(update={"run_id": "later"})
    made_of = {0: 8, 1: 8, 2: 10}
    comparison = compare(
        collate(before, {GEVENT.id: with_disturbed(old)}),
        collate(after, {GEVENT.id: with_disturbed(new)}),
    )
    assert comparison.setup_differences == (
        f"disturbed attempts: {old} of {made_of[old]} → {new} of {made_of[new]}",
    )


def test_the_attempts_of_reports_made_elsewhere_are_not_known() -> None:
    now = run_record(GEVENT)
    method = now.method.model_copy(update={"version": None})
    imported = now.model_copy(update={"method": method, "run_id": "earlier"})
    waited = launch(GEVENT).model_copy(update={"attempt": 3})
    differences = compare(
        collate(imported, {GEVENT.id: [launch(GEVENT)]}), collate(now, {GEVENT.id: [waited]})
    ).setup_differences
    assert "disturbed attempts: not known → 2 of 3" in differences


def changed(run: RunRecord) -> RunRecord:
    """The run as another machine with another method would have made it."""
    environment = run.environments["py3.11"]
    method = {"version": 2, "ab_version": "2.4.71", "ab_first_request_alone": False}
    base = environment.base.model_copy(update={"digest": "sha256:cc", "origin": "registry"})
    return run.model_copy(
        update={
            "host": run.host
            and run.host.model_copy(update={"hostname": "other", "kernel": "6.13.0"}),
            "engine": run.engine and replace(run.engine, version="27.0", storage_driver="vfs"),
            "method": run.method.model_copy(update=method),
            "limits": run.limits and replace(run.limits, load_s=60.0),
            "jobs": 1,
            "cells": (GEVENT.model_copy(update={"requests": 100, "server": "werkzeug-single"}),),
            "environments": {
                "py3.11": environment.model_copy(update={"base": base, "lock_digest": "x"})
            },
        }
    )


def test_the_text_ends_with_the_sum() -> None:
    comparison = one_cell(launches_of(GEVENT, FAST), launches_of(GEVENT, SLOW))
    said = comparison_text(comparison)
    assert said.endswith("regression: 1 slower")
    assert "0.813" in said
    hang = one_cell(launches_of(GEVENT, FAST), launches_of(GEVENT, outcome=HANG))
    assert f"{GEVENT.id}: as told" in comparison_text(hang)


def test_a_log_cannot_steer_the_terminal() -> None:
    hang = [launch(GEVENT, outcome=HANG, reason="\x1b[31mno\nanswer")]
    assert f"{GEVENT.id}: [31mno answer\n" in comparison_text(
        one_cell(launches_of(GEVENT, FAST), hang)
    )


def test_why_a_cell_cannot_be_measured_any_more_is_told() -> None:
    new = run_record(missing=(unavailable(GEVENT, "no wheels"),))
    comparison = compare(
        collate(run_record(GEVENT), {GEVENT.id: launches_of(GEVENT, FAST)}), collate(new, {})
    )
    assert comparison_text(comparison).endswith(
        f"{GEVENT.id}: no wheels\n\nno regression: 1 outcome changed"
    )


def stored(results: Path, run_id: str, rates: Sequence[float]) -> str:
    """Path of a run with these rates."""
    directory = RunDirectory(results=results, path=results / "sleep" / run_id)
    directory.path.mkdir(parents=True)
    directory.write_run(run_record(GEVENT).model_copy(update={"run_id": run_id}))
    for record in launches_of(GEVENT, rates):
        directory.write_launch(record, {})
    return str(directory.path)


@pytest.mark.parametrize(
    ("old", "new", "options", "code", "ending"),
    [
        (FAST, SLOW, (), 1, "regression: 1 slower\n"),
        (SLOW, FAST, (), 0, "no regression: 1 faster\n"),
        (FAST, SLOW, ("--threshold", "0.5"), 0, "no regression: 1 no difference shown\n"),
    ],
)
def test_the_command(
    old: list[float],
    new: list[float],
    options: tuple[str, ...],
    code: int,
    ending: str,
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = stored(tmp_path, "20261101T120000Z", old)
    stored(tmp_path, "20261102T120000Z", new)
    arguments = ["matrix", "compare", before, "latest", "--results", str(tmp_path), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == code
    assert said.out.endswith(ending)
    assert said.err == ""
