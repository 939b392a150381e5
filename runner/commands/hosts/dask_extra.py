"""Dask, which is installed on demand: nothing else of this program imports it."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator
from typing import Any, Final

from runner.errors import UsageError

#: What leaves a measured host alone: no samples of the stack each 10 ms, no look at the machine
#: each 500 ms, no tick each 20 ms; no task moved to another worker, or tried again on one.
#: What fails is reported by this program: the library logs tracebacks, so it logs nothing.
SETTINGS: Final = {
    "logging": {
        "distributed": "critical",
        "distributed.client": "critical",
        "distributed.protocol.core": logging.CRITICAL + 1,
        "tornado.application": "critical",  # Ctrl-C while the scheduler is asked something
    },
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}


def distributed() -> Any:  # noqa: ANN401 - a module that may not be there
    """The library; `UsageError` with the remedy where it is not installed."""
    try:
        importlib.import_module("dask").config.set(SETTINGS)  # before the import that reads them
        module = importlib.import_module("distributed")
    except ImportError as error:
        raise UsageError(
            f"several hosts need Dask, which is not installed ({error.name or error}): install "
            "`monkey-matrix[dask]` here and on each host, e.g. `pip install "
            "'./monkey-matrix[dask]'`"
        ) from None
    return module


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """Around the end of a part of the library, whose errors are nobody's concern any more.

    For one, a connection that is given up twice, because the other side has ended meanwhile, is a
    `RuntimeError`.
    """
    with contextlib.suppress(Exception):
        yield
