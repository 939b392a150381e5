"""Files of a checkout, by the paths that scripts and images have for them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from runner.application.start_command.shell import UNKNOWN

MOST_BYTES: Final = 1 << 18
#: Where scripts usually are that an image has elsewhere.
LIKELY: Final = ("docker", "scripts", "bin", "deploy", "conf")


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A checkout, and where in an image its files are.

    `copies` are pairs of a path in the checkout and one in the image, `workdir` is the directory
    of the image that commands are run in, None where they are run in the checkout.
    """

    root: Path
    copies: tuple[tuple[str, str], ...] = ()
    workdir: str | None = None

    def find(self, path: str, directory: str = ".") -> str | None:
        """The path in the checkout of one in the image, or of one relative to a directory.

        None where nothing is there, or where it would lead out of the checkout.
        """
        if UNKNOWN in path or not path:
            return None
        return next((one for one in self._candidates(path, directory) if self.has(one)), None)

    def has(self, path: str) -> bool:
        """Whether the checkout has a file or a directory."""
        root = self.root.resolve()
        try:
            found = (root / path).resolve()
            return found.is_relative_to(root) and found.exists()
        except (OSError, ValueError):
            return False

    def text(self, path: str) -> str | None:
        """The content of a file of the checkout; None for what is no short text."""
        file = self.root / path
        if not self.has(path) or not file.is_file() or file.stat().st_size > MOST_BYTES:
            return None
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            return None
        return None if "\0" in text else text

    def directory(self, path: str, directory: str = ".") -> str:
        """The directory of the checkout that a path is about; `.` for an unknown one."""
        known = self._known(path, directory)
        return next((one for one in known if self.has(one) and (self.root / one).is_dir()), ".")

    def _candidates(self, path: str, directory: str) -> Iterator[str]:
        yield from self._known(path, directory)
        if path.startswith("/"):
            parts = PurePosixPath(path).parts[1:]
            yield from ("/".join(parts[n:]) for n in range(1, len(parts)))
            yield from (f"{directory}/{parts[-1]}" for directory in LIKELY if parts)

    def _known(self, path: str, directory: str) -> Iterator[str]:
        """Where a path must be by what was copied."""
        if UNKNOWN in path:
            return
        if not path.startswith("/"):
            yield posixpath.normpath(posixpath.join(directory, path))
            yield posixpath.normpath(path)
            if "/" not in path:  # it is found by PATH
                yield from (s for s, t in self.copies if PurePosixPath(t).name == path)
        absolute = posixpath.normpath(posixpath.join(self.workdir or "/", path))
        for source, target in reversed(self.copies):
            if absolute == target or absolute.startswith(f"{target.rstrip('/')}/"):
                yield posixpath.normpath(
                    posixpath.join(source, absolute[len(target) :].lstrip("/"))
                )
            yield from self._into_directory(source, target, absolute)

    def _into_directory(self, source: str, target: str, absolute: str) -> Iterator[str]:
        """A file that was copied into a directory: `COPY run.sh /usr/local/bin`."""
        is_there = posixpath.dirname(absolute) == target and not (self.root / source).is_dir()
        if is_there and PurePosixPath(source).name == PurePosixPath(absolute).name:
            yield source
