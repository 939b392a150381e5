"""In which order launches are made, which share the machine, and when each of them begins.

A round is one launch of every cell. Rounds repeat, with the cells of each in an order of their own,
drawn from a stored seed: what drifts on the machine over a run then hits no cell more than another.

A cell that sleeps leaves the CPU idle: what disturbs its neighbour is a burst at the same moment.
A closed loop over a service time of `s` seconds sends its requests in bursts `s` apart, so `k`
launches whose loads begin `s / k` apart interleave their bursts and stay as far from each other as
they can. How many fit is a matter of CPU alone: what their calibrations say they will need.
"""

from __future__ import annotations

import functools
import math
import random
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeAlias, TypeVar

from runner.matrix.cell import Cell
from runner.measurement.clock import Clock
from runner.measurement.cpu_time import Observer, between
from runner.options import LARGEST_WAVE

if TYPE_CHECKING:
    from runner.measurement.job import LaunchResult
    from runner.measurement.launch import Launch
    from runner.measurement.records import Canary

#: How many pods are removed at a time: that is CPU work of the engine, with some waiting in it.
REMOVED_AT_A_TIME = 4
#: How many pods start at a time: as many as the engine has CPUs, and at least so many.
FEWEST_TURNS = 2
#: How long, in seconds, a pod that starts has its turn before the next one starts beside it.
#: Starting is CPU work: forty at once on two CPUs, and an application that imports in a second took
#: more than twenty. One that hangs at start-up waits for longer, and uses no CPU meanwhile.
LONGEST_TURN_S = 5.0
#: How far apart, in seconds, calibrations begin at least: the CPU time that one takes.
CALIBRATIONS_APART_S = 0.05
#: Launches loaded side by side, each with the seconds after which its load begins.
Group: TypeAlias = "Sequence[tuple[Launch, float]]"


