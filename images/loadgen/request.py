"""One request: what is sent, and whether the answer is right.

Every client of the load sends the same bytes: those of `ab`, which knows HTTP/1.0 only.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

from processes import busy_now, server_pids

HOST = "127.0.0.1"
#: Headers that `ab` sends of itself, unless it is given others of these names.
OF_AB = {"User-Agent": "ApacheBench/2.3", "Accept": "*/*"}
#: What `ab` says of a body whose type it is not told.
ANY_TEXT = "text/plain"
CONTENT_TYPE = "content-type"
#: Answers of these statuses have no body, whatever the right one is.
BODILESS = frozenset({204, 304})
#: Methods that are sent with a body, though it be empty.
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: How much of a wrong answer is told, in characters, and of its title; where a title is looked for.
QUOTED, TITLE, TITLE_WITHIN = 200, 100, 65536
TITLE_OF = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
HTML = re.compile(r"\s*(<!doctype html|<html)", re.IGNORECASE)


class CheckFailedError(Exception):
    """A step of the check failed: `kind` says which, the text says how.

    `cpu_share` is how many CPUs the server kept busy when it was given up on, `answer` what is told
    of an answer that is wrong.
    """

    def __init__(
        self,
        kind: str,
        text: str,
        cpu_share: float | None = None,
        answer: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.cpu_share = cpu_share
        self.answer = answer


# -- what is sent ----------------------------------------------------------------------------------


def body_of(request: dict[str, Any]) -> bytes | None:
    """The request's body; an empty one where a method that has one is sent without."""
    if request["body"] is not None:
        return base64.b64decode(request["body"])
    return b"" if request["method"] in WITH_BODY else None


def content_type(request: dict[str, Any]) -> str:
    """What the body is said to be."""
    given = (value for name, value in request["headers"] if name.lower() == CONTENT_TYPE)
    return next(given, ANY_TEXT)


def further_headers(request: dict[str, Any]) -> list[list[str]]:
    """The headers, but that of a body's type: `ab` would send two of them."""
    with_body = body_of(request) is not None
    return [
        [name, value]
        for name, value in request["headers"]
        if not (with_body and name.lower() == CONTENT_TYPE)
    ]


