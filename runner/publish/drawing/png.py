"""Smaller PNGs: vl-convert writes them fast, and four times as large as they need to be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LEVEL: Final = 6
#: What holds the picture, in one chunk or several.
_DATA: Final = b"IDAT"


def compressed(png: bytes) -> bytes:
    """The same picture with its data compressed again."""
    chunks = list(_chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == _DATA))
    kept = [(kind, data) for kind, data in chunks if kind != _DATA]
    picture = (_DATA, zlib.compress(pixels, _LEVEL))
    return _SIGNATURE + b"".join(_packed(*chunk) for chunk in (*kept[:-1], picture, kept[-1]))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's kind and data (PNG specification, section 5.3)."""
    place = len(_SIGNATURE)
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        yield kind, png[place + 8 : place + 8 + length]
        place += length + 12


def _packed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))
