"""Where the server program applies a patch: with a gevent that only tells when it is called."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.program import Program

APPLICATION = """
print("the application is imported", flush=True)


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
#: Gevent tells what was there already when it patched, and its events are as gevent has them.
GEVENT = {
    "gevent/__init__.py": '__version__ = "1"\n',
    "gevent/events.py": (
        "subscribers = []\n"
        "class GeventWillPatchAllEvent: pass\n"
        "class GeventDidPatchBuiltinModulesEvent: pass\n"
    ),
    "gevent/monkey.py": (
        "import os, sys\n"
        "saved = {}\n"
        "def patch_all(**arguments):\n"
        "    from gevent import events\n"
        "    for subscriber in events.subscribers: subscriber(events.GeventWillPatchAllEvent())\n"
        "    there = [n for n in ('gunicorn', 'flask', 'app', 'asked') if n in sys.modules]\n"
        "    print('patched', sorted(arguments.items()), there, flush=True)\n"
        "    saved['time'] = True\n"
        "    for subscriber in list(events.subscribers):\n"
        "        subscriber(events.GeventDidPatchBuiltinModulesEvent())\n"
    ),
    "flask.py": "",
    "grpc/__init__.py": "",
    "grpc/experimental/__init__.py": "",
    "grpc/experimental/gevent.py": "def init_gevent(): print('init_gevent', flush=True)\n",
    "app.py": APPLICATION,
    "gunicorn.conf.py": (
        "import os\n"
        "os.register_at_fork(after_in_child=lambda: print('forked', flush=True))\n"
        "print('configured', flush=True)\n"
        "def post_fork(server, worker): print('post_fork', flush=True)\n"
    ),
    "workers.py": (
        "from gunicorn.workers.sync import SyncWorker\n"
        "class Patching(SyncWorker):\n"
        "    def init_process(self):\n"
        "        from gevent import monkey\n"
        "        monkey.patch_all()\n"
        "        super().init_process()\n"
    ),
    "asked.py": "from gevent import monkey\nmonkey.patch_all()\n",
}
PATCHED = "patched []"


@pytest.fixture
def program(served: Program) -> Program:
    for name, text in GEVENT.items():
        path = served.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return served


def lines(program: Program, **variables: str) -> tuple[list[str], dict[str, Any]]:
    """What it prints until it has answered once, and what was in effect."""
    chosen = {"MATRIX_APPLICATION": "app", "MATRIX_SERVER": "gunicorn-sync"} | variables
    with program.started(**chosen) as process:
        assert program.answer(process) == "ok"
    (effects,) = program.shared("effects")
    return program.log.splitlines(), json.loads(effects)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("first", [f"{PATCHED} []", "configured", "forked", "post_fork", "app"]),
        ("late", [f"{PATCHED} ['flask']", "configured", "forked", "post_fork", "app"]),
        ("config", [f"{PATCHED} ['gunicorn']", "configured", "forked", "post_fork", "app"]),
        ("worker", ["configured", "forked", f"{PATCHED} ['gunicorn']", "post_fork", "app"]),
        (
            "after-app",
            ["configured", "forked", "post_fork", "app", f"{PATCHED} ['gunicorn', 'app']"],
        ),
    ],
)
def test_a_patch_is_applied_once_and_where_it_stands(
    program: Program, placement: str, expected: list[str]
) -> None:
    found, effects = lines(program, MATRIX_PATCH="gevent", MATRIX_PLACEMENT=placement)
    assert found == [line if line != "app" else "the application is imported" for line in expected]
    assert effects["by_label"]["gevent"] == {"version": "1", "modules": ["time"]}
    assert effects["patched_by"] is None


def test_with_preload_it_comes_after_the_application_in_the_master(program: Program) -> None:
    variables = {"MATRIX_PATCH": "gevent", "MATRIX_SERVER_PRELOAD": "1"}
    found, _ = lines(program, **variables, MATRIX_PLACEMENT="after-app")
    assert found[2:4] == [f"{PATCHED} ['gunicorn', 'app']", "forked"]


def test_without_a_configuration_the_place_is_where_it_would_be_read(program: Program) -> None:
    (program.cwd / "gunicorn.conf.py").unlink()
    found, _ = lines(program, MATRIX_PATCH="gevent", MATRIX_PLACEMENT="config")
    assert found == [f"{PATCHED} ['gunicorn']", "the application is imported"]


def test_a_patch_has_arguments(program: Program) -> None:
    found, _ = lines(program, MATRIX_PATCH="gevent(thread=False,sys=True)")
    assert found[0] == "patched [('sys', True), ('thread', False)] []"


PATCHING = {"MATRIX_WORKER_CLASS": "workers.Patching", "MATRIX_SERVER": "gunicorn-gevent"}


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("worker", [PATCHED, "init_gevent"]),
        ("did-patch", [PATCHED, "init_gevent"]),
        ("config", ["init_gevent", PATCHED]),
    ],
)
def test_a_worker_that_patches_by_itself_does_it_before_its_place(
    program: Program, placement: str, expected: list[str]
) -> None:
    variables = {"MATRIX_PATCH": "grpc", "MATRIX_PLACEMENT": placement}
    found, effects = lines(program, **PATCHING, **variables)
    there = [line.partition(" ['")[0] for line in found if "patched" in line or "init" in line]
    assert there == expected
    assert effects["patched_by"] == "workers.py:5"


def test_who_patched_is_named_where_nothing_should_have(program: Program) -> None:
    app = program.cwd / "app.py"
    app.write_text(f"import asked\n{APPLICATION}", encoding="utf-8")
    _, effects = lines(program, MATRIX_PATCH="none")
    assert effects["patched_by"] == "asked.py:2"
    assert effects["by_label"]["gevent"] is None
    assert effects["gevent"]["modules"] == ["time"]


def test_settings_of_gunicorn_are_on_its_command_line(program: Program) -> None:
    (program.cwd / "gunicorn.conf.py").write_text(
        "timeout, max_requests = 9, 7\n"
        "def post_worker_init(worker):\n"
        "    print(worker.cfg.timeout, worker.cfg.max_requests, flush=True)\n",
        encoding="utf-8",
    )
    found, effects = lines(program, MATRIX_SERVER_TIMEOUT="30", MATRIX_SERVER_MAX_REQUESTS="5")
    assert found[-1] == "30 5"
    assert effects["overridden"]["timeout"] == "9 → 30"
