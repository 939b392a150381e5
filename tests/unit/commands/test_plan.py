from __future__ import annotations

import re
from dataclasses import replace

import pytest

from runner.commands.cells import LockedCells
from runner.commands.plan import _item, _rates, _text, _total
from runner.matrix.cell import Cell, Experiment, Limits
from runner.matrix.servers import Server
from runner.matrix.servers import server as server_of
from runner.matrix.values import Workload
from runner.matrix.values import workload as workload_of
from runner.measurement.estimate import Machine, launch_s

MACHINE = Machine(
    cpus=2,
    request_cpu_s={("sleep", "werkzeug"): 0.00075},
    run="sleep/20261126T211911Z",
    launches=26,
    repeated=0,
)


CELL = Cell(
    python="3.11",
    patch="none",
    server=Server(name="werkzeug"),
    workload=Workload(),
    concurrency=100,
    requests=5000,
    requirements=(),
)


def total(
    *patches: str, machine: Machine | None = None, least: int | None = None, most: int = 1
) -> str:
    cells = tuple(replace(CELL, patch=patch) for patch in patches)
    experiment = Experiment(
        name="sample",
        axes=("patch",),
        cells=cells,
        limits=Limits(),
        launches=most,
        least_launches=least,
    )
    locked = LockedCells(cells=cells, locks={}, unavailable={})
    return _total(experiment, locked, None, machine)


def test_a_percentage_is_planned_as_one() -> None:
    closed = replace(CELL, varied=("rate",))
    share = replace(closed, rate="80%", load_s=60.0, requests=0)
    unknown = replace(closed, workload=Workload(name="file"))
    assert _rates(share, closed) == ("80% of 49.02",) * 2
    assert _rates(share, unknown) == ("80% of the baseline",) * 2
    locked = LockedCells(cells=(), locks={}, unavailable={share: "not locked here"})
    item = _item(share, locked, Limits(), ["rate"])
    assert (item["rate"], item["ceiling_rps"], item["requests"]) == ("80%", None, None)
    assert 62 < launch_s(share, Limits()) < 70


@pytest.mark.parametrize(
    ("server", "workload", "rates"),
    [
        ("werkzeug", "sleep", ["49.02"]),
        ("waitress-t16", "sleep", ["49.02", "7.96"]),
        ("werkzeug", "cpu", ["49.02"]),  # what the interpreter allows is not known
    ],
)
def test_what_the_configuration_allows_is_shown_where_it_is_less(
    server: str, workload: str, rates: list[str]
) -> None:
    cell = replace(CELL, server=server_of(server), workload=workload_of(workload, {}))
    experiment = Experiment(name="sample", axes=("patch",), cells=(cell,), limits=Limits())
    locked = LockedCells(cells=(cell,), locks={}, unavailable={})
    heading, _, line = _text(experiment, locked, None, None).splitlines()[:3]
    assert re.findall(r" (\d+\.\d\d)", line) == rates
    assert ("configuration, requests/s" in heading) is (len(rates) > 1)
    item = _item(cell, locked, Limits(), [])
    assert item["ceiling_rps"] == pytest.approx(49.02, abs=0.01)
    assert item["configuration_rps"] == (
        None if workload == "cpu" else pytest.approx(float(rates[-1]), abs=0.01)
    )


def test_how_many_launches_an_interval_needs() -> None:
    assert total("none", "gevent").splitlines()[1:] == [
        "an interval and a verdict on 1 comparison need --launches 3 or more"
    ]


def test_how_long_the_least_and_the_most_rounds_take() -> None:
    [first, *further] = total("none", "gevent", least=3, most=15).splitlines()
    assert first.startswith("sample: 2 cells in 0 environments × 3 to 15 rounds, without building")
    assert further == []  # which would say that there are too few rounds for intervals
    [once, *_] = total("none", "gevent").splitlines()
    assert "× 1 round, without building" in once
    seven = total("none", "gevent", most=7)
    assert "× 7 rounds, without building images: about 12 min" in seven
    assert re.search(r"about 5 min \d\d s to 27 min \d\d s if all cells fit", first)
    assert re.search(r", 10 min \d\d s to 53 min \d\d s with --jobs 1", first)


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
    one = total("none", machine=MACHINE)
    assert one.startswith("sample: 1 cell in 0 environments")
    assert "in 1 group a round" in one


def test_it_says_what_repeats_it_leaves_out() -> None:
    line = total(*MANY, machine=replace(MACHINE, repeated=19)).splitlines()[1]
    assert "there, 19 of 26 launches were disturbed and repeated, which is not counted" in line


def test_cells_unlike_any_that_ran_are_not_known() -> None:
    known = replace(MACHINE, request_cpu_s={("grpc", "werkzeug"): 0.001})
    assert "not known yet" in total(*MANY, machine=known)
