"""uv.lock, pylock.toml, poetry.lock and Pipfile.lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.application.pins import GitSource, Requirements, on
from runner.application.requirements import read_requirements
from runner.errors import SpecError

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")
PLATFORM = "x86_64-manylinux_2_28"


def read(root: Path, name: str, **chosen: tuple[str, ...]) -> Requirements:
    return read_requirements(name, root=root, **chosen)


def wanted(found: Requirements, python: str = "3.11") -> list[str]:
    return [str(pin) for pin in on(found.target(python, PLATFORM), found.pins) if pin.required]


UV_PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = "==3.13.*"
dependencies = ["flask"]
[project.optional-dependencies]
database = ["debts"]
[dependency-groups]
dev = ["pytest"]
web = ["gunicorn"]
tools = ["ours"]
[tool.uv]
default-groups = ["web", "dev"]
[tool.uv.sources]
ours = {git = "https://localhost/ours", rev = "0123456789012345678901234567890123456789"}
"""


def entry(name: str, version: str, *, wheel: bool = True) -> str:
    base = f"https://localhost/{name}-{version}"
    files = f'sdist = {{ url = "{base}.tar.gz", hash = "{A}", size = 1 }}\n'
    if wheel:
        files += f'wheels = [{{ url = "{base}-py3-none-any.whl", hash = "{B}", size = 1 }}]\n'
    source = 'source = { registry = "https://localhost/simple" }'
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\n{source}\n{files}\n'


UV_LOCK = (
    'version = 1\nrevision = 3\nrequires-python = "==3.13.*"\n\n'
    + entry("debts", "0.5", wheel=False)
    + entry("flask", "3.1.2")
    + entry("gunicorn", "23.0.0")
    + entry("pytest", "9.0.0")
    + """\
[[package]]
name = "ours"
version = "1.0"
source = { git = "https://localhost/ours?rev=COMMIT#COMMIT" }

[[package]]
name = "shop"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "flask" }]

[package.optional-dependencies]
database = [{ name = "debts" }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]
tools = [{ name = "ours" }]
web = [{ name = "gunicorn" }]

[package.metadata]
requires-dist = [
    { name = "debts", marker = "extra == 'database'" },
    { name = "flask" },
]
provides-extras = ["database"]

[package.metadata.requires-dev]
dev = [{ name = "pytest" }]
tools = [{ name = "ours", git = "https://localhost/ours?rev=COMMIT" }]
web = [{ name = "gunicorn" }]
"""
).replace("COMMIT", "0123456789" * 4)


@pytest.fixture
def uv_project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(UV_PROJECT)
    (tmp_path / "uv.lock").write_text(UV_LOCK)
    return tmp_path


def test_uv_lock_with_its_default_groups_but_not_the_developers(uv_project: Path) -> None:
    """Although the project is for another Python than the one that runs this."""
    found = read(uv_project, "uv.lock")
    assert wanted(found, "3.13") == ["flask==3.1.2", "gunicorn==23.0.0"]
    assert found.python == "==3.13.*"
    assert set(found.pins[0].hashes) == {A, B}
    assert not found.sources
    assert not found.sdists


def test_uv_lock_with_extras_and_groups(uv_project: Path) -> None:
    found = read(uv_project, "uv.lock", extras=("database",), groups=("tools", "dev"))
    assert {pin.name for pin in found.pins} == {"flask", "gunicorn", "pytest", "debts"}
    assert found.sdists == ("debts",)
    (ours,) = found.sources
    assert isinstance(ours, GitSource)
    assert (ours.name, ours.url, ours.revision) == (
        "ours",
        "https://localhost/ours",
        "0123456789" * 4,
    )


