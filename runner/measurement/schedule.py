"""In which order launches are made, and how those of one wave share the machine.

A round is one launch of every cell. Rounds repeat, with the cells of each in an order of their own,
drawn from a stored seed: what drifts on the machine over a run then hits no cell more than another.
"""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from runner.matrix.cell import Cell
from runner.measurement.clock import Clock
from runner.measurement.launch import Launch, LaunchResult

#: How many pods are removed at a time: that is CPU work of the engine, with some waiting in it.
REMOVED_AT_A_TIME = 4
#: How many pods start at a time: as many as the engine has CPUs, and at least so many.
FEWEST_TURNS = 2
#: How long, in seconds, a pod that starts has its turn before the next one starts beside it.
#: Starting is CPU work: forty at once on two CPUs, and an application that imports in a second took
#: more than twenty. One that hangs at start-up waits for longer, and uses no CPU meanwhile.
LONGEST_TURN_S = 5.0
#: How far apart, in seconds, calibrations begin at the least: the CPU time that one takes.
CALIBRATIONS_APART_S = 0.05
#: Launches loaded side by side, each with the seconds after which its load begins.
Group = Sequence[tuple[Launch, float]]


def rounds(cells: Sequence[Cell], launches: int, seed: int) -> Iterator[tuple[int, list[Cell]]]:
    """(number of the round from 1, its cells in seeded random order), `launches` times."""
    for number in range(1, launches + 1):
        order = list(cells)
        random.Random(f"{seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret
        yield number, order


def run_wave(
    launches: Sequence[Launch],
    *,
    grouped: Callable[[Sequence[Launch]], Sequence[Group]],
    cpus: int,
    clock: Clock,
    on_end: Callable[[LaunchResult], None],
) -> None:
    """Make the launches of one wave: start and check all, load them by groups, remove all.

    Pods start in turns, and each is checked once it is ready, while others start, and calibrated
    once all are up. None starts, is checked, or goes while another is loaded. `grouped` sorts the
    launches that are ready into groups, loaded one group after the other; within a group each load
    begins its number of seconds after the first. `on_end` is called once per launch as soon as it
    has ended, never twice at a time. Whatever ends the wave early, every pod of it is removed.
    """
    storing = threading.Lock()

    def end(launch: Launch) -> None:
        result = launch.collect()
        # What a removed pod still seems to say, a crash for one, is not the cell's doing.
        if launch.closed:
            return
        with storing:
            on_end(result)

    try:
        _start(launches, clock, turns=max(FEWEST_TURNS, cpus))
        for launch in launches:
            if launch.verdict is not None:
                end(launch)
        for group in grouped([launch for launch in launches if launch.verdict is None]):
            _load_group(group, clock, end)
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
    """A place among those who start; given up at the end of the block, or some time before.

    It is `over` once it was given up.
    """

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self.over = threading.Event()
        self._free = free
        self._given_up = threading.Lock()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        self._free.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        self._give_up()

    def end_after(self, seconds: float) -> None:
        """Give the place up in so many seconds, whatever is still going on."""
        self._timer = threading.Timer(seconds, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def _give_up(self) -> None:
        """Give the place up, once: the timer and the block's end may come together."""
        if self._given_up.acquire(blocking=False):
            self._free.release()
            self.over.set()


def _load_group(group: Group, clock: Clock, end: Callable[[Launch], None]) -> None:
    begin = clock.monotonic()

    def load(launch: Launch, offset: float) -> None:
        clock.sleep(max(0.0, begin + offset - clock.monotonic()))
        launch.load()
        end(launch)

    _together([functools.partial(load, launch, offset) for launch, offset in group])


def _together(steps: Sequence[Callable[[], None]]) -> None:
    """Run the steps in threads of their own and wait for all; re-raise the first error.

    Interrupted, it returns without waiting: removing the pods then ends the threads' calls.
    """
    if not steps:
        return
    pool = ThreadPoolExecutor(len(steps))
    try:
        for future in [pool.submit(step) for step in steps]:
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
