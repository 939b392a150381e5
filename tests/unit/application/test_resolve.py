"""An application's lock in a cell: real uv, with a small index in a directory."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from runner.application.application_lock import ApplicationLock
from runner.application.pins import Pin, Requirements
from runner.application.problem import Built
from runner.application.requirements import read_requirements
from runner.application.resolve import resolve_application
from runner.errors import EngineUnavailableError, SpecError
from runner.matrix.cell import EnvironmentRequest, Requirement
from runner.resolver import Unavailable
from tests.support.index import Index, index_in

PLATFORM = "x86_64-manylinux_2_28"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """gevent in two versions, of which the newer needs a newer greenlet, and what uses them."""
    made = index_in(tmp_path, monkeypatch)
    for version in ("3.1.1", "3.2.2", "3.5.6"):
        made.wheel("greenlet", version)
    made.wheel("zope", "5.0")
    made.wheel("zope", "6.0")
    made.wheel("gevent", "24.1", "greenlet>=3", "zope")
    made.wheel("gevent", "26.9", "greenlet>=3.2.2", "zope")
    made.wheel("sqlalchemy", "2.0.1", "greenlet>=1")
    made.wheel("sqlalchemy", "2.0.9", "greenlet>=1")
    made.wheel("httpbin", "0.10", "greenlet<3.2", "flask")
    made.wheel("flask", "3.0")
    made.wheel("flask", "3.1")
    made.wheel("gunicorn", "23.0")
    return made


def lock(
    root: Path,
    text: str,
    *axes: str,
    needs: tuple[str, ...] = (),
    python: str = "3.11",
    built: Built | None = None,
) -> ApplicationLock | Unavailable:
    (root / "requirements.txt").write_text(text)
    application = read_requirements("requirements.txt", root=root)
    return resolve_application(
        application, request(*axes, needs=needs, python=python), PLATFORM, built=built
    )


def request(*axes: str, needs: tuple[str, ...] = (), python: str = "3.11") -> EnvironmentRequest:
    named = [axis.partition("==") for axis in axes]
    requirements = [Requirement(name=n, specifier=f"=={v}") for n, _, v in named]
    requirements += [Requirement(name=name, specifier="") for name in needs]
    return EnvironmentRequest(python=python, requirements=tuple(requirements))


def made(found: ApplicationLock | Unavailable) -> ApplicationLock:
    assert isinstance(found, ApplicationLock), found
    return found


LOCKED = "gevent==24.1\ngreenlet==3.1.1\nsqlalchemy==2.0.1\nzope==5.0\nflask==3.0\n"


def test_an_axis_moves_what_it_needs_and_nothing_else(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, LOCKED, "gevent==26.9"))
    assert found.lock.versions == {
        "gevent": "26.9", "greenlet": "3.5.6", "sqlalchemy": "2.0.1", "zope": "5.0", "flask": "3.0",
    }  # fmt: skip
    assert [str(moved) for moved in found.moved] == [
        "gevent 24.1 → 26.9, because of gevent==26.9",
        "greenlet 3.1.1 → 3.5.6, because of gevent==26.9",
    ]
    assert not found.added
    assert not found.unknown
    assert "--hash=sha256:" in found.lock.text
    assert not found.contradiction


def test_what_fits_stays(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, LOCKED, "gevent==24.1"))
    assert found.moved == ()
    assert found.lock.versions["greenlet"] == "3.1.1"


def test_without_axes_the_lock_is_the_applications(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, LOCKED))
    assert found.lock.versions["gevent"] == "24.1"
    assert not found.moved
    assert not found.added


def test_what_is_needed_and_lacking_is_added(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, "flask==3.0\n", needs=("gunicorn", "flask")))
    assert found.lock.versions == {"flask": "3.0", "gunicorn": "23.0"}
    assert found.added == ("gunicorn==23.0",)


def test_a_range_that_an_axis_cannot_live_with_gives_way(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, "greenlet<3.2\nflask<3.1\n", "gevent==26.9"))
    assert found.lock.versions["greenlet"] == "3.5.6"
    assert found.lock.versions["flask"] == "3.0"
    assert [(m.name, m.was, m.now) for m in found.moved] == [("greenlet", "<3.2", "3.5.6")]
    assert not found.contradiction


def test_a_range_that_fits_holds(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, "greenlet<3.5\n", "gevent==26.9"))
    assert found.lock.versions["greenlet"] == "3.2.2"
    assert found.moved == ()


def test_a_constraint_gives_way_too(index: Index, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("greenlet==3.1.1\nflask==3.0\n")
    found = made(lock(tmp_path, "flask\ngevent\n-c c.txt\n", "gevent==26.9"))
    assert found.lock.versions == {
        "flask": "3.0",
        "gevent": "26.9",
        "greenlet": "3.5.6",
        "zope": "6.0",
    }
    assert [m.name for m in found.moved] == ["greenlet"]


def test_a_true_conflict_names_both_sides(index: Index, tmp_path: Path) -> None:
    found = lock(tmp_path, "httpbin==0.10\nflask==3.0\ngreenlet==3.1.1\n", "gevent==26.9")
    assert isinstance(found, Unavailable)
    assert found.reason.startswith(
        "the matrix file's gevent==26.9 and the application's httpbin==0.10 (requirements.txt:1) "
        "exclude each other: "
    )
    assert "greenlet" in found.reason


def test_a_lock_that_its_metadata_forbids_is_taken_as_it_is(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, "httpbin==0.10\ngreenlet==3.5.6\nflask==3.0\n"))
    assert found.lock.versions["greenlet"] == "3.5.6"
    assert "httpbin depend on greenlet<3.2" in found.contradiction


def test_what_an_axis_asks_for_in_vain(index: Index, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no version gevent==99.*matrix file"):
        lock(tmp_path, LOCKED, "gevent==99")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flask==3.0\nnosuch==1\n", "requirements.txt:2: there is no package 'nosuch'"),
        ("\nflask==9\n", "requirements.txt:2: there is no version flask==9"),
    ],
)
def test_a_mistake_of_the_application_is_named_with_its_line(
    index: Index, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        lock(tmp_path, text, "gevent==26.9")


def test_what_has_no_wheel_is_named_and_never_run(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    index.sdist("docopt", "0.6.2")
    index.wheel("ihatemoney", "7.2", "debts", "flask")
    found = made(lock(tmp_path, "ihatemoney==7.2\ndocopt==0.6.2\n", "gevent==26.9"))
    assert [(one.name, one.version) for one in found.sdists] == [
        ("debts", "0.5"),
        ("docopt", "0.6.2"),
    ]
    assert "debts" not in found.lock.text
    assert found.lock.versions["flask"] == "3.1"
    assert found.unknown == ("debts", "docopt")
    assert found.unknown
    assert not index.trace.exists()


def test_what_was_built_is_resolved_with_what_it_needs(index: Index, tmp_path: Path) -> None:
    index.sdist("debts", "0.5")
    built = {"debts": ("zope<6", "flask ; extra == 'web'")}
    found = made(lock(tmp_path, "debts==0.5\n", built=built))
    assert found.lock.versions == {"zope": "5.0"}
    assert not found.unknown
    assert not index.trace.exists()


def test_an_axis_is_never_built(index: Index, tmp_path: Path) -> None:
    index.sdist("gevent", "22.10")
    found = lock(tmp_path, "flask==3.0\n", "gevent==22.10")
    assert isinstance(found, Unavailable)
    assert found.reason == "gevent==22.10 has no usable wheels (Python 3.11)"
    assert not index.trace.exists()


def test_what_an_axis_depends_on_is_never_built(index: Index, tmp_path: Path) -> None:
    index.wheel("gevent", "22.10", "greenlet>=1")
    index.sdist("greenlet", "2.0")
    index.wheel("shop", "1.0", "greenlet<3")
    found = lock(tmp_path, "shop==1.0\n", "gevent==22.10")
    assert isinstance(found, Unavailable)
    assert "greenlet" in found.reason
    assert not index.trace.exists()


def test_sources_are_left_out_until_they_are_built(index: Index, tmp_path: Path) -> None:
    index.wheel("shop", "1.0", "utils")
    text = "shop==1.0\nutils @ git+https://localhost/utils@v1\n"
    found = made(lock(tmp_path, text))
    assert found.lock.versions == {"shop": "1.0"}
    assert (found.unknown, [source.name for source in found.sources]) == (("utils",), ["utils"])
    known = made(lock(tmp_path, text, built={"utils": ("flask<3.1",)}))
    assert known.lock.versions == {"shop": "1.0", "flask": "3.0"}
    assert not known.unknown


def test_what_a_local_project_needs_is_resolved_before_it_is_built(
    index: Index, tmp_path: Path
) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "pyproject.toml").write_text(
        '[project]\nname = "core"\nversion = "1"\n'
        'dependencies = ["flask<3.1", "zope ; python_version < \'3.9\'"]\n'
    )
    found = made(lock(tmp_path, "-e ./core\n"))
    assert found.lock.versions == {"flask": "3.0"}
    assert not found.unknown


def test_what_a_local_project_needs_from_an_address_must_be_named(
    index: Index, tmp_path: Path
) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "pyproject.toml").write_text(
        '[project]\nname = "core"\nversion = "1"\n'
        'dependencies = ["tools @ git+https://localhost/tools"]\n'
    )
    with pytest.raises(SpecError, match=r"requirements.txt:1: core needs tools from an address"):
        lock(tmp_path, "-e ./core\n")
    named = made(lock(tmp_path, "-e ./core\ntools @ git+https://localhost/tools@v1\n"))
    assert [source.name for source in named.sources] == ["core", "tools"]


def test_an_axis_replaces_a_source(index: Index, tmp_path: Path) -> None:
    found = made(lock(tmp_path, "gevent @ git+https://localhost/gevent@v1\n", "gevent==26.9"))
    assert found.sources == ()
    assert [(m.name, m.was, m.now) for m in found.moved] == [("gevent", "git v1", "26.9")]


def test_files_that_the_lock_does_not_know_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, other = f"sha256:{'0' * 64}", f"sha256:{'1' * 64}"
    text = f"tools==1.0 \\\n    --hash={other} \\\n    --hash={known}\n"
    answer = CompletedProcess([], 0, text, "")
    monkeypatch.setattr("runner.application.resolve.run_uv", lambda *_: answer)
    found = made(lock(tmp_path, f"tools==1.0 --hash={known}\n"))
    assert found.lock.text == f"tools==1.0 \\\n    --hash={known}\n"


def test_other_files_than_those_of_the_lock(index: Index, tmp_path: Path) -> None:
    index.wheel("tools", "1.0")
    found = lock(tmp_path, f"tools==1.0 --hash=sha256:{'0' * 64}\n")
    assert isinstance(found, Unavailable)
    assert found.reason == (
        "the index has other files of tools than the application's lock (requirements.txt:1): "
        "their hashes differ"
    )


def test_a_python_that_the_lock_is_not_for(index: Index) -> None:
    wanted = f"flask==3.0 --hash=sha256:{'0' * 64}"
    found = made(
        resolve_application(
            Requirements(python="==3.13.*", pins=_pins(wanted, index)), request(), PLATFORM
        )
    )
    assert found.of_another_python
    assert found.lock.versions == {"flask": "3.0"}


def _pins(text: str, index: Index) -> tuple[Pin, ...]:
    path = index.directory.parent / "requirements.txt"
    path.write_text(f"{text}\n")
    return read_requirements("requirements.txt", root=path.parent).pins


def test_a_resolver_that_was_killed(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "runner.application.resolve.run_uv", lambda *_: CompletedProcess([], -9, "", "")
    )
    with pytest.raises(EngineUnavailableError, match="exit status -9"):
        lock(tmp_path, "flask==3.0\n")
