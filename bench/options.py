"""What the benchmarks are told, and how a figure is printed beside its goal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Sizes; None is a benchmark's own default. `full` is the article's load where it matters."""

    full: bool = False
    cells: int | None = None
    requests: int | None = None
    launches: int | None = None
    runs: tuple[Path, ...] = ()


#: A benchmark yields its lines as it goes, so that a long one shows that it lives.
Benchmark = Callable[[Options], Iterator[str]]


def figure(name: str, value: str, goal: str = "", *, met: bool | None = None) -> str:
    """One line: what, how much, and the goal with whether it was met."""
    line = f"  {name:<58} {value:>22}"
    if goal:
        line += f"   goal {goal}"
    if met is not None:
        line += "  met" if met else "  MISSED"
    return line
