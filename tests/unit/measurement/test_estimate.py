"""How long a round will take, with and without knowing the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.matrix.cell import Limits
from runner.matrix.values import Workload
from runner.measurement.estimate import Machine, check_s, launch_s, round_of
from runner.measurement.launch import Launch
from runner.measurement.load import RATE_CPU_S_PER_REQUEST
from runner.measurement.schedule import Jobs
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock, a_cell, a_job

CELLS = [a_cell(number) for number in range(26)]
AUTO = Jobs(limit=None, cpus=2)
ONE = launch_s(CELLS[0], Limits())


def machine(cost_ms: float, *, workload: str = "sleep", pod_s: float = 0.4) -> Machine:
    return Machine(
        cpus=2,
        request_cpu_s={(workload, "werkzeug"): cost_ms / 1000},
        run="sleep/20261126T120000Z",
        launches=26,
        repeated=0,
        pod_s=pod_s,
    )


def test_a_launch_is_its_load_and_a_few_seconds() -> None:
    assert 102 < ONE < 110


def test_one_after_the_other_takes_as_long_as_all_launches() -> None:
    alone = round_of(CELLS, Jobs(limit=1), Limits())
    assert alone.seconds == pytest.approx(26 * ONE)
    assert alone.groups == 26


def test_where_nothing_is_known_all_are_taken_to_fit() -> None:
    together = round_of(CELLS, AUTO, Limits())
    assert (together.groups, together.is_known) == (1, False)
    assert ONE < together.seconds < 1.3 * ONE
    assert round_of(CELLS, AUTO, Limits(), machine=machine(1.0, workload="grpc")) == together


@pytest.mark.parametrize(("cost_ms", "groups"), [(0.3, 1), (0.75, 2), (1.9, 4), (2.0, 26)])
def test_groups_follow_from_what_a_request_costs(cost_ms: float, groups: int) -> None:
    """26 cells of 50 requests/s; above a tenth of a CPU, 2 ms at that rate, each has its own."""
    together = round_of(CELLS, AUTO, Limits(), machine=machine(cost_ms))
    assert (together.groups, together.is_known) == (groups, True)
    assert together.seconds > groups * 102


def test_a_slow_machine_brings_pods_up_more_slowly() -> None:
    fast, slow = (round_of(CELLS, AUTO, Limits(), machine=machine(0.3, pod_s=s)) for s in (0.2, 1))
    assert slow.seconds - fast.seconds == pytest.approx(27 * 0.8)


def test_what_costs_are_like_is_taken_from_the_closest_kind() -> None:
    known = machine(1.0)
    costs = {**known.request_cpu_s, ("sleep", "werkzeug", "gevent", "3.11"): 0.0005}
    known = replace(known, request_cpu_s=costs)
    assert known.cost_of(CELLS[0]) == 0.0005
    assert known.cost_of(replace(CELLS[0], python="3.9")) == 0.001
    assert known.cost_of(replace(CELLS[0], workload=Workload(name="cpu"))) is None


def test_a_check_of_long_requests_has_two_turns() -> None:
    assert check_s(2.0) == 4.0
    assert check_s(2.0, bursts=False) == 2.0
    assert check_s(0.1) == pytest.approx(0.6)


def test_rates_in_per_cent_are_measured_after_what_they_are_of() -> None:
    """Two groups, one after the other, where the same cells at another rate would be in one."""
    closed = replace(a_cell(), varied=("rate",))
    share = replace(closed, rate="50%", load_s=60.0, requests=0)
    fixed = replace(share, rate="25", requests=1500)
    together = round_of([closed, fixed], AUTO, Limits(), machine=machine(0.3))
    in_turn = round_of([closed, share], AUTO, Limits(), machine=machine(0.3))
    assert (together.groups, in_turn.groups) == (1, 2)
    assert in_turn.seconds > together.seconds + 60
    assert machine(1.0).share_of(share) == pytest.approx(machine(1.0).share_of(fixed))


def test_a_load_at_a_rate_keeps_busy_what_its_rate_costs() -> None:
    """Sending at a rate costs more per request than `ab` does, and is part of it."""
    fixed = replace(a_cell(), rate="45", load_s=60.0, requests=2700)
    assert machine(1.0).share_of(fixed) == pytest.approx(45 * (0.001 + RATE_CPU_S_PER_REQUEST))
    launch = Launch(MemoryEngine(SimulatedPods()), a_job(fixed), VirtualClock())
    launch.start()
    assert launch.cpu_share == pytest.approx(machine(1.0).share_of(fixed))
    launch.close()
    assert 62 < launch_s(fixed, Limits()) < 70
