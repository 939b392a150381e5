"""Wheels for what has none, built in real containers; nothing of it runs on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest

from runner.application.application_lock import ApplicationLock
from runner.application.requirements import read_requirements
from runner.build.bases import BaseImage, base_of_cells, ensure_bases
from runner.build.own_wheels import lock_application
from runner.build.wheel_build import base_with_compiler
from runner.build.wheels import pack_all, wheels_of
from runner.engine.docker_engine import DockerEngine
from runner.matrix.cell import Base, EnvironmentRequest
from runner.resolver import Lock, Unavailable

pytestmark = [pytest.mark.engine, pytest.mark.alone]
REQUEST = EnvironmentRequest(python="3.11", requirements=(), exclude_newer="2026-11-01")
#: It tells where it ran, and tries to leave a trace on the machine and to reach a network.
SETUP = """\
import os, socket, sys
from setuptools import Extension, setup
try:
    open({trace!r}, "w").close()
    wrote = True
except OSError:
    wrote = False
assert sys.stdin.read() == ""  # what is sent to the container is not for it
networks = [name for _, name in socket.if_nameindex() if name != "lo"]
with open("shop.py", "w") as module:
    module.write(f"RAN_AS = {{os.getuid()}}, {{wrote}}, {{networks}}\\n")
    module.write("def main(): print('hello from', __name__)\\n")
setup(
    name="shop", version="1.0", py_modules=["shop"], ext_modules=[{extension}],
    entry_points={{"console_scripts": ["shop-greet = shop:main"]}},
)
"""
C = """\
#include <Python.h>
{include}
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "native", 0, -1, 0}};
PyMODINIT_FUNC PyInit_native(void) {{ return PyModule_Create(&module); }}
"""


@dataclass
class Locker:
    """Locks requirements; `said` is what is built."""

    engine: DockerEngine
    cache: Path
    said: list[str] = field(default_factory=list)

    def base(self, with_compiler: bool) -> BaseImage:
        request = base_with_compiler("3.11", ()) if with_compiler else base_of_cells("3.11")
        base = ensure_bases(self.engine, [request], "debian", Base(kind="debian"))[request]
        assert isinstance(base, BaseImage), base
        return base

    def lock(
        self, *written: str, root: Path, project: Path | None = None
    ) -> ApplicationLock | Unavailable:
        return lock_application(
            self.engine, read_requirements(written, root=root), REQUEST,
            platform="x86_64-manylinux_2_28", bases=self.base, project=project, cache=self.cache,
            say=self.said.append,
        )  # fmt: skip


Run = Callable[[Lock, str], str]


@pytest.fixture
def locker(engine: DockerEngine, tmp_path: Path) -> Locker:
    return Locker(engine, tmp_path / "cache")


@pytest.fixture
def run(client: docker.DockerClient, locker: Locker, tmp_path: Path) -> Run:
    """Run a command in a container that has a lock's packages."""

    def one(lock: Lock, command: str) -> str:
        container = client.containers.create(
            locker.base(False).image_id, ["sh", "-c", command], network_mode="none",
            environment={"PYTHONPATH": "/site", "PATH": "/site/bin:/usr/bin:/bin"},
        )  # fmt: skip
        try:
            for archive in pack_all(wheels_of(lock), locker.cache).values():
                assert isinstance(archive, Path), archive
                container.put_archive("/", archive.read_bytes())
            container.start()
            container.wait(timeout=60)
            return bytes(container.logs()).decode().strip()
        finally:
            container.remove(force=True)

    return one


def project(directory: Path, trace: Path, *, include: str = "", extension: bool = False) -> Path:
    directory.mkdir()
    native = 'Extension("native", ["native.c"])' if extension else ""
    (directory / "setup.py").write_text(SETUP.format(trace=str(trace), extension=native))
    (directory / "native.c").write_text(C.format(include=include))
    return directory


def locked(found: ApplicationLock | Unavailable) -> Lock:
    assert isinstance(found, ApplicationLock), found.reason
    return found.lock


def test_an_sdist_of_the_index_is_built_once(locker: Locker, run: Run, tmp_path: Path) -> None:
    lock = locked(locker.lock("debts==0.5", root=tmp_path))
    assert [(one.name, one.version) for one in lock.built] == [("debts", "0.5")]
    assert run(lock, "python3 -c 'import debts; print(debts.__name__)'") == "debts"
    said = list(locker.said)
    assert locked(locker.lock("debts==0.5", root=tmp_path)) == lock
    assert locker.said == said == ["building debts 0.5 for Python 3.11"]


def test_an_extension_is_built_where_there_is_a_compiler_and_nothing_runs_here(
    locker: Locker, run: Run, client: docker.DockerClient, tmp_path: Path
) -> None:
    trace = tmp_path / "something-ran-here"
    project(tmp_path / "shop-1.0", trace, extension=True)
    with tarfile.open(tmp_path / "shop-1.0.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "shop-1.0", "shop-1.0")
    (tmp_path / "requirements.txt").write_text("./shop-1.0.tar.gz\n")
    lock = locked(locker.lock("requirements.txt", root=tmp_path))
    assert not trace.exists()
    assert locker.said == [
        "building shop for Python 3.11",
        "building shop for Python 3.11, with a compiler",
    ]
    program = "python3 -c 'import native, shop; print(native.__name__, shop.RAN_AS)'"
    assert run(lock, program) == "native (7001, False, [])"
    assert not [
        c for c in client.containers.list(all=True, ignore_removed=True) if "-wheel" in str(c.name)
    ]


def test_one_that_does_not_compile_says_why_and_what_is_missing(
    locker: Locker, tmp_path: Path
) -> None:
    trace = tmp_path / "something-ran-here"
    project(tmp_path / "shop", trace, include="#include <libpq-fe.h>", extension=True)
    found = locker.lock("./shop", root=tmp_path)
    assert isinstance(found, Unavailable)
    assert "fatal error: libpq-fe.h: No such file or directory" in found.reason
    assert "`application.debian: [libpq-dev]`" in found.reason
    assert not trace.exists()


def test_a_git_repository_and_the_project_itself_with_its_program(
    locker: Locker, run: Run, tmp_path: Path
) -> None:
    trace = tmp_path / "something-ran-here"
    shop = project(tmp_path / "shop", trace)
    utils = tmp_path / "utils"
    shutil.copytree(shop, utils)
    setup = (utils / "setup.py").read_text().replace('name="shop"', 'name="utils"')
    (utils / "setup.py").write_text(setup.replace("shop-greet", "utils-greet"))
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        who = ["-c", "user.name=n", "-c", "user.email=n@localhost"]
        subprocess.run(["git", *who, *arguments], cwd=utils, check=True)
    lock = locked(locker.lock(f"git+{utils.as_uri()}", root=tmp_path, project=shop))
    assert [one.origin.partition("@")[0] for one in lock.built] == [
        "the project itself",
        "git utils",
    ]
    assert run(lock, "shop-greet; utils-greet") == "hello from shop\nhello from shop"
    assert run(lock, "head -n 1 /site/bin/shop-greet") == "#!/usr/bin/env python3"
    assert not trace.exists()


def test_programs_of_the_index_run_in_a_container(locker: Locker, run: Run, tmp_path: Path) -> None:
    lock = locked(locker.lock("flask==3.1.3", root=tmp_path))
    assert "Flask 3.1.3" in run(lock, "flask --version")
