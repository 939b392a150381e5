"""Every server and every workload with the real thing behind it: PostgreSQL, gRPC, Milvus."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from runner.build.prepare import Prepared, prepare
from runner.commands.cells import lock, locker
from runner.engine.docker_engine import DockerEngine
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Base, Cell, Limits
from runner.matrix.file import load
from runner.measurement.clock import SystemClock
from runner.measurement.job import Job, LaunchResult
from runner.measurement.launch import Launch
from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.stages import Stages
from tests.integration.conftest import CACHE

pytestmark = pytest.mark.engine

#: Launches at a time: they wait more than they work, and their figures are not looked at.
SIDE_BY_SIDE = 3
#: The clients of the load, and the outcome of a cell that other programs kept from serving them.
CLIENTS, HELD_BACK = 16, "serialised, on a busy machine"
LIMITS = Limits(startup_s=8, load_s=20, memory_bytes=512 * 1024 * 1024, pids=512)
#: Importing pymilvus beside a Milvus that has just started takes two cores more than eight seconds.
PATIENT = replace(LIMITS, startup_s=30)
MATRIX = """
version: 1
experiments:
  servers:
    axes:
      python: [3.11]
      gevent: [25.9.1]
      server: [pywsgi, gunicorn-sync, {name: gunicorn-sync, workers: 2},
               {name: gunicorn-gthread, threads: 4}, gunicorn-gevent, {name: waitress, threads: 4},
               gunicorn-eventlet, {name: uwsgi, threads: 4}, uwsgi-gevent]
      patch: [none, gevent]
    packages: {flask: "3.1.*"}
    exclude_newer: 2026-11-01
    workload: {seconds: 0.1}
    load: {concurrency: 16, requests: 65}
  imported:
    extends: servers
    axes:
      server: [werkzeug]
      grpcio: [1.76.0]
      patch: [imported, gevent+grpc]
  workloads:
    extends: servers
    axes:
      server: [werkzeug]
      patch: [none, gevent]
      workload: [http, postgres, file, cpu]
      driver: [psycopg2, psycopg2+psycogreen, psycopg, pg8000]
  grpc:
    extends: servers
    axes:
      server: [werkzeug]
      grpcio: [1.76.0]
      patch: [none, gevent, grpc, gevent+grpc]
      call: [unary, stream]
      ready: [true, false]
    workload: {name: grpc, seconds: 0.1}
    exclude:
      - {call: stream, ready: true}
  milvus:
    axes:
      python: [3.9]
      gevent: [24.2.1]
      grpcio: [1.60.0]
      patch: [gevent, grpc]
    packages: {flask: "2.2.*", werkzeug: "2.2.*", marshmallow: "<4", setuptools: "<70",
               pymilvus: 2.3.7}
    exclude_newer: 2024-06-01
    workload: {name: milvus}
    load: {concurrency: 4, requests: 40}
