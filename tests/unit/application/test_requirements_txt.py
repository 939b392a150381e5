"""requirements.txt: what pip reads in it, and where each mistake stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.application.pins import Archive, Directory, GitSource
from runner.application.requirements import read_requirements
from runner.errors import SpecError

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / f"{name}.txt").write_text(text)


def test_versions_extras_markers_and_hashes(tmp_path: Path) -> None:
    write(
        tmp_path,
        requirements=(
            "# locked\n"
            "Flask==3.1.2 \\\n"
            f"    --hash={A} \\\n"
            f"    --hash={B}\n"
            "    # via shop\n"
            "gunicorn[eventlet]>=23,<24 ; python_version >= '3.9'  # the server\n"
        ),
    )
    flask, gunicorn = read_requirements("requirements.txt", root=tmp_path).pins
    assert (flask.name, flask.exact, flask.hashes) == ("flask", "3.1.2", (A, B))
    assert flask.place == "requirements.txt:2"
    assert (gunicorn.extras, gunicorn.exact) == (("eventlet",), None)
    assert gunicorn.marker == 'python_version >= "3.9"'
    assert gunicorn.place == "requirements.txt:6"


@pytest.mark.parametrize("written", ["-r base.txt", "-rbase.txt", "--requirement=base.txt"])
def test_includes_are_relative_to_the_file(tmp_path: Path, written: str) -> None:
    inside = tmp_path / "requirements"
    inside.mkdir()
    write(inside, prod=f"{written}\n", base="flask==3.1.2\n")
    write(tmp_path, requirements="-r requirements/prod.txt\n")
    (flask,) = read_requirements("requirements.txt", root=tmp_path).pins
    assert flask.place == "requirements/base.txt:1"
    assert flask.required


def test_constraints_are_not_required(tmp_path: Path) -> None:
    write(tmp_path, requirements="flask\n-c constraints.txt\n", constraints="werkzeug==3.0.1\n")
    flask, werkzeug = read_requirements("requirements.txt", root=tmp_path).pins
    assert flask.required
    assert not werkzeug.required


def test_what_a_constraint_includes_is_not_required_either(tmp_path: Path) -> None:
    write(tmp_path, requirements="-c one.txt\n", one="-r two.txt\n", two="werkzeug==3.0.1\n")
    (werkzeug,) = read_requirements("requirements.txt", root=tmp_path).pins
    assert not werkzeug.required


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    write(tmp_path, requirements="-r other.txt\n", other="flask\n-r requirements.txt\n")
    with pytest.raises(SpecError, match=r"other.txt:2: 'requirements.txt' includes itself"):
        read_requirements("requirements.txt", root=tmp_path)


def test_a_file_may_be_included_twice(tmp_path: Path) -> None:
    write(tmp_path, requirements="-r base.txt\n-r more.txt\n", more="-r base.txt\n", base="flask\n")
    assert len(read_requirements("requirements.txt", root=tmp_path).pins) == 2


@pytest.mark.parametrize(
    ("written", "name", "revision", "subdirectory"),
    [
        (
            "git+https://localhost/a/b.git@v1.2#egg=tools[fast]&subdirectory=py",
            "tools",
            "v1.2",
            "py",
        ),
        ("tools @ git+https://localhost/a/b.git@main", "tools", "main", ""),
        ("tools@git+https://localhost/a/b.git@main", "tools", "main", ""),
        ("-e git+ssh://localhost/a/b.git#egg=Tools", "tools", None, ""),
        ("git+https://localhost/a/b", None, None, ""),
    ],
)
def test_git_sources(
    tmp_path: Path, written: str, name: str | None, revision: str | None, subdirectory: str
) -> None:
    write(tmp_path, requirements=f"{written}\n")
    (source,) = read_requirements("requirements.txt", root=tmp_path).sources
    assert isinstance(source, GitSource)
    assert (source.name, source.revision, source.subdirectory) == (name, revision, subdirectory)
    assert "@v" not in source.url
    assert "#" not in source.url


def test_an_address_with_a_password_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hush-hush"
    monkeypatch.setenv("TOKEN", token)
    write(tmp_path, requirements="tools @ git+https://${TOKEN}@localhost/a/b.git@v1\n")
    found = read_requirements("requirements.txt", root=tmp_path)
    (source,) = found.sources
    assert isinstance(source, GitSource)
    assert source.url == f"https://{token}@localhost/a/b.git"
    assert token not in repr(found)
    assert token not in str(source)
    write(tmp_path, requirements="tools two @ git+https://${TOKEN}@localhost/a/b.git\n")
    with pytest.raises(SpecError, match="is no requirement") as caught:
        read_requirements("requirements.txt", root=tmp_path)
    assert token not in str(caught.value)


def test_local_projects_tell_what_they_need_without_being_built(tmp_path: Path) -> None:
    core = tmp_path / "core"
    core.mkdir()
    (core / "pyproject.toml").write_text(
        '[project]\nname = "Shop_Core"\nversion = "1"\ndependencies = ["click>=8"]\n'
        '[project.optional-dependencies]\nfast = ["orjson"]\n'
    )
    write(tmp_path, requirements="-e ./core[fast]\n")
    (source,) = read_requirements("requirements.txt", root=tmp_path).sources
    assert isinstance(source, Directory)
    assert (source.name, source.editable, source.path) == ("shop-core", True, core)
    assert source.requires == ("click>=8", "orjson")


def test_a_path_is_looked_for_where_the_application_is_and_then_beside_the_file(
    tmp_path: Path,
) -> None:
    inside = tmp_path / "requirements"
    for directory in (tmp_path / "core", inside / "libs" / "near"):
        directory.mkdir(parents=True)
        (directory / "setup.py").touch()
    write(inside, base="-e ./core\nlibs/near ; python_version >= '3.9'\n")
    core, near = read_requirements("requirements/base.txt", root=tmp_path).sources
    assert isinstance(core, Directory)
    assert isinstance(near, Directory)
    assert (core.path, near.path) == (tmp_path / "core", inside / "libs" / "near")
    assert near.marker == "python_version >= '3.9'"


@pytest.mark.parametrize("text", ['[project]\nname = "c"\ndynamic = ["dependencies"]\n', ""])
def test_a_project_whose_dependencies_are_computed(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    write(tmp_path, requirements="-e .\n")
    (source,) = read_requirements("requirements.txt", root=tmp_path).sources
    assert isinstance(source, Directory)
    assert source.requires is None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("https://localhost/files/tools-1.0-py3-none-any.whl", "tools"),
        ("https://localhost/files/tools-1.0.tar.gz", "tools"),
        ("https://localhost/download?id=3", None),
        ("tools @ https://localhost/download?id=3", "tools"),
        ("./vendor/tools-1.0-py3-none-any.whl", "tools"),
    ],
)
def test_archives(tmp_path: Path, written: str, name: str | None) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "tools-1.0-py3-none-any.whl").touch()
    write(tmp_path, requirements=f"{written} --hash={A}\n")
    (source,) = read_requirements("requirements.txt", root=tmp_path).sources
    assert isinstance(source, Archive)
    assert (source.name, source.hashes) == (name, (A,))


def test_an_index_is_remarked_and_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    write(
        tmp_path,
        requirements=(
            "flask\n--extra-index-url https://${TOKEN}@localhost/simple\n--pre\n--no-binary x\n"
        ),
    )
    remarks = read_requirements("requirements.txt", root=tmp_path).remarks
    assert [remark.split(" ")[:2] for remark in remarks] == [
        ["requirements.txt:2:", "--extra-index-url"],
        ["requirements.txt:3:", "--pre"],
    ]
    assert "secret" not in "".join(remarks)


def test_what_windows_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("flask==3.1.2\r\n", encoding="utf-16")
    (flask,) = read_requirements("requirements.txt", root=tmp_path).pins
    assert flask.exact == "3.1.2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flask\nflask=3.1\n", r"requirements.txt:2: 'flask=3.1' is no requirement .*flask==3.1.2"),
        ("\n-r nothing.txt\n", r"requirements.txt:2: there is no file 'nothing.txt'"),
        ("--hashes\n", r"requirements.txt:1: unknown option '--hashes'"),
        ("-e ./nothing\n", r"requirements.txt:1: there is no file or directory './nothing'"),
        ("-e ./empty\n", r"requirements.txt:1: .* is no Python project"),
        ("hg+https://localhost/x\n", r"requirements.txt:1: sources of the kind 'hg\+https'"),
    ],
)
def test_a_mistake_names_its_line_and_a_remedy(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, requirements=text)
    with pytest.raises(SpecError, match=message):
        read_requirements("requirements.txt", root=tmp_path)


def test_no_text_at_all(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\x80\x81\x82")
    with pytest.raises(SpecError, match="no text in UTF-8"):
        read_requirements("requirements.txt", root=tmp_path)
