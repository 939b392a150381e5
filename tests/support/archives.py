"""Tar archives that tests unpack."""

from __future__ import annotations

import tarfile
from pathlib import Path


def unpack(archive: tarfile.TarFile, directory: Path) -> None:
    """Unpack data. Debian 12's Python, 3.11.2, does not know the argument `filter`."""
    archive.extraction_filter = getattr(tarfile, "data_filter", None)
    archive.extractall(directory)
