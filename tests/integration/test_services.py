"""Services in a pod: of a registry's images, one that starts as root, and Debian's packages."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from runner.build.lock import Lock, lock_all, platform_of
from runner.build.prepare import Prepared, prepare
from runner.engine.docker_engine import DockerEngine
from runner.engine.pod import Pod, PodPlan
from runner.matrix.application import Service
from runner.matrix.cell import Base
from runner.measurement import companion
from runner.measurement.clock import SystemClock
from runner.measurement.job import OwnStart, services_of
from runner.stages import Stages
from tests.integration.conftest import CACHE, LIMITS, SERVED, a_cell
from tests.integration.test_registry import registry
from tests.integration.test_run import Project
from tests.support.by_hand import OWN, printed_by

pytestmark = pytest.mark.engine
__all__ = ["registry"]

SECRET = "a-word-that-nobody-may-see"
#: Shaped like the images of databases: it turns from root into its own user, makes its data in a
#: volume where there are none, reads what it is given at first, and has its socket in /run.
ENTRYPOINT = """\
#!/bin/sh
set -e
[ "$(id -u)" != 0 ] || exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
[ -n "$REDIS_PASSWORD" ] || { echo "the variable REDIS_PASSWORD is missing"; exit 1; }
echo "as $(id -un) with $REDIS_PASSWORD"
echo made > /data/made && echo there > /run/redis/socket
cat /docker-entrypoint-initdb.d/first.txt
exec "$@"
"""
SERVER = """\
import os, socket, sys, time
if sys.argv[1] == "wait":
    time.sleep(0.5)
listener = socket.create_server(("127.0.0.1", int(sys.argv[2])))
for place in sys.argv[3:]:
    open(place + "/written", "w").close()
print("listening as", os.getuid(), flush=True)
while True:
    listener.accept()[0].close()
"""
APPLICATION = """\
import os, socket
from flask import Flask

app = Flask(__name__)

@app.get("/")
def index():
    for place in os.environ["PLACES"].split():
        name, port = place.split(":")
        socket.create_connection((name, int(port)), 5).close()
    return "all there"
"""
MATRIX = """\
version: 1
experiments:
  shop:
    base: debian
    axes: {{python: 3.11, patch: [none]}}
    exclude_newer: 2026-11-01
    application:
      app: app
      requirements: ["flask==3.1.*"]
      environment: {{PLACES: "db:6379 queue:9100 cache:6380"}}
      services:
        db:
          image: "{registry}redis:7"
          environment: {{REDIS_PASSWORD: "${{SERVICE_SECRET}}"}}
          volumes: ["./first:/docker-entrypoint-initdb.d"]
          healthcheck: {{test: "test -e /data/written", interval: 1s, retries: 20}}
          depends_on: [queue]
        queue: {{image: "{registry}queue:1", expose: [9100]}}
        cache:
          debian: [redis-server]
          command: "redis-server --save '' --port 6380 --dir $HOME"
          healthcheck: {{test: [CMD, redis-cli, -p, "6380", ping], interval: 1s, retries: 20}}
    response: {{body: "all there"}}
    load: {{concurrency: 2, requests: 20}}
    launches: 1
    repeats: 0
"""


def image_of(client: docker.DockerClient, name: str, dockerfile: str, files: dict[str, str]) -> str:
    """Build an image of these files, and push it; the engine has it no longer then."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in {**files, "Dockerfile": dockerfile}.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(text.encode()), 0o755
            tar.addfile(member, io.BytesIO(text.encode()))
    packed.seek(0)
    client.images.build(fileobj=packed, custom_context=True, tag=name, rm=True, forcerm=True)
    client.images.push(*name.rsplit(":", 1))
    client.images.remove(name)
    return name


@pytest.fixture(scope="module")
def images(registry: str, client: docker.DockerClient, prepared: Prepared) -> Iterator[str]:
    """The registry with a database's image, and one whose root has no other user."""
    base = f"FROM {prepared.bases['3.11'].reference}\nUSER root\nCOPY server.py /server.py\n"
    user = "echo redis:x:999:999::/:/bin/sh >> /etc/passwd && echo redis:x:999: >> /etc/group"
    places = "/data /run/redis /docker-entrypoint-initdb.d"
    database = (
        f"{base}COPY start /start\nRUN {user} && mkdir -p {places} && chown redis /data /run/redis"
        '\nVOLUME /data\nENTRYPOINT ["/start"]\n'
        'CMD ["python3", "/server.py", "wait", "6379", "/data", "/run/redis"]\n'
    )
    queue = (
        f"{base}RUN mkdir /state\nVOLUME /state\n"
        'CMD ["python3", "/server.py", "wait", "9100", "/state", "/run", "/var/run", "/tmp"]\n'
    )
    names = [
        image_of(
            client, f"{registry}redis:7", database, {"server.py": SERVER, "start": ENTRYPOINT}
        ),
        image_of(client, f"{registry}queue:1", queue, {"server.py": SERVER}),
    ]
    yield registry
    for name in names:
        if client.images.list(name):
            client.images.remove(name, force=True)


