"""What is in effect in a serving process, found out without importing anything."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

NOTHING = {"gevent": None, "grpc": False, "psycopg2_wait_callback": False, "eventlet": False}
NOBODY = lambda *_: None  # noqa: E731


@pytest.fixture
def effects(importable: Path) -> Any:
    assert importable.exists()
    return importlib.import_module("monkey_matrix_server.effects")


def loaded(monkeypatch: pytest.MonkeyPatch, name: str, **values: Any) -> None:
    module = ModuleType(name)
    vars(module).update(values)
    monkeypatch.setitem(sys.modules, name, module)


def written(directory: Path) -> list[dict[str, Any]]:
    """The files, as the agent reads them: by how their names begin."""
    return [json.loads(path.read_text()) for path in directory.glob("shared-effects-*")]


def test_nothing_is_patched_and_nothing_imported(effects: Any) -> None:
    before = set(sys.modules)
    assert effects.patched() == NOTHING
    assert set(sys.modules) == before


def test_gevent_names_the_modules_of_which_it_replaced_something(
    effects: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(monkeypatch, "gevent", __version__="25.9.1")
    assert effects.patched()["gevent"] == {"version": "25.9.1", "modules": []}
    saved = {
        "time": {"sleep": 1},
        "os": {"fork": 1},
        "ssl": {},
        "_gevent_saved_patch_all": {"x": 1},
    }
    loaded(monkeypatch, "gevent.monkey", saved=saved)
    assert effects.patched()["gevent"]["modules"] == ["os", "time"]


@pytest.mark.parametrize("called", [False, True])
def test_the_core_of_grpc_knows_whether_it_waits_in_gevents_loop(
    effects: Any, monkeypatch: pytest.MonkeyPatch, called: bool
) -> None:
    loaded(monkeypatch, "grpc._cython.cygrpc", g_gevent_activated=called)
    assert effects.patched() == NOTHING | {"grpc": called}


@pytest.mark.parametrize("callback", [None, print])
def test_psycopg2_may_have_a_callback(
    effects: Any, monkeypatch: pytest.MonkeyPatch, callback: Any
) -> None:
    loaded(monkeypatch, "psycopg2.extensions", get_wait_callback=lambda: callback)
    assert effects.patched() == NOTHING | {"psycopg2_wait_callback": callback is print}


@pytest.mark.parametrize("patched", [set(), {"socket"}])
def test_eventlet_may_have_patched(
    effects: Any, monkeypatch: pytest.MonkeyPatch, patched: set[str]
) -> None:
    loaded(monkeypatch, "eventlet.patcher", is_monkey_patched=patched.__contains__)
    assert effects.patched() == NOTHING | {"eventlet": bool(patched)}


def test_it_is_written_at_the_first_request_and_at_no_other(
    effects: Any, importable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = importlib.import_module("monkey_matrix_server.recording")
    effects.note(by_label=effects.patched(), application="flask.app.Flask")
    recorded = recording.Recorded(lambda _environ, _start: [])
    assert written(importable) == []
    loaded(monkeypatch, "grpc._cython.cygrpc", g_gevent_activated=True)
    recorded({}, NOBODY)
    (found,) = written(importable)
    assert found == NOTHING | {
        "grpc": True,
        "by_label": NOTHING,
        "gunicorn_config": None,
        "overridden": {},
        "worker_class": None,
        "application": "flask.app.Flask",
        "patched_by": None,
    }
    recorded({}, NOBODY)
    assert len(written(importable)) == 1


def test_what_cannot_be_written_fails_no_request(
    effects: Any, importable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    effects.contract.EFFECTS = f"{importable}/none/effects-"
    effects.write()
    assert "what is in effect is not recorded: FileNotFoundError" in capsys.readouterr().err


def test_a_fact_has_a_name_that_the_file_has(effects: Any) -> None:
    with pytest.raises(TypeError, match="there is no 'aplication'"):
        effects.note(aplication="x")
    assert effects.name_of(type(SimpleNamespace())) == "types.SimpleNamespace"
