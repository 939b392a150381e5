"""`matrix run --like`: a stored run as an experiment, and the two runs beside each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.commands.cells import Choice, LockedCells, expand, lock_chosen, locker
from runner.commands.like import experiment_like, locks_like
from runner.commands.record import _cell
from runner.commands.replication import run_to_repeat
from runner.commands.run import RunOptions, _earlier
from runner.commands.underway import Underway
from runner.errors import UsageError
from runner.matrix.canonical import full_loads
from runner.report.replication import FIGURES_THEMSELVES, replication_text
from runner.report.run import Run, collate
from runner.store.records import RunRecord
from tests.support import golden
from tests.support.command_line import Matrix, assert_error
from tests.support.exported import published
from tests.support.published import stored
from tests.support.samples import cell, in_per_cent, launch, run_record, traffic

#: Those that can be made again: not of an application, whose source no run holds.
MADE_HERE = [
    name
    for name in golden.runs()
    if not (published(name).record.is_imported or published(name).record.application)
]
NONE, GEVENT = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")


def as_recorded(run: RunRecord) -> list[dict[str, object]]:
    """What a run of the experiment like this one would record of its cells."""
    experiment = experiment_like(run)
    locked = LockedCells(
        cells=experiment.cells,
        locks=locks_like(run, experiment.cells, "x86_64"),
        unavailable={},
        full_loads=full_loads(experiment.cells, dict(experiment.baseline), experiment.axes),
    )
    return [_cell(one, experiment, locked) for one in experiment.cells]


@pytest.mark.parametrize("name", MADE_HERE)
def test_the_cells_and_locks_of_every_published_run_come_again(name: str) -> None:
    run = published(name).record
    for made, record in zip(as_recorded(run), run.cells, strict=True):
        stored_values = record.model_dump(exclude={"image", "image_key"})
        assert {key: made[key] for key in stored_values} == stored_values
    experiment = experiment_like(run)
    locks = locks_like(run, experiment.cells, "x86_64")
    assert {lock.digest for lock in locks.values()} == {
        environment.lock_digest for environment in run.environments.values()
    }
    assert (experiment.launches, experiment.repeats) == (run.launches, run.repeats)
    assert dict(experiment.baseline) == run.baseline
    assert experiment.base.kind == "debian"


@pytest.mark.parametrize("run", [traffic(), in_per_cent()], ids=["rate", "per cent"])
def test_rates_come_again(run: RunRecord) -> None:
    environments = {
        f"py{python}": run.environments["py3.11"].model_copy(update={"python": python})
        for python in ("3.11",)
    }
    made = as_recorded(run.model_copy(update={"environments": environments}))
    keys = ("rate", "rate_share", "rate_of", "load_s", "concurrency", "requests", "axes")
    assert [{key: one[key] for key in keys} for one in made] == [
        {key: getattr(one, key) for key in keys} for one in run.cells
    ]


def test_some_of_the_cells_can_be_chosen() -> None:
    run = published("sleep").record
    choice = Choice(file=Path("none.yaml"), like=run, select=("python=3.11", "patch=none"))
    experiment = expand(choice, lambda _: None)
    locked = lock_chosen(choice, experiment, locker(), architecture="x86_64")
    assert [one.id for one in locked.cells] == ["py3.11-none"]
    assert [lock.digest for lock in locked.locks.values()] == [
        run.environments[key].lock_digest
        for key in {one.environment for one in run.cells if one.id == "py3.11-none"}
        if key
    ]


# -- what cannot be made again ---------------------------------------------------------------------


def test_reports_made_elsewhere_cannot_be_made_again() -> None:
    with pytest.raises(UsageError, match="made of ab reports from elsewhere"):
        experiment_like(published("article-2023").record)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"server": "cherrypy"}, "unknown server 'cherrypy'"),
        ({"workload": "dream"}, "'dream' is not known"),
        ({"id": "py3.11-none-x"}, "it would be called py3.11-none"),
    ],
)
def test_a_cell_that_this_release_does_not_have_is_an_error(
    changed: dict[str, str], why: str
) -> None:
    with pytest.raises(UsageError) as error:
        experiment_like(run_record(NONE.model_copy(update=changed)))
    assert why in str(error.value)
    assert "use the release that made the run" in str(error.value)


def test_locks_are_for_one_architecture() -> None:
    run = published("sleep").record
    with pytest.raises(UsageError, match="locked for x86_64, and this engine runs on aarch64"):
        locks_like(run, experiment_like(run).cells, "aarch64")


def test_a_run_without_a_lock_is_an_error() -> None:
    run = run_record(NONE).model_copy(update={"environments": {}})
    with pytest.raises(UsageError, match=r"has no lock of py3\.11-none"):
        locks_like(run, experiment_like(run).cells, "x86_64")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sleep"], "EXPERIMENT"),
        (["--requests", "9", "--concurrency", "3"], "--requests and --concurrency"),
        (["--shard", "1/2"], "--shard"),
    ],
)
def test_options_that_would_make_another_run_of_it_are_errors(
    matrix: Matrix, arguments: list[str], named: str
) -> None:
    said = matrix("run", *arguments, "--like", "latest")
    assert_error(
        said, f"--like latest: experiment and load are those of that run; leave out {named}"
    )


def test_a_path_that_is_no_run_is_an_error(matrix: Matrix) -> None:
    assert_error(matrix("run", "--like", "nowhere"), "nowhere: no such run")


# -- the run that is repeated ----------------------------------------------------------------------


def test_latest_is_the_run_that_was_latest_before(tmp_path: Path) -> None:
    first = stored(tmp_path, run_record(NONE), [launch(NONE)])
    repeated = run_to_repeat(tmp_path, "latest", {})
    later = run_record(NONE).model_copy(update={"run_id": "20261102T120000Z"})
    stored(tmp_path, later, [launch(NONE)])
    assert repeated.path == first.path.resolve()


@pytest.mark.parametrize("like", [None, run_record(NONE)], ids=["first", "like it"])
def test_launches_of_the_run_itself_are_not_used_again(
    tmp_path: Path, like: RunRecord | None
) -> None:
    """They would be compared with themselves."""
    run = run_record(NONE)
    assert run.host
    host = run.host.model_copy(update={"boot_id": "b00t"})
    run = run.model_copy(update={"host": host})
    stored(tmp_path, run, [launch(NONE)])
    later = run.model_copy(update={"run_id": "20261102T120000Z"})
    directory = stored(tmp_path, later, [])
    underway = Underway(directory=directory, record=later)
    choice = Choice(file=Path("matrix.yaml"), like=like)
    earlier = _earlier(underway, choice, RunOptions(results=tmp_path))
    assert [*earlier] == ([] if like else [(NONE.id, 1)])


# -- beside each other -----------------------------------------------------------------------------


def made(gevent: float, *, day: float = 1.0, on: str = "bench", run_id: str = "1") -> Run:
    """Five launches of both cells; the patched one has this share of the baseline's rate."""
    record = run_record(NONE, GEVENT, launches=5)
    assert record.host
    host = record.host.model_copy(update={"hostname": on})
    wobble = (0.998, 1.0, 1.001, 0.999, 1.002)
    launches = {
        one.id: [
            launch(one, number, rate=48 * day * share * wobble[(number * step) % 5])
            for number in range(1, 6)
        ]
        for one, share, step in ((NONE, 1.0, 1), (GEVENT, gevent, 2))
    }
    return collate(record.model_copy(update={"host": host, "run_id": run_id}), launches)


