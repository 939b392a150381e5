"""A real engine and the images of two small environments, made once per session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import pytest

from runner.build.bases import LOADGEN, base_of_cells, has_bases
from runner.build.lock import Lock, lock_all, platform_of
from runner.build.prepare import Prepared, prepare
from runner.build.recipe import Image
from runner.engine.connection import connect
from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineUnavailableError
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Base, Cell, Limits, Requirement
from runner.matrix.servers import Server
from runner.matrix.values import Workload
from runner.measurement.asked import WORKLOAD, Asked
from runner.measurement.clock import SystemClock
from runner.measurement.job import Job, LaunchResult
from runner.measurement.launch import Launch
from runner.stages import Stages

CACHE = Path(".cache")
#: Files that take minutes: begun last, one of them would keep the others' processes waiting.
LONGEST = {"test_workloads.py", "test_run.py", "test_services.py", "test_applications.py"}
LIMITS = Limits(startup_s=3, load_s=6, memory_bytes=128 * 1024 * 1024, pids=256)
#: Outcomes of a cell that answers: which it is depends on what else the machine does, too.
SERVED = {"ok", "limited", "serialised"}
FLASK = Requirement(name="flask", specifier="==3.1.*")
GEVENT = Requirement(name="gevent", specifier="==25.9.1")


def a_cell(patch: str = "none", **changes: object) -> Cell:
    """A cell on Python 3.11 that sleeps 50 ms, loaded with 40 requests."""
    requirements = (FLASK, GEVENT) if patch != "none" else (FLASK,)
    settings: dict[str, object] = {
        "python": "3.11",
        "patch": patch,
        "server": Server(name="werkzeug"),
        "workload": Workload(parameters=(("seconds", "0.05"),)),
        "concurrency": 10,
        "requests": 40,
        "requirements": requirements,
        "exclude_newer": "2026-11-01",
        "varied": ("python", "gevent", "patch", "server"),
    }
    return Cell(**{**settings, **changes})  # type: ignore[arg-type]


#: `ab` sends the first alone, so these are never all in work at a time.
FOUR_REQUESTS = a_cell(
    # So few that a single pause of a busy machine decides, unless each takes longer than that.
    workload=Workload(parameters=(("seconds", "0.5"),)),
    concurrency=2,
    requests=4,
    varied=("python", "gevent", "patch", "server", "concurrency"),
)
#: One at a time, its load cut to what `limits.load` allows: a request takes so long that a pause of
#: a busy machine is little beside it.
CUT = a_cell(
    server=Server(name="werkzeug-single"),
    workload=Workload(parameters=(("seconds", "0.3"),)),
    varied=("python", "gevent", "patch", "server", "seconds"),
)
#: Two hundred requests of forty clients.
FORTY_CLIENTS = a_cell(
    concurrency=40, requests=200, varied=("python", "gevent", "patch", "server", "concurrency")
)
CELLS = (
    a_cell(),
    a_cell(server=Server(name="werkzeug-single")),
    a_cell("gevent"),
    a_cell("gevent", server=Server(name="werkzeug-single")),
    FOUR_REQUESTS,
    FORTY_CLIENTS,
    CUT,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; where a base image must be made first, all tests need root."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    items.sort(key=lambda item: item.path.name not in LONGEST)
    if os.geteuid() == 0 or not here:
        return
    try:
        with closing(connect()) as engine:
            has_all = has_bases(engine, [base_of_cells("3.11"), LOADGEN])
    except EngineUnavailableError as error:
        raise pytest.UsageError(str(error)) from None
    for item in here if not has_all else ():
        item.add_marker(pytest.mark.root)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    connected = connect()
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """docker-py itself, to look at what the engine really has."""
    connected = docker.from_env()
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def prepared(engine: DockerEngine) -> Prepared:
    requests = {cell.environment for cell in CELLS}
    found = lock_all(
        requests, platform=platform_of(engine.info().architecture), cache_directory=CACHE
    )
    locks = {request: lock for request, lock in found.items() if isinstance(lock, Lock)}
    made = prepare(
        engine,
        CELLS,
        locks,
        experiment="tests",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
    )
    assert set(made.cells) == set(CELLS), (made.failed, made.unavailable)
    return made


@dataclass(frozen=True)
class Maker:
    """Makes launches of the prepared cells, with another program in place of the server's."""

    engine: DockerEngine
    prepared: Prepared

    def _image(self, cell: Cell) -> Image:
        """The cell's; a load at a rate is no part of an image."""
        closed = replace(cell, rate=None, load_s=None, requests=40) if cell.rate else cell
        return self.prepared.cells[closed]

    def launch(
        self, cell: Cell, program: str = "", limits: Limits = LIMITS, asked: Asked = WORKLOAD
    ) -> Launch:
        command = ("python3", "-u", "-c", program) if program else ()
        job = Job(
            run="integration",
            cell=cell,
            number=1,
            server_image=self._image(cell).image_id,
            loadgen_image=self.prepared.loadgen.image_id,
            limits=limits,
            opening=AbOpening.FIRST_ALONE,
            server_command=command,
            asked=asked,
        )
        return Launch(self.engine, job, SystemClock())


@pytest.fixture
def maker(engine: DockerEngine, prepared: Prepared) -> Maker:
    return Maker(engine, prepared)


@pytest.fixture
def measure(maker: Maker) -> Iterator[Callable[..., LaunchResult]]:
    """Make one launch from start to end; its pod is gone afterwards."""
    launches: list[Launch] = []

    def one(
        cell: Cell, program: str = "", limits: Limits = LIMITS, asked: Asked = WORKLOAD
    ) -> LaunchResult:
        launch = maker.launch(cell, program, limits, asked)
        launches.append(launch)
        launch.start()
        launch.load()
        return launch.collect()

    yield one
    for launch in launches:
        launch.close()
