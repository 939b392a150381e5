"""The suite and the set-up for somebody who is not root, or may not write."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests import conftest

ROOT = Path(__file__).parents[2]


class Hooks:
    """What was deselected."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def pytest_deselected(self, items: list[Any]) -> None:
        self.items += items


def an_item(name: str, *, root: bool) -> Any:
    markers = {"root": "a marker"} if root else {}
    return SimpleNamespace(nodeid=name, get_closest_marker=markers.get)


@pytest.mark.parametrize(("user", "left_out"), [(0, []), (1000, ["b.py"])])
def test_what_needs_root_is_left_out_elsewhere_and_named(
    monkeypatch: pytest.MonkeyPatch, user: int, left_out: list[str]
) -> None:
    monkeypatch.setattr("tests.conftest.os.geteuid", lambda: user)
    items = [an_item("a.py::one", root=False), an_item("b.py::two", root=True)]
    every = [*items]
    hooks, said = Hooks(), list[str]()
    config: Any = SimpleNamespace(stash=pytest.Stash(), hook=hooks)
    conftest.pytest_collection_modifyitems(config, items)
    assert [item.nodeid for item in every if item not in items] == [
        f"{file}::two" for file in left_out
    ]
    assert [item for item in every if item not in items] == hooks.items
    reporter: Any = SimpleNamespace(config=config, write_line=said.append)
    conftest.pytest_terminal_summary(reporter)
    assert said == [f"left out in {file}: what needs root" for file in left_out]


def a_session(left_out: list[str], **config: Any) -> Any:
    stash = pytest.Stash()
    stash[conftest.LEFT_OUT] = left_out
    return SimpleNamespace(config=SimpleNamespace(stash=stash, **config), exitstatus=None)


@pytest.mark.parametrize(
    ("left_out", "status", "changed"),
    [(["b.py"], 5, pytest.ExitCode.OK), ([], 5, None), (["b.py"], 1, None)],
)
def test_nothing_but_what_needs_root_is_no_failure(
    left_out: list[str], status: int, changed: int | None
) -> None:
    session = a_session(left_out)
    conftest.pytest_sessionfinish(session, status)
    assert session.exitstatus == changed


def test_what_the_processes_that_ran_tests_have_left_out_is_named() -> None:
    worker = a_session(["b.py"], workeroutput={})
    conftest.pytest_sessionfinish(worker, 0)
    here = a_session([])
    ended = SimpleNamespace(config=here.config, workeroutput=worker.config.workeroutput)
    conftest.pytest_testnodedown(ended)
    assert here.config.stash[conftest.LEFT_OUT] == ["b.py"]


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_here", ROOT / "bootstrap.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_clone_that_is_read_only_is_said_to_be_so_before_anything_else(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(bootstrap, "has_venv", lambda: False)
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("sys.argv", ["bootstrap.py"])
    with pytest.raises(SystemExit) as ended:
        bootstrap.main()
    assert ended.value.code == bootstrap.NO_ENVIRONMENT
    said = capsys.readouterr().err
    assert f"{tmp_path}: cannot be written to" in said
    assert "venv" not in said
