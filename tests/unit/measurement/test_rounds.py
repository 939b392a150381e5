"""Rounds, waves and repeats on the in-memory engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from runner.errors import EngineError
from runner.matrix.application import Service
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Cell, Limits
from runner.matrix.values import Workload
from runner.measurement import schedule
from runner.measurement.cpu_time import Used
from runner.measurement.estimate import round_of
from runner.measurement.job import LaunchResult
from runner.measurement.launch import Launch
from runner.measurement.records import LaunchRecord
from runner.measurement.rounds import Method, attempts, full_rates, job_of, measure, waves
from runner.measurement.schedule import ALONE_ABOVE, Jobs, packed, rounds, stagger
from runner.outcome import Outcome
from tests.support.memory_engine import MemoryEngine
from tests.support.samples import ab_figures
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

CELLS = [a_cell(number) for number in range(6)]


def method(
    jobs: Jobs,
    launches: int = 1,
    done: frozenset[tuple[str, int]] = frozenset(),
    *,
    repeats: int = 2,
) -> Method:
    return Method(
        run="run",
        limits=Limits(),
        opening=AbOpening.FIRST_ALONE,
        loadgen_image="loadgen",
        server_images={cell.id: "server" for cell in CELLS},
        launches=launches,
        repeats=repeats,
        seed=7,
        jobs=jobs,
        done=done,
    )


def run(
    pods: SimulatedPods,
    how: Method,
    on_end: Callable[[LaunchResult, bool], None] | None = None,
) -> list[tuple[LaunchResult, bool]]:
    engine = MemoryEngine(pods)
    ended: list[tuple[LaunchResult, bool]] = []

    def end(result: LaunchResult, final: bool) -> None:
        ended.append((result, final))
        if on_end:
            on_end(result, final)

    try:
        measure(engine, CELLS, how, clock=VirtualClock(), on_begin=lambda _: None, on_end=end)
    finally:
        assert engine.containers == {}
    return ended


def test_every_round_has_every_cell_in_an_order_of_its_own() -> None:
    orders = [order for _, order in rounds(CELLS, 5, seed=3)]
    assert all(sorted(o, key=lambda c: c.id) == CELLS for o in orders)
    assert len({tuple(o) for o in orders}) > 1
    assert orders == [order for _, order in rounds(CELLS, 5, seed=3)]
    assert orders != [order for _, order in rounds(CELLS, 5, seed=4)]


@pytest.mark.parametrize("limit", [1, 2, 4, None])
def test_every_launch_is_made_once(limit: int | None) -> None:
    ended = run(SimulatedPods(), method(Jobs(limit=limit, cpus=2), launches=3))
    made = [(result.record.cell, result.record.launch) for result, _ in ended]
    assert sorted(made) == sorted((c.id, n) for c in CELLS for n in (1, 2, 3))


def test_all_of_a_wave_are_checked_before_one_is_loaded() -> None:
    pods = SimulatedPods()
    run(pods, method(Jobs(limit=None, cpus=2)))
    kinds = [kind for kind, _ in pods.events]
    before, loads = kinds[: 3 * len(CELLS)], kinds[3 * len(CELLS) :]
    assert sorted(before) == sorted(["ready", "check", "calibrate"] * len(CELLS))
    assert loads == ["load"] * len(CELLS)


def test_a_cell_is_checked_while_others_start() -> None:
    checked = threading.Event()

    def ready(answer: dict[str, Any]) -> dict[str, Any]:
        if [kind for kind, _ in pods.events].count("ready") == len(CELLS):
            assert checked.wait(30)
        return answer

    def check(answer: dict[str, Any]) -> dict[str, Any]:
        checked.set()
        return answer

    pods = SimulatedPods(ready=ready, check=check)
    ended = run(pods, method(Jobs(limit=None, cpus=2)))
    assert [result.record.outcome for result, _ in ended] == [Outcome.OK] * len(CELLS)


def test_no_cell_is_calibrated_while_another_starts() -> None:
    """Starting interpreters would make its requests look several times as dear."""
    pods = SimulatedPods()
    run(pods, method(Jobs(limit=None, cpus=2)))
    kinds = [kind for kind, _ in pods.events]
    assert "ready" not in kinds[kinds.index("calibrate") :]


def test_calibrations_are_spread_as_loads_are() -> None:
    clock = VirtualClock()
    launches = [Launch(MemoryEngine(SimulatedPods()), a_job(cell), clock) for cell in CELLS]
    schedule._start(launches, clock, turns=2)
    assert sorted(clock.slept) == pytest.approx([2.0 * i / len(CELLS) for i in range(len(CELLS))])


def test_a_cell_that_hangs_at_its_start_keeps_none_from_being_calibrated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "LONGEST_TURN_S", 0.01)
    calibrated = threading.Event()

    def ready(answer: dict[str, Any]) -> dict[str, Any]:
        if [kind for kind, _ in pods.events].count("ready") == len(CELLS):
            assert calibrated.wait(30)
        return answer

    def calibrate(answer: dict[str, Any]) -> dict[str, Any]:
        calibrated.set()
        return answer

    pods = SimulatedPods(ready=ready, calibrate=calibrate)
    ended = run(pods, method(Jobs(limit=None, cpus=2)))
    assert [result.record.outcome for result, _ in ended] == [Outcome.OK] * len(CELLS)


def test_no_pod_goes_before_all_of_its_wave_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []
    remove = MemoryEngine.remove

    def removed(engine: MemoryEngine, container: str) -> None:
        loaded.append(pods.loads)
        remove(engine, container)

    monkeypatch.setattr(MemoryEngine, "remove", removed)
    pods = SimulatedPods()
    run(pods, method(Jobs(limit=None, cpus=1, share=0.5)))  # two groups
    assert loaded == [len(CELLS)] * 2 * len(CELLS)


def test_pods_start_in_turns() -> None:
    starting: list[int] = []
    now, counting = 0, threading.Lock()

    def ready(answer: dict[str, Any]) -> dict[str, Any]:
        nonlocal now
        with counting:
            now += 1
            starting.append(now)
        time.sleep(0.01)
        with counting:
            now -= 1
        return answer

    run(SimulatedPods(ready=ready), method(Jobs(limit=None, cpus=2)))
    assert len(starting) == len(CELLS)
    assert max(starting) <= 2


def test_one_that_hangs_at_startup_keeps_no_other_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedule, "LONGEST_TURN_S", 0.01)
    others = threading.Event()

    def ready(answer: dict[str, Any]) -> dict[str, Any]:
        started = [kind for kind, _ in pods.events].count("ready")
        if started <= 2:  # the first two take all turns, and wait for all others
            assert others.wait(30)
        elif started == len(CELLS):
            others.set()
        return answer

    pods = SimulatedPods(ready=ready)
    ended = run(pods, method(Jobs(limit=None, cpus=2)))
    assert [result.record.outcome for result, _ in ended] == [Outcome.OK] * len(CELLS)


def test_one_by_one_a_launch_is_over_before_the_next_is_checked() -> None:
    pods = SimulatedPods()
    run(pods, method(Jobs(limit=1)))
    assert [kind for kind, _ in pods.events] == ["ready", "check", "calibrate", "load"] * len(CELLS)


def test_what_is_done_is_not_made_again() -> None:
    done = frozenset({(CELLS[0].id, 1), (CELLS[3].id, 2)})
    ended = run(SimulatedPods(), method(Jobs(limit=2), launches=2, done=done))
    made = {(result.record.cell, result.record.launch) for result, _ in ended}
    assert made == {(c.id, n) for c in CELLS for n in (1, 2)} - done


def test_disturbed_launches_are_repeated_and_at_last_shown_as_disturbed() -> None:
    ended = run(SimulatedPods(wait_ms=lambda _: 0.5), method(Jobs(limit=3)))
    assert len(ended) == 3 * len(CELLS)
    final = [result.record for result, last in ended if last]
    assert len(final) == len(CELLS)
    assert all(r.disturbed and r.attempt == 3 for r in final)


@pytest.mark.parametrize("repeats", [0, 1, 4])
def test_they_are_repeated_as_often_as_is_said(repeats: int) -> None:
    ended = run(SimulatedPods(wait_ms=lambda _: 0.5), method(Jobs(limit=3), repeats=repeats))
    assert len(ended) == (1 + repeats) * len(CELLS)
    assert {result.record.attempt for result, last in ended if last} == {1 + repeats}


@pytest.mark.parametrize(
    ("repeats", "limits"), [(0, [8]), (1, [8, 1]), (2, [8, 4, 1]), (4, [8, 4, 1, 1, 1])]
)
def test_fewer_run_side_by_side_each_time_and_the_last_alone(
    repeats: int, limits: list[int]
) -> None:
    assert [jobs.wave for jobs in attempts(Jobs(limit=8), repeats)] == limits


def test_a_repeat_that_goes_well_is_the_result() -> None:
    ended = run(SimulatedPods(wait_ms=lambda made: 0.5 if made < 6 else 0), method(Jobs(limit=6)))
    final = [result.record for result, last in ended if last]
    assert [(r.disturbed, r.attempt) for r in final] == [(None, 2)] * len(CELLS)


def test_a_cell_that_fails_stops_no_other() -> None:
    def refuse_first(answer: dict[str, Any]) -> dict[str, Any]:
        return {"failed": "not-ready", "reason": "hangs"} if len(pods.events) == 1 else answer

    pods = SimulatedPods(ready=refuse_first)
    ended = run(pods, method(Jobs(limit=1)))
    outcomes = [result.record.outcome for result, _ in ended]
    # The failing cell is launched twice more.
    assert sorted(outcomes) == [Outcome.HANG_AT_STARTUP] + [Outcome.OK] * 7


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_nothing_is_left_when_a_result_cannot_be_stored(error: BaseException) -> None:
    def fail(_result: LaunchResult, _final: bool) -> None:
        raise error

    with pytest.raises((KeyboardInterrupt, OSError)):
        run(SimulatedPods(), method(Jobs(limit=4)), fail)


def test_what_ends_because_its_pod_was_removed_is_no_result() -> None:
    """The last load to begin ends the run, whatever its number; the others end as their pods go."""
    interrupted = threading.Event()
    begun = threading.Barrier(len(CELLS))
    stored: list[LaunchResult] = []

    def load(answer: dict[str, Any]) -> dict[str, Any]:
        if begun.wait(30) != len(CELLS) - 1:
            interrupted.wait(30)
            deadline = time.monotonic() + 30
            while engine.containers and time.monotonic() < deadline:
                time.sleep(0.001)
        return answer

    def end(result: LaunchResult, _final: bool) -> None:
        stored.append(result)
        interrupted.set()
        raise KeyboardInterrupt

    pods = SimulatedPods(load=load)
    engine = MemoryEngine(pods)
    with pytest.raises(KeyboardInterrupt):
        measure(
            engine,
            CELLS,
            method(Jobs(limit=6)),
            clock=VirtualClock(),
            on_begin=lambda _: None,
            on_end=end,
        )
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(10)
    assert len(stored) == 1


def test_a_dead_engine_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> str:
        raise EngineError("gone")

    monkeypatch.setattr(MemoryEngine, "create", gone)
    monkeypatch.setattr(MemoryEngine, "info", gone)
    ended: list[LaunchResult] = []
    with pytest.raises(EngineError, match="gone"):
        run(SimulatedPods(), method(Jobs(limit=1)), lambda result, _: ended.append(result))
    assert len(ended) == 1


def started(cell: Cell, cpu_s: float) -> Launch:
    pods = SimulatedPods(calibrate=lambda answer: {**answer, "cpu_s_per_request": cpu_s})
    launch = Launch(MemoryEngine(pods), a_job(cell), VirtualClock())
    launch.start()
    return launch


def test_loads_begin_evenly_over_one_service_time() -> None:
    launches = [started(cell, 0.0) for cell in CELLS[:4]]
    assert [offset for _, offset in stagger(launches)] == [0.0, 0.5, 1.0, 1.5]
    assert stagger([]) == []


def groups(launches: list[Launch], budget: float) -> list[list[Launch]]:
    return packed({launch: launch.cpu_share for launch in launches}, budget)


def test_what_needs_a_cpu_runs_alone_and_the_rest_as_far_as_it_fits() -> None:
    busy, idle = started(CELLS[0], 0.02), [started(cell, 0.001) for cell in CELLS[1:]]
    assert busy.cpu_share
    assert busy.cpu_share > ALONE_ABOVE
    assert groups([busy, *idle], 10) == [idle, [busy]]
    share = idle[0].cpu_share
    assert share
    assert [len(group) for group in groups(idle, 2.5 * share)] == [2, 2, 1]


def test_groups_are_as_few_as_fit_and_about_as_busy() -> None:
    idle = [started(cell, 0.001) for cell in CELLS]
    share = idle[0].cpu_share
    assert share
    # First fit alone would make 5 and 1 of them.
    assert [len(group) for group in groups(idle, 5 * share)] == [3, 3]
    assert groups([], 1) == []


def test_groups_are_not_filled_beyond_what_they_may_keep_busy() -> None:
    small = [started(cell, 0.001) for cell in CELLS[:2]]
    large = [started(cell, 0.0015) for cell in CELLS[2:4]]
    share = small[0].cpu_share
    assert share
    # Dealt out, both large ones would meet in the first group.
    order = [large[0], *small, large[1]]
    assert groups(order, 2.5 * share) == [[large[0], small[0]], [small[1], large[1]]]


def test_jobs_shrink() -> None:
    assert Jobs(limit=8).halved.wave == 4
    assert Jobs(limit=1).halved.wave == 1
    assert Jobs(limit=None).halved.wave == 20
    assert Jobs(limit=None).one_by_one.wave == 1


def test_what_shares_more_than_the_cpu_has_a_wave_of_its_own() -> None:
    busy = replace(CELLS[1], workload=Workload(name="cpu", parameters=(("seconds", "1"),)))
    cells = [CELLS[0], busy, *CELLS[2:]]
    jobs = [job_of(cell, 1, method(Jobs(limit=None))) for cell in cells]
    assert [[job.cell for job in wave] for wave in waves(jobs, Jobs(limit=3))] == [
        [CELLS[0], CELLS[2], CELLS[3]],
        [CELLS[4], CELLS[5]],
        [busy],
    ]


def test_a_wave_of_applications_fits_into_the_machines_memory() -> None:
    """Our own workloads use little of what they may."""
    gib = 1 << 30
    limits = Limits(memory_bytes=2 * gib)
    side_by_side = Jobs(limit=None, memory_bytes=6 * gib)  # of which 4.8 may be used

    def sizes(cells: Sequence[Cell], jobs: Jobs) -> list[int]:
        made = [a_job(cell, limits=limits) for cell in cells]
        predicted = round_of(cells, jobs, limits).groups
        found = [len(wave) for wave in waves(made, jobs)]
        assert len(found) == predicted, "it is predicted as it is done"
        return found

    own = [replace(cell, workload=Workload(name="application", parameters=())) for cell in CELLS]
    service = (Service(name="db", companion="postgres"),)
    larger = [replace(cell, services=service) for cell in own]
    assert sizes(own, side_by_side) == [2, 2, 2]
    assert sizes(larger, replace(side_by_side, memory_bytes=int(5.7 * gib))) == [1] * 6
    assert sizes(own, replace(side_by_side, memory_bytes=int(5.7 * gib))) == [2, 2, 2]
    assert sizes(own, Jobs(limit=3)) == [3, 3], "memory is not known"
    assert sizes(own, Jobs(limit=1, memory_bytes=gib)) == [1] * 6
    assert sizes(own, Jobs(limit=None, memory_bytes=gib)) == [1] * 6
    assert sizes(CELLS, side_by_side) == [6]


def test_a_launch_whose_own_queue_overflowed_is_marked_and_not_repeated() -> None:
    def overflowing(answer: dict[str, Any]) -> dict[str, Any]:
        after = answer["after"]
        network = {**after["network"], "ListenOverflows": 9}
        return {**answer, "after": {**after, "network": network}}

    ended = run(SimulatedPods(load=overflowing), method(Jobs(limit=1)))
    assert [final for _, final in ended] == [True] * len(CELLS)
    assert {r.record.disturbed for r, _ in ended} == {"the listen queue overflowed 9 times"}


def test_each_record_says_what_was_loaded_beside_it_and_when() -> None:
    ended = run(SimulatedPods(), method(Jobs(limit=4)))
    found = {r.record.cell: r.record.placement for r, _ in ended}
    assert all(found.values())
    places = [place for place in found.values() if place]
    assert sorted(place.position for place in places) == [1, 2, 3, 4, 5, 6]
    assert [cell.id for cell in next(rounds(CELLS, 1, seed=7))[1]] == sorted(
        found, key=lambda cell: ((place := found[cell]) and place.position) or 0
    )
    sizes = sorted((place.wave, place.group, place.group_size) for place in places)
    assert sizes == [(1, 1, 4)] * 4 + [(2, 1, 2)] * 2
    # Two seconds of service time are shared out among those of a group.
    latest = max(place.start_offset_s for place in places)
    assert latest >= 1.5


def test_a_group_follows_another_in_its_wave() -> None:
    busy = SimulatedPods(calibrate=lambda answer: {**answer, "cpu_s_per_request": 1.0})
    ended = run(busy, method(Jobs(limit=None, cpus=2)))
    found = [r.record.placement for r, _ in ended]
    assert [(p.wave, p.group, p.group_size) for p in found if p] == [(1, n, 1) for n in range(1, 7)]


def test_the_canary_frames_the_loads_of_a_wave() -> None:
    complete: list[tuple[LaunchRecord, bool]] = []
    ended: list[LaunchRecord] = []
    pods = SimulatedPods(wait_ms=lambda made: 0.5 if made < 6 else 0)
    measure(
        MemoryEngine(pods),
        CELLS,
        method(Jobs(limit=6)),
        clock=VirtualClock(),
        on_begin=lambda _: None,
        on_end=lambda result, _: ended.append(result.record),
        on_complete=lambda record, final: complete.append((record, final)),
    )
    assert all(record.canary_before for record in ended)
    assert not any(record.canary_after for record in ended)
    after = {"canary_after": ended[0].canary_before}
    assert [record for record, _ in complete] == [r.model_copy(update=after) for r in ended]
    assert [final for _, final in complete] == [False] * 6 + [True] * 6
    waves_made = [record.placement.wave for record in ended if record.placement]
    assert waves_made == [1] * 6 + [2] * 3 + [3] * 3


def test_no_canary_sings_where_nothing_was_loaded() -> None:
    pods = SimulatedPods(ready=lambda _: {"failed": "not-ready", "reason": "hangs"})
    ended = run(pods, method(Jobs(limit=6)))
    assert {r.record.canary_before for r, _ in ended} == {None}
    assert {r.record.placement for r, _ in ended} == {None}


def test_a_canary_that_does_not_answer_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> dict[str, Any]:
        raise EngineError("the sidecar ended")

    monkeypatch.setattr(SimulatedPods, "_canary", gone)
    ended = run(SimulatedPods(), method(Jobs(limit=6)))
    assert {(r.record.outcome, r.record.canary_before) for r, _ in ended} == {(Outcome.OK, None)}


def test_others_that_keep_the_cpus_busy_disturb_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Used(wall_s=10, busy_s=18, pods_s=2, engine_s=1, runner_s=1)
    monkeypatch.setattr(schedule, "between", lambda *_: busy)
    [first, *_] = run(SimulatedPods(), method(Jobs(limit=1), repeats=0))
    assert first[0].record.disturbed == "other processes used 70.0% of the CPUs' time"


# -- rates in per cent of a baseline's -------------------------------------------------------------

BASE = replace(CELLS[0], varied=("gevent", "rate"))
SHARES = [
    replace(cell, varied=("gevent", "rate"), rate=rate, load_s=60.0, requests=0)
    for cell in CELLS[:2]
    for rate in ("50%", "80%")
]


def of_the_base(**changes: Any) -> Method:
    images = {cell.id: "server" for cell in (BASE, *SHARES)}
    rate_of = {cell.id: BASE.id for cell in SHARES}
    how = replace(method(Jobs(limit=2)), server_images=images, rate_of=rate_of)
    return replace(how, **changes)


def run_shares(pods: SimulatedPods, how: Method) -> tuple[list[LaunchRecord], list[list[str]]]:
    """The launches in their order, and what was skipped, each time."""
    ended: list[LaunchRecord] = []
    skipped: list[list[str]] = []
    measure(
        MemoryEngine(pods),
        [*SHARES, BASE],
        how,
        clock=VirtualClock(),
        on_begin=lambda _: None,
        on_end=lambda result, _: ended.append(result.record),
        on_skip=lambda cells: skipped.append([*cells]),
    )
    return ended, skipped


def stalling(loads: Callable[[int], bool]) -> SimulatedPods:
    """Pods of which the loads with these numbers, from 1, hang."""
    pods = SimulatedPods()

    def load(answer: dict[str, Any]) -> dict[str, Any]:
        return {
            **answer,
            "ab": {**answer["ab"], "ending": "stalled" if loads(pods.loads) else "ended"},
        }

    pods.load = load
    return pods


def rates_sent(made: list[LaunchRecord]) -> set[tuple[str, float]]:
    """Rate on the axis and requests per second of each launch at a rate."""
    rates = {cell.id: cell.rate or "" for cell in SHARES}
    return {(rates[one.cell], one.rate.rate) for one in made if one.rate}


def test_the_first_rate_of_the_baseline_is_kept_for_all_rounds() -> None:
    """Each of its loads takes ten seconds longer than the one before."""
    pods = SimulatedPods()

    def load(answer: dict[str, Any]) -> dict[str, Any]:
        report = answer["ab"]["stdout"].replace(
            "100.000 seconds", f"{90 + 10 * pods.loads}.000 seconds"
        )
        return {**answer, "ab": {**answer["ab"], "stdout": report}}

    pods.load = load
    made, skipped = run_shares(pods, of_the_base(launches=3))
    assert skipped == []
    assert [one.cell == BASE.id for one in made] == ([True] + [False] * 4) * 3
    base = [one.ab.time_taken_s for one in made if one.ab and one.cell == BASE.id]
    assert base == [100, 150, 200]
    assert rates_sent(made) == {("50%", 25.0), ("80%", 40.0)}
    assert {one.rate.requests for one in made if one.rate} == {1500, 2400}


def test_a_rate_that_is_known_is_kept() -> None:
    done = frozenset({(BASE.id, 1)})
    made, _ = run_shares(SimulatedPods(), of_the_base(done=done, full_rates={BASE.id: 30.0}))
    assert rates_sent(made) == {("50%", 15.0), ("80%", 24.0)}


def test_of_a_baseline_without_a_rate_nothing_is_launched() -> None:
    made, skipped = run_shares(stalling(lambda _: True), of_the_base())
    assert [one.cell for one in made] == [BASE.id] * 3
    assert [sorted(cells) for cells in skipped] == [sorted(cell.id for cell in SHARES)]


def test_once_the_baseline_has_a_rate_they_are_launched() -> None:
    made, skipped = run_shares(stalling(lambda number: number == 1), of_the_base())
    assert [len(cells) for cells in skipped] == [4]
    assert [(one.launch, one.cell == BASE.id) for one in made] == [
        (1, True),
        *((2, is_base) for is_base in (True, False, False, False, False)),
        *((3, is_base) for is_base in (True, False, False, False, False)),
    ]
    assert rates_sent(made) == {("50%", 25.0), ("80%", 40.0)}


def test_the_first_launch_with_figures_has_the_full_rate() -> None:
    made, _ = run_shares(stalling(lambda number: number == 1), of_the_base())
    base = [one for one in made if one.cell == BASE.id]
    changed = base[2].model_copy(update={"ab": ab_figures(7.0)})
    assert full_rates([changed, base[1], base[0]]) == {BASE.id: 50.0}


# -- cells that fail are launched more often -------------------------------------------------------


def failing_at(number: int) -> SimulatedPods:
    """All cells but those whose load is this one, in the order of their loads, are well."""
    pods = SimulatedPods()

    def load(answer: dict[str, Any]) -> dict[str, Any]:
        if pods.loads != number:
            return answer
        return {**answer, "ab": {**answer["ab"], "ending": "stalled", "exit_code": 1}}

    pods.load = load
    return pods


def made(ended: list[tuple[LaunchResult, bool]]) -> dict[str, list[int]]:
    """The numbers of each cell's launches."""
    numbers: dict[str, list[int]] = {}
    for result, _ in ended:
        numbers.setdefault(result.record.cell, []).append(result.record.launch)
    return numbers


