"""The small applications of examples/cases: each cell has the outcome and the cause that is known.

What is expected of them is in their matrix files, and `matrix run` checks it.
"""

from __future__ import annotations

import json
import shutil
from typing import Final

import pytest

from tests.support.installed import CHECKOUT, Installed

pytestmark = pytest.mark.engine

CASES: Final = CHECKOUT / "examples" / "cases"
NAMES: Final = sorted(path.parent.name for path in CASES.glob("*/matrix.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_case(matrix: Installed, capsys: pytest.CaptureFixture[str], name: str) -> None:
    shutil.copytree(CASES / name, matrix.work, dirs_exist_ok=True)
    try:
        matrix("run", "--launches", "1", "--repeats", "0")
    finally:
        table = matrix.work / "results" / "latest" / "table.json"
        rows = json.loads(table.read_text())["rows"] if table.exists() else []
        with capsys.disabled():
            print(f"\n{name}")
            for row in rows:
                print(f"  {row['cell']}: {row['outcome']}")
                print(f"    why: {row['why']}" if row["why"] else "    nothing to explain")
