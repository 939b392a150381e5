"""The workers of a run, as the client sees them: each does one thing at a time."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from runner.commands.hosts.dask_extra import distributed, ending
from runner.commands.hosts.reach import ANSWER_S, CONNECT_S, no_scheduler, reach
from runner.errors import EngineUnavailableError


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a worker was asked for has ended: with a result, an error, or with the worker."""

    host: str
    result: Any = None
    error: BaseException | None = None
    lost: bool = False


class Pool(Protocol):
    """Workers by their addresses."""

    def hosts(self) -> set[str]:
        """Those that are there now. Raises `EngineUnavailableError` if nobody can tell."""
        ...

    def submit(self, host: str, function: Callable[..., object], *args: object) -> None:
        """Have a worker, which does nothing else, call a function; `next_ended` has the result."""
        ...

    def next_ended(self, seconds: float) -> Ended | None:
        """Something that has ended, None if nothing does for so long."""
        ...

    def outstanding(self) -> set[str]:
        """The workers that were asked for something which `next_ended` has not handed out."""
        ...

    def tell(self, host: str, function: Callable[..., object], *args: object) -> None:
        """Have a worker call a short function soon, beside what it does; a lost one does not."""
        ...


class _Done(NamedTuple):
    """What a worker was asked for, and how that ended."""

    future: Any
    ended: Ended


class DaskPool:
    """Workers of a Dask scheduler.

    Dask sends a task that is pinned to a worker there at once, whatever that has to do, and blames
    it for the worker's death though it never began. So a worker has one task at a time, and the
    client hands out the next. Nor is it left to the scheduler to say that a worker died: it may be
    configured to wait for another worker at the same address.
    """

    def __init__(self, scheduler: str) -> None:
        self._scheduler = scheduler
        self._made = 0
        self._futures: dict[str, Any] = {}
        self._ended: queue.SimpleQueue[_Done] = queue.SimpleQueue()
        self._told: set[Future[None]] = set()
        asyncio.run(reach(scheduler, "client"))
        try:
            self._client = distributed().Client(
                scheduler, timeout=CONNECT_S, set_as_default=False, heartbeat_interval="5s"
            )
        except OSError as error:  # it ended meanwhile
            raise no_scheduler(scheduler, str(error)) from None

    def close(self) -> None:
        """Leave the scheduler; workers go on with what they do, and were told what they were to."""
        _, unheard = wait(self._told, CONNECT_S)
        for told in unheard:
            told.cancel()
        with ending():
            self._client.close()
        self._client.status = "closed"  # it would try that again when it is deleted

    def hosts(self) -> set[str]:
        """Those that the scheduler knows.

        It is asked itself: what `Client.scheduler_info` keeps names no workers at times, for its
        own thread asks for none of them every other second.
        """
        try:
            client = self._client
            found = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)
        except (OSError, AttributeError, RuntimeError, TimeoutError):
            found = None
        if found is None:
            raise EngineUnavailableError(
                f"{self._scheduler}: the scheduler is gone. What was measured is stored, here or "
                "on the hosts: start it and the workers, then run the same command to resume"
            )
        return set(found["workers"])

    def submit(self, host: str, function: Callable[..., object], *args: object) -> None:
        """Pin a task to the worker. Its key is new: that of another would bring its result."""
        self._made += 1
        future = self._client.submit(
            function,
            *args,
            key=f"{function.__name__}-{self._client.id}-{self._made}",
            workers=[host],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        self._futures[host] = future
        future.add_done_callback(
            lambda done: self._client.loop.add_callback(self._fetch, host, done)
        )

    async def _fetch(self, host: str, future: Any) -> None:  # noqa: ANN401 - Dask's future
        """Have what ended here, too. A worker that answers no more keeps no other one waiting."""
        self._ended.put(_Done(future, await _ending(host, future)))

    def next_ended(self, seconds: float) -> Ended | None:
        """Something that has ended; what a lost worker did, ends with it.

        Lost ones are looked for each time: while others are quick, there is always something else.
        """
        if lost := self._lost(self._futures.keys() - self.hosts()):
            return lost
        try:
            future, ended = self._ended.get(timeout=seconds)
        except queue.Empty:
            return None
        if self._futures.get(ended.host) is not future:
            return None  # of a worker that was given up
        del self._futures[ended.host]
        if ended.lost:
            self.hosts()  # says it where it is the scheduler that is gone
        return ended

    def _lost(self, hosts: Iterable[str]) -> Ended | None:
        for host in hosts:
            self._futures.pop(host).cancel()
            return Ended(host=host, lost=True)
        return None

    def outstanding(self) -> set[str]:
        """Those with a task of which the end was not handed out."""
        return set(self._futures)

    def tell(self, host: str, function: Callable[..., object], *args: object) -> None:
        """Call it in the worker's event loop, while its one thread has a task.

        It is not waited for: a worker that died or hangs would keep the others waiting.
        """
        loop = self._client.loop.asyncio_loop
        told = asyncio.run_coroutine_threadsafe(self._tell(host, function, *args), loop)
        self._told.add(told)
        told.add_done_callback(self._told.discard)

    async def _tell(self, host: str, function: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(OSError):  # then it is the scheduler that is gone
            await self._client.run(function, *args, workers=[host], on_error="ignore")


async def _ending(host: str, future: Any) -> Ended:  # noqa: ANN401 - Dask's future
    """How that ended, from within the client's event loop: the result is still with the worker."""
    library = distributed()
    if future.status == "finished":
        try:
            return Ended(host=host, result=await future.result())
        except (OSError, TimeoutError, library.client.FutureCancelledError):
            return Ended(host=host, lost=True)  # it died with the result
        except Exception as raised:  # noqa: BLE001 - whatever unpickling it may raise
            return Ended(host=host, error=raised)
    error = await future.exception() if future.status == "error" else None
    if error is None or isinstance(error, library.scheduler.KilledWorker):
        return Ended(host=host, lost=True)
    return Ended(host=host, error=error)
