"""Images: made once, holding what was locked, and nothing of this host."""

from __future__ import annotations

import io
import os
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from runner.build.archive import load, plan
from runner.build.bases import base_of_cells, ensure_bases
from runner.build.bytecode import compile_all, of_archive, of_program
from runner.build.images import (
    ImageMaker,
    cell_recipe,
    dockerfile_of,
    environment_recipe,
    server_files,
)
from runner.build.layers import shared_layers
from runner.build.prepare import Prepared, prepare
from runner.build.recipe import KEY_LABEL, Image, Recipe, ensure
from runner.build.wheels import archived, pack_all, wheels_of
from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineError
from runner.matrix.cell import Base, EnvironmentRequest, Requirement
from runner.resolver import Lock, Unavailable, resolve, run_uv, uv_command
from runner.stages import Stages
from tests.integration.conftest import CACHE, CELLS

pytestmark = [pytest.mark.engine, pytest.mark.alone]
PLATFORM = "x86_64-manylinux_2_28"


def lock_of(*requirements: tuple[str, str], python: str = "3.11") -> Lock | Unavailable:
    request = EnvironmentRequest(
        python=python,
        requirements=tuple(Requirement(name=n, specifier=s) for n, s in requirements),
        exclude_newer="2026-11-01",
    )
    return resolve(request, PLATFORM)


def run(client: docker.DockerClient, image: str, program: str) -> str:
    output = client.containers.run(
        image, ["python3", "-c", program], network_mode="none", remove=True
    )
    return bytes(output).decode().strip()


def test_an_image_holds_exactly_the_lock(client: docker.DockerClient, prepared: Prepared) -> None:
    cell = CELLS[2]
    program = (
        "from importlib.metadata import distributions\n"
        "print(*sorted(d.metadata['Name'].lower().replace('.', '-').replace('_', '-') + '=='"
        " + d.version for d in distributions(path=['/site'])))"
    )
    found = set(run(client, prepared.cells[cell].reference, program).split())
    lock = lock_of(*((r.name, r.specifier) for r in cell.requirements))
    assert isinstance(lock, Lock)
    assert found == {f"{name}=={version}" for name, version in lock.versions.items()}