def rounds(cells: Sequence[Cell], launches: int, seed: int) -> Iterator[tuple[int, list[Cell]]]:
    """(number of the round from 1, its cells in seeded random order), `launches` times."""
    for number in range(1, launches + 1):
        order = list(cells)
        random.Random(f"{seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret
        yield number, order


def round_parts(cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """A round's cells, and those that follow them: with a rate that is a percentage of another."""
    return (
        [cell for cell in cells if cell.share is None],
        [cell for cell in cells if cell.share is not None],
    )


def run_wave(
    launches: Sequence[Launch],
    *,
    grouped: Callable[[Sequence[Launch]], Iterable[Group]],
    cpus: int,
    clock: Clock,
    on_end: Callable[[LaunchResult], None],
) -> Canary | None:
    """Make the launches of one wave: start and check all, load them by groups, remove all.

    Pods start in turns, and each is checked once it is ready, while others start, and calibrated
    once all are up. None starts, is checked, or goes while another is loaded. `grouped` sorts the
    launches that are ready into groups, loaded one group after the other; within a group each load
    begins its number of seconds after the first. `on_end` is called once per launch as soon as it
    has ended, never twice at a time. Whatever ends the wave early, every pod of it is removed.
    Returns the canary after the last load; what it was before the first is in each launch's record.
    """
    storing = threading.Lock()

    def end(launch: Launch) -> None:
        result = launch.collect()
        # Its pod was removed meanwhile, by this program: that it ended says nothing of the cell.
        if launch.closed:
            return
        with storing:
            on_end(result)

    try:
        _start(launches, clock, turns=max(FEWEST_TURNS, cpus))
        for launch in launches:
            if launch.verdict is not None:
                end(launch)
        ready = [launch for launch in launches if launch.verdict is None]
        canary = ready[0].time_canary() if ready else None
        for launch in ready:
            launch.canary = canary
        observer = Observer(id_ for launch in launches for id_ in launch.containers)
        for number, group in enumerate(grouped(ready), start=1):
            _load_group(group, number, clock, observer, end)
        return ready[0].time_canary() if ready else None
    finally:
        _close_all(launches)


def _start(launches: Sequence[Launch], clock: Clock, *, turns: int) -> None:
    """Start the pods in turns, check each once it is ready, calibrate it once all are up.

    A check is a request that mostly waits: it costs the starting ones little, and they delay it by
    little. Calibration counts CPU time, of which a request needs up to several times as much while
    interpreters start beside it: it waits until nobody has a turn any more, and is spread as a load
    is. It waits for nobody where a server takes one request at a time: what that needs is little
    in any case, and finding out takes several service times.
    """
    free = threading.BoundedSemaphore(turns)
    all_turns = [_Turn(free) for _ in launches]

    def start(number: int, launch: Launch) -> None:
        with all_turns[number] as turn:
            launch.bring_up()
            turn.end_after(LONGEST_TURN_S)
            launch.await_ready()
        launch.check()
        if not launch.job.cell.is_serial:
            for other in all_turns:
                other.over.wait()
            apart_s = max(launch.service_s / len(launches), CALIBRATIONS_APART_S)
            # The last to come up is checked until all before it have had their turn.
            clock.sleep((len(launches) - 1 - number) * apart_s)
        launch.calibrate()

    try:
        _together([functools.partial(start, *item) for item in enumerate(launches)])
    finally:
        for turn in all_turns:  # interrupted, some never come
            turn.over.set()


class _Turn:
    """A slot in the start-up queue, released at the end of the block or after a timeout.

    It is `over` once it was released.
    """

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self.over = threading.Event()
        self._free = free
        self._released = threading.Lock()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        self._free.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        self._release()

    def end_after(self, seconds: float) -> None:
        """Release the slot after so many seconds."""
        self._timer = threading.Timer(seconds, self._release)
        self._timer.daemon = True
        self._timer.start()

    def _release(self) -> None:
        """Release the slot once: the timer and the block's end may come together."""
        if self._released.acquire(blocking=False):
            self._free.release()
            self.over.set()


def _load_group(
    group: Group, number: int, clock: Clock, observer: Observer, end: Callable[[Launch], None]
) -> None:
    begin = clock.monotonic()

    def load(launch: Launch, offset: float) -> None:
        clock.sleep(max(0.0, begin + offset - clock.monotonic()))
        launch.placed(number, len(group), clock.monotonic() - begin)
        before = observer.now()
        launch.load()
        launch.cpu_used = between(before, observer.now())
        end(launch)

    _together([functools.partial(load, launch, offset) for launch, offset in group])


def _together(steps: Sequence[Callable[[], None]]) -> None:
    """Run the steps in threads of their own and wait for all; re-raise the first error at once.

    On an error, and when interrupted, it does not wait for the others: removing the pods then ends
    their calls.
    """
    if not steps:
        return
    pool = ThreadPoolExecutor(len(steps))
    try:
        for future in as_completed([pool.submit(step) for step in steps]):
            future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _close_all(launches: Sequence[Launch]) -> None:
    """Remove every pod, all of them even where the removal of one fails."""
    with ThreadPoolExecutor(REMOVED_AT_A_TIME) as pool:
        futures = [pool.submit(launch.close) for launch in launches]
    for future in futures:
        future.result()


# -- which launches share the machine, and when each of them begins --------------------------------

#: A launch that keeps more than this share of one CPU busy is measured alone. A burst that meets
#: another is late by up to its own length, and that share is its length over the service time: at
#: 0.25 (100 clients, 0.2 s) cells side by side showed rates up to 10 % below those of one alone.
ALONE_ABOVE = 0.1
#: Share of the machine's CPUs that the launches of one group may keep busy together, by what their
#: calibrations say. 26 sleeping cells that kept a quarter of two CPUs busy showed the figures of
#: one alone; on a machine a third as fast, where the same cells kept 78 % of them busy, `ab` waited
#: for a CPU in every launch, and rates were up to 2.4 % lower.
BUSY_SHARE = 0.4
#: Share of the machine's memory that the containers which are up together may use.
MEMORY_SHARE = 0.8

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """How many launches may be measured side by side: `limit`, or as many as fit (None).

    `share` scales both down where launches disturbed each other. `memory_bytes` is what the
    engine's machine has, 0 where that is not known.
    """

    limit: int | None = 1
    cpus: int = 1
    memory_bytes: int = 0
    share: float = 1.0

    @property
    def wave(self) -> int:
        """How many pods are started together."""
        largest = LARGEST_WAVE if self.limit is None else self.limit
        return max(1, int(largest * self.share))

    def waves(self, pods: Iterable[tuple[T, int]]) -> Iterator[list[T]]:
        """Cut pods into waves that may be up together, by number and by the memory each may use.

        Memory is in bytes, 0 for a pod of which it does not count.
        """
        most = MEMORY_SHARE * self.memory_bytes if self.memory_bytes else math.inf
        wave: list[T] = []
        used = 0
        for pod, memory_bytes in pods:
            if wave and (len(wave) == self.wave or used + memory_bytes > most):
                yield wave
                wave, used = [], 0
            wave.append(pod)
            used += memory_bytes
        if wave:
            yield wave

    @property
    def halved(self) -> Jobs:
        """Half as many side by side."""
        return replace(self, share=self.share / 2)

    @property
    def one_by_one(self) -> Jobs:
        """No launch beside another."""
        return replace(self, limit=1, share=1.0)

    def groups(self, shares: Mapping[T, float | None]) -> list[list[T]]:
        """Sort what is to be loaded into groups, by the share of a CPU that each keeps busy."""
        if self.limit is not None:
            return [list(shares)] if shares else []
        return packed(shares, BUSY_SHARE * self.share * self.cpus)

    def grouped(self, launches: Sequence[Launch]) -> Iterable[Group]:
        """Sort started launches into groups to be loaded one after the other."""
        shares = {launch: launch.cpu_share for launch in launches}
        return [stagger(group) for group in self.groups(shares)]


def packed(shares: Mapping[T, float | None], budget: float) -> list[list[T]]:
    """As few groups as keep at most `budget` CPUs busy each, all of them about as busy.

    First fit says how many; then each item joins the idlest of them, in the order given, so that
    none is filled to its limit while another is nearly empty. What is not calibrated, or needs more
    than `ALONE_ABOVE` of a CPU, has a group of its own.
    """
    known = {item: share for item, share in shares.items() if share is not None}
    fitting = {item: share for item, share in known.items() if share <= ALONE_ABOVE}
    alone = [[item] for item in shares if item not in fitting]
    return _even(fitting, len(_first_fit(fitting, budget)), budget) + alone


def _first_fit(shares: Mapping[T, float], budget: float) -> list[list[T]]:
    groups: list[list[T]] = []
    for item, share in shares.items():
        for group in groups:
            if sum(shares[member] for member in group) + share <= budget:
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _even(shares: Mapping[T, float], number: int, budget: float) -> list[list[T]]:
    """Deal items into so many groups; first fit's own where that fills one beyond the budget."""
    groups: list[list[T]] = [[] for _ in range(number)]
    busy = [0.0] * number
    for item, share in shares.items():
        idlest = busy.index(min(busy))
        groups[idlest].append(item)
        busy[idlest] += share
    return groups if max(busy, default=0.0) <= budget else _first_fit(shares, budget)


def stagger(launches: Sequence[Launch]) -> Group:
    """Begin the loads evenly spread over the longest service time among them."""
    longest = max((launch.service_s for launch in launches), default=0.0)
    return [(launch, longest * i / len(launches)) for i, launch in enumerate(launches)]
