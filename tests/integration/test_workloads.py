"""Every server and every workload with the real thing behind it: PostgreSQL, gRPC, Milvus."""

from __future__ import annotations

from pathlib import Path

from runner.engine.docker_engine import DockerEngine
from runner.environments.prepare import Prepared, prepare
from runner.measurement.clock import SystemClock
from runner.measurement.launch import Job, Launch, LaunchResult
from runner.spec.ceiling import AbOpening
from runner.spec.cell import Base, Cell, Limits
from runner.spec.matrix_file import load
from runner.workflow.locking import lock
from tests.integration.conftest import CACHE

LIMITS = Limits(startup_s=15, load_s=20, memory_bytes=512 * 1024 * 1024, pids=512)
MATRIX = """
version: 1
experiments:
  servers:
    axes:
      python: [3.11]
      gevent: [25.9.1]
      server: [pywsgi, gunicorn-sync, {name: gunicorn-gthread, threads: 4}, gunicorn-gevent,
               {name: waitress, threads: 4}]
      patch: [none, gevent]
    packages: {flask: "3.1.*"}
    exclude_newer: 2026-11-01
    workload: {seconds: 0.2}
    load: {concurrency: 8, requests: 40}
  workloads:
    extends: servers
    axes:
      server: [werkzeug]
      grpcio: [1.76.0]
      patch: [none, gevent]
      workload: [http, grpc, postgres, file, cpu]
      driver: [psycopg2, psycopg2+psycogreen, psycopg, pg8000]
      call: [unary, stream]
      ready: [false]
    include:
      - {workload: grpc, ready: true}
      - {workload: grpc, patch: gevent+grpc, call: unary}
  milvus:
    axes:
      python: [3.9]
      gevent: [24.2.1]
      grpcio: [1.60.0]
      patch: [none, gevent, grpc]
    packages: {flask: "2.2.*", werkzeug: "2.2.*", marshmallow: "<4", setuptools: "<70",
               pymilvus: 2.3.7}
    exclude_newer: 2024-06-01
    workload: {name: milvus}
    load: {concurrency: 4, requests: 40}
"""


Measured = dict[str, LaunchResult]


def measured(engine: DockerEngine, path: Path, experiment: str) -> Measured:
    """One launch of every cell of an experiment, one after the other."""
    expanded = load(path).experiment(experiment)
    locked = lock(expanded, (), architecture=engine.info().architecture)
    assert not locked.unavailable
    prepared = prepare(
        engine,
        locked.cells,
        locked.locks,
        experiment="tests",
        base=Base(kind="debian"),
        cache=CACHE,
        say=lambda _: None,
    )
    assert not prepared.failed
    return {cell.id: launched(engine, cell, prepared) for cell in locked.cells}


def launched(engine: DockerEngine, cell: Cell, prepared: Prepared) -> LaunchResult:
    name = cell.workload.kind.companion
    launch = Launch(
        engine,
        Job(
            run="integration",
            cell=cell,
            number=1,
            server_image=prepared.cells[cell].reference,
            loadgen_image=prepared.loadgen.reference,
            companion_image=prepared.companions[name].image_id if name else None,
            limits=LIMITS,
            opening=AbOpening.FIRST_ALONE,
        ),
        SystemClock(),
    )
    try:
        launch.start()
        launch.load()
        return launch.collect()
    finally:
        launch.close()
