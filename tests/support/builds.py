"""Containers that build wheels, for tests of everything around them."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.build.bases import BaseImage
from runner.build.wheels import archived
from runner.engine.protocol import ContainerSpec, ExecResult
from runner.errors import EngineError
from tests.support.memory_engine import MemoryEngine

PLAIN = BaseImage(reference="base:plain", image_id="sha256:plain", key="plain", origin="debian")
COMPILER = BaseImage(
    reference="base:compiler", image_id="sha256:compiler", key="compiler", origin="debian"
)


def base(with_compiler: bool) -> BaseImage:
    """The base image without or with a compiler."""
    return COMPILER if with_compiler else PLAIN


def packed_distribution(directory: Path, name: str, files: Mapping[str, str]) -> Path:
    """A distribution's archive with these files, as made by uv and packed."""
    site = directory / f"{name}-site"
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content)
    archive = directory / f"{name}-1.0-0123456789abcdef.tar"
    archive.write_bytes(b"".join(archived(site)))
    return archive


def wheel(name: str, version: str, requires: tuple[str, ...] = ()) -> bytes:
    """A wheel with nothing in it."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
    return content.getvalue()


@dataclass(frozen=True)
class Outcome:
    """What building a project comes to; `printed` is why it fails, without a compiler only if so.

    `calls_itself` is the name of what is built where that is another one; `more` is what the build
    says it requires besides.
    """

    requires: tuple[str, ...] = ()
    printed: str = ""
    needs_compiler: bool = False
    calls_itself: str = ""
    version: str = "1.0"
    more: tuple[str, ...] = ()
    dies: str = ""


@dataclass
class Builds:
    """Answers as `images/base/wheel.py` does, by a project's file `NAME`, or its archive's name.

    `packages` are those that the builds got.
    """

    outcomes: dict[str, Outcome]
    built: list[tuple[str, str]] = field(default_factory=list)
    specs: list[ContainerSpec] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    _written: dict[str, bytes] = field(default_factory=dict)
    _project: str = ""
    _wheel: bytes = b""

    def __call__(
        self, engine: MemoryEngine, spec: ContainerSpec, command: tuple[str, ...]
    ) -> ExecResult:
        step, arguments = command[-2], json.loads(command[-1])
        answer = self._make(spec) if step == "wheel" else self._step(step, spec, arguments)
        return ExecResult(exit_code=0, stdout=json.dumps(answer).encode(), stderr=b"")

    def _step(self, step: str, spec: ContainerSpec, arguments: dict[str, Any]) -> dict[str, object]:
        steps: dict[str, Callable[..., dict[str, object]]] = {
            "write": self._write,
            "unpack": self._unpack,
            "requires": self._requires,
            "read": self._read,
        }
        return steps[step](spec, **arguments)

    def _write(self, _: ContainerSpec, name: str, data: str) -> dict[str, object]:
        self._written[name] = self._written.get(name, b"") + base64.b64decode(data)
        return {}

    def _unpack(self, _: ContainerSpec, name: str, kind: str) -> dict[str, object]:
        if kind == "packages":
            with tarfile.open(fileobj=io.BytesIO(self._written[name])) as packed:
                self.packages += [
                    name.split("/")[1].partition("-")[0] for name in packed.getnames()
                ]
        if kind == "source":
            with tarfile.open(fileobj=io.BytesIO(self._written[name])) as packed:
                named = [m for m in packed if m.name.count("/") == 1 and m.name.endswith("/NAME")]
                file = packed.extractfile(named[0]) if named else None
                top = packed.getnames()[0].partition("/")[0].rpartition("-")[0]
            self._project = file.read().decode() if file else top
        del self._written[name]
        return {}

    def _requires(self, _: ContainerSpec, build: dict[str, object]) -> dict[str, object]:
        return {"requires": self.outcomes[self._project].more}

    def _make(self, spec: ContainerSpec) -> dict[str, object]:
        outcome = self.outcomes[self._project]
        self.specs.append(spec)
        self.built.append((self._project, spec.image))
        if outcome.dies:
            raise EngineError(outcome.dies)
        if outcome.printed and not (outcome.needs_compiler and spec.image == COMPILER.image_id):
            return {"failed": "wheel", "printed": outcome.printed}
        name = outcome.calls_itself or self._project
        self._wheel = wheel(name, outcome.version, outcome.requires)
        return {"wheel": f"{name}-{outcome.version}-py3-none-any.whl", "size": len(self._wheel)}

    def _read(self, _: ContainerSpec, name: str, start: int) -> dict[str, object]:
        return {"data": base64.b64encode(self._wheel[start : start + 100]).decode()}
