"""An application as it is read for a run, and how its locks are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.application.application_lock import ApplicationLock
from runner.application.pins import Directory, Sdist
from runner.commands import own_locks
from runner.commands.own import BEFORE_S, Own, read_own
from runner.commands.own_locks import building_locker
from runner.engine.protocol import ExecResult
from runner.errors import SpecError
from runner.matrix.cell import Base, EnvironmentRequest
from runner.resolver import Built, Lock
from tests.support.memory_engine import MemoryEngine
from tests.unit.matrix.matrices import expanded

REQUEST = EnvironmentRequest(python="3.11", requirements=())
PLATFORM = "x86_64-manylinux_2_28"


def own(directory: Path, lines: str = "", more: str = "") -> Own:
    """The application of a matrix file with these lines in its section, and sections after it."""
    section = "".join(f"      {line}\n" for line in lines.splitlines())
    found = read_own(
        expanded(
            directory,
            "version: 1\nexperiments:\n  one:\n    axes: {python: 3.11, patch: [none]}\n"
            f"    application:\n      app: shop\n      source: none\n{section}{more}",
        ),
        results=directory / "results",
    )
    assert found is not None
    return found


def test_headers_take_variables_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "s3cret-token")
    found = own(tmp_path, more="    request: {headers: {Authorization: 'Bearer ${TOKEN}'}}\n")
    assert found.asked.values({}) == {"Authorization": "Bearer s3cret-token"}
    assert found.secrets.mask("it was s3cret-token") == "it was ***"
    assert "s3cret" not in repr(found)


def test_a_header_with_a_variable_that_is_not_set(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r":\d+:\d+: request\.headers\.A: the variable NOPE is not"):
        own(tmp_path, more="    request: {headers: {A: '${NOPE}'}}\n")


@pytest.mark.parametrize(
    ("lines", "more", "place"),
    [
        ("files: {/etc/shop.yml: shop.yml}", "", "application.files./etc/shop.yml"),
        ("", "    request: {body_file: order.json}\n", "request.body_file"),
    ],
)
def test_a_file_that_is_not_there(tmp_path: Path, lines: str, more: str, place: str) -> None:
    with pytest.raises(SpecError, match=rf":\d+:\d+: {place}: .* cannot be read \(No such file"):
        own(tmp_path, lines, more)


def test_what_a_container_gets_of_it(tmp_path: Path) -> None:
    (tmp_path / "shop.yml").write_text("key: value\n")
    (tmp_path / ".env").write_text("PASSWORD=hunter2222\n")
    found = own(
        tmp_path,
        "files: {/etc/shop.yml: shop.yml}\nenv_file: .env\nenvironment: {DEBUG: 0}\n"
        "before: [flask db upgrade, flask seed]\nargs: --keep-alive 5\n",
    )
    assert found.start({}).files == (b"key: value\n",)
    assert found.start({}).environment == {"PASSWORD": "hunter2222"}
    assert found.before_s == 2 * BEFORE_S
    assert found.secret_paths == (tmp_path / ".env", tmp_path / "shop.yml")
    assert dict(found.image.environment) == {
        "DEBUG": "0",
        "FLASK_APP": "shop",
        "MATRIX_APPLICATION": "shop",
        "MATRIX_ARGS": '["--keep-alive", "5"]',
        "MATRIX_BEFORE": '["flask db upgrade", "flask seed"]',
    }


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[ApplicationLock]:
    """What is locked, one after the other, in place of the real locking; the cache is empty."""
    found: list[ApplicationLock] = []

    def lock_application(*_: Any, **__: Any) -> ApplicationLock:
        return found.pop(0)

    monkeypatch.setattr(own_locks, "lock_application", lock_application)
    monkeypatch.setattr(own_locks, "CACHE", tmp_path / "cache")
    return found


def locked(found: Own, *, fresh: bool = False) -> object:
    engine = MemoryEngine(lambda *_: ExecResult(exit_code=0, stdout=b"", stderr=b""))
    lock_them = building_locker(found, engine, Base(kind="debian"), lambda _: None, fresh=fresh)
    return lock_them([REQUEST], PLATFORM)[REQUEST]


def a_lock(directory: Path, text: str, **changes: Any) -> ApplicationLock:
    wheel = directory / "debts-0.5-py3-none-any.whl"
    wheel.touch()
    built = Built(name="debts", version="0.5", origin="sdist sha256:1", digest="1", wheel=wheel)
    lock = Lock(request=REQUEST, platform=PLATFORM, text=text, built=(built,))
    return ApplicationLock(lock=lock, sdists=(Sdist(name="debts", version="0.5"),), **changes)


def test_a_lock_is_kept_until_a_fresh_one_is_wanted(
    tmp_path: Path, made: list[ApplicationLock]
) -> None:
    first, second = a_lock(tmp_path, "flask==3.1.3\n"), a_lock(tmp_path, "flask==3.1.4\n")
    made += [first, second]
    found = own(tmp_path)
    assert locked(found) == first
    assert locked(found) == first
    assert locked(found, fresh=True) == second
    assert locked(found) == second


def test_a_lock_is_made_again_for_other_requirements_and_when_a_wheel_is_gone(
    tmp_path: Path, made: list[ApplicationLock]
) -> None:
    first, second = a_lock(tmp_path, "flask==3.1.3\n"), a_lock(tmp_path, "flask==3.1.4\n")
    made += [first, second, first]
    assert locked(own(tmp_path)) == first
    assert locked(own(tmp_path, "requirements: [flask]")) == second
    first.lock.built[0].wheel.unlink()
    assert locked(own(tmp_path)) == first
    assert not made


def test_what_is_built_of_a_directory_is_not_kept(
    tmp_path: Path, made: list[ApplicationLock]
) -> None:
    source = Directory(name="core", path=tmp_path)
    first = a_lock(tmp_path, "flask==3.1.3\n", sources=(source,))
    made += [first, first]
    assert locked(own(tmp_path)) == locked(own(tmp_path)) == first
    assert not made
