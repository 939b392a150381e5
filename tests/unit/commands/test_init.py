from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner import paths
from runner.matrix import schema
from runner.matrix.application import Facts
from runner.matrix.file import load
from tests.support.command_line import Matrix, assert_error


def test_it_writes_a_matrix_file_with_its_schema(matrix: Matrix, tmp_path: Path) -> None:
    result = matrix("init")
    assert (result.code, result.err) == (0, "")
    assert "`matrix plan` shows" in result.out
    written = tmp_path / "matrix.yaml"
    assert written.read_text().startswith("# yaml-language-server: $schema=matrix.schema.json\n")
    assert (tmp_path / "matrix.schema.json").read_text() == schema.text()
    experiment = load(written).experiment()
    assert [cell.id for cell in experiment.cells] == [
        "py3.11-none",
        "py3.11-gevent26.9.0-gevent",
        "py3.11-gevent26.9.0-grpcio1.85.3-grpc",
        "py3.11-gevent26.9.0-grpcio1.85.3-gevent+grpc",
    ]


def test_every_commented_line_of_it_can_be_used(tmp_path: Path, matrix: Matrix) -> None:
    matrix("init")
    file = tmp_path / "matrix.yaml"
    lines = file.read_text().splitlines(keepends=True)
    (commented,) = (n for n, line in enumerate(lines) if line.strip().startswith("#server:"))
    lines[commented - 1 : commented + 1] = [lines[commented].replace("#", "")]
    file.write_text("".join(lines))
    assert len({cell.server for cell in load(file).experiment().cells}) == 5


def test_it_never_overwrites(matrix: Matrix, tmp_path: Path) -> None:
    file, beside = tmp_path / "matrix.yaml", tmp_path / "matrix.schema.json"
    file.write_text("version: 1\n")
    assert_error(matrix("init"), "matrix.yaml: exists already", "--file DIRECTORY")
    assert file.read_text() == "version: 1\n"
    assert not beside.exists()
    file.unlink()
    for content in (b"{}", b"\xff"):
        beside.write_bytes(content)
        assert_error(matrix("init"), "matrix.schema.json: exists already")
        assert beside.read_bytes() == content
        assert not file.exists()
    beside.write_text(schema.text())  # of an earlier `matrix init`
    assert matrix("init").code == 0
    assert_error(matrix("init", "--file", "missing/matrix.yaml"), "missing/matrix.yaml: cannot be")


