from __future__ import annotations

import re
from dataclasses import replace

from runner.commands.cells import LockedCells
from runner.commands.plan import _item, _rate, _total
from runner.matrix.cell import Cell, Experiment, Limits
from runner.matrix.values import Server, Workload
from runner.measurement.estimate import Machine, launch_s

MACHINE = Machine(
    cpus=2,
    request_cpu_s={("sleep", "werkzeug"): 0.00075},
    run="sleep/20261126T211911Z",
    launches=26,
    repeated=0,
)


def total(*patches: str, machine: Machine | None = None) -> str:
    cells = tuple(
        Cell(
            python="3.11",
            patch=patch,
            server=Server(name="werkzeug"),
            workload=Workload(),
            concurrency=100,
            requests=5000,
            requirements=(),
        )
        for patch in patches
    )
    experiment = Experiment(name="sample", axes=("patch",), cells=cells, limits=Limits())
    locked = LockedCells(cells=cells, locks={}, unavailable={})
    return _total(experiment, locked, None, machine)


def test_a_percentage_is_planned_as_one() -> None:
    closed = Cell(
        python="3.11",
        patch="none",
        server=Server(name="werkzeug"),
        workload=Workload(),
        concurrency=100,
        requests=5000,
        requirements=(),
        varied=("rate",),
    )
    share = replace(closed, rate="80%", load_s=60.0, requests=0)
    unknown = replace(closed, workload=Workload(name="file"))
    assert _rate(share, closed) == "80% of 49.02"
    assert _rate(share, unknown) == "80% of the baseline"
    locked = LockedCells(cells=(), locks={}, unavailable={share: "not locked here"})
    item = _item(share, locked, Limits(), ["rate"])
    assert (item["rate"], item["ceiling_rps"], item["requests"]) == ("80%", None, None)
    assert 62 < launch_s(share, Limits()) < 70


def test_how_many_launches_an_interval_needs() -> None:
    assert total("none", "gevent").splitlines()[1:] == [
        "an interval and a verdict on 1 comparison need --launches 3 or more"
    ]


def test_where_nothing_is_compared_no_verdict_is_spoken_of() -> None:
    assert "verdict" not in total("none")


MANY = [f"patch-{number}" for number in range(26)]


def test_without_an_earlier_run_it_says_what_is_not_known() -> None:
    line = total(*MANY).splitlines()[0]
    assert "if all cells fit side by side" in line
    assert "this machine's cost per request is not known yet" in line


def test_after_one_it_says_in_how_many_groups_the_cells_are_loaded() -> None:
    first, second, *_ = total(*MANY, machine=MACHINE).splitlines()
    assert re.search(r"about 3 min \d\d s in 2 groups a round, 4\d min \d\d s with --jobs 1", first)
    assert second == "(a request cost 0.75 ms of CPU here, by runs up to sleep/20261126T211911Z)"


def test_one_group_is_one() -> None:
    assert "in 1 group a round" in total("none", machine=MACHINE)


def test_it_says_what_repeats_it_leaves_out() -> None:
    line = total(*MANY, machine=replace(MACHINE, repeated=19)).splitlines()[1]
    assert "there, 19 of 26 launches were disturbed and repeated, which is not counted" in line


def test_cells_unlike_any_that_ran_are_not_known() -> None:
    known = replace(MACHINE, request_cpu_s={("grpc", "werkzeug"): 0.001})
    assert "not known yet" in total(*MANY, machine=known)
