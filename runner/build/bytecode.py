"""Bytecode of packages and programs, made once by the interpreter that will run it.

A container's root is read-only: without bytecode in its image, every start of a server compiles all
that it imports. The bytecode belongs to a hash of its source that nobody checks (PEP 552), so it
counts whatever times an engine gives the files, and its paths are those in the image.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import tarfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from runner.build.layers import END, File, aside, whole
from runner.build.recipe import Image, digest
from runner.engine.ownership import owner_labels
from runner.engine.pod import SERVER_USER
from runner.engine.protocol import Attached, ContainerSpec, Engine
from runner.engine.started import started
from runner.errors import EngineError
from runner.paths import IMAGES

COMPILER: Final = (IMAGES / "base" / "bytecode.py").read_text(encoding="utf-8")
#: Before Python 3.11, sets are written in the order of their hashes: the same in every process.
ENVIRONMENT: Final = {"PYTHONHASHSEED": "0"}
MEMORY_BYTES: Final = 512 << 20
PIDS: Final = 16
TIMEOUT_S: Final = 300.0
#: What packages bring along and no server imports; a third of gevent's code.
TESTS = re.compile(r"(?:^|/)tests?/")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Python files: `read` gives their contents by path, `name` is that of their archive."""

    name: str
    read: Callable[[], Mapping[str, bytes]]


def of_archive(archive: Path) -> Sources:
    """The Python files of a packed distribution, but its tests."""
    return Sources(name=archive.name, read=partial(_python_files, archive))


def of_program(files: Iterable[File]) -> Sources:
    """A program's files."""
    contents = {file.path: file.content for file in files if file.content is not None}
    parts = (part for item in contents.items() for part in item)
    return Sources(name=f"program-{digest(parts)[:16]}.tar", read=lambda: contents)


def _python_files(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        wanted = (m for m in tar if m.name.endswith(".py") and not TESTS.search(m.name))
        return {m.name: file.read() for m in wanted if (file := tar.extractfile(m))}


def compile_all(
    engine: Engine, base: Image, wanted: Iterable[Sources], cache: Path
) -> dict[str, Path]:
    """The archive of each one's bytecode, by the name of the sources; each is made once.

    It is one interpreter's: another base image makes its own. Raises `EngineError`.
    """
    directory = cache / "bytecode" / digest([base.key, COMPILER])[:16]
    sources = {one.name: one for one in wanted}
    archives = {name: directory / name for name in sources}
    missing = [name for name, archive in archives.items() if not archive.exists()]
    if missing:
        with _interpreter(engine, base) as process:
            for name in missing:
                _keep(archives[name], _compiled(process, sources[name]))
    return archives


@contextlib.contextmanager
def _interpreter(engine: Engine, base: Image) -> Iterator[Attached]:
    """The compiler in a container of the base image, for as long as the block lasts."""
    token = uuid.uuid4().hex[:12]
    spec = ContainerSpec(
        name=f"monkey-matrix-{token}-bytecode",
        image=base.image_id,
        user=SERVER_USER,
        command=("python3", "-S", "-W", "ignore", "-c", COMPILER),
        environment=ENVIRONMENT,
        labels=owner_labels("bytecode", base.reference, token),
        memory_bytes=MEMORY_BYTES,
        pids=PIDS,
        stdin=True,
        host_names=False,
    )
    with (
        started(engine, spec) as container,
        contextlib.closing(engine.attach(container)) as process,
    ):
        yield process


def _compiled(process: Attached, sources: Sources) -> dict[str, bytes]:
    """The content of each file of bytecode, by its path."""
    texts = {path: content.decode("latin-1") for path, content in sources.read().items()}
    try:
        answer = json.loads(process.ask(json.dumps(texts), timeout=TIMEOUT_S))
    except (EngineError, ValueError) as error:
        raise EngineError(f"compiling {sources.name} to bytecode: {error}") from error
    return {path: base64.b64decode(content) for path, content in answer.items()}


def _keep(archive: Path, files: Mapping[str, bytes]) -> None:
    with aside(archive) as unfinished:
        content = b"".join(whole(path, content) for path, content in sorted(files.items()))
        unfinished.write_bytes(content + END)
