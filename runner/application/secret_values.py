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
        return self._pattern.sub(MASK, text) if self._pattern else text

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """All that is masked, the longest first: one value may be a part of another."""
        forms = {form for value in self.values for form in _forms(value)}
        masked = sorted((f for f in forms if len(f) >= SHORTEST_MASKED), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, masked))) if masked else None


def _forms(value: str) -> Iterator[str]:
    """A value as it may be written: whole, by line, the password of a URL, escaped or quoted."""
    texts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
    with contextlib.suppress(ValueError):  # it is no URL
        password = urlsplit(value).password or ""
        texts |= {password, unquote(password)}
    for text in texts:
        yield from (text, quote(text, safe=""), quote_plus(text), quote(text))
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]


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
