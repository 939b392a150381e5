"""What blocked the server's event loops: as `watching.py` of the server wrote it down."""

from __future__ import annotations

import ast
import time
from typing import Any

from stacks import files


def blocks(config: dict[str, Any]) -> dict[str, Any]:
    """What each process wrote about the time since a moment (`CLOCK_MONOTONIC` in ns)."""
    asked_ns = time.monotonic_ns()
    found = []
    for path in files(config["blocks"]):
        watched: dict[str, Any] = {"stacks": [], "samples": []}
        # The last line may be half written.
        for text in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
            line = ast.literal_eval(text)
            if "told" in line:
                watched["stacks"].append(line["told"])
            elif "began_ns" not in line:
                watched |= line
            elif line["until_ns"] >= config["since_ns"]:
                watched["samples"].append(line)
        found.append(watched)
    return {"asked_ns": asked_ns, "watched": found}
