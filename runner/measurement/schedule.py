"""In which order launches are made, and how those of one wave share the machine.

A round is one launch of every cell. Rounds repeat, with the cells of each in an order of their own,
drawn from a stored seed: what drifts on the machine over a run then hits no cell more than another.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from runner.measurement.clock import Clock
from runner.measurement.launch import Job, Launch, LaunchResult
from runner.spec.cell import Cell

#: How many pods are started at a time: starting is CPU work of the engine.
STARTERS = 2


def rounds(cells: Sequence[Cell], launches: int, seed: int) -> Iterator[tuple[int, list[Cell]]]:
    """(number of the round from 1, its cells in seeded random order), `launches` times."""
    for number in range(1, launches + 1):
        order = list(cells)
        random.Random(f"{seed}/{number}").shuffle(order)  # noqa: S311 - an order, not a secret
        yield number, order


def run_wave(
    jobs: Sequence[Job],
    make: Callable[[Job], Launch],
    *,
    offsets: Callable[[Sequence[Launch]], list[float]],
    clock: Clock,
    on_end: Callable[[LaunchResult], None],
) -> None:
    """Make the launches of one wave: start all, load all, finish all.

    No pod starts or goes while another of the wave is being loaded. `offsets` says, for the
    launches that are ready, how many seconds after the first each load begins. `on_end` is called
    from this thread, once per launch. Whatever ends the wave early, every pod of it is removed.
    """
    launches = [make(job) for job in jobs]
    try:
        with ThreadPoolExecutor(STARTERS) as starters:
            _all(starters, [launch.start for launch in launches])
        _load_together([launch for launch in launches if launch.verdict is None], offsets, clock)
        with ThreadPoolExecutor(STARTERS) as finishers:
            for result in finishers.map(Launch.finish, launches):
                on_end(result)
    except BaseException:
        for launch in launches:
            launch.abandon()
        raise


def _load_together(
    launches: Sequence[Launch], offsets: Callable[[Sequence[Launch]], list[float]], clock: Clock
) -> None:
    if not launches:
        return
    begin = clock.monotonic()

    def load(launch: Launch, offset: float) -> None:
        clock.sleep(max(0.0, begin + offset - clock.monotonic()))
        launch.load()

    pool = ThreadPoolExecutor(len(launches))
    try:
        futures = [
            pool.submit(load, *pair) for pair in zip(launches, offsets(launches), strict=True)
        ]
        for future in futures:
            future.result()
    except BaseException:
        # The loads still under way end when their pods go.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _all(pool: ThreadPoolExecutor, steps: Sequence[Callable[[], None]]) -> None:
    futures = [pool.submit(step) for step in steps]
    wait(futures)
    for future in futures:
        future.result()
