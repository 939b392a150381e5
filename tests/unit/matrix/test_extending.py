"""`docs/extending.md` is true: its files, put in their places, are all it takes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.matrix import axes, plugins, servers, values
from runner.matrix.cell import Experiment
from tests.unit.matrix.matrices import REPOSITORY, expanded, ids

GUIDE = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
PLACES = ("patches", "servers", "workloads")


def forget() -> None:
    """Clear all that is cached of the plug-ins and of what they define."""
    for module in (plugins, servers, values, axes):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.fixture
def extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The program with the guide's files in it, under names of their own."""
    program = tmp_path / "server"
    shutil.copytree(plugins.PROGRAM, program)
    for directory, block in zip(PLACES, BLOCKS, strict=True):
        (program / directory / "from_the_guide.py").write_text(block, encoding="utf-8")
    monkeypatch.setattr(plugins, "PROGRAM", program)
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("extended")
def test_what_the_guide_adds_can_be_named_in_a_matrix(tmp_path: Path) -> None:
    found = expanded(
        tmp_path,
        {
            "axes": {
                "python": ["3.11"],
                "gevent": ["25.9.1"],
                "patch": ["gevent-thread"],
                "server": ["werkzeug", {"name": "cheroot", "threads": 5}],
                "workload": ["sleep", "redis"],
            },
            "load": {"concurrency": "10", "requests": "50"},
        },
    )
    assert ids(found)[2:] == [
        "py3.11-gevent25.9.1-gevent-thread-cheroot-t5-sleep",
        "py3.11-gevent25.9.1-gevent-thread-cheroot-t5-redis",
    ]
    sleep, redis = found.cells[2:]
    assert (sleep.axis("cheroot"), sleep.axis("redis")) == ("any", None)
    assert (redis.axis("redis"), redis.at_once) == ("any", 5)


def test_a_package_is_an_axis_without_any_code(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    found: Experiment = expanded(tmp_path, f"version: 1\n{example}")
    assert len(found.cells) == 3 * 2
    assert {cell.axis("flask") for cell in found.cells} == {"2.2.*", "3.0.*", "3.1.*"}
