"""A against A: cells that are equal or differ by a known effect, of a run of `control`.

An interval of two equal cells has to hold 1; one of a known effect has to hold that, and to show
it if the run could. Both sides are launches of their own, made in the same rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.common import REPOSITORY, Options, figure
from runner.errors import UsageError
from runner.report.figures import FIGURES, Figure
from runner.report.modes import modes
from runner.report.row import Row, axes_of
from runner.report.run import Run, read_run
from runner.report.statistics import Contrast
from runner.report.summary import sensitivity
from runner.store.run_directory import open_run

#: An axis that nothing depends on, and the workload's parameters whose effect is known.
INERT, SECONDS, SPIN = "copy", "seconds", "spin"
HOW: Final = 'make matrix EXPERIMENT=control, then make bench ARGS="aa --run latest"'


@dataclass(frozen=True, kw_only=True)
class Known:
    """Two cells whose true ratios are known: by the figure's name, 1 where it is not named."""

    row: Row
    differs: str
    ratios: dict[str, float]

    def contrast(self, of: Figure) -> Contrast:
        """What the run shows of a figure."""
        found: Contrast = getattr(self.row, f"{of.name}_contrast")
        return found


def run(options: Options) -> Iterator[str]:
    """Each pair's ratios beside the true ones, and what the run could have shown."""
    if options.run is None:
        yield f"  needs a run of `control`: {HOW}"
        return
    found = read_run(open_run(REPOSITORY / "results", options.run))
    pairs = known_pairs(found)
    if not pairs:
        raise UsageError(
            f"{options.run}: no cell differs from its baseline in {INERT}, {SECONDS} or {SPIN} "
            f"alone; {HOW}"
        )
    for pair in pairs:
        for of in FIGURES:
            yield line(pair, of)
    yield from _summed(pairs)
    if could_have_shown := sensitivity([mode for mode in modes(found) if not mode.is_baseline]):
        yield f"  {could_have_shown}"


def known_pairs(found: Run) -> list[Known]:
    """The cells that differ from their baseline in nothing but what has a known effect."""
    pairs = []
    for row in found.rows:
        base = found.baselines.get(row.cell)
        if base is None or base.cell == row.cell or row.outcome is not base.outcome:
            continue
        own, other = row.values(), base.values()
        differing = [axis for axis in axes_of(found.record) if own[axis] != other[axis]]
        if differing and {*differing} <= {INERT, SECONDS, SPIN}:
            values = ", ".join(f"{axis} {own[axis]}" for axis in differing)
            pairs.append(
                Known(row=row, differs=f"{row.patch}, {values}", ratios=true_ratios(row, base))
            )
    return pairs


def true_ratios(row: Row, base: Row) -> dict[str, float]:
    """What the cells' parameters make of the baseline's figures, by the figure's name.

    So many clients that wait for so long make requests in inverse proportion; a latency becomes
    longer by the difference; `spin` is CPU time, which comes on top.
    """
    longer_s = _number(row, SECONDS) - _number(base, SECONDS)
    more_cpu_ms = _number(row, SPIN) - _number(base, SPIN)
    ratios = {}
    if longer_s:
        ratios["rate"] = _number(base, SECONDS) / _number(row, SECONDS)
        if base.p99_ms:
            ratios["p99"] = 1 + 1000 * longer_s / base.p99_ms
    if more_cpu_ms and base.cpu_ms_per_request:
        ratios["cpu"] = 1 + more_cpu_ms / base.cpu_ms_per_request
    return ratios


def _number(row: Row, axis: str) -> float:
    """A parameter of the workload that is an axis of the run; 0 where it is none."""
    return float(row.further.get(axis) or 0)


# -- what the run shows ----------------------------------------------------------------------------


def line(pair: Known, of: Figure) -> str:
    """A figure of a pair: what was found, what is true, and whether the one is within the other."""
    found, true = pair.contrast(of), pair.ratios.get(of.name, 1.0)
    name = f"{pair.differs}: {of.label}"
    if found.low is None or found.high is None:
        ratio = "–" if found.ratio is None else f"× {found.ratio:.4f}"
        return figure(name, ratio) + f"   {found.reason or 'no figures'}"
    interval = f"× {found.ratio:.4f} [{found.low:.4f}–{found.high:.4f}]"
    goal = f"holds {true:.4f}" if of.name in pair.ratios else "holds 1"
    told = "" if of.name not in pair.ratios else _told(found, true)
    return figure(name, interval, goal, met=found.low <= true <= found.high) + told


def _told(found: Contrast, true: float) -> str:
    """Whether a known effect was found: the interval leaves 1 out, on the right side of it."""
    return ", found" if is_found(found, true) else ", not found"


def is_found(found: Contrast, true: float) -> bool:
    """Whether the run shows that there is an effect in the direction of the true one."""
    return found.is_shown and ((found.ratio or 1.0) > 1) == (true > 1)


def _summed(pairs: list[Known]) -> Iterator[str]:
    """Of all intervals of equal figures those that hold 1, of all known effects those found."""
    judged = [(pair, of) for pair in pairs for of in FIGURES if pair.contrast(of).low is not None]
    equal = [pair.contrast(of) for pair, of in judged if of.name not in pair.ratios]
    effects = [
        is_found(pair.contrast(of), pair.ratios[of.name])
        for pair, of in judged
        if of.name in pair.ratios
    ]
    false = sum(contrast.is_shown for contrast in equal)
    if equal:
        held = f"{len(equal) - false} of {len(equal)}"
        yield figure("equal: intervals that hold 1", held, "all", met=not false)
    if effects:
        yield figure("known effects found", f"{sum(effects)} of {len(effects)}")
