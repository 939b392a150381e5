"""Bad input through the real command line: one clear error, its place, its remedy, no traceback."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import docker.errors
import pytest

from runner.store.run_directory import RunDirectory
from tests.support.command_line import Matrix, assert_error
from tests.support.samples import cell, run_record

GOOD = """\
version: 1
default: one
experiments:
  one:
    axes:
      python: [3.11]
      gevent: [25.9.1]
      patch: [none, gevent]
    packages: {flask: "3.1.*"}
    exclude_newer: 2026-11-01
    workload: {name: sleep, seconds: 2}
    load: {concurrency: 10, requests: 100}
    limits: {startup: 30, load: 300}
"""


@pytest.fixture(autouse=True)
def good(tmp_path: Path) -> None:
    """A matrix file without a fault, where a test writes none."""
    (tmp_path / "matrix.yaml").write_text(GOOD, encoding="utf-8")


def put(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


FILES: dict[str, tuple[str, ...]] = {
    "syntax": (put("[3.11]", "[3.11"), "matrix.yaml:7:", "not valid YAML"),
    "tab": (put("      gevent: [25.9.1]", "\tgevent: [25.9.1]"), "matrix.yaml:7:1", "YAML"),
    "empty file": ("", "matrix.yaml:1:1", "empty"),
    "only a comment": ("# nothing\n", "matrix.yaml:1:1", "empty"),
    "a list": ("- 1\n", "matrix.yaml:1:1", "mapping"),
    "two documents": (GOOD + "---\n" + GOOD, "2 YAML documents", "keep one"),
    "no version": (put("version: 1\n", ""), "matrix.yaml:1:1", "version: 1"),
    "another version": (put("version: 1", "version: 2"), "matrix.yaml:1:10", "version: 1"),
    "unknown top key": (put("default: one", "defualt: one"), "2:1", "did you mean 'default'"),
    "unknown key": (put("workload:", "wrokload:"), "11:5", "did you mean 'workload'"),
    "unknown axis": (put("python: [3.11]", "pyton: [3.11]"), "missing", "python"),
    "unknown package axis": (put("gevent: [25", "gevnet: [25"), "7:7", "did you mean 'gevent'"),
    "unknown load key": (put("requests: 100", "request: 100"), "12:29", "'requests'"),
    "unknown limit": (put("startup: 30", "startupp: 30"), "13:14", "'startup'"),
    "unknown workload key": (put("seconds: 2", "secs: 2"), "11:29", "seconds"),
    "unknown workload": (put("name: sleep", "name: slep"), "11:22", "did you mean 'sleep'"),
    "unknown patch": (put("[none, gevent]", "[none, gevnet]"), "8:21", "did you mean 'gevent'"),
    "unknown server": (GOOD + "    server: werkzeg\n", "14:13", "did you mean 'werkzeug'"),
    "unknown base": (GOOD + "    base: debain\n", "14:", "did you mean 'debian'"),
    "empty axis": (put("[25.9.1]", "[]"), "7:15", "empty"),
    "null axis": (put("gevent: [25.9.1]", "gevent:"), "axes.gevent", "empty"),
    "axes is a list": (put("axes:", "axes: []\n    x:"), "5:11", "mapping"),
    "duplicate value": (put("[25.9.1]", "[25.9.1, 25.9.1]"), "7:24", "twice"),
    "the same version in two spellings": (put("[25.9.1]", "[25.9.1, ==25.9.1]"), "7:24", "twice"),
    "duplicate key": (put("default: one", "default: one\ndefault: one"), "3:1", "duplicate key"),
    "impossible version": (put("25.9.1", "twenty-five"), "7:16", "wildcard"),
    "contradictory version": (put("25.9.1", '">=26,<25"'), "7:16", "contradict"),
    "two pins": (put("25.9.1", '"==25.9.1,==24.2.1"'), "7:16", "contradict"),
    "old Python": (put("3.11", "3.7"), "6:16", "3.8 or newer"),
    "full Python version": (put("3.11", "3.11.4"), "6:16", "X.Y"),
    "negative load": (put("requests: 100", "requests: -5"), "12:39", "above 0"),
    "zero load": (put("concurrency: 10", "concurrency: 0"), "12:25", "above 0"),
    "load in words": (put("requests: 100", "requests: many"), "12:39", "whole number"),
    "load in floats": (put("requests: 100", "requests: 1.5"), "12:39", "whole number"),
    "too concurrent": (put("concurrency: 10", "concurrency: 101"), "12:", "exceeds", "raise"),
    "too concurrent axis": (
        put("patch: [none", "concurrency: [10, 200]\n      patch: [none"), "8:", "exceeds",
    ),
    "negative sleep": (put("seconds: 2", "seconds: -1"), "11:38", "above 0"),
    "endless sleep": (put("seconds: 2", "seconds: .inf"), "11:38", "above 0"),
    "load cannot end": (put("load: 300", "load: 10"), "13:33", "set `limits.load` to 27"),
    "bad memory": (put("startup: 30", "memory: lots"), "13:22", "512m"),
    "too little memory": (put("startup: 30", "memory: 1m"), "13:22", "6m"),
    "bad date": (put("2026-11-01", "last week"), "10:20", "YYYY-MM-DD"),
    "impossible date": (put("2026-11-01", "2026-13-01"), "10:20", "YYYY-MM-DD"),
    "missing package": (put("      gevent: [25.9.1]\n", ""), "needs gevent", "packages"),
    "bad package name": (put('flask: "3.1.*"', '"fl ask": "3.1.*"'), "9:", "not a package name"),
    "bad package version": (put("3.1.*", "3.1.*.*"), "9:", "wildcard"),
    "exclude nothing": (GOOD + "    exclude: [{python: 3.12}]\n", "14:15", "matches no cell"),
    "exclude everything": (GOOD + "    exclude: [{python: 3.11}]\n", "leave no cell"),
    "exclude without effect": (
        put("[25.9.1]", "[24.2.1, 25.9.1]") + "    exclude: [{patch: none, gevent: 25.9.1}]\n",
        "14:15", "removes no cell",
    ),
    "exclude an unknown axis": (GOOD + "    exclude: [{pach: none}]\n", "14:16", "'patch'"),
    "empty exclude": (GOOD + "    exclude: [{}]\n", "14:15", "exclude everything"),
    "include no Python": (GOOD + "    include: [{patch: grpc}]\n", "14:15", "without `python`"),
    "include without grpcio": (
        GOOD + "    include: [{python: 3.13, patch: grpc}]\n", "14:15", "needs",
    ),
    "include too concurrent": (
        GOOD + "    include: [{python: 3.13, patch: none, concurrency: 500}]\n", "14:15", "exceeds",
    ),
    "unknown baseline axis": (GOOD + "    baseline: {pathc: none}\n", "14:16", "'patch'"),
    "unknown baseline value": (GOOD + "    baseline: {patch: nothing}\n", "14:23", "none"),
    "no such default": (put("default: one", "default: tow"), "2:10", "no experiment 'tow'"),
    "no experiments": ("version: 1\nexperiments: {}\n", "2:14", "at least one"),
    "experiment is text": ("version: 1\nexperiments: {a: b}\n", "2:15", "mapping"),
    "extends nobody": (GOOD + "    extends: three\n", "14:14", "no experiment 'three'"),
    "extends itself": (GOOD + "    extends: one\n", "14:14", "circle"),
    "endless alias": ("version: 1\nexperiments: &a\n  one: *a\n", "contains itself"),
    "merge key": (put("    axes:", "    <<: {}\n    axes:"), "5:5", "extends"),
    "zero launches": (GOOD + "    launches: 0\n", "14:15", "above 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_matrix_files(matrix: Matrix, tmp_path: Path, case: str) -> None:
    content, *words = FILES[case]
    (tmp_path / "matrix.yaml").write_text(content, encoding="utf-8")
    assert_error(matrix("plan"), *words)


def test_an_unquoted_python_3_10_is_3_10(matrix: Matrix, tmp_path: Path) -> None:
    (tmp_path / "matrix.yaml").write_text(put("3.11", "3.10"), encoding="utf-8")
    said = matrix("plan")
    assert said.code == 0
    assert "py3.10-none" in said.out


LINES: dict[str, tuple[tuple[str, ...], *tuple[str, ...]]] = {
    "unknown command": (("nope",), "No such command"),
    "unknown flag": (("plan", "--nope"), "No such option"),
    "flag without a value": (("plan", "--select"), "--select"),
    "too many arguments": (("plan", "one", "two"), "two"),
    "no such file": (("plan", "--file", "other.yaml"), "other.yaml: no such file"),
    "file is a directory": (("plan", "--file", "."), "is a directory"),
    "unknown experiment": (("plan", "on"), "no experiment 'on'", "did you mean 'one'"),
    "select malformed": (("plan", "--select", "python"), "AXIS=GLOB"),
    "select unknown axis": (("plan", "--select", "pyton=3*"), "did you mean 'python'"),
    "select matches nothing": (("plan", "--select", "python=3.9"), "matches no cell", "3.11"),
    "negative requests": (("plan", "--requests", "-5"), "--requests -5", "above 0"),
    "requests in words": (("plan", "--requests", "many"), "--requests"),
    "too concurrent": (("plan", "--concurrency", "500"), "exceeds", "--requests"),
    "load cannot end": (("plan", "--requests", "5000"), "limits.load"),
    "zero launches": (("plan", "--launches", "0"), "--launches 0"),
    "no jobs": (("run", "--jobs", "0"), "--jobs 0", "auto"),
    "jobs in words": (("run", "--jobs", "all"), "--jobs all", "auto"),
    "no run yet": (("table",), "no runs yet", "make matrix"),
    "no such run": (("table", "results/nothing"), "no such run"),
    "not a run": (("table", "."), "not a run directory"),
    "unknown format": (("table", "--format", "word"), "'--format': 'word' is not one of"),
    "show without a cell": (("show", "latest"), "'cell'"),
    "publish without a run": (("publish",), "no runs yet", "make matrix"),
    "publish what is no run": (("publish", "nowhere"), "no such run", "latest"),
    "results is a file": (("run", "--results", "matrix.yaml"), "is a file", "--results"),
    "results below a file": (("run", "--results", "matrix.yaml/x"), "is a file", "--results"),
}


@pytest.mark.parametrize("case", LINES)
def test_command_lines(matrix: Matrix, case: str) -> None:
    arguments, *words = LINES[case]
    assert_error(matrix(*arguments), *words)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("==99.1", ("there is no version gevent==99.1", "exclude_newer")),
        ("==25.9.1.post77", ("there is no version", "fix it")),
    ],
)
def test_versions_that_do_not_exist(
    matrix: Matrix, tmp_path: Path, version: str, words: tuple[str, ...]
) -> None:
    content = put("[25.9.1]", f'["{version}"]')
    (tmp_path / "matrix.yaml").write_text(content, encoding="utf-8")
    assert_error(matrix("plan"), *words)


def test_a_package_that_does_not_exist(matrix: Matrix, tmp_path: Path) -> None:
    content = put('flask: "3.1.*"', "no-such-package-at-all-7: 1.0")
    (tmp_path / "matrix.yaml").write_text(content, encoding="utf-8")
    assert_error(matrix("plan"), "there is no package 'no-such-package-at-all-7'", "packages")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"version: \x80"])
def test_not_utf_8(matrix: Matrix, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "matrix.yaml").write_bytes(content)
    assert_error(matrix("plan"), "not UTF-8", "save it")


def test_an_unreadable_file(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", deny)
    assert_error(matrix("plan"), "Permission denied", "permissions")


def test_a_disk_without_room(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        total: int = 1
        used: int = 1
        free: int = 0

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage())
    assert_error(matrix("run"), "no room", "--results")


def test_a_cache_that_cannot_be_written(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setattr("runner.commands.plan.CACHE", tmp_path / "cache")
    assert_error(matrix("plan"), "cache: is a file", "a copy of this project")


def test_a_damaged_run(matrix: Matrix, tmp_path: Path) -> None:
    run = tmp_path / "results" / "one" / "20260101T000000Z"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{", encoding="utf-8")
    assert_error(matrix("table", str(run)), "run.json", "damaged")


@pytest.fixture
def stored(tmp_path: Path) -> RunDirectory:
    """A run without launches in `results`."""
    directory = RunDirectory.create(tmp_path / "results", "sleep", datetime.now(UTC))
    directory.write_run(run_record(cell("3.11", "none")))
    return directory


@pytest.mark.parametrize("command", [("table",), ("show", "latest", "py3.11-none")])
def test_a_file_where_a_directory_should_be(
    matrix: Matrix, stored: RunDirectory, command: tuple[str, ...]
) -> None:
    (stored.path / "cells").write_text("", encoding="utf-8")
    said = matrix(*command)
    assert "cells: this is a file, not the directory of the launches; they are skipped" in said.err
    assert "not measured" in said.out.lower()


def test_a_directory_that_cannot_be_read(
    matrix: Matrix, stored: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(path: Path) -> None:  # a test run by root may read everything
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", deny)
    assert_error(matrix("table"), f"{stored.path}/cells: Permission denied", "permissions")


def test_a_path_that_no_system_takes(matrix: Matrix) -> None:
    assert_error(matrix("table", "x" * 5_000), "File name too long")
    assert_error(matrix("plan", "--file", "x" * 5_000), "File name too long")


def test_an_error_of_the_system_without_a_path(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("too much")

    monkeypatch.setattr("runner.commands.runs.table_text", fail)
    assert_error(matrix("table"), "the system reports: too much", "disk")


# -- engines and indexes that fail -----------------------------------------------------------------


def test_no_engine(matrix: Matrix) -> None:
    assert_error(matrix("run"), "no container engine answers", "unset DOCKER_HOST", code=3)
    assert_error(matrix("clean"), "no container engine answers", "DOCKER_HOST", code=3)


def test_no_engine_where_one_usually_is(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("runner.engine.endpoint.DEFAULT", f"unix://{tmp_path}/nothing.sock")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST")
    said = matrix("run")
    assert_error(said, "no container engine answers", "`--install`", "nothing.sock", code=3)


def test_doctor_says_what_is_missing(matrix: Matrix) -> None:
    said = matrix("doctor")
    assert said.code == 3
    assert "MISSING engine: no container engine answers" in said.out
    assert "not ready" in said.out


@pytest.fixture
def silent_socket(tmp_path: Path) -> Iterator[Path]:
    """A socket that accepts and never says a word."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)
        yield path