def test_ratios_are_compared_and_figures_are_not() -> None:
    text = replication_text(made(0.9), made(0.9, day=0.5, on="here", run_id="2"))
    assert text.startswith("there: sleep, run 1 on bench\nhere: sleep, run 2 on here\n\n")
    assert "  host: bench → here\n" in text
    compared, _, figures = text.partition(FIGURES_THEMSELVES)
    assert "× 0.900 → × 0.900" in compared
    assert "] same" in compared
    assert "requests/s: 1 same within 2 %" in compared
    assert "[low–high]: all intervals of a figure hold together with 95 %" in compared
    assert "regression" not in text
    assert NONE.id not in compared.partition("Ratios")[2]  # it has no ratio
    [baseline] = [line for line in figures.splitlines() if line.startswith(f"{NONE.id} ")]
    assert "48.00 | 24.00" in baseline
    assert not any(word in figures for word in ("same", "lower", "higher", "undecided"))


def test_a_ratio_that_differs_has_a_verdict() -> None:
    text = replication_text(made(0.9), made(0.8, day=2.0, run_id="2"))
    assert "× 0.900 → × 0.800" in text
    assert "requests/s: 1 lower" in text
    assert "regression" not in text


def test_a_run_without_baselines_has_figures_alone() -> None:
    there, here = (replace(made(0.9, run_id=run_id), baselines={}) for run_id in ("1", "2"))
    text = replication_text(there, here)
    assert "Ratios" not in text
    assert FIGURES_THEMSELVES in text


def test_cells_that_were_left_out_here_are_counted() -> None:
    here = made(0.9, run_id="2")
    some = replace(
        here,
        record=here.record.model_copy(update={"cells": (NONE,)}),
        rows=tuple(row for row in here.rows if row.cell == NONE.id),
        launches={NONE.id: here.launches[NONE.id]},
    )
    assert "not measured here: 1 cell of 2\n" in replication_text(made(0.9), some)
