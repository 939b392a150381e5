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
