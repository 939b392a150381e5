"""Give targets one input after the other: what they raise, and what takes too long, is found."""

from __future__ import annotations

import contextlib
import io
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

#: Seconds of the CPU, and of the clock, after which an input hangs; none should take one.
CPU_S, WALL_S = 10.0, 300.0


class HangsError(BaseException):
    """An input takes too long. No `except Exception` of the program stops it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An input that did what none should: which it is, what it did, and where."""

    target: str
    number: int
    what: str
    where: str
    trace: str

    @property
    def key(self) -> tuple[str, ...]:
        """What findings of the same fault have in common."""
        return (self.target, self.what.partition(":")[0], self.where)


@dataclass
class Tally:
    """How many inputs there were of a target, how many were taken, and the slowest."""

    inputs: int = 0
    accepted: int = 0
    slowest_s: float = 0.0
    findings: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    faults: int = 0


def _hangs(_number: int, frame: FrameType | None) -> None:
    raise HangsError


@contextlib.contextmanager
def alarm() -> Iterator[None]:
    """Within the block an input can take as long as it may, and no longer."""
    signal.signal(signal.SIGPROF, _hangs)
    signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    signal.setitimer(signal.ITIMER_REAL, WALL_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def one(target: Target, seed: int, number: int, tally: Tally) -> None:
    """One input: the same for the same seed and number."""
    chance = random.Random(f"{seed}/{target.name}/{number}")
    made = target.make(chance)
    tally.inputs += 1
    began = time.process_time()
    try:
        with alarm(), contextlib.redirect_stderr(io.StringIO()):
            target.take(made, chance)
        tally.accepted += 1
    except target.allowed:
        pass
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - all of them are what is looked for
        finding = _finding(target, number, error)
        tally.faults += 1
        if tally.findings.setdefault(finding.key, finding) is finding:
            sys.stderr.write(f"{target.name}/{number}: {finding.what} in {finding.where}\n")
    tally.slowest_s = max(tally.slowest_s, time.process_time() - began)


def _finding(target: Target, number: int, error: BaseException) -> Finding:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/runner/" in f.filename]
    last = frames[-1] if frames else None
    return Finding(
        target=target.name,
        number=number,
        what=f"{type(error).__name__}: {str(error)[:300]}",
        where=f"{last.filename.partition('/runner/')[2]}:{last.name}" if last else "",
        trace="".join(traceback.format_exception(error))[-3000:],
    )


def targets(directory: Path) -> list[tuple[Target, int]]:
    return [(kind(directory), share) for kind, share in TARGETS]


def order(chosen: Sequence[tuple[Target, int]]) -> list[Target]:
    """The targets, each as often as its share is."""
    return [target for target, share in chosen for _ in range(share)]
