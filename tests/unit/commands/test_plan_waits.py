"""What `plan` says of libraries that can wait in C."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from runner.application.application_lock import ApplicationLock
from runner.application.pins import Sdist
from runner.build.lock import Lock
from runner.build.wheels import wheels_of
from runner.commands.cells import LockedCells
from runner.commands.plan_waits import HEADING, waits_item, waits_lines
from tests.support.elf import library
from tests.support.simulated import a_cell
from tests.unit.build.test_waits import LOCKED, WAITS, packed

NOT_INSTALLED = "known only once a run has installed them here"


def locked(*texts: str) -> LockedCells:
    """Cells with these locks, an environment each."""
    cells = [a_cell(number) for number in range(len(texts))]
    locks = {
        cell.environment: Lock(request=cell.environment, platform="x86_64", text=text)
        for cell, text in zip(cells, texts, strict=True)
    }
    return LockedCells(cells=tuple(cells), locks=locks, unavailable={})


def installed(found: LockedCells, cache: Path) -> LockedCells:
    """The same, once a run has installed all of it; what is called Kafka waits."""
    for lock in found.locks.values():
        for wheel in wheels_of(lock):
            files = {"librdkafka.so.1": WAITS} if "kafka" in wheel.pinned.name else {}
            packed(cache / "wheels" / wheel.file_name, files)
    return found


def test_it_is_known_after_a_run(tmp_path: Path) -> None:
    cells = locked(LOCKED)
    assert [*waits_lines(cells, tmp_path)][1:] == [
        HEADING,
        f"  {NOT_INSTALLED}: confluent-kafka, markupsafe",
    ]
    assert [*waits_lines(installed(cells, tmp_path), tmp_path)] == [
        "",
        HEADING,
        "  confluent-kafka 2.14 (librdkafka)",
    ]
    item = waits_item(cells.cells[0], cells, tmp_path)
    kafka = {"name": "confluent-kafka", "version": "2.14", "libraries": ("librdkafka",)}
    assert item == {"waiting": (kafka,), "unknown": ()}


def test_what_is_in_some_environments_only_names_them(tmp_path: Path) -> None:
    other = LOCKED.replace("2.14", "2.15")
    cells = installed(locked(LOCKED, other), tmp_path)
    keys = [lock.key for lock in cells.locks.values()]
    assert [*waits_lines(cells, tmp_path)][2:] == [
        f"  confluent-kafka 2.14 (librdkafka); in {keys[0]}",
        f"  confluent-kafka 2.15 (librdkafka); in {keys[1]}",
    ]
    both = installed(locked(LOCKED, LOCKED), tmp_path)
    assert [*waits_lines(both, tmp_path)][2:] == ["  confluent-kafka 2.14 (librdkafka)"]


def test_where_there_is_no_event_loop_nothing_is_said(tmp_path: Path) -> None:
    without = LOCKED.replace("gevent", "eventlet")
    cells = locked(without)
    assert [*waits_lines(cells, tmp_path)] == []
    assert waits_item(cells.cells[0], cells, tmp_path) is None
    assert waits_item(a_cell(7), cells, tmp_path) is None, "it is unavailable"
    nothing = locked("gevent==25.9.1 \\\n    --hash=sha256:11\n")
    assert [*waits_lines(installed(nothing, tmp_path), tmp_path)] == []


def test_what_has_to_be_built_is_known_once_a_run_has_built_it(tmp_path: Path) -> None:
    cells = installed(locked("gevent==25.9.1 \\\n    --hash=sha256:11\n"), tmp_path)
    (environment, lock), *_ = cells.locks.items()
    sdist = Sdist(name="mysqlclient", version="2.2.7", hashes=())
    built = ApplicationLock(lock=lock, sdists=(sdist,))
    cells = replace(cells, applications={environment: built})
    assert [*waits_lines(cells, tmp_path)][2:] == [f"  {NOT_INSTALLED}: mysqlclient"]
    for other in ("mysqlclient-2.2.6-aa", "mysqlclient-2.2.70-aa"):
        packed(tmp_path / "wheels" / f"{other}.tar", {})
    file = library(needs=["libmariadb.so.3"])
    packed(tmp_path / "wheels" / "mysqlclient-2.2.7-aa.tar", {"MySQLdb/_mysql.so": file})
    assert [*waits_lines(cells, tmp_path)][2:] == ["  mysqlclient 2.2.7 (libmariadb)"]