def test_a_cell_of_which_a_launch_hangs_is_launched_three_times() -> None:
    ended = run(failing_at(4), method(Jobs(limit=1)))
    hung = {r.record.cell for r, _ in ended if r.record.outcome is Outcome.HANG_UNDER_LOAD}
    assert len(hung) == 1
    assert all(made(ended)[cell] == ([1, 2, 3] if cell in hung else [1]) for cell in made(ended))


def test_it_is_not_launched_more_often_where_all_cells_are_launched_as_often() -> None:
    ended = run(failing_at(4), method(Jobs(limit=1), launches=4))
    assert made(ended) == {cell.id: [1, 2, 3, 4] for cell in CELLS}


def test_a_failure_that_was_taken_over_counts() -> None:
    cell = CELLS[2].id
    how = replace(
        method(Jobs(limit=1), done=frozenset((one.id, 1) for one in CELLS)),
        failed=frozenset({cell}),
    )
    assert made(run(SimulatedPods(), how)) == {cell: [2, 3]}


def test_which_loads_come_in_step() -> None:
    assert a_cell().is_in_step
    spread = Workload(parameters=(("seconds", "2"), ("spread", "1")))
    assert not replace(a_cell(), workload=spread).is_in_step
    assert not replace(a_cell(), rate="45").is_in_step


