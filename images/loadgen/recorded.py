"""What the server's processes recorded: their requests, and what was patched in them."""

from __future__ import annotations

import base64
import bisect
import io
import json
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

RECORDS_AT_A_TIME = 4096
#: How long a request that has been answered may take to leave the application, in seconds.
LEFT_WITHIN_S, LEFT_POLL_S = 1.0, 0.02


class Sample(NamedTuple):
    """A request of the agent's own: between which moments it was (ns), and what was answered.

    One begins after the other has ended.

    `length` is that of the body in bytes, None where its sender cannot tell what the application's
    was.
    """

    begun_ns: int
    ended_ns: int
    status: int
    length: int | None


class NotRecordedError(Exception):
    """Some of the server's requests were not recorded, or it records none."""


def recorded(path: Path, record: struct.Struct, since_ns: int) -> Iterator[tuple[int, ...]]:
    """The requests of one process that entered from a moment on, in the order of their entry.

    Each is when it entered and left (`CLOCK_MONOTONIC`, ns; 0: not yet), status, length of its
    answer. Raises `NotRecordedError` where some may be missing, for its memory is full.
    """
    room = path.stat().st_size // record.size - 1
    seen = 0
    with path.open("rb") as file:
        while block := file.read(RECORDS_AT_A_TIME * record.size):
            for request in record.iter_unpack(block):
                if not request[0]:
                    return
                seen += 1
                if seen == room:
                    raise NotRecordedError
                if request[0] >= since_ns:
                    yield request


def requests_since(config: dict[str, Any], since_ns: int) -> Iterator[tuple[int, ...]]:
    """The requests of all processes that entered since, each with its process's number before it.

    Waits a moment for those that have not left yet: an answer reaches its client a little earlier.
    """
    record, prefix = struct.Struct(config["record"]), Path(config["recordings"])
    files = sorted(prefix.parent.glob(f"{prefix.name}*"))
    if not files:
        raise NotRecordedError
    deadline = time.monotonic() + LEFT_WITHIN_S
    try:
        while any(not request[1] for path in files for request in recorded(path, record, since_ns)):
            if time.monotonic() >= deadline:
                break
            time.sleep(LEFT_POLL_S)
        served = [path for path in files if any(True for _ in recorded(path, record, since_ns))]
        for number, path in enumerate(served):
            for request in recorded(path, record, since_ns):
                yield (number, *request)
    except OSError as error:
        raise NotRecordedError from error


def recorded_service_s(config: dict[str, Any], since_ns: int) -> float | None:
    """The shortest time that one of the requests since then was in the application, in seconds."""
    try:
        times = [
            left - entered for _, entered, left, *_ in requests_since(config, since_ns) if left
        ]
    except NotRecordedError:
        return None
    return min(times) / 1e9 if times else None


def own(samples: Sequence[Sample], requests: Iterator[tuple[int, ...]]) -> set[int]:
    """The numbers of the requests that were the agent's own, one for each sample.

    It entered while the sample was under way, and was answered alike. Where several did, it does
    not matter which of them it is, so that nothing has to mark it in the server.
    """
    begins = [sample.begun_ns for sample in samples]
    alike: dict[int, int] = {}
    nearly: dict[int, int] = {}
    for number, (_, entered, _, status, length) in enumerate(requests):
        place = bisect.bisect_right(begins, entered) - 1
        sample = samples[place]
        if place >= 0 and entered <= sample.ended_ns and status == sample.status:
            (alike if sample.length in {None, length} else nearly).setdefault(place, number)
    return {*(nearly | alike).values()}


def served_tsv(config: dict[str, Any], since_ns: int, samples: Sequence[Sample] = ()) -> str | None:
    """The requests since a moment as a table, their times in µs after it; None where some miss.

    The agent's own are not among them. Gzipped and in base64. It is written line by line: a load
    may have a million requests.
    """
    import gzip  # noqa: PLC0415 - a tenth of the agent's start, and needed by its end only

    written = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=written, mode="wb", mtime=0) as archive:
            archive.write(b"process\tentered_us\tleft_us\tstatus\tlength\n")
            agents = own(samples, requests_since(config, since_ns)) if samples else set()
            requests = enumerate(requests_since(config, since_ns))
            for number, (process, entered, left, status, length) in requests:
                if number in agents:
                    continue
                entered_us = (entered - since_ns) // 1000
                left_us = (left - since_ns) // 1000 if left else ""
                line = f"{process}\t{entered_us}\t{left_us}\t{status}\t{length}\n"
                archive.write(line.encode())
    except NotRecordedError:
        return None
    return base64.b64encode(written.getvalue()).decode()


# -- what was patched ------------------------------------------------------------------------------


def effects(prefix: str) -> dict[str, Any] | None:
    """What the serving processes say of themselves, of all together; None where none says any.

    Something is in effect where it is in one of them.
    """
    files = sorted(Path(prefix).parent.glob(f"{Path(prefix).name}*"))
    told = [json.loads(file.read_text()) for file in files]
    if not told:
        return None
    overridden: dict[str, str] = {}
    for one in told:
        overridden.update(one.get("overridden") or {})
    return {
        "in_effect": patched(told),
        "by_label": patched([one.get("by_label") or {} for one in told]),
        "gunicorn_config": first(told, "gunicorn_config"),
        "overridden": overridden,
        "worker_class": first(told, "worker_class"),
        "application": first(told, "application"),
        "patched_by": first(told, "patched_by"),
    }


def patched(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is patched in any of the processes."""
    gevent = [one["gevent"] for one in told if one.get("gevent")]
    return {
        "gevent_version": first(gevent, "version"),
        "gevent_modules": sorted({name for one in gevent for name in one["modules"]}),
        **{
            name: any(one.get(name) for one in told)
            for name in ("grpc", "psycopg2_wait_callback", "eventlet")
        },
    }


def first(told: Sequence[dict[str, Any]], name: str) -> Any:  # noqa: ANN401 - as JSON has it
    """What the first says that says anything under a name."""
    return next((one[name] for one in told if one.get(name) is not None), None)
