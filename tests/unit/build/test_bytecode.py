"""Bytecode: made by the compiler that containers run, here in a process of its own."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from runner.build.bytecode import COMPILER, Sources, compile_all, of_archive, of_program
from runner.build.layers import File
from runner.build.recipe import Image
from runner.errors import EngineError
from tests.support.archives import unpack
from tests.support.builds import packed_distribution
from tests.support.memory_engine import MemoryEngine, silent

BASE = Image(reference="below", image_id="sha256:below", key="below")


class Interpreter:
    """A container's first process, on this machine."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            (sys.executable, *command[1:]), env=environment, stdin=PIPE, stdout=PIPE
        )

    def ask(self, line: str, *, timeout: float) -> bytes:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def close(self) -> None:
        self.process.communicate()


class Running(MemoryEngine):
    """Runs what a container runs."""

    environment: Mapping[str, str]

    def attach(self, container: str) -> Any:
        spec = self.attached_spec(container)
        self.environment = spec.environment
        return Interpreter(spec.command, spec.environment)


@pytest.fixture
def engine() -> Running:
    return Running(silent)


def packed(directory: Path, name: str, files: Mapping[str, str]) -> Sources:
    return of_archive(packed_distribution(directory, name, files))


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_an_interpreter_takes_the_bytecode_without_a_look_at_the_source(
    engine: Running, tmp_path: Path
) -> None:
    sources = packed(tmp_path, "one", {"one/module.py": "print('compiled', __name__)\n"})
    made = compile_all(engine, BASE, [sources], tmp_path)
    with tarfile.open(made[sources.name]) as tar:
        unpack(tar, tmp_path)
    changed = tmp_path / "site" / "one" / "module.py"
    changed.write_text("print('the source')\n")
    command = [sys.executable, "-B", "-m", "one.module"]
    done = subprocess.run(command, cwd=tmp_path / "site", stdout=PIPE, text=True, check=True)
    assert done.stdout == "compiled __main__\n"


def test_the_same_sources_are_the_same_bytes_whatever_else_is_compiled(
    engine: Running, tmp_path: Path
) -> None:
    text = "def f(x): return x in {'one', 'two', 'three'}, 'a', 'word'\n"
    one = packed(tmp_path, "one", {"a.py": text, "b.py": "'word'\n" + text})
    two = packed(tmp_path, "two", {"c.py": "'word', 'one'\n" + text})
    found = [
        compile_all(engine, BASE, order, tmp_path / str(number))
        for number, order in enumerate(([one, two], [two, one]))
    ]
    for name in (one.name, two.name):
        assert len({made[name].read_bytes() for made in found}) == 1


def test_every_compiler_hashes_alike(engine: Running, tmp_path: Path) -> None:
    """Python 3.9 and 3.10 write sets in that order."""
    compile_all(engine, BASE, [packed(tmp_path, "one", {"a.py": ""})], tmp_path)
    command = [sys.executable, "-c", "print(hash('word'))"]
    hashes = {
        subprocess.run(command, env=engine.environment, stdout=PIPE, check=True).stdout
        for _ in range(3)
    }
    assert len(hashes) == 1


def test_what_no_server_imports_and_what_does_not_compile_is_left_out(
    engine: Running, tmp_path: Path
) -> None:
    files = {
        "one/__init__.py": "",
        "one/testing.py": "",
        "one/tests/test_it.py": "",
        "test/x.py": "",
        "one/old.py": "print 'of Python 2'\n",
        "one/null.py": "x = 1\0\n",
        "one/data.txt": "",
    }
    sources = packed(tmp_path, "one", files)
    made = compile_all(engine, BASE, [sources], tmp_path)
    tag = sys.implementation.cache_tag
    assert names(made[sources.name]) == [
        f"site/one/__pycache__/{name}.{tag}.pyc" for name in ("__init__", "testing")
    ]


def test_sources_in_any_encoding_compile(engine: Running, tmp_path: Path) -> None:
    text = "# coding: latin-1\nx = 'é'\n".encode("latin-1")
    sources = of_program((File(path="server/x.py", content=text),))
    assert names(compile_all(engine, BASE, [sources], tmp_path)[sources.name])


def test_each_is_compiled_once_for_a_base_image(engine: Running, tmp_path: Path) -> None:
    sources = packed(tmp_path, "one", {"a.py": ""})
    first = compile_all(engine, BASE, [sources, sources], tmp_path)
    assert (engine.calls["create"], engine.containers) == (1, {})
    assert compile_all(engine, BASE, [sources], tmp_path) == first
    assert engine.calls["create"] == 1
    other = compile_all(
        engine, Image(reference="x", image_id="sha256:x", key="x"), [sources], tmp_path
    )
    assert engine.calls["create"] == 2
    assert other != first


def test_another_program_is_another_archive() -> None:
    programs = [(File(path="server/x.py", content=text),) for text in (b"1", b"2")]
    assert len({of_program(files).name for files in programs}) == 2


def test_a_compiler_that_answers_nothing_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    engine = MemoryEngine(silent)
    with pytest.raises(EngineError, match=r"compiling program-\w+\.tar to bytecode"):
        compile_all(engine, BASE, [of_program((File(path="x.py", content=b""),))], tmp_path)
    assert engine.containers == {}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_compiler_is_written_for_python_3_8() -> None:
    ast.parse(COMPILER, feature_version=(3, 8))
