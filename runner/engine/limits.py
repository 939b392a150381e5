"""Whether an engine keeps containers within their limits: it is tried, not asked.

Rootless engines may overlook limits without a word, where the kernel's cgroups are not theirs.
"""

from __future__ import annotations

import time
import uuid
from typing import Final

from runner.engine.ownership import owner_labels
from runner.engine.pod import LOADGEN_USER
from runner.engine.protocol import ContainerSpec, Engine
from runner.engine.started import started

#: More than Python and the init process need, and less than what is tried.
MEMORY_BYTES: Final = 48 << 20
PIDS: Final = 8
TRIED_BYTES: Final = 128 << 20
TRIED_PIDS: Final = 32
#: A container that was not held back has printed this.
EXCEEDED: Final = "exceeded"
#: Children stay until their parent has ended, which closes the pipe.
MANY_PROCESSES: Final = f"""
import os
wait, hold = os.pipe()
for _ in range({TRIED_PIDS}):
    try:
        child = os.fork()
    except OSError:
        break
    if not child:
        os.close(hold)
        os.read(wait, 1)
        os._exit(0)
else:
    print({EXCEEDED!r})
"""
#: The bytes are written, for memory that is only reserved is not counted.
MUCH_MEMORY: Final = f"""
filled = b"1" * {TRIED_BYTES}
print({EXCEEDED!r})
"""
TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.05


def ignored_limits(engine: Engine, image: str) -> list[str]:
    """Which of the limits `pids` and `memory` the engine does not keep; raises `EngineError`.

    `image` has a `python3`.
    """
    tried = {"pids": MANY_PROCESSES, "memory": MUCH_MEMORY}
    return [limit for limit, program in tried.items() if _exceeds(engine, image, program)]


def _exceeds(engine: Engine, image: str, program: str) -> bool:
    token = uuid.uuid4().hex[:12]
    spec = ContainerSpec(
        name=f"monkey-matrix-{token}-limits",
        image=image,
        user=LOADGEN_USER,
        command=("python3", "-I", "-S", "-c", program),
        labels=owner_labels("doctor", "limits", token),
        memory_bytes=MEMORY_BYTES,
        pids=PIDS,
        host_names=False,
    )
    with started(engine, spec) as container:
        deadline = time.monotonic() + TIMEOUT_S
        while engine.state(container).running and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return EXCEEDED in engine.logs(container)
