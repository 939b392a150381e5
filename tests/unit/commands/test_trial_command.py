"""A first look from beginning to end, on the in-memory engine."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from runner.build.prepare import Prepared
from runner.build.recipe import Image
from runner.commands import run as run_command
from runner.commands.cells import LockedCells
from runner.commands.own import read_own
from runner.commands.run import Ready, RunOptions
from runner.commands.trial import command
from runner.commands.trial import look as look_module
from runner.commands.trial.command import Tried, sized, try_application
from runner.commands.trial.draft import Draft
from runner.commands.trial.given import Given
from runner.commands.trial.look import Probed
from runner.engine.docker_engine import DockerEngine
from runner.matrix.application import Facts
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Experiment
from runner.measurement.agent import AbFacts
from runner.measurement.schedule import Jobs
from runner.progress import PlainReporter
from tests.support.looks import look as looked_at
from tests.support.looks import right
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock

Try = Callable[..., Tried]
GONE = {"failed": "not-ready", "reason": "no connection accepted within 10 s"}


def experiment_of(draft: Draft) -> Experiment:
    return draft.file().experiment("try", lambda _: Facts(python="3.11"))


def ready_of(experiment: Experiment, pods: SimulatedPods) -> Ready:
    image = Image(reference="image", image_id="sha256:image", key="made-of")
    prepared = Prepared(
        loadgen=image,
        bases={},
        environments={},
        companions={},
        cells=dict.fromkeys(experiment.cells, image),
        unavailable={},
        failed={},
    )
    return Ready(
        engine=cast("DockerEngine", MemoryEngine(pods)),
        experiment=experiment,
        locked=LockedCells(cells=experiment.cells, locks={}, unavailable={}),
        prepared=prepared,
        ab=AbFacts(opening=AbOpening.FIRST_ALONE, version="2.4.71"),
        jobs=Jobs(limit=1),
        seed=7,
        own=read_own(experiment, results=Path("results"), host={"SHOP_KEY": "hunter22"}),
    )


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Try an application whose servers behave like these pods."""
    monkeypatch.setattr(run_command, "SystemClock", VirtualClock)
    monkeypatch.setattr(run_command, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(look_module, "SystemClock", VirtualClock)
    (tmp_path / "shop.py").write_text("")

    def attempt(pods: SimulatedPods, *, write_file: bool = False, **given: Any) -> Tried:
        def made(draft: Draft, *_: object) -> tuple[Draft, Ready, float]:
            return draft, ready_of(experiment_of(draft), pods), 12.0

        monkeypatch.setattr(command, "made", made)
        wanted = Given(directory=tmp_path, app="shop:app", **given)
        options = RunOptions(results=tmp_path / "results", fresh=True)
        reporter = PlainReporter(Console(file=io.StringIO()))
        return try_application(wanted, options, reporter, write_file=write_file)

    return attempt


def names(pods: SimulatedPods, name: str) -> list[str]:
    return [cell for event, cell in pods.events if event == name]


def test_every_cell_is_launched_once_and_one_of_them_looked_at(attempt: Try) -> None:
    pods = SimulatedPods()
    tried = attempt(pods)
    assert tried.served
    assert names(pods, "look") == ["py3.11-none-gunicorn-gthread-w1-t16"]
    assert len(names(pods, "load")) == len(set(names(pods, "load"))) == 5
    assert "request: GET /, which answers with 200; 2,000 ms alone" in tried.text
    assert "Building took 12 s, which is in no figure" in tried.text
    assert "A first look" in tried.text
    assert "gunicorn-gevent patches by itself: there `none` is patched" in tried.text
    assert "`--write`, then `matrix run try`" in tried.text


def test_what_does_not_serve_is_not_loaded_and_nothing_written(
    attempt: Try, tmp_path: Path
) -> None:
    pods = SimulatedPods(ready=lambda _: {"failed": "before-not-done", "reason": "it did not end"})
    tried = attempt(pods, write_file=True)
    assert not tried.served
    assert names(pods, "ready") == ["py3.11-none-gunicorn-gthread-w1-t16"]
    assert names(pods, "load") == []
    assert "before-failed: it did not end" in tried.text
    assert "evidence: `matrix show latest py3.11-none-gunicorn-gthread-w1-t16`" in tried.text
    assert "nothing was written, as no cell served" in tried.text
    assert not (tmp_path / "matrix.yaml").exists()


def test_a_hang_is_not_repeated_and_the_other_cells_are_tried(attempt: Try) -> None:
    pods = SimulatedPods()
    pods.ready = lambda answer: GONE if pods.events[-1][1].endswith("t16") else answer
    tried = attempt(pods)
    assert tried.served
    hanging = [cell for cell in names(pods, "ready") if cell.endswith("t16")]
    # The look at the unpatched one, and a launch of each.
    assert len(hanging) == 3
    assert len(names(pods, "load")) == 3
    assert "hang-at-startup: no connection accepted within 10 s" in tried.text


def test_a_path_is_asked_that_is_named(attempt: Try, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def look(answer: dict[str, Any]) -> dict[str, Any]:
        asked.append(answer)
        return answer

    pods = SimulatedPods(look=look)
    tried = attempt(pods, path="/slow", write_file=True, variables={"SHOP_KEY": "hunter22"})
    assert [one["path"] for one in asked[0]["looked"]] == ["/slow"]
    assert "request: GET /slow, as `--path` says" in tried.text
    assert "wrote matrix.yaml with the experiment 'try'" in tried.text
    assert "set SHOP_KEY in the environment, then `matrix run try`" in tried.text
    assert "request: {path: /slow}" in (tmp_path / "matrix.yaml").read_text()


def test_the_loads_together_take_two_minutes_at_the_most(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("")
    draft = Draft(given=Given(directory=tmp_path, app="shop:app"), installs=frozenset({"grpcio"}))
    ready = ready_of(experiment_of(draft), SimulatedPods())
    assert len(ready.prepared.cells) == 8
    probed = Probed(look=looked_at(right("/slow")), startup_s=3.0, lone_s=0.05)
    chosen, fitted = sized(draft, ready, probed)
    limits = fitted.experiment.limits
    assert limits.load_s * len(fitted.prepared.cells) == pytest.approx(120)
    assert limits.startup_s == 20.0  # five times 3 s, and 1 s until the first answer
    limits = sized(draft, ready, replace(probed, startup_s=2.61244))[1].experiment.limits
    assert limits.startup_s == 19  # it is printed
    assert sized(draft, ready, replace(probed, startup_s=0.4))[1].experiment.limits.startup_s == 10
    assert {cell.requests for cell in fitted.prepared.cells} == {chosen.requests} == {1600}
    assert {*fitted.prepared.cells} == {*fitted.locked.cells} == {*fitted.experiment.cells}
    assert fitted.experiment.request
    assert (fitted.experiment.request.path, chosen.path) == ("/slow", "/slow")
