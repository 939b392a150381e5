"""A package index in a directory, which uv uses instead of any other."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

#: A build that needs nothing and leaves a trace as soon as anything of it is run.
BACKEND = "from pathlib import Path\nPath({trace!r}).touch()\n"
BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@dataclass(frozen=True, kw_only=True)
class Index:
    """Distributions of a name, a version and dependencies, without any content."""

    directory: Path
    trace: Path

    def wheel(self, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> str:
        """Add a wheel; returns its hash as in a lock."""
        info = f"{name}-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
        path = self.directory / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{info}/METADATA", metadata)
            wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nTag: {tag}\n")
            wheel.writestr(f"{info}/RECORD", "")
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    def sdist(self, name: str, version: str) -> None:
        """Add a source distribution; to build it, or to ask for its metadata, leaves a trace."""
        files = {"pyproject.toml": BUILD, "backend.py": BACKEND.format(trace=str(self.trace))}
        with tarfile.open(self.directory / f"{name}-{version}.tar.gz", "w:gz") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{path}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))


def index_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An empty index. What this machine is configured to use is not asked."""
    directory = tmp_path / "index"
    settings = tmp_path / "settings"
    (settings / "uv").mkdir(parents=True)
    directory.mkdir()
    (settings / "uv" / "uv.toml").write_text(
        f'no-index = true\nfind-links = ["{directory}"]\ncache-dir = "{tmp_path}/cache"\n'
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(settings))
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "UV_NO_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return Index(directory=directory, trace=tmp_path / "something-ran")
