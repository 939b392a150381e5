"""The lock of an application with wheels of all that has none; containers are simulated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runner.application.application_lock import ApplicationLock
from runner.application.pins import Requirements
from runner.application.requirements import read_requirements
from runner.build import build_container, wheel_build
from runner.build.bases import BaseImage, base_of_cells
from runner.build.own_wheels import lock_application
from runner.build.wheel_build import base_with_compiler
from runner.engine.ownership import is_alive
from runner.engine.pod import SERVER_USER
from runner.errors import EngineError, EngineUnavailableError
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.resolver import Pinned, Unavailable
from tests.support.builds import COMPILER, PLAIN, Builds, Outcome, base
from tests.support.git import commit, git
from tests.support.index import BUILD, Index, index_in
from tests.support.memory_engine import MemoryEngine

PLATFORM = "x86_64-manylinux_2_28"
NO_HEADER = "a.c:1:10: fatal error: libpq-fe.h: No such file\ncompilation terminated.\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    found = index_in(tmp_path, monkeypatch)
    value = found.wheel("pyproject_hooks", "1.2.0")
    text = f"pyproject-hooks==1.2.0 --hash={value}\n"
    hooks = Pinned(name="pyproject-hooks", version="1.2.0", text=text)
    monkeypatch.setattr(wheel_build, "PYPROJECT_HOOKS", hooks)
    yield found
    assert not found.trace.exists()  # nothing of what is built ran here


class Application:
    """An application that is locked; `said` is what people were told."""

    def __init__(self, tmp_path: Path, **outcomes: Outcome) -> None:
        self.cache = tmp_path / "own-cache"
        self.builds = Builds(outcomes)
        self.engine = MemoryEngine(self.builds)
        self.said: list[str] = []

    def lock(
        self, *written: str, root: Path | None = None, **changes: Any
    ) -> ApplicationLock | Unavailable:
        arguments: dict[str, Any] = {
            "platform": PLATFORM, "bases": base, "cache": self.cache, "say": self.said.append,
        } | changes  # fmt: skip
        where = root or self.cache.parent
        requirements = read_requirements(written, root=where) if written else Requirements()
        request = arguments.pop("request", EnvironmentRequest(python="3.11", requirements=()))
        return lock_application(self.engine, requirements, request, **arguments)

    def built(self, *written: str, **changes: Any) -> dict[str, str]:
        """The origin of each distribution that was built."""
        found = self.lock(*written, **changes)
        assert isinstance(found, ApplicationLock), found.reason
        assert not found.unknown
        assert all(one.wheel.is_file() for one in found.lock.built)
        return {f"{one.name}=={one.version}": one.origin for one in found.lock.built}


def project(directory: Path, name: str, more: str = "") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "pyproject.toml").write_text(BUILD + more)
    (directory / "backend.py").write_text("raise SystemExit")
    (directory / "NAME").write_text(name)
    return directory


def test_an_sdist_is_built_and_what_it_depends_on_locked(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    index.wheel("click", "8.0")
    application = Application(tmp_path, debts=Outcome(requires=("click>=8",), version="0.5"))
    found = application.lock("debts==0.5")
    assert isinstance(found, ApplicationLock)
    assert found.lock.versions == {"debts": "0.5", "click": "8.0"}
    (built,) = found.lock.built
    assert built.origin.startswith("sdist sha256:")
    assert application.builds.built == [("debts", PLAIN.image_id)]
    assert application.said == ["building debts 0.5 for Python 3.11"]


def test_what_is_built_may_need_something_else_to_be_built(index: Index, tmp_path: Path) -> None:
    index.sdist("one", "1.0")
    index.sdist("two", "1.0")
    application = Application(tmp_path, one=Outcome(requires=("two",)), two=Outcome())
    assert list(application.built("one")) == ["one==1.0", "two==1.0"]


def test_the_second_time_nothing_is_built(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome(printed="no cc", needs_compiler=True))
    first = application.lock("debts")
    assert [image for _, image in application.builds.built] == [PLAIN.image_id, COMPILER.image_id]
    calls = dict(application.engine.calls)
    assert application.lock("debts") == first
    assert application.engine.calls == calls
    assert application.said[1:] == ["building debts 0.5 for Python 3.11, with a compiler"]


def test_environments_that_are_locked_side_by_side_build_it_once(
    index: Index, tmp_path: Path
) -> None:
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome())
    both = threading.Barrier(2)

    def together(with_compiler: bool) -> BaseImage:
        both.wait(timeout=30)
        return base(with_compiler)

    with ThreadPoolExecutor(2) as pool:
        several = [pool.submit(application.lock, "debts", bases=together) for _ in range(2)]
        first, second = (one.result() for one in several)
    assert first == second
    assert application.builds.built == [("debts", PLAIN.image_id)]


def test_what_cannot_be_built_is_unavailable_with_the_reason_and_the_remedy(
    index: Index, tmp_path: Path
) -> None:
    index.sdist("psycopg2", "2.9")
    application = Application(tmp_path, psycopg2=Outcome(printed=NO_HEADER))
    reason = (
        "psycopg2 2.9 has no wheel for Python 3.11 and cannot be built: a.c:1:10: fatal error: "
        "libpq-fe.h: No such file; what it is built with is missing: `application.debian: "
        "[libpq-dev]`"
    )
    for _ in range(2):
        found = application.lock("psycopg2")
        assert isinstance(found, Unavailable)
        assert found.reason == reason
    assert len(application.builds.built) == 2  # without and with a compiler, once
    other = BaseImage(reference="base:libpq", image_id="sha256:libpq", key="libpq", origin="debian")
    application.lock("psycopg2", bases=lambda with_compiler: other if with_compiler else PLAIN)
    assert application.builds.built[2:] == [("psycopg2", "sha256:libpq")]


@pytest.mark.parametrize("origin", ["debian", "registry"])
def test_a_base_is_known_by_what_it_is_made_of_or_by_its_content(
    origin: str, index: Index, tmp_path: Path
) -> None:
    """A registry's name stands for other content tomorrow; ours names all that decides."""
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome())
    for image in ("sha256:1", "sha256:2"):
        one = BaseImage(reference="base", image_id=image, key=image, origin=origin)
        application.built("debts", bases=lambda _, one=one: one)
    assert len(application.builds.built) == {"debian": 1, "registry": 2}[origin]


