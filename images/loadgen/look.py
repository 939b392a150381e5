"""A first look at an application: several paths are asked, one after the other, each alone."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from request import CheckFailedError, ask, told_of, what_is_wrong

#: A path is asked at least and at most so often, and after the least for so many seconds: what is
#: asked first may still be loading something.
LEAST, TIMES, SECONDS = 2, 6, 0.5
#: How long what a request was told of may take to be there, after its answer, in seconds.
TOLD_WITHIN_S, POLL_S = 0.5, 0.01


def look(config: dict[str, Any]) -> dict[str, Any]:
    """Ask each of the `paths`, for `limit_s` seconds in all; one answer may take `timeout_s`.

    Ends where the server does not answer any more.
    """
    deadline = time.monotonic() + config["limit_s"]
    looked = []
    for path in config["paths"]:
        if time.monotonic() >= deadline:
            break
        found = look_at(config, path)
        looked.append(found)
        if found["failed"] == "server-gone":
            break
    return {"looked": looked, "routes": routes(config["looked"])}


def look_at(config: dict[str, Any], path: str) -> dict[str, Any]:
    """What a path answers; of one that answers right, the shortest time that it takes.

    Times in seconds: `first_s` and `lone_s` until the first and a later one is answered, `took_s`
    in the application, `computed_s` what its thread computed of that.
    """
    asked = {**config, "request": {**config["request"], "path": path}}
    found: dict[str, Any] = {"path": path, "failed": None, "reason": "", "answer": None}
    found |= {"first_s": None, "lone_s": None, "took_s": None, "computed_s": None}
    times = []
    deadline = time.monotonic() + SECONDS
    while len(times) < LEAST or (len(times) < TIMES and time.monotonic() < deadline):
        before, begun = len(told(config["looked"])), time.monotonic()
        try:
            answer = ask(asked, config["timeout_s"])
        except CheckFailedError as error:
            return {**found, "failed": error.kind, "reason": str(error)}
        lone_s = time.monotonic() - begun
        times.append((lone_s, *in_application(config["looked"], before)))
        found["answer"] = told_of(answer)
        if wrong := what_is_wrong(config["response"], answer):
            return {**found, "failed": "wrong-answer", "reason": wrong}
    lone_s, took_s, computed_s = min(times)
    found |= {"first_s": times[0][0], "lone_s": lone_s}
    return {**found, "took_s": took_s, "computed_s": computed_s}


def in_application(prefix: str, before: int) -> tuple[float, float] | tuple[None, None]:
    """How long the newest request was in the application, and computed there, in seconds.

    The time in which its thread waited for a CPU is no part of it: the machine was busy.
    """
    deadline = time.monotonic() + TOLD_WITHIN_S
    while time.monotonic() < deadline:
        if lines := told(prefix)[before:]:
            newest = lines[-1]
            return (newest["took_ns"] - newest["delayed_ns"]) / 1e9, newest["computed_ns"] / 1e9
        time.sleep(POLL_S)
    return None, None


def told(prefix: str) -> list[dict[str, Any]]:
    """What the processes told of their requests."""
    return [line for line in lines_of(prefix) if "took_ns" in line]


def routes(prefix: str) -> list[str]:
    """The application's routes, as its processes know them."""
    return next((line["routes"] for line in lines_of(prefix) if "routes" in line), [])


def lines_of(prefix: str) -> list[dict[str, Any]]:
    """All whole lines of the processes' files."""
    files = sorted(Path(prefix).parent.glob(f"{Path(prefix).name}*"))
    texts = (line for file in files for line in file.read_text().splitlines(keepends=True))
    return [json.loads(text) for text in texts if text.endswith("\n")]
