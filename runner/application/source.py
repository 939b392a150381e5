"""Which files of a directory are an application's source.

As `docker build` chooses them where there is a `.dockerignore`; else what git would add, which is
all that it tracks or does not ignore; else all but what is always made again.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from runner.application import git
from runner.engine import ignore
from runner.errors import UsageError
from runner.matrix.application import Application

CHUNK_BYTES: Final = 1 << 20
#: What is made again, and never named as missing either.
NEVER: Final = frozenset({".git", "__pycache__"})
#: The file that makes a directory a virtual environment.
VIRTUAL_ENVIRONMENT: Final = "pyvenv.cfg"
#: What follows a module's name in the name of its file.
MODULE_SUFFIX = re.compile(r"(\.[\w-]+)?\.(py|so)$")


class Rule(StrEnum):
    """What decided which files are copied."""

    DOCKER = ignore.FILE
    GIT = "git"
    ALL = "all files"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file by its path in the source; `target` is what it points to if it is a symbolic link."""

    path: str
    size: int = 0
    executable: bool = False
    target: str | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files of a source, and what was left out of it, directories with a `/` at their end.

    `empty` are directories without a file.
    """

    directory: Path
    rule: Rule
    files: tuple[SourceFile, ...]
    empty: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(file.size for file in self.files)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all that is copied: names, contents, links, executable bits."""
        return self.digest_now()

    def digest_now(self) -> str:
        """The digest of what the files hold now."""
        sha = hashlib.sha256()
        for path in self.empty:
            sha.update(os.fsencode(f"{path}\0directory\0"))
        for file in self.files:
            kind = f"link to {file.target}" if file.target is not None else f"{file.executable}"
            sha.update(os.fsencode(f"{file.path}\0{kind}\0{file.size}\0"))
            for piece in self.content(file):
                sha.update(piece)
        return sha.hexdigest()

    def content(self, file: SourceFile) -> Iterator[bytes]:
        """What a file holds, piece by piece; `UsageError` if that has not the size any more."""
        left = file.size
        if file.target is not None:
            return
        path = self.directory / file.path
        try:
            with path.open("rb") as opened:
                while left >= 0 and (piece := opened.read(CHUNK_BYTES)):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise unreadable(path, error) from None
        if left:
            raise changed(path)

    def left_out_as(self, name: str) -> tuple[str, ...]:
        """What was left out that a module (`shop.version`) or file that is missing may be."""
        wanted = {name.strip("/"), name.replace(".", "/")}
        return tuple(
            path for path in self.left_out if any(_may_hold(path, which) for which in wanted)
        )


def _may_hold(path: str, wanted: str) -> bool:
    """Whether a path is what is wanted, or a directory in which it may be."""
    bare = path.rstrip("/")
    named = {f"/{bare}", f"/{MODULE_SUFFIX.sub('', bare)}"}
    if any(candidate.endswith(f"/{wanted}") for candidate in named):
        return True
    parts = bare.split("/")
    tails = ("/".join(parts[start:]) for start in range(len(parts)))
    return path.endswith("/") and any(wanted.startswith(f"{tail}/") for tail in tails)


def unreadable(path: Path, error: OSError) -> UsageError:
    """The error for a file that cannot be copied."""
    why = error.strerror or str(error)
    return UsageError(
        f"{path}: cannot be copied ({why}); fix its permissions, or exclude it in "
        f"{ignore.FILE} or .gitignore"
    )


def changed(path: Path) -> UsageError:
    """The error for a file that is written while it is read."""
    return UsageError(
        f"{path}: changed while it was copied; stop what writes there, or exclude it in "
        f"{ignore.FILE} or .gitignore, then run the same command again"
    )


# -- choosing --------------------------------------------------------------------------------------


def source_of(application: Application, *, apart_from: Iterable[Path] = ()) -> Source | None:
    """The source of an application, None where it has none.

    Never in it are the matrix file and what else is given as `apart_from`, such as the results:
    they change with each run. Nor are files that are secret: `env_file`, and the host's of `files`.
    Raises `SpecError` with the position of a key that does not fit the directory.
    """
    if application.source is None:
        return None
    beside = application.written.path.parent
    directory = beside / application.source
    if not directory.is_dir():
        application.fail("source", message=f"there is no directory {directory}; fix the path")
    directory = directory.resolve()
    secret = [*application.env_files, *(path for _, path in application.files)]
    rule, found = _chosen(directory)
    found |= _included(application, directory)
    hidden = _below(directory, (application.written.path, *apart_from))
    apart = hidden | _below(directory, (beside / path for path in secret))
    found = {path for path in found if not _is_in(path, apart)}
    source = _described(directory, rule, found, hidden)
    _check_start(application, source)
    return source