def test_containers_are_hardened_owned_and_removed(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome(printed="no"))
    application.lock("debts")
    for spec in application.builds.specs:
        assert spec.user == SERVER_USER
        assert not spec.host_names
        assert spec.joins is None  # so it has no network
        assert spec.pids
        assert spec.memory_bytes
        assert not spec.volumes
        assert is_alive(spec.labels["org.monkey-matrix.owner"])
    assert application.engine.containers == {}


def test_git_sources_are_named_by_what_they_turn_out_to_be(index: Index, tmp_path: Path) -> None:
    index.wheel("click", "8.0")
    repository = project(tmp_path / "repository", "utils")
    git(repository, "init", "--quiet")
    wanted = commit(repository)
    application = Application(tmp_path, utils=Outcome(requires=("click",)))
    found = application.built(f"git+{repository.as_uri()}")
    assert found == {"utils==1.0": f"git repository@{wanted}"}
    assert application.built(f"git+{repository.as_uri()}@{wanted}") == found
    assert len(application.builds.built) == 1


def test_what_is_required_twice_is_installed_once(index: Index, tmp_path: Path) -> None:
    project(tmp_path / "utils", "utils")
    project(tmp_path / "other", "utils")
    application = Application(tmp_path, utils=Outcome())
    assert application.built("./utils", "./other", "./utils") == {"utils==1.0": "directory utils"}


def test_an_axis_wins_over_a_source_of_that_name(index: Index, tmp_path: Path) -> None:
    index.wheel("utils", "3.0")
    project(tmp_path / "utils", "utils")
    application = Application(tmp_path, utils=Outcome())
    axis = Requirement(name="utils", specifier="==3.0")
    request = EnvironmentRequest(python="3.11", requirements=(axis,))
    found = application.lock("./utils", request=request)
    assert isinstance(found, ApplicationLock)
    assert (found.lock.versions, found.lock.built) == ({"utils": "3.0"}, ())


def test_the_project_itself_is_built_with_its_extras_once(index: Index, tmp_path: Path) -> None:
    index.wheel("click", "8.0")
    index.wheel("redis", "5.0")
    metadata = (
        '[project]\nname = "shop"\nversion = "1.0"\n[project.optional-dependencies]\nfast = []\n'
    )
    shop = project(tmp_path / "shop", "shop", metadata)
    requires = ("click", "redis; extra == 'fast'")
    application = Application(tmp_path, shop=Outcome(requires=requires))
    assert application.built(project=shop) == {"shop==1.0": "the project itself"}
    assert application.built("./shop", project=shop) == {"shop==1.0": "the project itself"}
    requirements = Requirements(extras=frozenset({"fast"}))
    found = lock_application(
        application.engine, requirements, EnvironmentRequest(python="3.11", requirements=()),
        platform=PLATFORM, bases=base, project=shop, cache=application.cache, say=print,
    )  # fmt: skip
    assert isinstance(found, ApplicationLock)
    assert set(found.lock.versions) == {"shop", "click", "redis"}


