"""What `plan` says of an application before anything is started."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.application.application_lock import ApplicationLock, Moved
from runner.application.pins import Directory, GitSource, Sdist
from runner.application.source import source_of
from runner.commands.cells import LockedCells
from runner.commands.plan import _json
from runner.commands.plan_application import application_item, application_lines
from runner.matrix.cell import Cell, Experiment
from runner.matrix.servers import server
from runner.resolver import Lock
from tests.support.own import SLASHES, matrix

MOVED = Moved(name="greenlet", was="3.1.1", now="3.5.6", because="gevent==26.9.0")
GIT = GitSource(name="core", url=f"https:{SLASHES}me:password@host/core.git", revision="v1")
LOCAL = Directory(name="plugin", path=Path("/home/me/plugin"))


def locked(experiment: Experiment, cells: tuple[Cell, ...], **of_lock: Any) -> LockedCells:
    """The cells with a lock each; only those of patched ones are as given."""
    locks = {
        cell.environment: Lock(request=cell.environment, platform="manylinux", text="")
        for cell in cells
    }
    applications = {
        cell.environment: ApplicationLock(
            lock=locks[cell.environment], **(of_lock if cell.patch != "none" else {})
        )
        for cell in cells
    }
    return LockedCells(cells=cells, locks=locks, unavailable={}, applications=applications)


def served_by(experiment: Experiment, name: str) -> tuple[Cell, ...]:
    return tuple(replace(cell, server=server(name)) for cell in experiment.cells)


def planned(
    directory: Path,
    changes: Mapping[str, str] | None = None,
    *,
    name: str = "gunicorn-gthread",
    **of_lock: Any,
) -> tuple[str, list[dict[str, Any]]]:
    """The section for people, and the key `application` of each cell."""
    experiment = matrix(directory, changes)
    cells = served_by(experiment, name)
    found = locked(experiment, cells, **of_lock)
    assert experiment.application is not None
    source = source_of(experiment.application, apart_from=(directory / "results",))
    text = "\n".join(application_lines(experiment, found, source))
    items = [application_item(experiment, cell, found, source)["application"] for cell in cells]
    assert [item["application"] for item in json.loads(_json(experiment, found, source))] == items
    return text, items


def test_what_is_copied_and_what_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "src" / "static").mkdir(parents=True)
    (tmp_path / "src" / ".dockerignore").write_text("static\n*.log\n")
    (tmp_path / "src" / "a.log").write_text("log")
    text, [item, *_] = planned(tmp_path)
    assert "application shop.wsgi:create_app('load'):" in text
    assert "  source: 3 files, 44 bytes, chosen by .dockerignore\n" in text
    assert "  left out: a.log, static/\n" in text
    assert item["source"] == {
        "rule": ".dockerignore",
        "files": 3,
        "bytes": 44,
        "left_out": ["a.log", "static/"],
    }


def test_of_many_paths_that_are_left_out_a_few_are_named(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / ".dockerignore").write_text("*.log\n")
    for number in range(15):
        (tmp_path / "src" / f"{number:02}.log").write_text("log")
    text, [item, *_] = planned(tmp_path)
    assert "10.log, 11.log and 3 more" in text
    assert len(item["source"]["left_out"]) == 15


def test_a_configuration_that_gunicorn_finds_itself_is_named(tmp_path: Path) -> None:
    text, [item, *_] = planned(tmp_path)
    assert "gunicorn.conf.py is read by gunicorn" in text
    assert item["gunicorn_config"] == "gunicorn.conf.py"


@pytest.mark.parametrize(
    ("changes", "name", "config"),
    [
        ({"env_file: .env": "env_file: .env\n      gunicorn_config: none"}, "gunicorn-sync", None),
        (
            {"env_file: .env": "env_file: .env\n      gunicorn_config: a.py"},
            "gunicorn-sync",
            "a.py",
        ),
        ({"env_file: .env": "env_file: .env\n      gunicorn_config: a.py"}, "werkzeug", None),
        ({}, "werkzeug", None),
    ],
)
def test_what_is_named_or_not_read_is_not_found_by_gunicorn(
    tmp_path: Path, changes: dict[str, str], name: str, config: str | None
) -> None:
    text, [item, *_] = planned(tmp_path, changes, name=name)
    assert "is read by gunicorn" not in text
    assert item["gunicorn_config"] == config


def test_what_gives_way_is_added_or_has_to_be_built(tmp_path: Path) -> None:
    text, [none, gevent] = planned(
        tmp_path,
        moved=(MOVED,),
        added=("gevent==26.9.0",),
        sdists=(Sdist(name="debts", version="0.5"),),
        sources=(GIT, LOCAL),
        of_another_python=True,
        contradiction="x needs y<2",
    )
    [cell] = [line for line in text.splitlines() if "moved" in line]
    assert cell.startswith("  moved: greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0 (py3.11-")
    assert "added: gevent==26.9.0" in text
    assert "to be built: debts==0.5, core from git v1, plugin from directory plugin" in text
    assert "Python 3.11: the application's files are for another one" in text
    assert "although that is forbidden: x needs y<2" in text
    assert "password" not in text
    assert "/home/me" not in text
    assert none["moved"] == none["to_be_built"] == []
    assert gevent["moved"] == [
        {"name": "greenlet", "was": "3.1.1", "now": "3.5.6", "because": "gevent==26.9.0"}
    ]
    assert gevent["to_be_built"] == [
        "debts==0.5",
        "core from git v1",
        "plugin from directory plugin",
    ]
    assert (gevent["of_another_python"], gevent["contradiction"]) == (True, "x needs y<2")
    assert gevent["needs_registry"] is False


def test_what_holds_for_all_cells_names_none_of_them(tmp_path: Path) -> None:
    experiment = matrix(tmp_path)
    cells = tuple(cell for cell in experiment.cells if cell.patch != "none")
    found = locked(experiment, cells, moved=(MOVED,))
    lines = [*application_lines(experiment, found, None)]
    assert "  moved: greenlet 3.1.1 → 3.5.6, because of gevent==26.9.0" in lines


def test_the_python_that_the_application_names(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "Dockerfile").write_text("FROM python:3.12-slim\n")
    text, _ = planned(tmp_path)
    assert "  its own Python: FROM python:3.12-slim (Dockerfile:1)\n" in text


def test_a_python_without_a_suite_needs_a_registry(tmp_path: Path) -> None:
    _, items = planned(tmp_path, {'"3.11"': '"3.12"'})
    assert {item["needs_registry"] for item in items} == {True}


def test_nothing_is_said_without_an_application(tmp_path: Path) -> None:
    experiment = replace(matrix(tmp_path), application=None)
    nothing = LockedCells(cells=(), locks={}, unavailable={})
    assert [*application_lines(experiment, nothing, None)] == []
    assert application_item(experiment, experiment.cells[0], nothing, None) == {}
