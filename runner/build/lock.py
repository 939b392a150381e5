"""The locks of environments, several at a time, and kept: a run goes on with what it began with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from runner.errors import SpecError
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import Lock, Unavailable, requirements_text, resolve, uv_binary

__all__ = ["Lock", "Unavailable", "lock_all", "platform_of"]

#: glibc 2.28 is what every base meets (bullseye has 2.31), and what gevent's wheels ask for.
PLATFORMS = {
    "x86_64": "x86_64-manylinux_2_28",
    "amd64": "x86_64-manylinux_2_28",
    "aarch64": "aarch64-manylinux_2_28",
    "arm64": "aarch64-manylinux_2_28",
}
WORKERS = 4


def platform_of(architecture: str) -> str:
    """The wheels' platform for an engine's architecture; `SpecError` for one without wheels."""
    try:
        return PLATFORMS[architecture]
    except KeyError:
        raise SpecError(
            f"the engine runs on {architecture!r}, for which there are no wheels to install; "
            "use an engine on x86_64 or aarch64"
        ) from None


def lock_all(
    requests: Iterable[EnvironmentRequest],
    *,
    platform: str,
    cache_directory: Path,
    fresh: bool = False,
) -> dict[EnvironmentRequest, Lock | Unavailable]:
    """Lock every environment, several at a time.

    A lock made before is used again unless `fresh`, so that a run goes on with the versions it
    began with. Raises `IndexUnavailableError`, and `SpecError` for what no index could ever serve.
    """
    wanted = list(requests)
    uv_binary()  # looked up before there are threads: sysconfig, which it asks, is not safe in them
    one = partial(
        _lock_cached, platform=platform, cache_directory=cache_directory / "locks", fresh=fresh
    )
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))


def _lock_cached(
    request: EnvironmentRequest, *, platform: str, cache_directory: Path, fresh: bool
) -> Lock | Unavailable:
    wanted = f"{request.python} {platform} {request.exclude_newer}\n{requirements_text(request)}"
    path = cache_directory / f"{hashlib.sha256(wanted.encode()).hexdigest()[:32]}.txt"
    without = path.with_suffix(".unavailable")
    if path.exists() and not fresh:
        return Lock(request=request, platform=platform, text=path.read_text(encoding="utf-8"))
    if without.exists() and not fresh:
        return Unavailable(request=request, reason=without.read_text(encoding="utf-8"))
    result = resolve(request, platform)
    if isinstance(result, Lock):
        keep(path, result.text)
        without.unlink(missing_ok=True)
    else:
        path.unlink(missing_ok=True)
        if request.exclude_newer:  # what there is on a day does not change any more
            keep(without, result.reason)
    return result


def keep(path: Path, text: str) -> None:
    """Write a file whole or not at all: other processes read the same cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
