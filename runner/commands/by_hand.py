"""The docker commands that start a cell's pod and load it, without this program."""

from __future__ import annotations

import json

from runner.engine.pod import COMPANION_USER, DISK, LOADGEN_USER, SERVER_USER
from runner.matrix import plugins
from runner.measurement import companion
from runner.measurement.agent import PORT
from runner.store.records import CellRecord, RunRecord

HARDENED = "--cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp"

MERGED = (
    "this run was merged: use `matrix show` on the original run, on the machine that has its images"
)
IMPORTED = "imported from an ab report made elsewhere: no commands can reproduce it"


def commands(run: RunRecord, cell_id: str) -> list[str]:
    """Shell commands for a machine whose engine still has the run's images.

    Empty for a cell that never had an image; of an imported or a merged run only why.
    """
    if run.is_imported:
        return [IMPORTED]
    if run.blocks:
        return [MERGED, *(f"  run {block.run_id} on {block.label}" for block in run.blocks)]
    cell = next((cell for cell in run.cells if cell.id == cell_id), None)
    if cell is None or cell.image is None or run.limits is None:
        return []
    server = f"-u {SERVER_USER} --memory {run.limits.memory_bytes} --pids-limit {run.limits.pids}"
    joined = "--network container:by-hand-loadgen --pid container:by-hand-loadgen"
    load = _load(cell)
    loadgen = f"--network none --init -u {LOADGEN_USER} {run.method.loadgen_image}"
    workload = plugins.workloads().get(cell.workload or "")
    disk = f"-v {DISK} " if workload and workload.disk else ""
    ready = f"docker exec by-hand-loadgen ab -q -n 1 http://127.0.0.1:{PORT}/ >/dev/null 2>&1"
    made = ["by-hand-server", *(["by-hand-companion"] if cell.companion else []), "by-hand-loadgen"]
    return [
        f"docker run -d --name by-hand-loadgen {HARDENED} {loadgen}",
        *_companion(run, cell, joined),
        f"docker run -d --name by-hand-server {joined} {HARDENED} {disk}{server} {cell.image}",
        f"{_until(ready, run.limits.startup_s)} || echo 'it does not answer'",
        f"docker exec by-hand-loadgen {load} || echo 'ab gave up'",
        "docker kill -s USR1 by-hand-server; sleep 1; docker logs by-hand-server",
        f"docker rm -f -v {' '.join(made)}",
    ]


def _load(cell: CellRecord) -> str:
    """The load generator's command; at a fixed rate that of the first launch."""
    if cell.rate is None:
        return f"{cell.load} http://127.0.0.1:{PORT}/"
    told = {
        "port": PORT,
        "rate": cell.rate,
        "requests": round(cell.rate * (cell.load_s or 0.0)),
        "seed": 1,
        "file": "/tmp/requests.tsv",  # noqa: S108 - inside the pod
    }
    return f"python3 /agent/rate.py '{json.dumps(told)}'"


def _companion(run: RunRecord, cell: CellRecord, joined: str) -> list[str]:
    """Start the companion of the cell, and wait until it is ready."""
    if cell.companion is None:
        return []
    image = run.companions[cell.companion].image_id
    user = f"-u {COMPANION_USER} --tmpfs /tmp:exec,size=1g"
    hardened = HARDENED.replace(" --tmpfs /tmp", "")
    ready = f'docker logs by-hand-companion 2>&1 | grep -q "{companion.READY}"'
    return [
        f"docker run -d --name by-hand-companion {joined} {hardened} {user} {image}",
        _until(ready, plugins.companions()[cell.companion].startup_s),
    ]


def _until(command: str, seconds: float) -> str:
    """A shell command that repeats another one until it succeeds, for so many seconds at most."""
    return f"timeout {seconds:.0f} sh -c 'until {command}; do sleep 0.2; done'"
