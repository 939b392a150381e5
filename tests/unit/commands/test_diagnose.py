"""`run --diagnose`: what is made beside the measured launches, kept apart, and not made twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runner.application.secret_values import Secrets
from runner.commands import run as command
from runner.commands.diagnose import NO_RATE, NOT_LOADED
from runner.commands.run import diagnose_all
from runner.commands.runs import shown, table_text
from runner.commands.underway import Underway
from runner.errors import EngineError
from runner.measurement.diagnosis_record import BlockRecord, DiagnosisRecord
from runner.outcome import Outcome
from runner.progress import PlainReporter
from runner.report.run import collate, read_run
from runner.store.diagnoses import diagnoses, write_diagnosis
from runner.store.records import BaseRecord, EnvironmentRecord
from runner.store.run_directory import RESULT
from tests.support.memory_engine import MemoryEngine
from tests.support.simulated import SimulatedPods, VirtualClock
from tests.unit.commands.test_rounds_of_a_run import GEVENT, NONE, Rounds
from tests.unit.measurement.test_diagnosis import looks, watched

WHAT = "psycopg2-binary 2.9.10 waits in C (poll), called from shop/orders.py:12"
SHARE = replace(GEVENT, rate="50%", load_s=10.0, requests=0)


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    monkeypatch.setattr(command, "SystemClock", VirtualClock)
    return Rounds(tmp_path / "results", least=None, most=1)


def diagnose(rounds: Rounds, pods: SimulatedPods, *, fresh: bool = False) -> Underway:
    """Do as `matrix run --launches 1 --diagnose` once the images are there."""
    underway = rounds.run(pods, fresh=fresh)
    ready = rounds.ready(MemoryEngine(pods))
    reporter = PlainReporter(Console(file=rounds.said, width=500))
    diagnose_all(ready, underway, reporter, fresh=fresh)
    underway.result()
    return underway


def pods(**changes: Any) -> SimulatedPods:
    """Pods of which those that patch block their loop; the others do not load gevent."""
    made = SimulatedPods(stacks=looks, **changes)

    def check(answer: dict[str, Any]) -> dict[str, Any]:
        version = None if made.events[-1][1] == NONE.id else "25.9.1"
        patched = {"gevent_version": version}
        return {**answer, "effects": {"in_effect": patched, "by_label": patched}}

    def blocks(answer: dict[str, Any]) -> dict[str, Any]:
        if answer["asked_ns"] == 1:
            return {"asked_ns": 1_000_000_000, "watched": []}
        of_it = watched((1_000_000_000, 3_000_000_000))
        return {"asked_ns": 11_000_000_000, "watched": [of_it]}

    made.check, made.blocks = check, blocks
    return made


def asked(pods: SimulatedPods, what: str = "load") -> list[str]:
    return [cell for name, cell in pods.events if name == what]


def test_each_cell_with_gevent_is_launched_once_more(rounds: Rounds) -> None:
    made = pods()
    underway = diagnose(rounds, made)
    assert sorted(asked(made)[:2]) == sorted([NONE.id, GEVENT.id])
    assert asked(made)[2:] == [GEVENT.id]
    assert asked(made, "blocks") == [GEVENT.id] * 2
    found = diagnoses(underway.directory)
    assert found[NONE.id].left_out == NOT_LOADED
    assert found[GEVENT.id].blocks[0].where == "shop/orders.py:12"
    assert "diagnosing 1 cell, with gevent's monitor thread" in rounds.messages
    assert f"  {GEVENT.id}: the event loop was blocked for 2.0 s" in rounds.messages


def test_it_is_in_no_figure(rounds: Rounds) -> None:
    stored = diagnose(rounds, pods()).directory
    assert [len(launches) for launches in stored.launches().values()] == [1, 1]
    assert stored.rejected() == {}
    assert not list(stored.path.glob(f"cells/*/diagnosis/{RESULT}"))
    run = read_run(stored)
    assert [row.attempts for row in run.rows] == [1, 1]
    assert [row.values() for row in collate(run.record, run.launches).rows] == [
        row.values() for row in run.rows
    ]


def test_what_was_found_is_not_looked_for_again(rounds: Rounds) -> None:
    diagnose(rounds, pods())
    second = pods()
    underway = diagnose(rounds, second)
    assert asked(second) == []
    assert "diagnosed before, used again: 1 cell" in rounds.messages
    (earlier,) = {d.made_in for d in underway.diagnoses.values()} - {underway.directory.run_id}
    found = diagnoses(underway.directory)[GEVENT.id]
    assert (found.made_in, found.blocks[0].times) == (earlier, 1)
    log = underway.directory.path / "cells" / GEVENT.id / "diagnosis" / "server.log"
    assert log.exists()
    third = pods()
    diagnose(rounds, third, fresh=True)
    assert asked(third, "blocks") == [GEVENT.id] * 2


def test_another_cell_is_looked_at(rounds: Rounds) -> None:
    diagnose(rounds, pods())
    rounds.cells = tuple(replace(cell, requests=4000) for cell in rounds.cells)
    second = pods()
    diagnose(rounds, second)
    assert asked(second, "blocks") == [rounds.cells[1].id] * 2


def test_what_the_engine_kept_from_being_found_is_looked_for_again(rounds: Rounds) -> None:
    failing = pods()
    failing.stacks, rightly = SimulatedPods().stacks, failing.blocks

    def blocks(answer: dict[str, Any]) -> dict[str, Any]:
        if len(asked(failing, "blocks")) == 1:
            raise EngineError("it went away")
        return rightly(answer)

    failing.blocks = blocks
    found = diagnose(rounds, failing).diagnoses[GEVENT.id]
    assert found.outcome is Outcome.ENGINE_ERROR
    second = pods()
    diagnose(rounds, second)
    assert asked(second, "blocks") == [GEVENT.id] * 2


def test_a_cell_whose_lock_has_no_gevent_is_left_out_though_it_never_answered(
    rounds: Rounds,
) -> None:
    failing = SimulatedPods(ready=lambda _: {"failed": "startup", "reason": "not accepted"})
    underway = rounds.run(failing)
    environment = EnvironmentRecord(
        python="3.11",
        lock="flask==3.1.3 \\\n",
        lock_digest="aa",
        base=BaseRecord(reference="base", origin="debian"),
        image_id="sha256:bb",
    )
    cells = tuple(cell.model_copy(update={"environment": "env"}) for cell in underway.record.cells)
    update = {"cells": cells, "environments": {"env": environment}}
    without = replace(underway, record=underway.record.model_copy(update=update))
    ready = rounds.ready(MemoryEngine(failing))
    diagnose_all(ready, without, PlainReporter(Console(file=rounds.said)), fresh=False)
    assert {found.left_out for found in without.diagnoses.values()} == {NOT_LOADED}


def test_show_and_the_notes_say_what_was_found(rounds: Rounds) -> None:
    path = diagnose(rounds, pods()).directory.path
    text = shown(rounds.results, str(path), GEVENT.id, lock=False)
    section = text.partition("== Blocks of the event loop ==\n")[2].partition("\n\n")[0]
    assert section.splitlines() == [
        f"a launch beside the measured ones, in run {path.name}: ok",
        "gevent 25.9.1, its monitor thread looked every 0.02 s",
        "sent: ab -c 100 -n 500",
        "the event loop was blocked for 2.0 s of 10.0 s",
        f"{WHAT} (1 time, 2.0 s in all, 2.02 s at most)",
        f"in {path}/cells/{GEVENT.id}/diagnosis: server.log",
    ]
    without = shown(rounds.results, str(path), NONE.id, lock=False)
    assert f"== Blocks of the event loop ==\nnot diagnosed: {NOT_LOADED}\n" in without
    notes = table_text(rounds.results, str(path), format_="plain")
    assert f"{GEVENT.id}: the event loop was blocked for 2.0 s of 10.0 s: psycopg2-binary" in notes
    assert f"{NONE.id}: not diagnosed: {NOT_LOADED}" in notes


def test_a_run_without_says_nothing_of_it(rounds: Rounds) -> None:
    path = rounds.run(SimulatedPods()).directory.path
    assert "event loop" not in table_text(rounds.results, str(path), format_="plain")
    assert "event loop" not in shown(rounds.results, str(path), GEVENT.id, lock=False)


def test_the_rate_of_a_baseline_that_has_none(rounds: Rounds) -> None:
    rounds.cells = (NONE, SHARE)
    failing = pods(load=lambda answer: {"failed": "load", "reason": "it failed"})
    underway = rounds.run(failing)
    cells = tuple(
        cell.model_copy(update={"rate_of": NONE.id}) if cell.id == SHARE.id else cell
        for cell in underway.record.cells
    )
    changed = replace(underway, record=underway.record.model_copy(update={"cells": cells}))
    ready = rounds.ready(MemoryEngine(failing))
    diagnose_all(ready, changed, PlainReporter(Console(file=rounds.said)), fresh=False)
    assert changed.diagnoses[SHARE.id].left_out == NO_RATE


def test_what_a_damaged_record_says_is_not_used(rounds: Rounds) -> None:
    underway = diagnose(rounds, pods())
    record = underway.directory.path / "cells" / GEVENT.id / "diagnosis" / "diagnosis.json"
    record.write_text("{", encoding="utf-8")
    assert [*diagnoses(underway.directory)] == [NONE.id]


def test_texts_of_a_diagnosis_are_masked(rounds: Rounds) -> None:
    underway = rounds.run(SimulatedPods())
    hiding = underway.directory.hiding(Secrets(values=frozenset({"a-secret-word"})))
    block = BlockRecord(what="a-secret-word computes", times=1, total_s=1.0, longest_s=1.0)
    record = DiagnosisRecord(cell=GEVENT.id, made_in="run", blocks=(block,))
    stored = write_diagnosis(hiding, record, {"server.log": b"a-secret-word"})
    assert stored.blocks[0].what == "*** computes"
    directory = hiding.path / "cells" / GEVENT.id / "diagnosis"
    assert all("a-secret-word" not in file.read_text() for file in directory.iterdir())
