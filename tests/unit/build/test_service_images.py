"""How containers of services are started, by what their images say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.application.services import OwnService, own_services
from runner.build.recipe import REPOSITORY, Image
from runner.build.service_images import (
    RUN,
    WITH_PATH,
    ServiceImage,
    debian_service,
    pull_all,
    service_images,
)
from runner.engine.companions import COMPANION_USER
from runner.engine.protocol import EngineImage
from runner.errors import EngineUnavailableError
from runner.stages import Stages
from tests.support.builds import PLAIN
from tests.support.memory_engine import MemoryEngine, silent
from tests.unit.application.applications import application

OURS = "rw,exec,nosuid,uid=7002,gid=7002"
INITIAL = "/docker-entrypoint-initdb.d"


def own(directory: Path, **service: Any) -> OwnService:
    [found] = own_services(application(directory, services={"db": service}))
    return found


def made(directory: Path, config: dict[str, Any], **service: Any) -> ServiceImage:
    """The image of a service whose image's configuration is this."""
    found = own(directory, **service)
    engine = MemoryEngine(silent)
    engine.known_images[str(found.service.image)] = EngineImage(
        id="sha256:image", config=config, digests=("postgres@sha256:abc",)
    )
    return service_images(engine, [found], {})["db"]


@pytest.mark.parametrize("root", [None, "", "root", "0:0", "root:root"])
def test_a_known_image_that_starts_as_root_runs_as_whom_it_turns_into(
    tmp_path: Path, root: str | None
) -> None:
    config: dict[str, Any] = {"User": root, "Volumes": {"/var/lib/postgresql/data": {}}}
    found = made(tmp_path, config, image="postgres:17", environment={"A": "b"})
    plan = found.plan
    assert (found.digest, found.image_id, plan.image) == (
        "postgres@sha256:abc", "sha256:image", "sha256:image",
    )  # fmt: skip
    assert (plan.user, plan.volumes) == ("postgres", (RUN,))
    assert plan.tmpfs.keys() == {"/tmp"}
    assert plan.environment == {"A": "b"}
    assert plan.hosts == ("db",)


def test_any_other_that_starts_as_root_runs_as_one_of_ours_that_may_write_its_volumes(
    tmp_path: Path,
) -> None:
    config: dict[str, Any] = {"User": "", "Volumes": {"/state": {}}}
    plan = made(tmp_path, config, image="some", expose=["9000"]).plan
    assert plan.user == COMPANION_USER
    assert {path: plan.tmpfs[path] for path in ("/state", "/run", "/var/run")} == dict.fromkeys(
        ("/state", "/run", "/var/run"), OURS
    )
    assert plan.volumes == ()
    assert plan.environment == {"HOME": "/tmp"}
    assert plan.healthcheck
    assert plan.healthcheck.port == 9000


@pytest.mark.parametrize(("user", "of_image"), [("70:70", ""), (None, "app:app"), (None, "1000")])
def test_whom_the_file_or_the_image_names_runs_it(
    tmp_path: Path, user: str | None, of_image: str
) -> None:
    chosen = {"user": user} if user else {}
    plan = made(tmp_path, {"User": of_image}, image="postgres", **chosen).plan
    assert plan.user == user or of_image
    assert plan.volumes == (RUN,)


def test_directories_in_memory_are_its_users(tmp_path: Path) -> None:
    plan = made(tmp_path, {}, image="redis", user="999:9", tmpfs=["/run", "/x:size=1m"]).plan
    assert plan.tmpfs["/run"] == "rw,exec,nosuid,uid=999,gid=9"
    assert plan.tmpfs["/x"] == "rw,exec,nosuid,uid=999,gid=9,size=1m"
    assert plan.volumes == (), "/run is in memory"
    by_name = made(tmp_path, {}, image="redis", tmpfs=["/x"]).plan
    assert by_name.tmpfs["/x"] == "rw,exec,nosuid"


def test_first_files_have_a_volume(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("x")
    volumes = [f"./1.sql:{INITIAL}/1.sql"]
    configs: tuple[dict[str, Any], ...] = ({}, {"Volumes": {INITIAL: {}}})
    for config in configs:
        for image in ("postgres", "some"):
            plan = made(
                tmp_path, config, image=image, volumes=volumes, healthcheck={"test": ["NONE"]}
            ).plan
            assert INITIAL in plan.volumes
            assert INITIAL not in plan.tmpfs
            assert plan.files == {f"{INITIAL}/1.sql": (b"x", 0o644)}


def test_a_service_of_debians_packages(tmp_path: Path) -> None:
    found = own(tmp_path, debian=["redis-server"], command="redis-server && echo", mem_limit="64m")
    images = {debian_service(found.service): Image(reference="r", image_id="i", key="k")}
    image = service_images(MemoryEngine(silent), [found], images)["db"]
    plan = image.plan
    assert (image.digest, image.image_id, plan.image, plan.user) == (None, "i", "i", COMPANION_USER)
    assert (plan.entrypoint, plan.command) == (
        (WITH_PATH,), ("/bin/sh", "-c", "redis-server && echo"),
    )  # fmt: skip
    assert plan.tmpfs.keys() == {"/tmp", "/run"}
    assert plan.memory_bytes == 64 << 20
    assert plan.healthcheck
    assert plan.healthcheck.command[0] == WITH_PATH


def test_services_with_equal_packages_share_an_image(tmp_path: Path) -> None:
    one = own(tmp_path, debian=["redis-server", "tzdata"], command="x").service
    other = own(tmp_path, debian=["tzdata", "redis-server"], command="y").service
    assert debian_service(one) == debian_service(other)
    assert debian_service(one).base.packages == ("redis-server", "tzdata")
    assert debian_service(one).recipe((), PLAIN).reference.startswith(f"{REPOSITORY}/service:")


def test_an_image_that_cannot_be_pulled_is_told_with_what_can_be_done(tmp_path: Path) -> None:
    found = own(tmp_path, image="postgres:99")
    with pytest.raises(EngineUnavailableError) as caught:
        pull_all(MemoryEngine(silent), [found], Stages(lambda _: None))
    assert str(caught.value) == (
        "service 'db': postgres:99 cannot be pulled: pulling postgres:99: no registry; correct the "
        "name, load or build it under that name, or take Debian's: `debian: [postgresql]` with the "
        "`command:` that starts it"
    )