def test_uv_lock_needs_its_project(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(UV_LOCK)
    with pytest.raises(SpecError, match=r"uv.lock: there is no pyproject.toml beside it"):
        read(tmp_path, "uv.lock")


def test_uv_lock_without_the_extra(uv_project: Path) -> None:
    with pytest.raises(SpecError, match=r"uv.lock: uv cannot read it: .*databaze"):
        read(uv_project, "uv.lock", extras=("databaze",))


def wheel(stem: str, digit: str) -> str:
    url = f"https://localhost/{stem}-py3-none-any.whl"
    return f'{{ url = "{url}", hashes = {{ sha256 = "{digit * 64}" }} }}'


PYLOCK = f"""\
lock-version = "1.0"
created-by = "test"
requires-python = ">=3.11"
extras = ["fast"]
dependency-groups = ["web", "dev"]
default-groups = ["web"]

[[packages]]
name = "flask"
version = "3.1.2"
wheels = [{wheel("flask-3.1.2", "a")}]

[[packages]]
name = "debts"
version = "0.5"
sdist = {{ url = "https://localhost/debts-0.5.tar.gz", hashes = {{ sha256 = "{"b" * 64}" }} }}

[[packages]]
name = "gunicorn"
version = "23.0.0"
marker = "'web' in dependency_groups"
wheels = [{wheel("gunicorn-23.0.0", "c")}]

[[packages]]
name = "orjson"
version = "3.0"
marker = "'fast' in extras"
wheels = [{wheel("orjson-3.0", "c")}]

[[packages]]
name = "ours"
vcs = {{ type = "git", url = "https://localhost/ours", commit-id = "abc" }}
"""


def test_pylock(tmp_path: Path) -> None:
    (tmp_path / "pylock.web.toml").write_text(PYLOCK)
    found = read(tmp_path, "pylock.web.toml")
    assert wanted(found) == ["flask==3.1.2", "debts==0.5", "gunicorn==23.0.0"]
    assert found.pins[0].hashes == (A,)
    assert found.sdists == ("debts",)
    assert [source.name for source in found.sources] == ["ours"]
    chosen = read(tmp_path, "pylock.web.toml", extras=("fast",), groups=("dev",))
    assert wanted(chosen) == ["flask==3.1.2", "debts==0.5", "orjson==3.0"]


def test_a_pylock_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\n')
    with pytest.raises(SpecError, match=r"pylock.toml: this is no valid lock"):
        read(tmp_path, "pylock.toml")


POETRY = """\
[tool.poetry]
package-mode = false
[tool.poetry.dependencies]
python = "^3.11"
Flask = {version = "^3", extras = ["async"]}
boto3 = {version = "*", optional = true}
pywin32 = {version = "*", platform = "win32"}
tomli = {version = "*", python = "<3.11"}
[tool.poetry.extras]
aws = ["boto3"]
[tool.poetry.group.web.dependencies]
gunicorn = "*"
"""
POETRY_LOCK = f"""\
[[package]]
name = "flask"
version = "3.1.2"
files = [{{file = "flask-3.1.2-py3-none-any.whl", hash = "{A}"}}]

[[package]]
name = "docopt"
version = "0.6.2"
files = [{{file = "docopt-0.6.2.tar.gz", hash = "{B}"}}]

[[package]]
name = "boto3"
version = "1.0"
optional = true
files = []

[[package]]
name = "gunicorn"
version = "23.0.0"
groups = ["web"]
files = []

[[package]]
name = "pywin32"
version = "300"
files = []

[[package]]
name = "tomli"
version = "2.0"
files = []

[[package]]
name = "kombu"
version = "5.3"
[package.source]
type = "git"
url = "https://localhost/kombu"
reference = "main"
resolved_reference = "abc"

[metadata]
lock-version = "2.0"
python-versions = "^3.11"
"""


@pytest.fixture
def poetry(tmp_path: Path) -> Path:
    (tmp_path / "poetry.lock").write_text(POETRY_LOCK)
    (tmp_path / "pyproject.toml").write_text(POETRY)
    return tmp_path


def test_poetry_lock(poetry: Path) -> None:
    found = read(poetry, "poetry.lock")
    assert wanted(found) == ["flask[async]"]
    assert wanted(found, "3.10") == ["flask[async]", "tomli"]
    locked = {pin.name: pin for pin in found.pins if pin.exact}
    assert (locked["flask"].exact, locked["flask"].hashes) == ("3.1.2", (A,))
    assert not locked["docopt"].required
    assert locked["docopt"].place == "poetry.lock:7"
    assert found.sdists == ("docopt",)
    assert found.python in {">=3.11,<4", "<4,>=3.11"}
    (kombu,) = found.sources
    assert isinstance(kombu, GitSource)
    assert (kombu.name, kombu.revision) == ("kombu", "abc")


def test_poetry_lock_with_extras_and_groups(poetry: Path) -> None:
    found = read(poetry, "poetry.lock", extras=("aws",), groups=("web",))
    assert wanted(found) == ["flask[async]", "boto3", "gunicorn"]


def test_poetry_lock_without_its_project(poetry: Path) -> None:
    (poetry / "pyproject.toml").unlink()
    found = read(poetry, "poetry.lock")
    assert wanted(found) == ["flask", "docopt", "pywin32", "tomli"]


def test_poetry_lock_of_a_standard_project(poetry: Path) -> None:
    (poetry / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndependencies = ["flask (>=3,<4)"]\n'
        '[project.optional-dependencies]\naws = ["boto3"]\n'
    )
    assert wanted(read(poetry, "poetry.lock", extras=("aws",))) == ["flask", "boto3"]


PIPFILE_LOCK = """\
{
    "_meta": {"requires": {"python_version": "3.11"}},
    "default": {
        "flask": {
            "hashes": ["sha256:aa"], "markers": "python_version >= '3.9'", "version": "==3.1.2"
        },
        "ours": {"git": "https://localhost/ours", "ref": "abc"}
    },
    "develop": {"pytest": {"version": "==9.0"}}
}
"""


def test_pipfile_lock(tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(PIPFILE_LOCK)
    found = read(tmp_path, "Pipfile.lock")
    assert wanted(found) == ["flask==3.1.2"]
    assert found.pins[0].hashes == ("sha256:aa",)
    assert found.pins[0].place == "Pipfile.lock:4"
    assert found.python == "==3.11.*"
    assert [source.name for source in found.sources] == ["ours"]
    assert wanted(read(tmp_path, "Pipfile.lock", groups=("dev",))) == [
        "flask==3.1.2",
        "pytest==9.0",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{\n,}", "Pipfile.lock:2: this is no JSON"),
        ("[]", "Pipfile.lock: this is not one JSON object"),
        ('{"default": {\n"flask": {}}}', "Pipfile.lock:2: flask has no exact version"),
    ],
)
def test_mistakes_in_a_pipfile_lock(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "Pipfile.lock").write_text(text)
    with pytest.raises(SpecError, match=message):
        read(tmp_path, "Pipfile.lock")
