"""Source archives: where uv finds them in its index, fetched without anything of them being run.

uv fetches a source archive only to run it. But it tells where each file of a lock is
(`pylock.toml`), for which the metadata that would have to be computed is given to it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import netrc
import os
import shutil
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.error import HTTPError
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from runner.application.pins import Sdist
from runner.build.layers import aside
from runner.errors import EngineError, IndexUnavailableError
from runner.matrix.cell import EnvironmentRequest
from runner.resolver import causes, run_uv, uv_command, without_addresses

TIMEOUT_S: Final = 60
CHUNK_BYTES: Final = 1 << 20
#: uv's variables that may name an index with a password in its address.
INDEXES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file at an address, and its hashes as `algorithm:digest`; one of them must be its own."""

    url: str
    hashes: tuple[str, ...] = ()


def located(sdist: Sdist, request: EnvironmentRequest, platform: str) -> Remote:
    """Where the index has a source distribution. Raises `EngineError` with uv's reason."""
    with tempfile.TemporaryDirectory() as directory:
        name = json.dumps(sdist.name)
        (Path(directory) / "uv.toml").write_text(
            f"[[dependency-metadata]]\nname = {name}\nrequires-dist = []\n", encoding="utf-8"
        )
        command = uv_command("compile", request, platform)
        command += ["-", "--directory", directory, "--format", "pylock.toml", "--no-deps"]
        command += ["--no-binary", sdist.name, "--no-header", "--quiet"]
        if request.exclude_newer:
            command += ["--exclude-newer", request.exclude_newer]
        result = run_uv(command, f"{sdist.name}=={sdist.version}\n")
        found = tomllib.loads(result.stdout).get("packages") if result.returncode == 0 else None
        if not found or "sdist" not in found[0]:
            why = without_addresses(causes(result.stderr))
            raise EngineError(f"the index has no source of {sdist.name} {sdist.version} ({why})")
        file = found[0]["sdist"]
        url = file.get("url") or urljoin(Path(directory).as_uri() + "/", file["path"])
        own = tuple(f"{kind}:{value}" for kind, value in file.get("hashes", {}).items())
    return Remote(url=url, hashes=sdist.hashes or own)


def fetch(remote: Remote, archive: Path, what: str) -> None:
    """Fetch a file, which appears whole or not at all.

    Raises `IndexUnavailableError` if it cannot be had, and `EngineError` if its hash is another
    one; neither names the address.
    """
    with aside(archive) as unfinished:
        try:
            with _opened(remote.url) as response, unfinished.open("wb") as file:
                shutil.copyfileobj(response, file, CHUNK_BYTES)
        except (OSError, ValueError) as error:
            if isinstance(error, HTTPError):  # it holds the connection
                error.close()
            why = without_addresses(str(getattr(error, "reason", error)))
            raise IndexUnavailableError(
                f"the source of {what} cannot be fetched ({why}): check the network and the index "
                "this machine is configured to use, then run the same command again"
            ) from None
        known = {value for value in remote.hashes if value.startswith("sha256:")}
        if known and sha256(unfinished) not in known:
            raise EngineError(
                f"the index has another source of {what} than the lock: its hash differs"
            )


def _opened(url: str) -> AbstractContextManager[IO[bytes]]:
    bare, credentials = _credentials(url)
    request = urllib.request.Request(bare)  # noqa: S310 - file: is an index in a directory
    if credentials:
        encoded = base64.b64encode(":".join(credentials).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    opened: AbstractContextManager[IO[bytes]] = urllib.request.urlopen(  # noqa: S310
        request, timeout=TIMEOUT_S
    )
    return opened


def _credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """The address without user and password, and these: as they stand in it, else as uv has them.

    That is in the address of an index on the same host, or in `.netrc`.
    """
    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    for known in (url, *_indexes()):
        other = urlsplit(known)
        if other.hostname == parts.hostname and other.username:
            return bare, (unquote(other.username), unquote(other.password or ""))
    with suppress(OSError, netrc.NetrcParseError):
        if found := netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or ""):
            return bare, (found[0] or "", found[2] or "")
    return bare, None


def _indexes() -> Iterator[str]:
    for name in INDEXES:
        for word in os.environ.get(name, "").split():
            yield word if "=" not in word.partition("://")[0] else word.partition("=")[2]


def sha256(path: Path) -> str:
    """The hash of a file as a lock writes it."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
