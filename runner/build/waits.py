"""Which installed distributions can wait in C for the network, where no patch of Python reaches.

A library that does so calls `connect` and `recv` or `recvmsg` by itself, or needs a client library
that comes with the system. Other calls that wait are no sign: many libraries import `poll`,
`nanosleep` or `pthread_cond_wait`, and no request ever waits in them. All this is a hint; a launch
shows what really waits.
"""

from __future__ import annotations

import contextlib
import glob
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from runner.application.pins import Sdist
from runner.build.lock import Lock, keep
from runner.build.wheels import wheels_of

#: Counts how it is told: another number looks at what is installed again.
RULE: Final = 1
CONNECTS: Final = "connect"
#: OpenSSL has none of them: of those that have it inside, only some talk to anybody.
RECEIVES: Final = frozenset({"recv", "recvmsg", "__recv_chk"})
#: Client libraries of the system, by how their names begin.
CLIENTS: Final = (
    "libclntsh.", "libct.", "libcurl", "libldap", "libmariadb.", "libmemcached", "libmysqlclient.",
    "libodbc.", "libpq.", "librdkafka", "libsybdb.", "libzmq.",
)  # fmt: skip
#: What others bring along and that is no client of a service: OpenSSL, Kerberos, X11, ….
SUPPORT: Final = (
    "libcrypto", "libgsk", "libgssapi", "libkrb5", "libsasl2", "libselinux", "libssl", "libxcb",
    "libxml2",
)  # fmt: skip
#: Event loops, and hiredis, of which Python uses the parser alone.
NO_WAIT: Final = frozenset({"gevent", "greenlet", "hiredis", "uvloop"})
SHARED_LIBRARY: Final = re.compile(r"\.so(\.|$)")
#: What wheels append to the names of libraries that they bring along, and to those of extensions.
APPENDED: Final = re.compile(r"(-[0-9a-f]{8,})?(\.cpython-[^.]*|\.abi3)?\.so.*$")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A distribution that can wait in C, and the libraries that do."""

    name: str
    version: str
    libraries: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({', '.join(self.libraries)})"


@dataclass(frozen=True, kw_only=True)
class Waits:
    """What of an environment can wait, by name; `unknown` are not installed here yet."""

    waiting: tuple[Waiting, ...]
    unknown: tuple[str, ...]


def waits_of(lock: Lock, cache: Path, sdists: Iterable[Sdist] = ()) -> Waits:
    """What of a lock can wait, as far as its distributions were installed here by a run.

    `sdists` have to be built: one that was, by any run, is looked at.
    """
    archives = [(w.pinned.name, w.pinned.version, w.file_name) for w in wheels_of(lock)]
    archives += [(one.name, one.version, _built(one, cache)) for one in sdists]
    waiting, unknown = [], []
    for name, version, file_name in sorted(archives):
        if name in NO_WAIT:
            continue
        libraries = _libraries(file_name, cache)
        if libraries is None:
            unknown.append(name)
        elif libraries:
            waiting.append(Waiting(name=name, version=version, libraries=libraries))
    return Waits(waiting=tuple(waiting), unknown=tuple(unknown))


def _built(sdist: Sdist, cache: Path) -> str:
    """The newest archive of that version, for whichever Python; one that does not exist if none."""
    found = (cache / "wheels").glob(f"{glob.escape(f'{sdist.name}-{sdist.version}')}-*.tar")
    return max(found, key=lambda path: path.stat().st_mtime, default=Path("none")).name


def _libraries(file_name: str, cache: Path) -> tuple[str, ...] | None:
    """The libraries of a distribution that can wait, looked for once; None: it is not here."""
    archive = cache / "wheels" / file_name
    known = cache / "waits" / f"{archive.stem}-{RULE}.json"
    with contextlib.suppress(OSError, ValueError):
        return tuple(json.loads(known.read_text(encoding="utf-8")))
    if not archive.exists():
        return None
    found = waiting_in(archive)
    with contextlib.suppress(OSError):  # the next one looks again
        keep(known, json.dumps(found))
    return found


def waiting_in(archive: Path) -> tuple[str, ...]:
    """The libraries in an archive of a distribution's files that can wait in C."""
    with tarfile.open(archive) as tar:
        libraries = [m for m in tar if m.isfile() and SHARED_LIBRARY.search(Path(m.name).name)]
        bundled = {Path(member.name).name for member in libraries}
        found = []
        for member in libraries:
            name = Path(member.name).name
            file = tar.extractfile(member)
            if file and not name.startswith(SUPPORT) and (whose := _waits(file, bundled)):
                found.append(APPENDED.sub("", name) if whose == CONNECTS else whose)
    return tuple(dict.fromkeys(sorted(found)))


def _waits(file: IO[bytes], bundled: set[str]) -> str | None:
    """`connect` for a library that waits by itself, or the client library that it needs."""
    try:
        library = ELFFile(file)
        undefined = set(_undefined(library))
        if CONNECTS in undefined and undefined & RECEIVES:
            return CONNECTS
        clients = (need for need in _needed(library) if need.startswith(CLIENTS))
        return next((APPENDED.sub("", need) for need in clients if need not in bundled), None)
    except (ELFError, ValueError):  # of another kind than it is called, or damaged
        return None


def _undefined(library: ELFFile) -> Iterator[str]:
    """The names that a library takes from others."""
    symbols = library.get_section_by_name(".dynsym")
    for symbol in symbols.iter_symbols() if isinstance(symbols, SymbolTableSection) else ():
        if symbol["st_shndx"] == "SHN_UNDEF":
            yield symbol.name


def _needed(library: ELFFile) -> Iterator[str]:
    """The libraries that have to be there with it."""
    dynamic = library.get_section_by_name(".dynamic")
    if isinstance(dynamic, DynamicSection):
        # What a tag means is an attribute that only tags of its kind have.
        tags: Iterator[Any] = dynamic.iter_tags("DT_NEEDED")
        yield from (tag.needed for tag in tags)
