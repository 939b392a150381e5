"""The docker commands that make a cell's pod and load it, without this program."""

from __future__ import annotations

from runner.engine.pod import LOADGEN_USER, SERVER_USER
from runner.measurement.agent import PORT
from runner.store.records import RunRecord

HARDENED = "--cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp"


def commands(run: RunRecord, cell_id: str) -> list[str]:
    """Shell commands for a machine whose engine still has the run's images.

    Empty for a cell that never had an image.
    """
    cell = next((cell for cell in run.cells if cell.id == cell_id), None)
    if cell is None or cell.image is None:
        return []
    server = f"-u {SERVER_USER} --memory {run.limits.memory_bytes} --pids-limit {run.limits.pids}"
    joined = "--network container:by-hand-loadgen --pid container:by-hand-loadgen"
    load = f"ab -c {cell.concurrency} -n {cell.requests} http://127.0.0.1:{PORT}/"
    loadgen = f"--network none --init -u {LOADGEN_USER} {run.method.loadgen_image}"
    return [
        f"docker run -d --name by-hand-loadgen {HARDENED} {loadgen}",
        f"docker run -d --name by-hand-server {joined} {HARDENED} {server} {cell.image}",
        "sleep 3",
        f"docker exec by-hand-loadgen {load}",
        "docker kill -s USR1 by-hand-server && sleep 1 && docker logs by-hand-server",
        "docker rm -f by-hand-server by-hand-loadgen",
    ]
