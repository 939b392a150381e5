"""Distributions, each unpacked once by uv on the host and kept as a tar archive of its files.

An environment is the sum of its distributions: below `site/` are the same files that
`uv pip install --target` of its whole lock leaves, but for what names this host.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.build.layers import END, aside, header, padding, whole
from runner.build.lock import WORKERS
from runner.build.recipe import digest
from runner.errors import EngineError, IndexUnavailableError
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import Lock, Pinned, first_cause, run_uv, uv_command, without_addresses

#: Where packages are in an image, and in the context of its build.
SITE: Final = "site"
#: Console scripts (their first line names this host's Python), and uv's own marks.
OF_THE_HOST = re.compile(
    r"bin/.*|\.lock|[^/]+\.dist-info/(?:direct_url\.json|uv_cache\.json|REQUESTED)"
)
RECORD = re.compile(r"[^/]+\.dist-info/RECORD")


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A pinned distribution for one Python and platform, for which uv finds one wheel."""

    pinned: Pinned
    python: str
    platform: str

    @property
    def file_name(self) -> str:
        """Name of its archive: readable, and another one for any other hash, Python or platform."""
        key = digest([self.pinned.text, self.python, self.platform])[:16]
        return f"{self.pinned.name}-{self.pinned.version}-{key}.tar"


def wheels_of(lock: Lock) -> tuple[Wheel, ...]:
    """The distributions of an environment, by name."""
    return tuple(
        Wheel(pinned=pinned, python=lock.request.python, platform=lock.platform)
        for pinned in sorted(lock.pinned, key=lambda pinned: pinned.name)
    )


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
    command += ["--target", str(directory), "--require-hashes", "--no-deps", "--quiet"]
    # Links to uv's cache are read here and never written to.
    command += ["--link-mode", "hardlink", "--requirement", "-"]
    with contextlib.suppress(IndexUnavailableError):  # it is not in uv's cache
        if run_uv([*command, "--offline"], wheel.pinned.text).returncode == 0:
            return
    result = run_uv(command, wheel.pinned.text)
    if result.returncode:
        why = without_addresses(first_cause(result.stderr))
        raise EngineError(
            f"{wheel.pinned.name} {wheel.pinned.version} could not be installed: {why}"
        )


def archived(directory: Path) -> Iterator[bytes]:
    """A directory's files as a tar archive, without what names this host, in a fixed order."""
    for name, path in sorted(_files(directory)):
        if RECORD.fullmatch(name):
            yield whole(f"{SITE}/{name}", _without_host(path.read_bytes()))
            continue
        mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
        content = path.read_bytes()
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


def _without_host(record: bytes) -> bytes:
    """A list of installed files without those that are left out."""
    lines = record.decode().splitlines(keepends=True)
    return "".join(x for x in lines if not OF_THE_HOST.fullmatch(x.partition(",")[0])).encode()