def test_a_wheel_at_hand_is_not_built(index: Index, tmp_path: Path) -> None:
    index.wheel("click", "8.0")
    (tmp_path / "wheels").mkdir()
    elsewhere = Index(directory=tmp_path / "wheels", trace=index.trace)
    value = elsewhere.wheel("shop", "2.0", "click")
    application = Application(tmp_path)
    (tmp_path / "requirements.txt").write_text("./wheels/shop-2.0-py3-none-any.whl\n")
    found = application.built("requirements.txt")
    assert found == {"shop==2.0": f"archive {value}"}
    assert "create" not in application.engine.calls


def test_builds_get_what_they_require_and_say_that_they_require(
    index: Index, tmp_path: Path
) -> None:
    index.wheel("hatchling", "1.0")
    index.wheel("cython", "3.0")
    directory = project(tmp_path / "shop", "shop")
    (directory / "pyproject.toml").write_text(BUILD.replace("[]", '["hatchling"]', 1))
    application = Application(tmp_path, shop=Outcome(more=("cython>=3", "hatchling")))
    application.built("./shop")
    assert set(application.builds.packages) == {"hatchling", "cython"}


@pytest.mark.parametrize("required", ["nothing-of-that-name", "only-sdist"])
def test_builds_require_wheels(required: str, index: Index, tmp_path: Path) -> None:
    index.sdist("only_sdist", "1.0")
    directory = project(tmp_path / "shop", "shop")
    (directory / "pyproject.toml").write_text(BUILD.replace("[]", f'["{required}"]', 1))
    found = Application(tmp_path, shop=Outcome()).lock("./shop")
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("directory shop cannot be built: of what its build requires, ")
    assert required in found.reason
    assert "matrix file" not in found.reason


def test_something_else_than_what_was_wanted(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    found = Application(tmp_path, debts=Outcome(calls_itself="evil")).lock("debts")
    assert isinstance(found, Unavailable)
    assert found.reason == "debts 0.5: what was built is called evil: correct the name"


def test_a_container_that_dies_is_no_reason_to_keep(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome(dies="it has ended: Killed"))
    for _ in range(2):
        found = application.lock("debts")
        assert isinstance(found, Unavailable)
        assert found.reason == "debts 0.5: the container in which it is built: it has ended: Killed"
    assert len(application.builds.built) == 2


def test_what_is_built_cannot_answer_as_it_likes(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome())
    monkeypatch.setattr(build_container, "MOST_BYTES", 10)
    found = application.lock("debts")
    assert isinstance(found, Unavailable)
    assert "the wheel has more than" in found.reason
    monkeypatch.setattr(application.builds, "_make", lambda _: ["no", "object"])
    again = application.lock(
        "debts", bases=lambda _: BaseImage(reference="", image_id="x", key="x", origin="")
    )
    assert isinstance(again, Unavailable)
    assert "interfered with its build" in again.reason
    assert list((application.cache / "built").glob("*/*")) == []


def test_no_base_is_why_there_is_no_wheel(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")

    def none(_: bool) -> BaseImage:
        raise EngineError("no Debian suite carries Python 3.12")

    found = Application(tmp_path, debts=Outcome()).lock("debts", bases=none)
    assert isinstance(found, Unavailable)
    assert found.reason == "debts 0.5: no Debian suite carries Python 3.12"


def test_an_engine_that_starts_nothing_is_not_the_fault_of_the_application(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.sdist("debts", "0.5")
    application = Application(tmp_path, debts=Outcome())

    def broken(_: str) -> None:
        raise EngineError("no space left")

    monkeypatch.setattr(application.engine, "start", broken)
    with pytest.raises(EngineUnavailableError, match="starts no container"):
        application.lock("debts")
    assert application.engine.containers == {}


def test_what_excludes_each_other_is_not_built(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    index.wheel("click", "8.0")
    application = Application(tmp_path, debts=Outcome())
    assert isinstance(application.lock("debts", "click>9"), Unavailable)
    assert application.builds.built == []


def test_the_base_with_a_compiler_has_what_the_application_names_too() -> None:
    plain, with_compiler = base_of_cells("3.11"), base_with_compiler("3.11", ("libpq-dev", "git"))
    assert with_compiler.name != plain.name
    assert with_compiler.packages[-1] == "libpq-dev"
    assert with_compiler.packages.count("git") == 1
    assert {"build-essential", "python3-dev"} <= set(with_compiler.packages)
    assert "python3.14-dev" in base_with_compiler("3.14", ()).packages  # its suite has several
    assert not any("python" in p for p in base_with_compiler("3.12", (), "registry").packages)
