"""Values that must not be seen: masked in what is written, and compared by a keyed digest."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from runner.errors import UsageError

#: Shorter values are not masked: they would be found in any text.
SHORTEST_MASKED: Final = 6
MASK: Final = "***"
KEY_FILE: Final = "secret.key"
KEY_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Secret values. They are in no `repr`."""

    values: frozenset[str] = field(default=frozenset(), repr=False)

    def __or__(self, other: Secrets) -> Secrets:
        return Secrets(values=self.values | other.values)

    def mask(self, text: str) -> str:
        """The text with `***` for each of the values, also as JSON, URLs and logs write them."""
        for form in self._masked:
            text = text.replace(form, MASK)
        return text

    def mask_bytes(self, content: bytes) -> bytes:
        """The same for what a program wrote, whether or not all of it is UTF-8."""
        text = content.decode("utf-8", "surrogateescape")
        return self.mask(text).encode("utf-8", "surrogateescape")

    @cached_property
    def _masked(self) -> tuple[str, ...]:
        """All that is masked, the longest first: one value may be a part of another."""
        forms = {form for value in self.values for form in _forms(value)}
        return tuple(
            sorted((f for f in forms if len(f) >= SHORTEST_MASKED), key=lambda f: (-len(f), f))
        )


#: A value after a name, `password: secret` or `session=secret`, in files and headers.
_AFTER_A_NAME: Final = re.compile(r"[=:]\s*[\"']?([^\"';,\s]+)")


def of_headers(values: Iterable[str]) -> Secrets:
    """The values of headers, also without their scheme (`Bearer`) and the names of cookies."""
    found: set[str] = set()
    for value in values:
        found |= {value, value.partition(" ")[2], *_AFTER_A_NAME.findall(value)}
    return Secrets(values=frozenset(found))


def of_files(contents: Iterable[bytes]) -> Secrets:
    """What is in files: whole, by line, and what stands after a name."""
    found: set[str] = set()
    for content in contents:
        text = content.decode("utf-8", "replace")
        found |= {text, *_AFTER_A_NAME.findall(text)}
    return Secrets(values=frozenset(found))


def _forms(value: str) -> Iterator[str]:
    """A value as it may be written: whole, by line, the password of a URL, escaped or quoted."""
    texts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    with contextlib.suppress(ValueError):  # it is no URL
        password = urlsplit(value).password or ""
        texts |= {password, unquote(password)}
    for text in texts:
        data = text.encode("utf-8", "surrogateescape")
        yield from (text, quote(data, safe=""), quote_plus(data), quote(data), escape(text))
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]
        yield repr(data)[2:-1]


def keyed_digest(key: bytes, parts: Iterable[str | bytes]) -> str:
    """HMAC-SHA256 over parts, each with its length, so that no two lists give the same.

    Without the key, a secret that is easy to guess could be found out from its digest.
    """
    sha = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(f"{len(data)}:".encode())
        sha.update(data)
    return sha.hexdigest()


def secret_key(cache: Path) -> bytes:
    """This cache's key for digests, made where there is none; only its owner can read it."""
    path = cache / KEY_FILE
    try:
        key = path.read_bytes() if path.exists() else b""
        if len(key) != KEY_BYTES:
            _make_key(path, replace=bool(key))
            key = path.read_bytes()
        path.chmod(0o600)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be used ({error.strerror or error}); fix its permissions, or remove it"
        ) from None
    return key


def _make_key(path: Path, *, replace: bool) -> None:
    """Write a key, whole or not at all; of several processes that do so, the first counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{KEY_FILE}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        if replace:
            Path(name).replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