def test_an_engine_that_hangs(
    matrix: Matrix, silent_socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{silent_socket}")
    monkeypatch.setattr("runner.engine.connection.PING_TIMEOUT_S", 0.2)
    assert_error(matrix("run"), "does not answer within", "restart it", code=3)


class EngineStub(http.server.BaseHTTPRequestHandler):
    """Answers /version and nothing else."""

    answer: ClassVar[Any] = {"ApiVersion": "1.24", "Version": "1.12.6", "MinAPIVersion": "1.12"}

    def do_GET(self) -> None:
        body = json.dumps(self.answer).encode() if isinstance(self.answer, dict) else self.answer
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[EngineStub]]:
    """An engine on a socket that answers what the test wants."""

    class Stub(EngineStub):
        def address_string(self) -> str:
            return "stub"

    path = str(tmp_path / "stub.sock")
    with socketserver.ThreadingUnixStreamServer(path, Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield Stub
        server.shutdown()


def test_an_engine_too_old(matrix: Matrix, stub: type[EngineStub]) -> None:
    assert stub.answer["ApiVersion"] == "1.24"
    assert_error(matrix("run"), "too old", "20.10", code=3)


def test_an_engine_too_new(matrix: Matrix, stub: type[EngineStub]) -> None:
    stub.answer = {"ApiVersion": "9.99", "Version": "99.0", "MinAPIVersion": "9.0"}
    assert_error(matrix("run"), "99.0", "too new", "no API before 9.0", code=3)


def test_a_credential_helper_that_is_not_installed(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "no-such-store"}')
    assert_error(matrix("run"), "docker-credential-no-such-store", "config.json", code=3)


def test_an_engine_that_talks_nonsense(matrix: Matrix, stub: type[EngineStub]) -> None:
    stub.answer = b"<html>hello</html>"
    assert_error(matrix("run"), "is no container engine", code=3)


def test_no_permission_for_the_engine(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(_: object) -> None:
        raise docker.errors.DockerException("Error: ('Aborted.', PermissionError(13, 'denied'))")

    monkeypatch.setattr("runner.engine.connection._version", deny)
    assert_error(matrix("run"), "no permission", "root", code=3)


def test_an_index_that_refuses(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    said = matrix("plan")
    assert_error(said, "package index cannot be reached", "check the network", code=3)
    assert "127.0.0.1" not in said.err


def test_an_index_that_hangs(matrix: Matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{port}/simple")
        monkeypatch.setenv("UV_NO_CACHE", "1")
        monkeypatch.setattr("runner.resolver.TIMEOUT_S", 1)
        assert_error(matrix("plan"), "did not answer within 1 s", code=3)


def test_no_arguments_at_all_print_the_help(matrix: Matrix) -> None:
    said = matrix()
    assert said.code == 0
    assert "Commands" in said.out


def test_the_version_is_that_of_the_package(matrix: Matrix) -> None:
    assert matrix("--version").out == f"monkey-matrix {version('monkey-matrix')}\n"
