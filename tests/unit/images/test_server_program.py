"""What can be said of the programs inside containers without running any."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runner.build.images import SERVER_PROGRAM, server_environment
from runner.engine.pod import SERVER_UID, SERVER_USER
from runner.matrix import plugins
from tests.support.loadgen import program
from tests.support.simulated import a_cell

FILES = sorted(SERVER_PROGRAM.rglob("*.py"))
PACKAGE = SERVER_PROGRAM.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_written_for_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_but_the_standard_library_is_imported_at_once(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }
    names |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | {PACKAGE}


def test_the_first_thing_main_does_is_to_prepare_evidence() -> None:
    body = ast.parse((SERVER_PROGRAM / "main.py").read_text(encoding="utf-8")).body
    statements = [ast.unparse(node) for node in body[1:3]]
    assert statements == ["from monkey_matrix_server import diagnostics", "diagnostics.install()"]


def run(importable: Path, script: str) -> str:
    """What a script prints that imports the program, where nothing else is installed."""
    result = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=importable / "server",
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_the_program_finds_the_plugins_that_the_matrix_may_name(importable: Path) -> None:
    script = (
        "from monkey_matrix_server import patches, plugins, servers, workloads\n"
        "for package in (patches, servers, workloads):\n"
        "    print(*sorted(plugins.load(package)))"
    )
    known = (plugins.patches(), plugins.servers(), plugins.workloads())
    printed = run(importable, script).splitlines()
    assert [line.split() for line in printed] == [sorted(k) for k in known]


@pytest.mark.parametrize("commands", ["", '["true"]'])
def test_nothing_that_a_patch_replaces_is_imported_before_it(
    importable: Path, commands: str
) -> None:
    script = (
        "import runpy, sys; from monkey_matrix_server import main, before\n"
        f"assert before.run({commands!r}); main.prepare()\n"
        "replaced = {'threading', 'socket', 'ssl', 'select', 'selectors', 'queue', 'subprocess'}\n"
        "print(*sorted(replaced & set(sys.modules)))"
    )
    assert run(importable, script).split() == []


def test_the_server_reads_every_setting_that_a_cell_gives_it() -> None:
    for name in server_environment(a_cell()):
        prefix = "_".join(name.split("_")[:2])  # MATRIX_SERVER_THREADS
        assert any(prefix in file.read_text(encoding="utf-8") for file in FILES)
    assert SERVER_USER.split(":")[0] == str(SERVER_UID)


def test_the_agent_knows_every_command_it_is_asked() -> None:
    loaded = program("agent")
    asked = {
        "ready",
        "check",
        "calibrate",
        "load",
        "canary",
        "ab-opening",
        "sockets",
        "accepts",
        "look",
        "stacks",
        "blocks",
    }
    assert set(loaded.COMMANDS) == asked


def test_the_agent_tries_a_port() -> None:
    accepts = program("network").accepts
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert accepts({"port": port}) == {"accepts": True}
    assert accepts({"port": port}) == {"accepts": False}


def test_what_works_beside_the_load_generator_is_all_that_others_run() -> None:
    loaded = program("processes")
    own = set(loaded.server_pids(os.getuid()))
    every = set(loaded._pids(lambda _: True))
    assert os.getpid() in own
    assert set(loaded._pids(lambda uid: uid != os.getuid())) <= every - own
    assert loaded.cpu_s_beside() >= 0


def test_counters_of_a_process_are_read_from_proc() -> None:
    loaded = program("processes")
    own = loaded.server_pids(os.getuid())
    assert os.getpid() in own
    snapshot = loaded.snapshot(os.getuid())
    assert snapshot["cpu_s"] > 0
    assert snapshot["rss_kib"] > 1000
    assert snapshot["threads"] >= 1
    assert set(snapshot["network"]) == set(program("network").NETWORK_COUNTERS)


def test_a_thread_that_ended_does_not_make_counters_negative() -> None:
    loaded = program("processes")
    before = {"/proc/1/task/1": (10, 5, 1.0), "/proc/1/task/2": (100, 50, 10.0)}
    after = {"/proc/1/task/1": (12, 6, 1.5), "/proc/1/task/3": (1, 1, 0.5)}
    assert loaded.task_growth(before, after) == {
        "voluntary_switches": 3,
        "involuntary_switches": 2,
        "run_delay_s": 1.0,
    }
