"""An application of the user's in a pod: its image, its own copy, its secrets, its names."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import pytest

from runner.application.source import source_of
from runner.build.application_image import ApplicationImage
from runner.build.images import ImageMaker
from runner.build.lock import Lock, lock_all, platform_of
from runner.build.prepare import Prepared, prepare
from runner.build.recipe import Image, Recipe, ensure
from runner.engine.docker_engine import DockerEngine
from runner.engine.pod import Pod
from runner.matrix.application import Service
from runner.matrix.ceiling import AbOpening
from runner.matrix.cell import Base, Cell
from runner.measurement.job import Job, OwnStart, pod_plan
from runner.report.by_hand import by_hand
from runner.stages import Stages
from runner.store.application_record import ApplicationRecord, RequestRecord
from runner.store.records import CompanionRecord
from runner.store.service_record import ServiceRecord
from tests.integration.conftest import CACHE, LIMITS, a_cell
from tests.support.by_hand import OWN, PRINTED
from tests.support.samples import cell_with_workload, run_record
from tests.unit.application.applications import application

pytestmark = pytest.mark.engine

SECRET = "a-value-that-nobody-may-see"
SHOP = """\
import os
from flask import Flask

def create_app():
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: os.environ["TOKEN"])
    return app
"""
#: In place of the server.
KEEP_RUNNING = ("python3", "-c", "import time; time.sleep(600)")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ApplicationImage:
    """A small application with all that an image can have."""
    beside = tmp_path_factory.mktemp("shop")
    package = beside / "src" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(SHOP)
    (package / "settings.yml").write_text("from the source\n")
    (package / "out").symlink_to(f"{'../' * 9}srv")
    (beside / "src" / "run").write_text("#!/bin/sh\necho ran\n")
    (beside / "src" / "run").chmod(0o755)
    source = source_of(application(beside, source="."))
    assert source
    return ApplicationImage(
        source=source,
        chdir="src",
        prepare=("./run > ran.txt", 'echo "$GREETING $HOME" > "two words.txt"'),
        files=("/etc/shop/shop.yml", "/application/src/shop/settings.yml", "/var/run/secrets/key"),
        environment=(("GREETING", 'say "hi" for $5'),),
    )


def made(engine: DockerEngine, image: ApplicationImage, cell: Cell) -> Prepared:
    found = lock_all(
        [cell.environment],
        platform=platform_of(engine.info().architecture),
        cache_directory=CACHE,
    )
    return prepare(
        engine,
        [cell],
        {request: lock for request, lock in found.items() if isinstance(lock, Lock)},
        experiment="own",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
        application=image,
    )


@dataclass(frozen=True)
class Inside:
    """Commands in the server's container of a pod."""

    engine: DockerEngine
    pod: Pod

    def __call__(self, command: str) -> str:
        done = self.engine.exec(self.pod.server, ["/bin/sh", "-c", command], timeout=20)
        return (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def start(engine: DockerEngine, shop: ApplicationImage) -> Iterator[Callable[[], Inside]]:
    """Starts pods of the application; all of them are gone afterwards."""
    cell = a_cell(
        services=(
            Service(name="upstream", companion="grpc"),
            Service(name="web", companion="http"),
        )
    )
    ready = made(engine, shop, cell)
    assert cell in ready.cells, (ready.failed, ready.unavailable)
    job = Job(
        run="integration",
        cell=cell,
        number=1,
        server_image=ready.cells[cell].image_id,
        loadgen_image=ready.loadgen.image_id,
        limits=replace(LIMITS, memory_bytes=256 << 20),
        opening=AbOpening.FIRST_ALONE,
        server_command=KEEP_RUNNING,
        companion_images={name: image.image_id for name, image in ready.companions.items()},
        own=OwnStart(
            environment={"TOKEN": SECRET},
            files=(f"key: {SECRET}\n".encode(), b"from the start\n", b"\0\1"),
        ),
    )
    pods: list[Pod] = []

    def one() -> Inside:
        pod = Pod(engine, pod_plan(job))
        pods.append(pod.__enter__())
        pod.start_server()
        return Inside(engine, pod)

    yield one
    for pod in pods:
        pod.__exit__(None, None, None)


@pytest.fixture(scope="module")
def inside(start: Callable[[], Inside]) -> Inside:
    return start()


def test_the_application_is_there_with_its_variables_and_packages(inside: Inside) -> None:
    call = "from shop import create_app as c; print(c().test_client().get('/').text)"
    assert inside(f'python3 -c "{call}"').strip() == SECRET
    assert inside('echo "$GREETING"').strip() == 'say "hi" for $5'
    assert inside("cat ran.txt 'two words.txt'").splitlines() == [
        "ran",
        'say "hi" for $5 /home/application',
    ]


def test_commands_run_as_the_servers_user_where_the_server_does(inside: Inside) -> None:
    who = "import getpass, grp, os; print(getpass.getuser(), grp.getgrgid(os.getgid()).gr_name)"
    assert inside("pwd; id -u; echo $HOME; echo $PATH | cut -d: -f1").split() == [
        "/application/src",
        "7001",
        "/home/application",
        "/site/bin",
    ]
    assert (
        inside(f'python3 -c "{who}"; env -u USER python3 -c "{who}"').split() == ["application"] * 4
    )


def test_files_are_where_they_are_looked_for_and_the_servers_alone(inside: Inside) -> None:
    assert inside("cat /etc/shop/shop.yml").strip() == f"key: {SECRET}"
    assert inside("cat shop/settings.yml").strip() == "from the start"
    assert inside("wc -c < /run/secrets/key; ls -A /var/run/secrets").split() == ["2", "key"]
    assert inside("stat -L -c '%a %u' /etc/shop/shop.yml").strip() == "400 7001"


def test_it_may_write_its_own_directory_and_home_and_nothing_else(inside: Inside) -> None:
    for path in (".", "/application", "shop", "~", "/tmp"):
        assert inside(f"touch {path}/written && echo ok").strip() == "ok", path
    for path in ("/", "/etc", "/etc/shop", "/site", "/server", "/srv", "/home", "/run"):
        assert "Read-only file system" in inside(f"touch {path}/written"), path


def test_a_second_launch_has_a_copy_of_its_own(
    inside: Inside, start: Callable[[], Inside], client: docker.DockerClient
) -> None:
    inside("echo changed > shop/__init__.py; touch ~/mine")
    second = start()
    assert second("head -1 shop/__init__.py").strip() == "import os"
    assert second("ls ~").strip() == ""
    volumes = [
        {mount["Name"] for mount in client.containers.get(one.pod.server).attrs["Mounts"]}
        for one in (inside, second)
    ]
    assert [len(names) for names in volumes] == [3, 3]
    assert volumes[0].isdisjoint(volumes[1])
    second.pod.__exit__(None, None, None)
    left = {volume.name for volume in client.volumes.list()}
    assert volumes[0] <= left
    assert volumes[1].isdisjoint(left)


def test_services_and_the_pod_have_names(inside: Inside) -> None:
    ask = "import socket as s; print(*map(s.gethostbyname, [s.gethostname(), 'upstream', 'web']))"
    assert inside(f'python3 -c "{ask}"').split() == ["127.0.0.1"] * 3
    assert set(inside.pod.companions) == {"upstream", "web"}


def test_the_commands_by_hand_start_it_with_what_is_set(
    inside: Inside, shop: ApplicationImage, tmp_path: Path
) -> None:
    """The image's own server is one of our workloads', which answers in its place."""
    plan = inside.pod.plan
    application = ApplicationRecord(
        app="shop",
        secret_names=("variable TOKEN", *(f"file {path}" for path in shop.files)),
        services={one.name: ServiceRecord(companion=one.kind) for one in plan.companions},
        request=RequestRecord(headers=("X-Key",)),
    )
    cell = cell_with_workload("sleep").model_copy(
        update={"image": plan.server_image, "requests": 20, "concurrency": 2}
    )
    method = run_record(cell).method.model_copy(update={"loadgen_image": plan.loadgen_image})
    companions = {str(c.kind): CompanionRecord(image_id=c.image) for c in plan.companions}
    run = run_record(cell).model_copy(
        update={"application": application, "companions": companions, "method": method}
    )
    lines = [line.replace(PRINTED, OWN) for line in by_hand(run, cell, [])]
    *commands, remove_joiners, remove_owner = lines
    look = "cat /etc/shop/shop.yml run; echo $TOKEN; touch written; getent hosts upstream web"
    look = f"docker exec {OWN}server sh -c {shlex.quote(look)}"
    for number in range(3):
        (tmp_path / f"file{number}").write_text(f"content {number}\n")
    variables = {f"FILE_{number}": str(tmp_path / f"file{number}") for number in range(3)}
    try:
        done = subprocess.run(
            ["bash", "-ec", "\n".join([*commands, look])], capture_output=True, text=True,
            check=False, env=os.environ | variables | {"TOKEN": SECRET, "HEADER_X_KEY": "5"},
        )  # fmt: skip
    finally:
        for line in (remove_joiners, remove_owner):
            subprocess.run(["bash", "-ec", line], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Complete requests:      20" in done.stdout
    assert "Failed requests:        0" in done.stdout
    seen = [*["content 0", "#!/bin/sh", "echo ran"], SECRET]
    seen += ["127.0.0.1       upstream", "127.0.0.1       web"]
    assert [line.strip() for line in done.stdout.splitlines()[-6:]] == seen


@pytest.mark.usefixtures("inside")
def test_it_is_the_same_where_the_engine_has_to_build_it(
    engine: DockerEngine, client: docker.DockerClient, shop: ApplicationImage
) -> None:
    environment = next(
        Recipe(reference=name, kind="", key="", dockerfile="", base="")
        for image, names in engine.images()
        for name in names
        if name.startswith("localhost/monkey-matrix/env:py3.11-")
    )
    recipe = shop.recipe(environment, CACHE)
    loaded = ImageMaker(engine, lambda _: None).make([recipe])[recipe.reference]
    built = ensure(engine, replace(recipe, reference=f"{recipe.reference}-built"))
    assert isinstance(loaded, Image)
    look = (
        "find /application /etc /files /home /run -printf '%M %U:%G %p -> %l\\n' | sort; env|sort"
    )
    look = f"{look} | grep -v HOSTNAME; find /application -type f | sort | xargs sha256sum; pwd; id"
    try:
        seen = [
            client.containers.run(
                image.image_id, ["sh", "-c", look], network_mode="none", remove=True
            )
            for image in (loaded, built)
        ]
    finally:
        for image in (loaded, built):
            engine.remove_image(image.reference)
    assert seen[0] == seen[1]
    assert b"7001:7001 /application/src/shop/settings.yml -> /files/1\n" in seen[0]


def test_nothing_secret_is_in_the_image(inside: Inside, client: docker.DockerClient) -> None:
    image = client.containers.get(inside.pod.server).image
    assert image
    assert SECRET not in str(image.attrs)
    assert SECRET not in str(image.history())
    assert "GREETING" in str(image.attrs["Config"]["Env"])


def test_a_command_that_fails_says_which_how_and_what_helps(
    engine: DockerEngine, shop: ApplicationImage
) -> None:
    cell = a_cell()
    image = replace(shop, prepare=("echo fine", "echo more; git status"))
    assert made(engine, image, cell).failed == {
        cell: "`application.prepare`: `echo more; git status` failed with status 127: "
        "/bin/sh: 1: git: not found; there is no program git: `application.debian: [git]`"
    }


def test_packages_of_the_distribution_and_no_source(engine: DockerEngine, tmp_path: Path) -> None:
    cell = a_cell()
    image = ApplicationImage(source=None, debian=("file",), prepare=("file -b /bin/sh > what",))
    ready = made(engine, image, cell)
    assert cell in ready.cells, (ready.failed, ready.unavailable)
