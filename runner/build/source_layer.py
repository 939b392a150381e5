"""An application's source as a layer of its image."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from runner.application.source import Source, changed
from runner.build.layers import END, File, Layer, aside, header, padding
from runner.engine.pod import APPLICATION, SERVER_UID

#: Where the source is in an image, and in the context of its build.
DIRECTORY: Final = APPLICATION.lstrip("/")
#: Whose it is: the server may write there.
OWNER: Final = (SERVER_UID, SERVER_UID)


def source_layer(source: Source, cache: Path) -> Layer:
    """The layer of a source, which belongs to the server's user, directories too.

    Its archive is made once for the same content.

    Raises `UsageError` if a file cannot be read, or changes meanwhile.
    """
    archive = cache / "sources" / f"{source.digest}-{SERVER_UID}.tar"
    if not archive.exists():
        with aside(archive) as unfinished:
            with unfinished.open("wb") as packed:
                packed.writelines(_archived(source))
            if source.digest_now() != source.digest:
                raise changed(source.directory)
    return Layer(
        title=DIRECTORY,
        packed=(archive,),
        files=tuple(File(path=path, content=None, owner=OWNER) for path in _directories(source)),
    )


def _directories(source: Source) -> list[str]:
    """All directories of a source; those above a file in an archive would be root's."""
    paths = [PurePosixPath(DIRECTORY, file.path).parent for file in source.files]
    paths += [PurePosixPath(DIRECTORY, path) for path in source.empty]
    above = {parent for path in paths for parent in (path, *path.parents) if parent.name}
    return sorted({DIRECTORY, *map(str, above)})


def _archived(source: Source) -> Iterator[bytes]:
    """The files as a tar archive: the same bytes for the same files on any machine."""
    for file in source.files:
        name = f"{DIRECTORY}/{file.path}"
        mode = 0o755 if file.executable else 0o644
        target = None if file.target is None else _within_root(name, file.target)
        yield header(name, file.size, mode=mode, owner=OWNER, target=target)
        yield from source.content(file)
        yield padding(file.size)
    yield END


def _within_root(name: str, target: str) -> str:
    """The target of a link; one that climbs above the root ends there, as it does when followed.

    Engines refuse an archive with such a link.
    """
    if target.startswith("/"):
        return target
    here = posixpath.dirname(name)
    above = posixpath.normpath(posixpath.join(here, target)).startswith("..")
    return posixpath.normpath(posixpath.join("/", here, target)) if above else target