def test_a_second_time_builds_nothing(
    engine: DockerEngine, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise AssertionError("built again")

    monkeypatch.setattr(DockerEngine, "build", refuse)
    monkeypatch.setattr(DockerEngine, "load", refuse)
    monkeypatch.setattr(DockerEngine, "import_image", refuse)
    locks = {r: _locked(r) for r in prepared.environments}
    again = prepare(
        engine,
        CELLS,
        locks,
        experiment="tests",
        base=Base(kind="debian"),
        cache=CACHE,
        stages=Stages(lambda _: None),
    )
    assert again.cells == prepared.cells


def _locked(request: EnvironmentRequest) -> Lock:
    lock = resolve(request, PLATFORM)
    assert isinstance(lock, Lock)
    return lock


def test_no_wheels_is_unavailable_with_the_resolvers_reason() -> None:
    result = lock_of(("gevent", "==22.10.2"), python="3.13")
    assert isinstance(result, Unavailable)
    assert result.reason == "gevent==22.10.2 has no usable wheels (Python 3.13)"


def test_a_lock_names_no_address() -> None:
    lock = lock_of(("flask", "==3.1.*"))
    assert isinstance(lock, Lock)
    assert "--hash=sha256:" in lock.text
    assert "://" not in lock.text


def test_an_image_that_cannot_be_made_stops_nobody_else(
    engine: DockerEngine, prepared: Prepared
) -> None:
    good = recipe_of(engine, prepared, CELLS[0].environment)
    bad = replace(good, reference=f"{good.reference}-bad", base="no-such-base", base_id="")
    messages: list[str] = []
    made = ImageMaker(engine, messages.append).make([good, bad, on_top_of(bad)])
    assert made[good.reference] == prepared.environments[CELLS[0].environment]
    assert "there is no image no-such-base" in messages[0]
    assert isinstance(made[bad.reference], EngineError)
    assert made[on_top_of(bad).reference] == made[bad.reference]


def recipe_of(
    engine: DockerEngine, prepared: Prepared, request: EnvironmentRequest, name: str = ""
) -> Recipe:
    """The recipe of an environment; with a name it is one that no engine has."""
    lock, base = _locked(request), prepared.bases["3.11"]
    site = [path for path in pack_all(wheels_of(lock), CACHE).values() if isinstance(path, Path)]
    sources = [*map(of_archive, site), of_program(server_files())]
    bytecode = compile_all(engine, base, sources, CACHE).values()
    recipe = environment_recipe(lock, shared_layers({"": [*site, *bytecode]})[""], base)
    if not name:
        return recipe
    return replace(recipe, reference=f"monkey-matrix/test:{name}", key=name)


def on_top_of(environment: Recipe) -> Recipe:
    """The recipe of a cell."""
    cell = cell_recipe("tests", CELLS[2], environment)
    return replace(cell, reference=f"{environment.reference}-cell")


def remove(engine: DockerEngine, *recipes: Recipe) -> None:
    for recipe in recipes:
        engine.remove_image(recipe.reference)


Tree = dict[str, tuple[object, ...]]


def tree_of(client: docker.DockerClient, image: str) -> Tree:
    """Every path of an image: kind, mode, owner, bytes; not its moment."""
    container = client.containers.create(image, network_mode="none")
    try:
        chunks: Iterator[bytes] = container.export()  # type: ignore[assignment]  # as it says
        archive = io.BytesIO(b"".join(chunks))
    finally:
        container.remove()
    with tarfile.open(fileobj=archive) as tar:
        return {
            m.name: (
                m.type,
                m.mode & 0o7777,
                m.uid,
                m.gid,
                m.linkname,
                read.read() if read else None,
            )
            for m in tar
            for read in [tar.extractfile(m) if m.isfile() else None]
        }


def test_a_loaded_image_is_what_docker_builds_from_the_dockerfile(
    engine: DockerEngine, client: docker.DockerClient, prepared: Prepared
) -> None:
    """Files, modes, owners and configuration: the two ways cannot drift apart."""
    request = CELLS[2].environment
    loaded, built = (recipe_of(engine, prepared, request, way) for way in ("loaded", "built"))
    with_cells = {way.reference: (way, on_top_of(way)) for way in (loaded, built)}
    try:
        load(engine, with_cells[loaded.reference])
        for recipe in with_cells[built.reference]:
            ensure(engine, recipe)
        for one, other in zip(*with_cells.values(), strict=True):
            config, expected = (
                client.images.get(recipe.reference).attrs["Config"] for recipe in (one, other)
            )
            same = ("Env", "User", "Cmd", "WorkingDir", "Entrypoint", "Volumes", "ExposedPorts")
            assert {n: config.get(n) for n in same} == {n: expected.get(n) for n in same}
            for found, recipe in ((config, one), (expected, other)):
                base = client.images.get(prepared.bases["3.11"].reference).labels
                assert found["Labels"] == {**base, **recipe.labels}
        found, wanted = tree_of(client, loaded.reference), tree_of(client, built.reference)
        assert found.keys() == wanted.keys()
        assert {n: (found[n][:5], wanted[n][:5]) for n in found if found[n] != wanted[n]} == {}
        assert found["data"][:4] == (tarfile.DIRTYPE, 0o755, 7001, 7001)
    finally:
        remove(engine, *(recipe for pair in with_cells.values() for recipe in reversed(pair)))


def test_packages_are_those_that_uv_installs_of_the_whole_lock(
    client: docker.DockerClient, prepared: Prepared, tmp_path: Path
) -> None:
    """Although each was unpacked alone."""
    lock = _locked(CELLS[2].environment)
    command = uv_command("install", lock.request, lock.platform)
    command += ["--target", str(tmp_path), "--require-hashes", "--no-deps", "--requirement", "-"]
    assert run_uv(command, lock.text).returncode == 0
    with tarfile.open(fileobj=io.BytesIO(b"".join(archived(tmp_path)))) as tar:
        wanted = {m.name: (m.mode, f.read()) for m in tar if (f := tar.extractfile(m))}
    found = {
        name: (mode, content)
        for name, (kind, mode, *_, content) in tree_of(
            client, prepared.cells[CELLS[2]].image_id
        ).items()
        if name.startswith("site/") and kind == tarfile.REGTYPE and "/__pycache__/" not in name
    }
    assert found.keys() == wanted.keys()
    assert found == wanted


def test_nothing_that_a_server_imports_is_compiled_at_its_start(
    client: docker.DockerClient, prepared: Prepared
) -> None:
    program = (
        "import importlib.util, os, sys\n"
        "import flask, gevent.monkey\n"
        "from monkey_matrix_server import main, patches, plugins, servers, workloads\n"
        "[plugins.load(package) for package in (patches, servers, workloads)]\n"
        "files = [getattr(m, '__file__', None) or '' for m in sys.modules.values()]\n"
        "ours = [f for f in files if f.startswith(('/site', '/server')) and f.endswith('.py')]\n"
        "print(len(ours) > 50,"
        " [f for f in ours if not os.path.exists(importlib.util.cache_from_source(f))])"
    )
    assert run(client, prepared.cells[CELLS[2]].reference, program) == "True []"


def test_bytecode_is_that_of_its_source(client: docker.DockerClient, prepared: Prepared) -> None:
    """As `compileall` of the same Python makes it; `marshal` may write equal objects otherwise."""
    program = (
        "import importlib.util as u, marshal, pathlib\n"
        "made = [p for d in ('/site', '/server') for p in pathlib.Path(d).rglob('*.pyc')]\n"
        "other = []\n"
        "for path in made:\n"
        "    source = pathlib.Path(u.source_from_cache(str(path)))\n"
        "    text, found = source.read_bytes(), path.read_bytes()\n"
        "    header = u.MAGIC_NUMBER + bytes([1, 0, 0, 0]) + u.source_hash(text)\n"
        "    code, same = marshal.loads(found[16:]), compile(text, str(source), 'exec')\n"
        "    if found[:16] != header or code != same or code.co_filename != str(source):\n"
        "        other.append(str(path))\n"
        "print(len(made) > 100, other)"
    )
    assert run(client, prepared.cells[CELLS[2]].reference, program) == "True []"


def test_ids_repeat_when_images_are_loaded_again(engine: DockerEngine, prepared: Prepared) -> None:
    recipe = recipe_of(engine, prepared, CELLS[0].environment, "again")
    ids = []
    for _ in range(2):
        ids.append(load(engine, [recipe, on_top_of(recipe)]))
        remove(engine, on_top_of(recipe), recipe)
    assert ids[0] == ids[1]


def test_a_layer_that_the_engine_lacks_makes_it_build(
    engine: DockerEngine, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an engine that keeps images in another way: it needs every layer in the archive."""
    recipe = recipe_of(engine, prepared, CELLS[0].environment, "lacks")
    archive = plan(engine, [recipe])
    lacking = [
        replace(image, base=replace(image.base, layers=(f"sha256:{'0' * 64}",)))
        for image in archive.images
    ]
    with pytest.raises(EngineError, match=r"loading images: .*no such file"):
        engine.load(iter(replace(archive, images=tuple(lacking))))

    def refuse(*_: object) -> None:
        raise EngineError("this engine loads nothing")

    monkeypatch.setattr(DockerEngine, "load", refuse)
    messages: list[str] = []
    try:
        made = ImageMaker(engine, messages.append).make([recipe, on_top_of(recipe)])
        assert all(isinstance(image, Image) for image in made.values())
        assert messages == [
            "the engine does not load images (this engine loads nothing): they are built one by one"
        ]
    finally:
        remove(engine, on_top_of(recipe), recipe)


@pytest.mark.parametrize("archive", [b"", b"no archive at all"])
def test_an_archive_that_the_engine_refuses_is_an_error(
    engine: DockerEngine, archive: bytes
) -> None:
    with pytest.raises(EngineError, match="loading images"):
        engine.load(iter([archive]))


def test_nothing_of_the_host_is_in_an_image(
    client: docker.DockerClient, prepared: Prepared
) -> None:
    container = client.containers.create(prepared.cells[CELLS[2]].reference, network_mode="none")
    try:
        chunks, _ = client.api.get_archive(str(container.id), "/")
        traces = _traces(io.BytesIO(b"".join(chunks)))
    finally:
        container.remove()
    assert traces == []


def _traces(archive: io.BytesIO) -> list[str]:
    """Files that name this host's home, a proxy, its package index or its mirror."""
    words = {str(Path.cwd()), sys.base_prefix} - {"/usr", "/usr/local"}
    words |= {os.environ[n] for n in os.environ if n.lower().endswith("_proxy") and os.environ[n]}
    words |= {os.environ[n] for n in os.environ if n in {"UV_INDEX_URL", "PIP_INDEX_URL"}}
    pattern = re.compile("|".join(re.escape(word) for word in words if len(word) > 3).encode())
    found = []
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            name = member.name.lstrip("./")
            if name.startswith("etc/apt/sources") and member.isfile() and member.size:
                found.append(member.name)
            if (
                member.isfile()
                and member.size < 1 << 20
                and name.startswith(("etc", "server", "site"))
            ):
                content = tar.extractfile(member)
                if content and pattern.search(content.read()):
                    found.append(member.name)
    return found


def test_image_environment_is_the_cells_own(
    client: docker.DockerClient, prepared: Prepared
) -> None:
    image = client.images.get(prepared.cells[CELLS[3]].reference)
    names = {entry.split("=")[0] for entry in image.attrs["Config"]["Env"]}
    assert {name for name in names if name.startswith("MATRIX_")} == {
        "MATRIX_PATCH",
        "MATRIX_SERVER",
        "MATRIX_WORKLOAD",
        "MATRIX_WORKLOAD_SECONDS",
    }
    assert names <= {
        "PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED",
        "MATRIX_PATCH", "MATRIX_SERVER", "MATRIX_WORKLOAD", "MATRIX_WORKLOAD_SECONDS",
    }  # fmt: skip
    assert image.attrs["Config"]["User"] == "7001:7001"
    assert image.labels[KEY_LABEL]


def test_a_failed_build_says_why(engine: DockerEngine, prepared: Prepared) -> None:
    recipe = recipe_of(engine, prepared, CELLS[0].environment, "failed")
    with pytest.raises(EngineError, match="no-such-base"):
        ensure(engine, replace(recipe, base="monkey-matrix/no-such-base"))


def test_a_base_image_has_what_wheels_count_on(
    engine: DockerEngine, client: docker.DockerClient, prepared: Prepared
) -> None:
    """The libraries that a manylinux wheel may take from the system, certificates, time zones."""
    base = ensure_bases(engine, [base_of_cells("3.11")], "debian", Base(kind="debian"))
    image = base[base_of_cells("3.11")]
    assert image == prepared.bases["3.11"]
    program = (
        "import ctypes, ssl, sqlite3, zoneinfo\n"
        "for name in 'gcc_s.so.1 stdc++.so.6 z.so.1 expat.so.1 m.so.6'.split():\n"
        "    ctypes.CDLL('lib' + name)\n"
        "zoneinfo.ZoneInfo('Europe/Berlin')\n"
        "print(len(ssl.create_default_context().get_ca_certs()) > 100)"
    )
    assert run(client, prepared.bases["3.11"].reference, program) == "True"


def test_the_dockerfile_of_an_environment_only_copies() -> None:
    lines = [x for x in dockerfile_of("server").splitlines() if x and not x.startswith("#")]
    assert {line.split()[0] for line in lines} == {"ARG", "FROM", "COPY", "ENV", "USER", "CMD"}
