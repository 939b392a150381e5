"""`matrix worker ADDRESS`: a Dask worker that leaves the machine it measures on alone."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any, Final

from runner.commands.hosts import tasks
from runner.commands.hosts.dask_extra import distributed, ending
from runner.commands.hosts.post import Post, open_post, say
from runner.commands.hosts.reach import ANSWER_S, check_address, in_brackets, reach
from runner.errors import EngineUnavailableError, UsageError

#: How often, in seconds, is looked at the worker's status. Dask's `Worker.finished` would return
#: only after the round in flight, and never where Dask fails to end the worker.
LOOK_S: Final = 1.0
#: How long, in seconds, Dask has to end the worker. The next one removes what it leaves in the
#: temporary directory.
END_S: Final = 10.0


def work(scheduler: str, spool: Path, *, host: str | None, port: int) -> None:
    """Serve one client after the other, until interrupted or the scheduler is gone.

    Raises `EngineUnavailableError` in the latter case, and `UsageError` where another worker uses
    this engine.
    """
    distributed()  # first what is quickly said
    check_address(scheduler)
    serve(scheduler, open_post(spool), host=host, port=port)


def serve(scheduler: str, post: Post, *, host: str | None = None, port: int = 0) -> None:
    """The same with a post that was opened."""
    tasks.use(post)
    if asyncio.run(_served(scheduler, post, host, port)):
        return
    raise EngineUnavailableError(
        f"{scheduler}: the scheduler is gone, or has given this worker up; what was measured is "
        f"kept in {post.spool} until a run asks for it: start the scheduler if it does not run, "
        "then this worker"
    )


async def _served(scheduler: str, post: Post, host: str | None, port: int) -> bool:
    """Whether it ended because it was told to. A round that is being made then is not finished."""
    here = await reach(scheduler, "worker")
    here = in_brackets(host or here)
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        worker = _worker(scheduler, here, port)
        await worker
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"cannot serve {scheduler} at {here}, port {port or 'any'} "
            f"({error.__cause__ or error}): see --listen and --port"
        ) from None
    if why := await _unreached(worker):
        await _end(worker)
        raise UsageError(
            f"{scheduler}: the scheduler does not reach this worker at "
            f"{worker.contact_address} ({why}): name an address of this host that it reaches "
            "with --listen ADDRESS, and with --port N a port that no firewall closes"
        )
    say(f"serving {scheduler} at {worker.address}; Ctrl-C ends after the launch in flight")
    while worker.status in distributed().worker.WORKER_ANY_RUNNING and not told.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), LOOK_S)
    post.stop(None)
    # Removing the pods is the round's own business: its thread ends soon, and is waited for.
    await asyncio.to_thread(post.busy.acquire)
    await _end(worker)
    return told.is_set()


async def _end(worker: Any) -> None:  # noqa: ANN401 - Dask's worker
    """End it, or wait until Dask does, which may have begun to by itself. Both may fail."""
    with ending():
        async with asyncio.timeout(END_S):
            await worker.close(executor_wait=False, nanny=False)
    with ending():
        # Some of Dask's tasks wait for this, for ever if it failed, and `asyncio.run` for them.
        worker._event_finished.set()  # noqa: SLF001


async def _unreached(worker: Any) -> str | None:  # noqa: ANN401 - Dask's worker
    """Why the scheduler cannot connect to the worker: it would ask it for results for ever."""
    asked = worker.scheduler.broadcast(
        msg={"op": "identity"}, workers=[worker.contact_address], on_error="return"
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = (await asked).get(worker.contact_address)
    except TimeoutError:
        return "no answer"
    except OSError:  # the scheduler has ended: that is noticed anyhow
        return None
    return str(answer) if isinstance(answer, BaseException) else None


def _worker(scheduler: str, host: str, port: int) -> Any:  # noqa: ANN401
    """A worker with one thread, and without a nanny, a limit of memory and a dashboard."""
    return distributed().Worker(
        scheduler,
        nthreads=1,
        host=host,  # without one it listens everywhere
        port=port,
        memory_limit=0,
        dashboard=False,
        dashboard_address="127.0.0.1:0",  # what little is left of it listens everywhere otherwise
        death_timeout=ANSWER_S,
        heartbeat_interval="5s",
        low_level_profiler=False,
    )
