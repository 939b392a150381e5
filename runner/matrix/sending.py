"""What `ab` can send: any method and any body, but no longer a head than it has room for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.matrix.application import Request

#: Bytes of a request up to its body: `ab` 2.4.71 cuts off the rest and says nothing, so that the
#: server waits for the end of the head.
AB_HEAD_BYTES: Final = 8191
#: What `ab` sends besides path and headers: HTTP/1.0, a body's length and type, its own headers.
OWN_BYTES: Final = 200


def too_long_for_ab(request: Request, values: Mapping[str, str]) -> str | None:
    """Why `ab` cannot send the request, None where it can.

    `values` are those of headers by name, as far as they are known; the message has none of them.
    """
    known = {header.name: header.value or "" for header in request.headers} | dict(values)
    lengths = {name: len(f"{name}: {value}\r\n".encode()) for name, value in known.items()}
    head = OWN_BYTES + len(request.method) + len(request.path) + sum(lengths.values())
    if head <= AB_HEAD_BYTES:
        return None
    longest = max(lengths, key=lambda name: lengths[name], default="")
    what = f"the header {longest}" if lengths.get(longest, 0) > len(request.path) else "the path"
    return (
        f"the request's head has about {head:,} bytes, most of them in {what}, and ab sends no "
        f"more than {AB_HEAD_BYTES:,}; shorten it, or set `load.rate`, whose sender has no such "
        "limit"
    )