def message(request: dict[str, Any], port: int) -> bytes:
    """The request as it is sent."""
    body = body_of(request)
    headers = further_headers(request)
    given = {name.lower() for name, _ in headers}
    own = {"Host": f"{HOST}:{port}", **OF_AB}
    lines = [f"{request['method']} {request['path']} HTTP/1.0"]
    if body is not None:
        lines += [f"Content-Length: {len(body)}", f"Content-Type: {content_type(request)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"{name}: {value}" for name, value in own.items() if name.lower() not in given]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class Answer(NamedTuple):
    """What came back. `location` and `allow` are the headers of these names."""

    status: int
    body: bytes
    location: str | None
    allow: str | None


def ask(
    config: dict[str, Any],
    timeout: float,
    sent: threading.Semaphore | None = None,
    pause_s: float = 0.0,
) -> Answer:
    """Send the request and read the whole answer; a failure is a `CheckFailedError`.

    `timeout` in seconds is for each step; `sent` is released when the request is out, which is
    `pause_s` seconds after the connection was made.
    """
    what = "{method} {path}".format(**config["request"])
    try:
        return exchange(config, timeout, sent, pause_s)
    except TimeoutError:
        text = f"connection accepted, {what} not answered within {timeout:.0f} s"
        raise CheckFailedError("not-answered", text, busy_now(config["uid"])) from None
    except (OSError, HTTPException) as error:
        kind = "server-gone" if not server_pids(config["uid"]) else "broken-answer"
        raise CheckFailedError(kind, f"{what} failed: {type(error).__name__}: {error}") from None


def exchange(
    config: dict[str, Any],
    timeout: float,
    sent: threading.Semaphore | None = None,
    pause_s: float = 0.0,
) -> Answer:
    """The same, with the failures as Python has them."""
    request = config["request"]
    with socket.create_connection((HOST, config["port"]), timeout=timeout) as connection:
        if pause_s:
            time.sleep(pause_s)
        connection.sendall(message(request, config["port"]))
        if sent:
            sent.release()
        response = HTTPResponse(connection, method=request["method"])
        try:
            response.begin()
            return Answer(
                response.status,
                response.read(),
                response.getheader("Location"),
                response.getheader("Allow"),
            )
        finally:
            response.close()


def verified(
    config: dict[str, Any],
    timeout: float,
    sent: threading.Semaphore | None = None,
    pause_s: float = 0.0,
) -> float:
    """Send the request once, and return the latency of its right answer in seconds, pause aside.

    Whatever else comes of it is a `CheckFailedError`.
    """
    begun = time.monotonic()
    answer = ask(config, timeout, sent, pause_s)
    elapsed = time.monotonic() - begun - pause_s
    if wrong := what_is_wrong(config["response"], answer):
        raise CheckFailedError("wrong-answer", wrong, answer=told_of(answer))
    return elapsed


# -- whether the answer is right -------------------------------------------------------------------


def what_is_wrong(right: dict[str, Any], answer: Answer) -> str | None:
    """What is wrong with an answer, None where it is right."""
    if answer.status not in right["statuses"]:
        return f"status {answer.status}, expected {' or '.join(map(str, right['statuses']))}"
    if right["body"] is None:
        return wrong_text(right, answer.body.decode("utf-8", "replace"))
    if answer.status in BODILESS or answer.body == right["body"].encode():
        return None
    return f"body {quoted(answer.body)}, expected {right['body'][:QUOTED]!r}"


def wrong_text(right: dict[str, Any], text: str) -> str | None:
    """What is wrong with a body that need not be exactly one, None where it is right."""
    if right["contains"] is not None and right["contains"] not in text:
        return f"its body does not contain {right['contains'][:QUOTED]!r}"
    if right["matches"] is not None and not re.search(right["matches"], text):
        return f"nothing in its body matches {right['matches'][:QUOTED]!r}"
    return None if right["json"] is None else wrong_json(right["json"], text)


def wrong_json(expected: str, text: str) -> str | None:
    """What is wrong with an answer that should have all of this JSON."""
    try:
        found = json.loads(text)
    except ValueError:
        return "its body is not JSON"
    place = missing(json.loads(expected), found)
    return None if place is None else f"its JSON differs from `response.json` at {place or 'all'}"


def missing(expected: object, found: object, place: str = "") -> str | None:
    """Where JSON lacks what is expected, None where it has all of it.

    An object may have more keys than expected; everything else is equal. `true` is not 1.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            here = f"{place}.{key}" if place else str(key)
            if key not in found:
                return here
            if (differs := missing(value, found[key], here)) is not None:
                return differs
        return None
    return None if same(expected, found) else place


def same(one: object, other: object) -> bool:
    """Whether two values of JSON are equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


# -- what is told of a wrong one -------------------------------------------------------------------


def told_of(answer: Answer) -> dict[str, Any]:
    """What is told of a wrong answer: its status, where it leads, and some of its body."""
    text = answer.body.decode("utf-8", "replace")
    return {
        "status": answer.status,
        "location": answer.location,
        "allow": answer.allow,
        "csrf": "csrf" in text.lower(),
        "title": title_of(text),
        "quote": text[:QUOTED],
    }


def title_of(text: str) -> str | None:
    """The title of a page of HTML, None for what is none."""
    found = TITLE_OF.search(text[:TITLE_WITHIN]) if HTML.match(text) else None
    if found is None:
        return None
    import html  # noqa: PLC0415 - needed for a wrong answer only

    return " ".join(html.unescape(found[1]).split())[:TITLE]


def quoted(body: bytes) -> str:
    """The beginning of a body."""
    return repr(body.decode("utf-8", "replace")[:QUOTED])
