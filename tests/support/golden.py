"""What the commands print of every published run: `python -m tests.support.golden --write`.

`tests/golden/` has a text per published run, each command followed by what it printed, and
`tests/unit/test_golden.py` compares it with what the command prints today. A text above `LONGEST`
characters is stored as its digest; `--full DIRECTORY` writes all of them whole, to be compared with
those of another commit.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import shlex
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from unittest import mock

from runner import cli

ROOT: Final = Path(__file__).resolve().parents[2]
GOLDEN: Final = ROOT / "tests" / "golden"
PUBLISHED: Final = Path("results") / "published"
#: What is longer is read by programs, or by nobody to its end.
LONGEST: Final = 12_000

COMPARISONS: Final = "compare"
TABLES: Final = ("plain", "github", "csv", "json", "latex", "html")
EXPORTS: Final = ("github-action-benchmark", "bencher", "pyperf", "csv", "junit", "openmetrics")

Command = tuple[str, ...]


def runs() -> list[str]:
    """The names of the published runs."""
    return sorted(path.parent.name for path in (ROOT / PUBLISHED).glob("*/run.json"))


def names() -> list[str]:
    """What texts are stored under: those of each run, and the comparisons."""
    return [*runs(), COMPARISONS]


def commands(name: str) -> list[Command]:
    """The commands whose texts are stored together."""
    if name == COMPARISONS:
        return [("compare", *map(_path, pair)) for pair in combinations(runs(), 2) if _share(*pair)]
    return [*_commands(_path(name))]


def _path(run: str) -> str:
    return str(PUBLISHED / run)


def _commands(run: str) -> Iterator[Command]:
    for name in TABLES:
        yield ("table", run, "--format", name)
    yield ("table", run, "--pivot", "patch")
    for name in EXPORTS:
        yield ("export", run, "--format", name)
    for cell in _one_per_outcome(run):
        yield ("show", run, cell)


def _one_per_outcome(run: str) -> list[str]:
    """The first cell of each outcome, in the order of the table."""
    rows: list[dict[str, Any]] = json.loads(printed(("table", run, "--format", "json")))["rows"]
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row["outcome"], row["cell"])
    return [*first.values()]


def _share(*pair: str) -> bool:
    """Whether two runs have something to compare: a cell of both, or reports made elsewhere."""
    old, new = (json.loads((ROOT / _path(run) / "run.json").read_bytes()) for run in pair)
    imported = None in {old["method"]["version"], new["method"]["version"]}
    return imported or bool({c["id"] for c in old["cells"]} & {c["id"] for c in new["cells"]})


def printed(command: Command) -> str:
    """What a command prints to standard output, its paths relative to the project's directory.

    A last line says how it ended, where that is not with 0.
    """
    out = io.StringIO()
    with (
        contextlib.chdir(ROOT),
        mock.patch.object(sys, "argv", ["matrix", *command]),
        contextlib.redirect_stdout(out),
    ):
        code = _exit_code()
    text = out.getvalue().replace(f"{ROOT}/", "")
    return f"{text}[exit code {code}]\n" if code else text


def _exit_code() -> int:
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def document(name: str, longest: int = LONGEST) -> str:
    """The commands of that name, each with its text, or with its digest where that is longer."""
    return "\n".join(
        f"$ matrix {shlex.join(command)}\n{_kept(printed(command), longest)}"
        for command in commands(name)
    )


def _kept(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"[{len(text.splitlines())} lines, sha256 {hashlib.sha256(text.encode()).hexdigest()}]\n"


def stored(name: str) -> Path:
    """Where the texts of that name are stored."""
    return GOLDEN / f"{name}.txt"


def main() -> None:
    """Write all documents: those that are stored, or whole ones elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="renew tests/golden")
    what.add_argument("--full", type=Path, metavar="DIRECTORY", help="write nothing as a digest")
    options = parser.parse_args()
    directory, longest = (GOLDEN, LONGEST) if options.write else (options.full, sys.maxsize)
    directory.mkdir(parents=True, exist_ok=True)
    for name in names():
        (directory / f"{name}.txt").write_text(document(name, longest), encoding="utf-8")


if __name__ == "__main__":
    main()
