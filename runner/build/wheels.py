"""Distributions, each unpacked once by uv on the host and kept as a tar archive of its files.

An environment is the sum of its distributions: below `site/` are the same files that
`uv pip install --target` of its whole lock leaves, but for what names this host.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runner.build.layers import END, aside, header, padding, whole
from runner.build.lock import WORKERS
from runner.build.recipe import digest
from runner.build.scripts import scripts_in
from runner.errors import EngineError, IndexUnavailableError
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import Lock, Pinned, causes, run_uv, uv_command, without_addresses

#: Where packages are in an image, and in the context of its build.
SITE: Final = "site"
#: Counts how archives are made: another number makes them, and the images of them, again.
FORMAT: Final = "with console scripts"
#: uv's own marks.
OF_THE_HOST = re.compile(r"\.lock|[^/]+\.dist-info/(?:direct_url\.json|uv_cache\.json|REQUESTED)")
RECORD = re.compile(r"[^/]+\.dist-info/RECORD")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A pinned distribution for one Python and platform, for which uv finds one wheel.

    `file` is the wheel where it was built here; then the text of `pinned` tells of what.
    """

    pinned: Pinned
    python: str
    platform: str
    file: Path | None = field(default=None, compare=False)

    @property
    def file_name(self) -> str:
        """Name of its archive: readable, and another one for any other hash, Python or platform."""
        key = digest([FORMAT, self.pinned.text, self.python, self.platform])[:16]
        return f"{self.pinned.name}-{self.pinned.version}-{key}.tar"


def wheels_of(lock: Lock) -> tuple[Wheel, ...]:
    """The distributions of an environment, by name."""
    python, platform = lock.request.python, lock.platform
    found = [Wheel(pinned=pinned, python=python, platform=platform) for pinned in lock.pinned]
    for built in lock.built:
        pinned = Pinned(name=built.name, version=built.version, text=built.digest)
        found.append(Wheel(pinned=pinned, python=python, platform=platform, file=built.wheel))
    return tuple(sorted(found, key=lambda wheel: wheel.pinned.name))


def pack_all(wheels: Iterable[Wheel], cache: Path) -> Mapping[Wheel, Path | EngineError]:
    """The archive of each, or why it cannot be had; several at a time, each made once."""
    wanted = list(dict.fromkeys(wheels))

    def one(wheel: Wheel) -> Path | EngineError:
        try:
            return pack(wheel, cache)
        except EngineError as error:
            return error

    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))


def pack(wheel: Wheel, cache: Path) -> Path:
    """The archive of one distribution, which appears whole or not at all.

    Raises `EngineError` with uv's reason.
    """
    archive = cache / "wheels" / wheel.file_name
    if archive.exists():
        return archive
    with aside(archive) as unfinished:
        directory = unfinished.parent / SITE
        _unpack(wheel, directory)
        with unfinished.open("wb") as packed:
            packed.writelines(archived(directory))
    return archive


def _unpack(wheel: Wheel, directory: Path) -> None:
    """Let uv install it. Asking the index takes longer than unpacking: first without."""
    request = EnvironmentRequest(python=wheel.python, requirements=())
    command = uv_command("install", request, wheel.platform)
    command += ["--target", str(directory), "--no-deps", "--quiet"]
    # Links to uv's cache are read here and never written to.
    command += ["--link-mode", "hardlink"]
    if wheel.file:
        _refuse_failed(wheel, run_uv([*command, "--offline", str(wheel.file)], ""))
        return
    command += ["--require-hashes", "--requirement", "-"]
    with contextlib.suppress(IndexUnavailableError):  # it is not in uv's cache
        if run_uv([*command, "--offline"], wheel.pinned.text).returncode == 0:
            return
    _refuse_failed(wheel, run_uv(command, wheel.pinned.text))


def _refuse_failed(wheel: Wheel, result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode:
        why = without_addresses(causes(result.stderr))
        raise EngineError(
            f"{wheel.pinned.name} {wheel.pinned.version} could not be installed: {why}"
        )


def archived(directory: Path) -> Iterator[bytes]:
    """A directory's files as a tar archive, without what names this host, in a fixed order."""
    scripts = scripts_in(directory)
    for name, path in sorted(_files(directory)):
        if RECORD.fullmatch(name):
            yield whole(f"{SITE}/{name}", _without_host(path.read_bytes(), scripts))
            continue
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        content = scripts[name] if name in scripts else path.read_bytes()
        yield header(f"{SITE}/{name}", len(content), mode=mode)
        yield content
        yield padding(len(content))
    yield END


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for root, _, names in os.walk(directory):
        for path in (Path(root, name) for name in names):
            name = path.relative_to(directory).as_posix()
            if not OF_THE_HOST.fullmatch(name):
                yield name, path


def _without_host(record: bytes, scripts: Mapping[str, bytes]) -> bytes:
    """A list of installed files without those that are left out, and with programs as they are."""
    lines = record.decode().splitlines(keepends=True)
    kept = ((x.partition(",")[0], x) for x in lines)
    return "".join(
        _recorded(name, scripts[name]) if name in scripts else line
        for name, line in kept
        if not OF_THE_HOST.fullmatch(name)
    ).encode()


def _recorded(name: str, content: bytes) -> str:
    """The line of a file in a list of installed files."""
    sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={sha256},{len(content)}\n"