def test_another_name_is_part_of_what_to_do_next(matrix: Matrix, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    result = matrix("init", "--file", "other/m.yaml")
    assert "`matrix run --file other/m.yaml`" in result.out
    assert json.loads((tmp_path / "other" / "matrix.schema.json").read_text())["$schema"]


def test_a_checkout_keeps_its_cache_beside_it() -> None:
    checkout = Path(paths.__file__).parents[1]
    assert (checkout / "images", checkout / ".cache") == (paths.IMAGES, paths.CACHE)


# -- beside an application -------------------------------------------------------------------------

CHECKOUT = {
    "Dockerfile": """\
FROM python:3.12-slim
ENV FLASK_APP=shop.web
WORKDIR /srv
RUN apt-get update && apt-get install -y gcc libpq-dev libmagic1 git
COPY . .
RUN pip install -r requirements/live.txt && pip install -e .[mail]
CMD ["./start.sh"]
""",
    "start.sh": "flask db upgrade\npython manage.py seed 'a  b'\n"
    "exec gunicorn -c conf/gunicorn.py -k gthread -w 2 --threads 8 -t 60 --preload "
    "--keep-alive 5 \"shop.web:create_app('live')\"\n",
    "conf/gunicorn.py": "workers = 9\n",
    "requirements/live.txt": "flask\ngrpcio==1.76.0\n",
    "uv.lock": "",
    "setup.py": "",
    ".env": "SECRET_KEY=hidden\n",
    "compose.yaml": """\
services:
  web: {build: .}
  db:
    image: postgres:17
    restart: always
    environment: {POSTGRES_PASSWORD: example}
  cache: {image: redis, volumes: ["./redis.conf:/etc/redis.conf"]}
  second: {image: valkey}
  third: {image: redis}
  other: {image: some/thing}
""",
}


def written_to(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_beside_an_application_it_proposes_an_experiment(matrix: Matrix, tmp_path: Path) -> None:
    directory = tmp_path / "shop"
    written_to(directory, CHECKOUT)
    result = matrix("init", "--file", "shop/matrix.yaml")
    assert (result.code, result.err) == (0, "")
    assert "shop/matrix.yaml about shop.web:create_app('live') (start.sh:3)" in result.out
    found = load(directory / "matrix.yaml").experiment(
        None, lambda _: Facts(python="3.12", packages=frozenset({"flask", "grpcio"}))
    )
    application = found.application
    assert application is not None
    assert (found.name, str(application.app)) == ("shop", "shop.web:create_app('live')")
    assert application.requirements == ("requirements/live.txt",)
    assert (application.install, application.extras) == (True, ())
    assert application.debian == ("libmagic1", "git")
    assert application.environment == (("FLASK_APP", "shop.web"),)
    assert application.env_files == (".env",)
    assert application.before == ("flask db upgrade", "python manage.py seed 'a  b'")
    assert application.gunicorn_config == "conf/gunicorn.py"
    assert application.args == ("--timeout", "60", "--preload", "--keep-alive", "5")
    assert [service.name for service in application.services] == ["db", "second"]
    assert {cell.patch for cell in found.cells} == {"none", "gevent", "gevent+grpc"}
    assert {str(cell.server) for cell in found.cells} == {
        "gunicorn-gthread-w2-t8", "gunicorn-gevent-w2",
    }  # fmt: skip


def test_its_comments_name_the_places(matrix: Matrix, tmp_path: Path) -> None:
    written_to(tmp_path, CHECKOUT)
    matrix("init")
    lines = [line.strip() for line in (tmp_path / "matrix.yaml").read_text().splitlines()]
    for comment in (
        "# start.sh:3",
        "# Dockerfile:6 (also there: uv.lock)",
        "# The project itself is installed: Dockerfile:6",
        "# Packages of Debian: Dockerfile:4; left out: gcc, libpq-dev",
        "# Dockerfile:2",
        "# Run before the server, in each container: start.sh:1 and start.sh:2",
        "# The first is the application's own: start.sh:3",
        "#cache: {from: compose.yaml}",
        "#third: {from: compose.yaml}",
    ):
        assert comment in lines, comment
    assert any(line.startswith("#") and "'/etc/redis.conf'" in line for line in lines)
    assert any("Dockerfile:1 says 'FROM python:3.12-slim'" in line for line in lines)
    assert "hidden" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("procfile", "servers", "remark"),
    [
        ("gunicorn a:b", ["gunicorn-sync-w1", "gunicorn-gthread-w1-t16"], ""),
        ("gunicorn --threads 4 a:b", ["gunicorn-gthread-w1-t4"], "own: Procfile:1"),
        ("gunicorn -k eventlet -w 3 a:b", ["gunicorn-gthread-w3-t16"], "has eventlet, which"),
        ("gunicorn -k x.y.Z a:b", ["gunicorn-gthread-w1-t16"], "worker_class: x.y.Z"),
    ],
)
def test_the_servers_that_it_proposes(
    matrix: Matrix, tmp_path: Path, procfile: str, servers: list[str], remark: str
) -> None:
    written_to(tmp_path, {"Procfile": f"web: {procfile}\n", "gunicorn.conf.py": ""})
    assert matrix("init").code == 0
    found = load(tmp_path / "matrix.yaml").experiment()
    assert [*dict.fromkeys(str(c.server) for c in found.cells)][: len(servers)] == servers
    text = (tmp_path / "matrix.yaml").read_text()
    assert remark in text
    assert "gunicorn reads gunicorn.conf.py itself" in text


def test_what_the_application_brings_is_not_named(matrix: Matrix, tmp_path: Path) -> None:
    written_to(tmp_path, {"app.py": "app = Flask()\n", "requirements.txt": "gevent==25.9.1\n"})
    matrix("init")
    found = load(tmp_path / "matrix.yaml").experiment(
        None, lambda _: Facts(python="3.12", packages=frozenset({"gevent"}))
    )
    assert found.axes == ("python", "patch", "server")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"app.py": "app = Flask()\n", "requirements.txt": "-r gone.txt\n"}, "app:app"),
        ({"app.py": "app = Flask()\n", "compose.yaml": "services: [a\n"}, "app:app"),
        ({"app.py": "app = Flask()\n", "pyproject.toml": "[a\n"}, "app:app"),
        ({"app.py": "app = Flask()\n", ".python-version": "\udcff"}, "app:app"),
        ({"Procfile": "web: gunicorn \"a:f('ü: #\\t')\"\n"}, "a:f('ü: #\\t')"),
        ({"a\nb: c": "", "Dockerfile": 'FROM x\nCOPY . /\nCMD ["/a\\nb: c"]\n',
          "app.py": "app = Flask()\n"}, "app:app"),
        ({"Dockerfile": 'FROM x\nCOPY . /\nCMD ["/a\\n  b: c"]\n', "a\n  b: c": "gunicorn a:b\n"},
         "a:b"),
    ],
)  # fmt: skip
def test_files_that_are_not_understood_are_no_end(
    matrix: Matrix, tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    assert matrix("init").code == 0
    found = load(tmp_path / "matrix.yaml").experiment(None)
    assert found.application is not None
    assert str(found.application.app) == expected


def test_an_application_that_gunicorn_would_not_take_is_not_proposed(
    matrix: Matrix, tmp_path: Path
) -> None:
    written_to(tmp_path, {"Procfile": "web: gunicorn a/b.py\n"})
    matrix("init")
    assert load(tmp_path / "matrix.yaml").experiment().name == "sleep"
