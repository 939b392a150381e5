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

from runner.measurement.clock import Clock
from runner.measurement.launch import Launch, LaunchResult
from runner.spec.cell import Cell

#: How many pods are brought up or removed at a time: that is CPU work of the engine.
ENGINE_WORKERS = 2
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
    clock: Clock,
    on_end: Callable[[LaunchResult], None],
) -> None:
    """Make the launches of one wave: start all, load them group by group, remove all.

    No pod starts or goes while another of the wave is being loaded. `grouped` sorts the launches
    that are ready into groups, loaded one group after the other; within a group each load begins
    its number of seconds after the first. `on_end` is called once per launch as soon as it has
    ended, never twice at a time. Whatever ends the wave early, every pod of it is removed.
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
        _together([launch.start for launch in launches])
        for launch in launches:
            if launch.verdict is not None:
                end(launch)
        for group in grouped([launch for launch in launches if launch.verdict is None]):
            _load_group(group, clock, end)
    finally:
        _close_all(launches)


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
    with ThreadPoolExecutor(ENGINE_WORKERS) as pool:
        futures = [pool.submit(launch.close) for launch in launches]
    for future in futures:
        future.result()
