"""An application's source as a layer of its image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runner.application.source import Source, changed
from runner.build.layers import END, File, Layer, aside, header, padding

#: Where the source is in an image, and in the context of its build.
DIRECTORY: Final = "application"


def source_layer(source: Source, cache: Path) -> Layer:
    """The layer of a source, whose archive is made once for the same content.

    Raises `UsageError` if a file cannot be read, or changes meanwhile.
    """
    archive = cache / "sources" / f"{source.digest}.tar"
    if not archive.exists():
        with aside(archive) as unfinished:
            with unfinished.open("wb") as packed:
                packed.writelines(_archived(source))
            if source.digest_now() != source.digest:
                raise changed(source.directory)
    directories = (DIRECTORY, *(f"{DIRECTORY}/{path}" for path in source.empty))
    return Layer(
        title=DIRECTORY,
        packed=(archive,),
        files=tuple(File(path=path, content=None) for path in directories),
    )


def _archived(source: Source) -> Iterator[bytes]:
    """The files as a tar archive: the same bytes for the same files on any machine."""
    for file in source.files:
        name = f"{DIRECTORY}/{file.path}"
        mode = 0o755 if file.executable else 0o644
        yield header(name, file.size, mode=mode, target=file.target)
        yield from source.content(file)
        yield padding(file.size)
    yield END
