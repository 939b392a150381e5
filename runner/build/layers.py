"""Files of images as tar archives: the same files give the same bytes, whenever and wherever.

The same files make an image's layers (`archive.py`) and the context of a build (`recipe.py`).
"""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

CHUNK_BYTES: Final = 1 << 20
END: Final = bytes(2 * tarfile.BLOCKSIZE)
#: An engine takes 125 layers; the base has some.
MOST_LAYERS: Final = 100
#: How archives that are being written are named, and after how many seconds nobody writes them.
UNFINISHED: Final = ".unpacking-"
ABANDONED_AFTER_S: Final = 3600.0
ROOT: Final = (0, 0)
K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class File:
    """A file by its path in the image and in the context of a build.

    Without content it is a directory or, with a `target`, a symbolic link.
    """

    path: str
    content: bytes | None
    owner: tuple[int, int] = ROOT
    target: str | None = None
    mode: int = 0o644

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory, which may be empty."""
        return self.content is None and self.target is None


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Some files of an image: tar archives, and single ones, which count before those in them."""

    title: str
    packed: tuple[Path, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether there is anything in it."""
        return bool(self.packed or self.files)


@dataclass(frozen=True)
class Member:
    """A file in a tar archive: its header and content are the bytes from `start` to `end`."""

    name: str
    start: int
    end: int
    owner: tuple[int, int] = ROOT


@cache
def members(archive: Path) -> tuple[Member, ...]:
    """The files of a packed archive, which never changes."""
    with tarfile.open(archive) as tar:
        return tuple(
            Member(m.name, m.offset, m.offset_data + m.size + len(padding(m.size)), (m.uid, m.gid))
            for m in tar
        )


def header(
    name: str,
    size: int = 0,
    *,
    mode: int | None = 0o644,
    owner: tuple[int, int] = ROOT,
    target: str | None = None,
) -> bytes:
    """A tar header without anything of this host or this moment.

    Without a mode it is a directory's, and with a target that of a symbolic link to there.
    """
    info = tarfile.TarInfo(name)
    info.size = size
    info.uid, info.gid = owner
    if target is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    elif mode is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.mode = mode
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """What follows so many bytes in a tar archive."""
    return bytes(-size % tarfile.BLOCKSIZE)


def whole(
    name: str,
    content: bytes,
    owner: tuple[int, int] = ROOT,
    target: str | None = None,
    *,
    mode: int = 0o644,
) -> bytes:
    """A file in a tar archive, or a symbolic link to a target."""
    head = header(name, len(content), mode=mode, owner=owner, target=target)
    return head + content + padding(len(content))


@contextlib.contextmanager
def aside(archive: Path) -> Iterator[Path]:
    """Where to write an archive, in a directory for nothing else; it appears whole or not at all.

    What a process that was killed left there is removed an hour later.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    for left in archive.parent.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(FileNotFoundError):  # it is another process's, which goes on
            if time.time() - left.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=archive.parent) as name:
        unfinished = Path(name) / archive.name
        yield unfinished
        unfinished.replace(archive)


def _parents(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Every directory above the paths; it belongs to root."""
    return {
        str(parent): ROOT for name in names for parent in PurePosixPath(name).parents if parent.name
    }


class Tar:
    """The tar archive of some layers' files, of known size before anything is read.

    Each path is in it once, as engines demand: of a file in two packed archives the later counts,
    and before both of them one that is there by itself.
    """

    def __init__(self, *layers: Layer) -> None:
        packed = [path for layer in layers for path in layer.packed]
        single = {file.path for layer in layers for file in layer.files}
        self._last = {
            m.name: path for path in packed for m in members(path) if m.name not in single
        }
        files = sorted((file for layer in layers for file in layer.files), key=lambda f: f.path)
        directories = _parents((*self._last, *(file.path for file in files)))
        directories |= {file.path: file.owner for file in files if file.is_directory}
        self._small = b"".join(
            [
                *(header(d, owner=owner, mode=None) for d, owner in sorted(directories.items())),
                *(
                    whole(f.path, f.content or b"", f.owner, f.target, mode=f.mode)
                    for f in files
                    if not f.is_directory
                ),
            ]
        )
        self._ranges = [(path, list(self._ranges_of(path))) for path in dict.fromkeys(packed)]

    def _ranges_of(self, path: Path) -> Iterator[tuple[int, int]]:
        """The bytes of an archive's files, neighbours as one range."""
        start = end = 0
        for member in members(path):
            if self._last.get(member.name) != path:
                continue
            if member.start != end:
                yield start, end
                start = member.start
            end = member.end
        yield start, end

    @property
    def size(self) -> int:
        """Bytes in all."""
        packed = sum(end - start for _, ranges in self._ranges for start, end in ranges)
        return len(self._small) + packed + len(END)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the archive, piece by piece."""
        yield self._small
        for path, ranges in self._ranges:
            with path.open("rb") as archive:
                for start, end in ranges:
                    archive.seek(start)
                    for position in range(start, end, CHUNK_BYTES):
                        yield archive.read(min(CHUNK_BYTES, end - position))
        yield END


def shared_layers(sites: Mapping[K, Sequence[Path]]) -> dict[K, tuple[Layer, ...]]:
    """Divide what several images hold into layers, so that each is stored as rarely as can be.

    What the same images hold makes a layer, and what most of them hold comes first: an engine keeps
    a layer once for all images that are equal up to it. An image in which two archives have a file
    in common gets one layer, in which it is clear which of the two counts.
    """
    holders: dict[Path, list[int]] = {}
    for number, site in enumerate(sites.values()):
        for path in site:
            holders.setdefault(path, []).append(number)
    order = sorted(holders, key=lambda path: (-len(holders[path]), holders[path], path.name))
    return {
        key: tuple(_layer(group) for group in _groups(site, order, holders))
        for key, site in sites.items()
    }


def _groups(
    site: Sequence[Path], order: Sequence[Path], holders: Mapping[Path, list[int]]
) -> list[tuple[Path, ...]]:
    if _collide(site):
        return [tuple(site)]
    groups: dict[tuple[int, ...], list[Path]] = {}
    wanted = set(site)
    for path in order:
        if path in wanted:
            groups.setdefault(tuple(holders[path]), []).append(path)
    found = [tuple(group) for group in groups.values()]
    rest = tuple(path for group in found[MOST_LAYERS - 1 :] for path in group)
    return [*found[: MOST_LAYERS - 1], *([rest] if rest else [])]


def _collide(site: Iterable[Path]) -> bool:
    names = [member.name for path in site for member in members(path)]
    return len(names) != len(set(names))


def _layer(packed: tuple[Path, ...]) -> Layer:
    # A distribution's bytecode is named as its files are.
    names = dict.fromkeys(path.stem.rpartition("-")[0] for path in packed)
    return Layer(title=" ".join(names), packed=packed)
