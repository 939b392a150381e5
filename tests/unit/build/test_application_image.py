"""What the image of an application has, and what cannot be in it."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.application.source import Source, source_of
from runner.build.application_image import USERS, ApplicationImage
from runner.build.archive import can_be_loaded, described
from runner.build.dockerfile import parse
from runner.build.images import dockerfile_of
from runner.build.layers import Tar
from runner.build.recipe import Recipe
from runner.engine.pod import PYTHON_PATH, SERVER_UID
from runner.errors import UsageError
from tests.unit.application.applications import application

ENVIRONMENT = Recipe(reference="env:1", kind="environment", key="1", dockerfile="", base="base")
OWN = (SERVER_UID, SERVER_UID)
ROOT = (0, 0)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    package = tmp_path / "src" / "shop"
    package.mkdir(parents=True)
    (package / "app.py").write_text("app = 1\n")
    (package / "settings.yml").write_text("from the source\n")
    (tmp_path / "Dockerfile").write_text("FROM elsewhere\nUSER root\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("the application's own file\n")
    found = source_of(application(tmp_path, source="."))
    assert found
    return found


def entries(recipe: Recipe) -> dict[str, tarfile.TarInfo]:
    """The files of the image's own layers, the later over the earlier, as an engine loads them."""
    found: dict[str, tarfile.TarInfo] = {}
    for layer in described(recipe)[1]:
        with tarfile.open(fileobj=io.BytesIO(b"".join(Tar(layer)))) as tar:
            found |= {member.name: member for member in tar}
    return found


def made(tmp_path: Path, **fields: Any) -> Recipe:
    return ApplicationImage(**{"source": None, **fields}).recipe(ENVIRONMENT, tmp_path / "cache")


def test_it_is_loaded_and_its_commands_are_built_upon_it(source: Source, tmp_path: Path) -> None:
    image = ApplicationImage(source=source, chdir="src", prepare=("make $X",), files=("/etc/a",))
    recipe = image.recipe(ENVIRONMENT, tmp_path / "cache")
    prepared = image.prepared(recipe)
    assert can_be_loaded(recipe)
    assert not can_be_loaded(prepared)
    assert (prepared.base, prepared.commands) == (recipe.reference, ("make $X",))
    assert prepared.layers == ()


def test_a_command_starts_the_server(source: Source, tmp_path: Path) -> None:
    image = ApplicationImage(source=source, command=("ddtrace-run", "--info"))
    recipe = image.recipe(ENVIRONMENT, tmp_path / "cache")
    assert can_be_loaded(recipe)
    started = dockerfile_of("server").splitlines()[-1].removeprefix("CMD ")
    assert json.loads(recipe.dockerfile.splitlines()[-1].removeprefix("CMD ")) == [
        *image.command,
        *json.loads(started),
    ]
    without = replace(image, command=()).recipe(ENVIRONMENT, tmp_path / "cache")
    assert "CMD" not in without.dockerfile


def test_the_source_belongs_to_the_server_and_so_does_the_way_to_a_link(
    source: Source, tmp_path: Path
) -> None:
    found = entries(made(tmp_path, source=source, files=("/application/src/shop/settings.yml",)))
    own = {name: m for name, m in found.items() if name.startswith("application")}
    assert {(m.uid, m.gid) for name, m in own.items() if not m.issym()} == {OWN}
    assert {"application", "application/src/shop", "application/Dockerfile"} <= set(own)
    home = found["home/application"]
    assert (home.isdir(), (home.uid, home.gid)) == (True, OWN)
    assert (found["home"].uid, found["etc"].uid) == ROOT


def test_a_file_is_a_link_to_its_content_also_over_one_of_the_source(
    source: Source, tmp_path: Path
) -> None:
    files = ("/etc/shop/a.yml", "/application/src/shop/settings.yml", "/var/run/secrets/key")
    recipe = made(tmp_path, source=source, files=files)
    links = {name: m.linkname for name, m in entries(recipe).items() if m.issym()}
    assert links == {
        "etc/shop/a.yml": "/files/0",
        "application/src/shop/settings.yml": "/files/1",
        "run/secrets/key": "/files/2",
    }
    with tarfile.open(fileobj=io.BytesIO(b"".join(recipe.context()))) as tar:
        assert sum(m.name == "application/src/shop/settings.yml" for m in tar) == 1


def test_it_starts_in_its_directory_with_its_variables(source: Source, tmp_path: Path) -> None:
    recipe = made(
        tmp_path,
        source=source,
        chdir="src/shop",
        environment=(("A", 'a "b" $c'), ("PYTHONPATH", "lib")),
    )
    config = described(recipe)[0].config({"Env": ["PATH=/usr/bin"], "User": "7001:7001"}, {})
    assert config["WorkingDir"] == "/application/src/shop"
    assert config["User"] == "7001:7001"
    variables = dict(entry.split("=", 1) for entry in config["Env"])
    assert variables["PATH"].startswith("/site/bin:/usr/local/")
    assert (variables["HOME"], variables["USER"]) == ("/home/application", "application")
    assert variables["A"] == 'a "b" $c'
    assert variables["PYTHONPATH"] == f"lib:{PYTHON_PATH}"


def test_our_part_of_pythons_path_has_what_the_servers_image_has() -> None:
    ours = parse(dockerfile_of("server"), {"BASE": "x"}).environment["PYTHONPATH"]
    assert set(ours.split(":")) <= set(PYTHON_PATH.split(":"))


def test_its_user_has_a_name_and_so_have_debians(tmp_path: Path) -> None:
    recipe = made(tmp_path)
    files = {file.path: file.content for layer in recipe.layers for file in layer.files}
    passwd = (files["etc/passwd"] or b"").decode().splitlines()
    group = (files["etc/group"] or b"").decode().splitlines()
    assert passwd[-1] == "application:x:7001:7001::/home/application:/bin/sh"
    assert "application:x:7001:" in group
    assert [line.split(":")[0] for line in passwd] == [*USERS, "application"]
    assert all(line.count(":") == 6 for line in passwd)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/lib/x.so", "cannot be put below /lib"),
        ("/tmp/x", "cannot be put below /tmp"),
        ("/proc/x", "cannot be put below /proc"),
        ("/my dir/x", "cannot be put below /my dir"),
        ("/etc/passwd", "is the image's own"),
        ("/application", "is the image's own"),
        ("/home/application", "is the image's own"),
        ("/etc/shop", "another path is below it"),
    ],
)
def test_where_no_file_can_be(tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"application.files: {path} .*{why}"):
        made(tmp_path, files=(path, "/etc/shop/a.yml"))


def test_a_value_of_several_lines_says_where_it_can_be(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"application\.environment: KEY has several .* `env_file`"
    ):
        made(tmp_path, environment=(("KEY", "-----BEGIN\nabc\n"),))


def test_whatever_is_in_it_makes_it_another_image(source: Source, tmp_path: Path) -> None:
    image = ApplicationImage(source=source, prepare=("make",), files=("/etc/a", "/etc/b"))
    others = [
        image,
        replace(image, source=replace(source, files=source.files[1:])),
        replace(image, source=None),
        replace(image, chdir="src"),
        replace(image, files=("/etc/b", "/etc/a")),
        replace(image, environment=(("A", "1"),)),
        replace(image, prepare=("make all",)),
        replace(image, prepare=("make", "make")),
    ]
    names = [one.prepared(one.recipe(ENVIRONMENT, tmp_path / "c")).reference for one in others]
    other = replace(ENVIRONMENT, reference="env:2")
    names += [image.prepared(replace(image, source=None).recipe(other, tmp_path)).reference]
    assert len(set(names)) == len(names)