# -- as many rounds as needed ----------------------------------------------------------------------


def rounds_made(
    pods: SimulatedPods, how: Method, is_enough: Callable[[int], bool]
) -> dict[str, list[int]]:
    """The numbers of each cell's launches, of a run that ends once that is enough."""
    ended: list[tuple[LaunchResult, bool]] = []
    measure(
        MemoryEngine(pods),
        CELLS,
        how,
        clock=VirtualClock(),
        on_begin=lambda _: None,
        on_end=lambda result, final: ended.append((result, final)),
        is_enough=is_enough,
    )
    return made(ended)


def test_no_round_follows_one_that_is_enough() -> None:
    asked: list[int] = []

    def is_enough(number: int) -> bool:
        asked.append(number)
        return number == 4

    found = rounds_made(SimulatedPods(), method(Jobs(limit=3), launches=15), is_enough)
    assert found == {cell.id: [1, 2, 3, 4] for cell in CELLS}
    assert asked == [1, 2, 3, 4]


def test_it_is_asked_after_rounds_of_which_nothing_is_to_be_made() -> None:
    done = frozenset((cell.id, number) for cell in CELLS for number in (1, 2, 3))
    how = method(Jobs(limit=3), launches=15, done=done)
    assert rounds_made(SimulatedPods(), how, lambda number: number == 3) == {}
    found = rounds_made(SimulatedPods(), how, lambda number: number == 4)
    assert found == {cell.id: [4] for cell in CELLS}


def test_where_it_never_is_enough_all_rounds_are_made() -> None:
    found = rounds_made(SimulatedPods(), method(Jobs(limit=3), launches=5), lambda _: False)
    assert found == {cell.id: [1, 2, 3, 4, 5] for cell in CELLS}


def test_a_cell_that_fails_has_its_launches_also_where_one_round_is_enough() -> None:
    found = rounds_made(failing_at(4), method(Jobs(limit=1), launches=5), lambda _: True)
    assert sorted(found.values()) == [[1]] * 5 + [[1, 2, 3]]
