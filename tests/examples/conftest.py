"""The installed program, and the third of the examples that one day's CI runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.installed import Installed, install

HERE: Final = Path(__file__).parent
THIRDS: Final = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI choose a third of the examples."""
    parser.addoption(
        "--third", type=int, choices=range(THIRDS), help="run every third example, from this one on"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other two thirds."""
    third = config.getoption("--third", None)
    if third is None:
        return
    examples = [item for item in items if HERE in item.path.parents]
    left_out = [item for n, item in enumerate(examples) if n % THIRDS != third]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say which third it is, and what is in it."""
    third = config.getoption("--third", None)
    names = ", ".join(item.name for item in items)
    return [] if third is None else [f"third {third} (of 0, 1 and 2) of the examples: {names}"]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed `matrix`."""
    return install(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def matrix(program: Path, tmp_path: Path) -> Installed:
    return Installed(program, tmp_path)
