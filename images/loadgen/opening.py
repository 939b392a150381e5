"""How this `ab` starts, found out by a listener of our own."""

from __future__ import annotations

import socket
import subprocess
from typing import Any

from request import HOST, CheckFailedError


def ab_opening(_config: dict[str, Any]) -> dict[str, Any]:
    """Find out whether this `ab` sends one request alone before it opens its other connections.

    A listener of our own leaves the first connection unanswered for a while and counts those that
    have come by then.
    """
    concurrency, patience_s = 4, 0.5
    listener = socket.create_server((HOST, 0), backlog=16)
    listener.settimeout(patience_s)
    port = listener.getsockname()[1]
    command = ["ab", "-q", "-c", str(concurrency), "-n", "8", f"http://{HOST}:{port}/"]
    ab = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    connections = []
    try:
        while len(connections) < concurrency:
            connections.append(listener.accept()[0])
    except TimeoutError:
        pass
    finally:
        ab.kill()
        ab.wait()
    if not connections:
        raise CheckFailedError("ab", "ab opened no connection at all")
    return {"opened_before_first_answer": len(connections), "version": ab_version()}


def ab_version() -> str | None:
    """The version of the package that `ab` is from: of itself it says only `2.3`."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", "apache2-utils"]
    result = subprocess.run(query, capture_output=True, text=True, check=False)
    return result.stdout or None