def project_of(directory: Path, *, apart_from: Iterable[Path] = ()) -> Source:
    """What a project is built from: all that git would add, else all but what is made again.

    What `.dockerignore` leaves out counts too: a project may not build without its README. What is
    secret must be given as `apart_from`.
    """
    names = git.files(directory)
    rule, found = (Rule.GIT, names) if names else (Rule.ALL, set(_all(directory)))
    apart = _below(directory, apart_from)
    found = {path for path in found if not _is_in(path, apart)}
    return _described(directory, rule, found, apart)


def _chosen(directory: Path) -> tuple[Rule, set[str]]:
    try:
        if (directory / ignore.FILE).is_file():
            return Rule.DOCKER, ignore.not_ignored(directory)
    except OSError as error:
        raise unreadable(Path(error.filename or directory), error) from None
    except (UnicodeDecodeError, re.error) as error:
        raise UsageError(f"{directory / ignore.FILE}: not understood ({error}); fix it") from None
    if names := git.files(directory):
        return Rule.GIT, names
    return Rule.ALL, set(_all(directory))


def _all(directory: Path, prefix: str = "") -> Iterator[str]:
    """All paths but those that are never copied."""
    for entry in _entries(directory / prefix):
        path = f"{prefix}{entry.name}"
        if entry.name in NEVER or (Path(entry.path) / VIRTUAL_ENVIRONMENT).exists():
            continue
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _all(directory, f"{path}/")


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise unreadable(directory, error) from None


def _included(application: Application, directory: Path) -> set[str]:
    """What the globs of `include` match, directories with all that is in them."""
    included: set[str] = set()
    for number, pattern in enumerate(application.include):
        try:
            matched = [path.relative_to(directory).as_posix() for path in directory.glob(pattern)]
        except ValueError as error:
            application.fail("include", number, message=f"{pattern!r}: {error}; fix the pattern")
        if not matched:
            application.fail(
                "include",
                number,
                message=f"{pattern!r} matches nothing in {directory}; fix it or remove it",
            )
        included.update(matched)
        for path in matched:
            if (directory / path).is_dir() and not (directory / path).is_symlink():
                included.update(_all(directory, "" if path == "." else f"{path}/"))
    return included - {"."}


def _below(directory: Path, paths: Iterable[Path]) -> set[str]:
    """Those of the paths that are in a directory, relative to it; also where a link leads there."""
    names = set()
    for path in paths:
        for absolute in (Path(os.path.normpath(path.absolute())), path.resolve()):
            if absolute.is_relative_to(directory):
                names.add(absolute.relative_to(directory).as_posix())
    return names


def _is_in(path: str, directories: set[str]) -> bool:
    return path in directories or any(
        str(parent) in directories for parent in PurePosixPath(path).parents if parent.name
    )


def _described(directory: Path, rule: Rule, found: set[str], hidden: set[str]) -> Source:
    """The source with the chosen paths, those that are still there."""
    files, directories = [], set()
    for path in sorted(found):
        try:
            status = (directory / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue  # git tracks it, and it was removed
        if stat.S_ISDIR(status.st_mode):
            directories.add(path)
        elif stat.S_ISLNK(status.st_mode):
            files.append(SourceFile(path=path, target=str((directory / path).readlink())))
        elif stat.S_ISREG(status.st_mode):
            executable = bool(status.st_mode & stat.S_IXUSR)
            files.append(SourceFile(path=path, size=status.st_size, executable=executable))
    # What is reached through a link is copied where it is, and the link as a link.
    links = {file.path for file in files if file.target is not None}
    files = [file for file in files if file.path in links or not _is_in(file.path, links)]
    kept = {file.path for file in files} | directories
    parents = {str(parent) for path in kept for parent in PurePosixPath(path).parents}
    return Source(
        directory=directory,
        rule=rule,
        files=tuple(files),
        empty=tuple(sorted(directories - parents)),
        left_out=tuple(_left_out(directory, kept, parents, hidden)),
    )


def _left_out(
    directory: Path, kept: set[str], parents: set[str], hidden: set[str], prefix: str = ""
) -> Iterator[str]:
    """What a directory has besides: a directory of which nothing is kept once, as a whole."""
    for entry in _entries(directory / prefix):
        path = f"{prefix}{entry.name}"
        is_directory = entry.is_dir(follow_symlinks=False)
        if path in parents and is_directory:
            yield from _left_out(directory, kept, parents, hidden, f"{path}/")
        elif path not in kept | hidden and entry.name not in NEVER:
            yield f"{path}/" if is_directory else path


def _check_start(application: Application, source: Source) -> None:
    """Refuse a `chdir` that is not among what is copied."""
    start = application.chdir
    if not (source.directory / start).is_dir():
        application.fail(
            "chdir", message=f"there is no directory {source.directory / start}; fix the path"
        )
    prefix = "" if start == "." else f"{start}/"
    if not any(file.path.startswith(prefix) for file in source.files):
        application.fail(
            "chdir" if prefix else "source",
            message=f"no file of {source.directory / start} is copied, by the rules of "
            f"{source.rule}; name some under `include:`",
        )