@pytest.fixture
def shop(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """A project whose application needs three services."""
    monkeypatch.setenv("SERVICE_SECRET", SECRET)

    def one(*changes: tuple[str, str]) -> Project:
        matrix = MATRIX.format(registry=images)
        for old, new in changes:
            assert old in matrix
            matrix = matrix.replace(old, new)
        (tmp_path / "app.py").write_text(APPLICATION)
        (tmp_path / "first").mkdir(exist_ok=True)
        (tmp_path / "first" / "first.txt").write_text("read at first\n")
        return Project(tmp_path, matrix)

    return one


def test_three_services_at_once(
    shop: Callable[..., Project], client: docker.DockerClient, tmp_path: Path
) -> None:
    """They are pulled, started in order, ready, reached by name; and so by hand."""
    project = shop()
    code, stdout, stderr = project.matrix("run")
    assert code == 0, stderr
    assert "service db: pulling" in stderr
    assert {row["outcome"] for row in project.rows()} <= SERVED, stdout
    run = (project.results / "latest" / "run.json").read_text()
    assert "redis@sha256:" in run
    assert [
        p for p in project.results.rglob("*") if p.is_file() and SECRET in p.read_text("latin-1")
    ] == []
    code, shown, _ = project.matrix("show", "latest", "py3.11-none")
    *commands, _, remove_joiners, remove_owner = printed_by(shown)
    environment = {**os.environ, "DB_REDIS_PASSWORD": SECRET, "DB_FILES": str(tmp_path / "first")}
    try:
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(commands)],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Complete requests:      20" in done.stdout
        logs = {
            name: client.containers.get(f"{OWN}companion-{name}").logs().decode()
            for name in ("db", "queue")
        }
        assert "as redis with" in logs["db"]
        assert "read at first" in logs["db"]
        assert "listening as 999" in logs["db"]
        assert "listening as 7002" in logs["queue"]
    finally:
        for line in (remove_joiners, remove_owner):
            subprocess.run(shlex.split(line), capture_output=True, check=False)


def test_a_service_that_ends_stops_the_run_before_anything_is_measured(
    shop: Callable[..., Project],
) -> None:
    project = shop(("REDIS_PASSWORD: ", "OTHER: "))
    code, _, stderr = project.matrix("run")
    assert code == 3
    assert (
        "error: service 'db' ended: exit status 1: the variable REDIS_PASSWORD is missing" in stderr
    )
    assert not (project.results / "latest").exists()


def test_what_services_printed_is_kept_of_a_launch_that_fails(
    shop: Callable[..., Project],
) -> None:
    project = shop(('all there"}', 'something else"}'))
    code, _, stderr = project.matrix("run")
    assert code == 0, stderr
    [row] = project.rows()
    assert row["outcome"] == "wrong-answer"
    launch = project.results / "latest" / "cells" / "py3.11-none" / "launch-01"
    assert (launch / "db.log").read_text().startswith("as redis with ***\nread at first\n")
    assert "listening as 7002" in (launch / "queue.log").read_text()
    assert "eady to accept connections" in (launch / "cache.log").read_text()


def test_an_image_that_no_registry_has_is_told(shop: Callable[..., Project], images: str) -> None:
    project = shop((f"{images}queue:1", f"{images}nothing:1"))
    code, _, stderr = project.matrix("run")
    assert code == 3
    assert f"error: service 'queue': {images}nothing:1 cannot be pulled: " in stderr


def test_the_databases_that_are_companions_are_ready_for_an_application(
    engine: DockerEngine,
) -> None:
    services = tuple(Service(name=f"a-{kind}", companion=kind) for kind in ("mariadb", "redis"))
    cell = a_cell(services=services)
    [lock] = lock_all(
        [cell.environment],
        platform=platform_of(engine.info().architecture),
        cache_directory=CACHE,
    ).values()
    assert isinstance(lock, Lock)
    ready = prepare(
        engine,
        [cell],
        {cell.environment: lock},
        experiment="services",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
    )
    images = {name: image.image_id for name, image in ready.companions.items()}
    plan = PodPlan(
        run="integration",
        cell=cell.id,
        server_image="",
        loadgen_image=ready.loadgen.image_id,
        limits=LIMITS,
        companions=tuple(services_of(services, OwnStart(), images)),
    )
    sql = "mariadb -h 127.0.0.1 -u matrix -pmatrix matrix -e 'CREATE TABLE t (n int); SHOW TABLES'"
    redis = "redis-cli -h 127.0.0.1 set a b"
    with Pod(engine, plan) as pod:
        companion.wait_until_ready(pod, SystemClock())
        for name, command, answer in (("a-mariadb", sql, b"t"), ("a-redis", redis, b"OK")):
            done = engine.exec(pod.companions[name], ["sh", "-c", command], timeout=20)
            assert (done.exit_code, done.stdout.split()[-1:]) == (0, [answer]), done.stderr
