"""The smallest shared library that says which symbols and libraries it needs."""

from __future__ import annotations

import struct
from collections.abc import Iterable

SYMTAB_DYN, STRTAB, DYNAMIC = 11, 3, 6
GLOBAL_FUNCTION, DT_NEEDED = 0x12, 1
HEADER_BYTES, SECTION_BYTES = 64, 64
DEFINED = 1


def library(
    imports: Iterable[str] = (), *, needs: Iterable[str] = (), exports: Iterable[str] = ()
) -> bytes:
    """A 64-bit ELF file with a table of dynamic symbols and of the libraries that it needs."""
    strings = bytearray(b"\0")

    def string(text: str) -> int:
        strings.extend(text.encode() + b"\0")
        return len(strings) - len(text) - 1

    symbols = bytes(24)
    for section, listed in ((0, imports), (DEFINED, exports)):
        for name in listed:
            symbols += struct.pack("<IBBHQQ", string(name), GLOBAL_FUNCTION, 0, section, 0, 0)
    tags = b"".join(struct.pack("<QQ", DT_NEEDED, string(name)) for name in needs)
    names = b"\0.dynstr\0.dynsym\0.dynamic\0.shstrtab\0"
    contents = [
        (b".dynstr", STRTAB, bytes(strings), 0, 0),
        (b".dynsym", SYMTAB_DYN, symbols, 1, 24),
        (b".dynamic", DYNAMIC, tags + bytes(16), 1, 16),
        (b".shstrtab", STRTAB, names, 0, 0),
    ]
    body, headers = b"", bytes(SECTION_BYTES)
    for title, kind, content, link, entry_bytes in contents:
        at = HEADER_BYTES + len(body)
        named = names.index(title)
        headers += struct.pack(
            "<IIQQQQIIQQ", named, kind, 0, 0, at, len(content), link, 0, 1, entry_bytes
        )
        body += content
    head = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    head += struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, HEADER_BYTES + len(body), 0, 64, 56, 0, 64, 5, 4
    )
    return head + body + headers
