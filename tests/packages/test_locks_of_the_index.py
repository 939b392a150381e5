"""Locks of applications, with the packages of the index: the cases that people meet."""

from __future__ import annotations

from pathlib import Path

from runner.application.application_lock import ApplicationLock
from runner.application.requirements import read_requirements
from runner.application.resolve import resolve_application
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.resolver import Unavailable

PLATFORM = "x86_64-manylinux_2_28"


def lock(written: str, root: Path, *axes: tuple[str, str]) -> ApplicationLock | Unavailable:
    request = EnvironmentRequest(
        python="3.11",
        requirements=tuple(Requirement(name=n, specifier=s) for n, s in axes),
        exclude_newer="2026-11-01",
    )
    return resolve_application(read_requirements(written, root=root), request, PLATFORM)


def test_gevent_moves_greenlet_and_not_sqlalchemy(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("SQLAlchemy==2.0.36\ngreenlet==3.1.1\n")
    found = lock("requirements.txt", tmp_path, ("gevent", "==25.9.1"))
    assert isinstance(found, ApplicationLock)
    assert found.lock.versions["sqlalchemy"] == "2.0.36"
    (moved,) = found.moved
    assert (moved.name, moved.was, moved.because) == ("greenlet", "3.1.1", "gevent==25.9.1")


def test_httpbin_and_a_new_gevent_exclude_each_other(tmp_path: Path) -> None:
    found = lock("httpbin==0.10.2", tmp_path, ("gevent", "==25.9.1"))
    assert isinstance(found, Unavailable)
    assert "gevent==25.9.1" in found.reason
    assert "httpbin==0.10.2" in found.reason
    assert "greenlet" in found.reason


def test_an_application_from_the_index_names_what_has_to_be_built(tmp_path: Path) -> None:
    found = lock("ihatemoney==7.2.1", tmp_path)
    assert isinstance(found, ApplicationLock)
    assert [(one.name, one.version) for one in found.sdists] == [("debts", "0.5")]
    assert found.lock.versions["ihatemoney"] == "7.2.1"