"""


#: Prepares as a cell's server does; prints what is imported then, and whose functions these are.
PREPARED = """
import sys
from monkey_matrix_server import effects, main
main.prepare()
import socket, time
print("gevent.monkey" in sys.modules, "grpc.experimental.gevent" in sys.modules)
print(time.sleep.__module__, socket.socket.__module__)
in_effect = effects.patched()
print("socket" in in_effect["gevent"]["modules"], in_effect["grpc"])
"""
Measured = dict[str, LaunchResult]


def made_ready(
    engine: DockerEngine, path: Path, experiment: str
) -> tuple[tuple[Cell, ...], Prepared]:
    """The cells of an experiment, in order, with their images."""
    expanded = load(path).experiment(experiment)
    locked = lock(expanded, locker(CACHE), architecture=engine.info().architecture)
    assert not locked.unavailable
    prepared = prepare(
        engine,
        locked.cells,
        locked.locks,
        experiment="tests",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
    )
    assert not prepared.failed
    return locked.cells, prepared


def measured(engine: DockerEngine, path: Path, experiment: str) -> Measured:
    """One launch of every cell of an experiment."""
    cells, prepared = made_ready(engine, path, experiment)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = pool.map(lambda cell: launched(engine, cell, prepared), cells)
        return {cell.id: result for cell, result in zip(cells, results, strict=True)}


def launch_of(engine: DockerEngine, cell: Cell, prepared: Prepared) -> Launch:
    name = cell.workload.kind.companion
    job = Job(
        run="integration",
        cell=cell,
        number=1,
        server_image=prepared.cells[cell].image_id,
        loadgen_image=prepared.loadgen.image_id,
        companion_images={name: prepared.companions[name].image_id} if name else {},
        limits=PATIENT if name == "milvus" else LIMITS,
        opening=AbOpening.FIRST_ALONE,
    )
    return Launch(engine, job, SystemClock())


def launched(engine: DockerEngine, cell: Cell, prepared: Prepared) -> LaunchResult:
    launch = launch_of(engine, cell, prepared)
    try:
        launch.start()
        launch.load()
        return launch.collect()
    finally:
        launch.close()


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("matrix") / "matrix.yaml"
    path.write_text(MATRIX, encoding="utf-8")
    return path


def outcomes(results: Measured) -> dict[str, str]:
    """Outcomes by cell, without the parts of the ids that are the same in all."""
    return {
        cell.replace("py3.11-", "").replace("gevent25.9.1-", "").replace("grpcio1.76.0-", ""): (
            HELD_BACK if is_held_back(result.record) else str(result.record.outcome)
        )
        for cell, result in results.items()
    }


def is_held_back(record: LaunchRecord) -> bool:
    """Whether requests were in the application together and ended one by one for want of a CPU."""
    inside = record.served.in_flight if record.served else 0.0
    is_serialised = record.outcome is Outcome.SERIALISED
    return is_serialised and record.disturbed is not None and inside >= CLIENTS / 2


def expected(seen: dict[str, str], of: dict[str, str]) -> dict[str, str]:
    """What is expected, with what a busy machine makes of it where that was seen.

    There a cell answers less than half as fast as it could. Where a request needs much CPU, as with
    a driver in Python, they end one by one.
    """
    instead = {"ok": {"limited", HELD_BACK}, "serialised": {HELD_BACK}}
    return {
        cell: seen[cell] if seen.get(cell) in instead.get(word, ()) else word
        for cell, word in of.items()
    }


def test_every_server_serves_patched_and_not(engine: DockerEngine, matrix: Path) -> None:
    results = measured(engine, matrix, "servers")
    seen = outcomes(results)
    of = {
        # Nothing patched, so the first sleep stops the loop that serves all.
        "none-pywsgi": "serialised",
        "gevent-pywsgi": "ok",
        "none-gunicorn-sync-w1": "serialised",
        "gevent-gunicorn-sync-w1": "serialised",
        # Two processes, each of which takes one at a time.
        "none-gunicorn-sync-w2": "serialised",
        "gevent-gunicorn-sync-w2": "serialised",
        # Four threads for sixteen clients.
        "none-gunicorn-gthread-w1-t4": "limited",
        "gevent-gunicorn-gthread-w1-t4": "limited",
        # Its worker patches by itself.
        "none-gunicorn-gevent-w1": "ok",
        "none-gunicorn-eventlet-w1": "ok",
        "none-uwsgi-w1-t4": "limited",
        "gevent-uwsgi-w1-t4": "limited",
        "none-uwsgi-gevent-w1-g1000": "ok",
        "none-waitress-t4": "limited",
        "gevent-waitress-t4": "limited",
    }
    assert seen == expected(seen, of), [r.record.reason for r in results.values()]
    factors = {c: r.record.concurrency_factor for c, r in results.items() if c.endswith("-t4")}
    # Of five at once, four threads do neither one after the other nor all together: 2.5 where no
    # other program is in the way.
    assert all(factor and 1.2 < factor < 4.5 for factor in factors.values()), factors


def test_imported_imports_what_is_patched_elsewhere_and_patches_nothing(
    engine: DockerEngine, client: docker.DockerClient, matrix: Path
) -> None:
    cells, prepared = made_ready(engine, matrix, "imported")
    printed = {
        cell.patch: client.containers.run(
            prepared.cells[cell].image_id,
            ["python3", "-c", PREPARED],
            network_mode="none",
            remove=True,
        )
        for cell in cells
    }
    assert printed == {
        "imported": b"True True\ntime socket\nFalse False\n",
        "gevent+grpc": b"True True\ngevent.hub gevent._socket3\nTrue True\n",
    }
    seen = {cell.patch: str(launched(engine, cell, prepared).record.outcome) for cell in cells}
    assert seen == expected(seen, {"imported": "ok", "gevent+grpc": "ok"})


def test_every_workload_does_its_work(engine: DockerEngine, matrix: Path) -> None:
    results = measured(engine, matrix, "workloads")
    seen = outcomes(results)
    # Who writes to one disk waits for it; how long, alone and under load, depends on the disk.
    for patch in ("none", "gevent"):
        assert seen.pop(f"{patch}-file") in {"limited", "serialised", HELD_BACK}
        # Who computes has one CPU. Where others use it too, a lone request is as slow as many.
        assert seen.pop(f"{patch}-cpu") in {"limited", "serialised", HELD_BACK}
    of = {
        "none-http": "ok",
        "gevent-http": "ok",
        "none-postgres-psycopg2": "ok",
        # libpq waits in C, where no patch reaches it.
        "gevent-postgres-psycopg2": "serialised",
        "none-postgres-psycopg2+psycogreen": "ok",
        "gevent-postgres-psycopg2+psycogreen": "ok",
        "none-postgres-psycopg": "ok",
        "gevent-postgres-psycopg": "ok",
        "none-postgres-pg8000": "ok",
        "gevent-postgres-pg8000": "ok",
    }
    assert seen == expected(seen, of), [r.record.reason for r in results.values()]


def test_grpc_under_every_patch(engine: DockerEngine, matrix: Path) -> None:
    results = measured(engine, matrix, "grpc")
    seen = outcomes(results)
    of = {
        "none-unary-ready": "ok",
        "none-unary-no-ready": "ok",
        "none-stream-no-ready": "ok",
        # Its polling thread is a greenlet now, and waits in C: nobody else has a turn.
        "gevent-unary-ready": "hang-at-startup",
        "gevent-unary-no-ready": "serialised",
        "gevent-stream-no-ready": "hang-at-first-request",
        "grpc-unary-ready": "ok",
        "grpc-unary-no-ready": "ok",
        "grpc-stream-no-ready": "ok",
        "gevent+grpc-unary-ready": "ok",
        "gevent+grpc-unary-no-ready": "ok",
        "gevent+grpc-stream-no-ready": "ok",
    }
    assert seen == expected(seen, of), [r.record.reason for r in results.values()]
    hung = results["py3.11-gevent25.9.1-grpcio1.76.0-gevent-unary-ready"]
    assert hung.record.reason
    assert "in _poll_connectivity" in hung.record.reason
    assert b"channel_ready_future" in hung.files["stacks.txt"]
    assert b"ESTABLISHED" in hung.files["sockets.txt"]
    assert b"companion ready" in hung.files["companion.log"]


def test_milvus_hangs_under_gevent_and_not_under_init_gevent(
    engine: DockerEngine, matrix: Path
) -> None:
    results = measured(engine, matrix, "milvus")
    seen = {r.record.cell.rpartition("-")[2]: r.record.outcome for r in results.values()}
    assert seen["gevent"] is Outcome.HANG_AT_STARTUP, [r.record.reason for r in results.values()]
    # It answers. How many of four clients Milvus works for at a time depends on the CPUs, which it
    # and the server keep busy: 1.5 of two were seen.
    assert seen["grpc"].has_figures
    hung = next(r for r in results.values() if r.record.outcome is Outcome.HANG_AT_STARTUP)
    assert hung.record.reason
    assert "in _poll_connectivity" in hung.record.reason
    assert b"pymilvus" in hung.files["stacks.txt"]


def test_a_companion_that_dies_is_not_the_cells_doing(
    engine: DockerEngine, client: docker.DockerClient, matrix: Path
) -> None:
    _, prepared = made_ready(engine, matrix, "workloads")
    cell = next(c for c in prepared.cells if (c.workload.name, c.patch) == ("http", "none"))
    launch = launch_of(engine, cell, prepared)
    try:
        launch.start()
        assert launch.verdict is None
        assert launch._pod
        client.containers.get(launch._pod.companions["http"]).kill()
        launch.load()
        record = launch.collect().record
    finally:
        launch.close()
    assert record.outcome is Outcome.ENGINE_ERROR
    assert record.reason
    assert record.reason.startswith("the companion 'http' ended: killed by SIGKILL")
