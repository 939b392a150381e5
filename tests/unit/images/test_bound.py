"""Who imported a module first, told without asking it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("modules", "script", "by"),
    [
        ({"app": "from concurrent.futures import ThreadPoolExecutor"}, "import app", "app"),
        (
            {
                "app": "from concurrent.futures import ThreadPoolExecutor",
                "gthread": "from concurrent import futures",
            },
            "import gthread; gthread.futures.ThreadPoolExecutor; import app",
            "gthread",
        ),
    ],
    ids=["by name", "through its package, and later by another"],
)
def test_who_imported_a_module(
    importable: Path, tmp_path: Path, modules: dict[str, str], script: str, by: str
) -> None:
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    asked = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(importable / 'server')!r}]\n"
        "from monkey_matrix_server import bound\n"
        f"{script}\nprint(bound.importer('concurrent.futures.thread'))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == by


def test_channels_have_the_names_that_lead_to_them_and_rlocks_their_count(
    importable: Path, tmp_path: Path
) -> None:
    (tmp_path / "grpc").mkdir()
    (tmp_path / "grpc" / "__init__.py").write_text("")
    (tmp_path / "grpc" / "_channel.py").write_text("class Channel:\n    def __init__(self): ...\n")
    (tmp_path / "app.py").write_text(
        "from grpc._channel import Channel\n"
        "class Client: ...\n"
        "client = Client()\nclient.channel = Channel()\n"
        "hidden = [Channel()]\n"
    )
    asked = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(importable / 'server')!r}]\n"
        "from monkey_matrix_server import bound\nimport app, threading\n"
        "lock = threading.RLock(); lock.acquire(); lock.acquire()\n"
        "print(bound.channels(), bound._times(lock), bound._times(threading.Lock()))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['', 'app.client.channel'] 2 0"


def test_what_an_applications_objects_have_is_found_and_its_locals_are_not_asked(
    importable: Path, tmp_path: Path
) -> None:
    text = (
        "import threading\n"
        "class Values(threading.local):\n"
        "    def __init__(self): print('asked')\n"
        "class Thing: ...\n"
        "shop, shop.stock = Thing(), Thing()\n"
        "shop.stock.shop, shop.stock.changed = shop, threading.Condition()\n"
        "class Slots:\n"
        "    __slots__ = ('kept', 'empty')\n"
        "current, more, slots = threading.local(), Thing(), Slots()\n"
        "more.values, slots.kept = Values(), threading.local()\n"
    )
    (tmp_path / "app.py").write_text(text)
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "library.py").write_text(text)
    asked = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(importable / 'server')!r}]\n"
        "import app, library, threading, _thread\n"
        "from monkey_matrix_server import bound\n"
        "kept = {'allocate_lock': _thread.allocate_lock, '_local': _thread._local}\n"
        "originals = {'_thread': kept, 'threading': {'RLock': threading.RLock}}\n"
        "def look():\n"
        "    for one in bound.locks(originals):\n"
        "        if one['module'] in ('app', 'library'):\n"
        "            print(one['module'], one['name'], one['kind'])\n"
        "looking = threading.Thread(target=look)\n"
        "looking.start()\n"
        "looking.join()"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(installed)},
    )
    told = done.stdout.splitlines()
    assert told[:2] == ["asked", "asked"]  # when they were made
    assert sorted(told[2:]) == [
        "app current local",
        "app more.values local",
        "app shop.stock.changed._lock RLock",
        "app slots.kept local",
        "library current local",
        "library more.values local",
        "library slots.kept local",
    ]


def test_objects_that_have_each_other_are_looked_into_once(importable: Path) -> None:
    asked = (
        f"import sys; sys.path[:0] = [{str(importable / 'server')!r}]\n"
        "from monkey_matrix_server import bound\n"
        "class Thing: ...\n"
        "things = [Thing() for _ in range(40)]\n"
        "for one in things: one.__dict__.update((f'n{n}', two) for n, two in enumerate(things))\n"
        "print(len(list(bound._reach('shop', things[0], 3))))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40 * 42
