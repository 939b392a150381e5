"""A git repository at one commit, as an archive. Nothing that is in the repository is run.

Hooks and templates are switched off, and a submodule is fetched, not followed to other protocols
than git allows by itself. The archive keeps the history, from which versions are computed, and no
address, for that may hold a password.
"""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from runner.application.git import environment
from runner.application.pins import Directory, GitSource
from runner.application.source import Source, SourceFile
from runner.errors import EngineError
from runner.text import last_line, one_line

COMMAND: Final = (
    "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
    "-c", "safe.directory=*", "-c", "advice.detachedHead=false",
)  # fmt: skip
#: Nobody answers a question.
ENVIRONMENT: Final = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "LC_ALL": "C"}
TIMEOUT_S: Final = 600
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: The sections of a repository's settings that say how to read it.
KEPT: Final = frozenset({"core", "extensions"})
#: Files with the addresses of what was fetched, and what git would run.
LEFT_OUT: Final = frozenset({"FETCH_HEAD", "ORIG_HEAD", "hooks", "logs", "modules"})


def public_address(url: str) -> str:
    """The address without a user's name and password; of a directory on this machine its name."""
    parts = urlsplit(url)
    if parts.scheme in {"", "file"}:
        return PurePosixPath(parts.path).name
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def commit_of(source: GitSource) -> str:
    """The commit that a revision stands for now; `EngineError` if the repository has no such."""
    wanted = source.revision or "HEAD"
    if COMMIT.fullmatch(wanted):
        return wanted
    patterns = (wanted, f"{wanted}^{{}}")
    printed = _git(source, "ls-remote", "--", source.url, *patterns)
    lines = (line.partition("\t") for line in printed.splitlines())
    found = {name: commit for commit, _, name in lines}
    for name in (f"refs/tags/{wanted}^{{}}", f"refs/tags/{wanted}", f"refs/heads/{wanted}", wanted):
        if name in found:
            return found[name]
    return _abbreviated(source, wanted)


def _abbreviated(source: GitSource, wanted: str) -> str:
    """The whole of a shortened commit, which only a clone knows."""
    if not re.fullmatch(r"[0-9a-f]{4,}", wanted):
        raise _failed(source, f"it has no branch, tag or commit {wanted!r}")
    with tempfile.TemporaryDirectory() as directory:
        _clone(source, Path(directory))
        return _git(source, "-C", directory, "rev-parse", f"{wanted}^{{commit}}").strip()


def archive_commit(source: GitSource, commit: str, archive: Path) -> None:
    """Write the repository's files at a commit, with submodules and history, as a tar archive.

    Raises `EngineError` with git's reason.
    """
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "source"
        _clone(source, tree)
        _git(source, "-C", str(tree), "checkout", "--quiet", commit)
        _git(source, "-C", str(tree), "submodule", "--quiet", "update", "--init", "--recursive")
        _pack(tree, archive)


def has_history(directory: Path) -> bool:
    """Whether a directory is a git repository's."""
    return (directory / ".git").exists()


def state_of(source: Directory) -> str:
    """What a version is computed of besides the files: the commit, by the tag before it."""
    described = ("describe", "--always", "--tags", "--long", "--abbrev=40")
    return _git(source, "-C", str(source.path), *described).strip()


def archive_with_history(source: Directory, tree: Source, archive: Path) -> None:
    """Write a project's files as they are now, with the history of their repository.

    Raises `EngineError` with git's reason.
    """
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "source"
        _git(source, "clone", "--quiet", "--no-checkout", "--template=", "--",
             str(source.path), str(copy))  # fmt: skip
        for file in tree.files:
            _copy(tree, file, copy / file.path)
        _git(source, "-C", str(copy), "reset", "--quiet")
        _pack(copy, archive)


def _copy(tree: Source, file: SourceFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.target is not None:
        path.symlink_to(file.target)
        return
    with path.open("wb") as copied:
        copied.writelines(tree.content(file))
    path.chmod(0o755 if file.executable else 0o644)


def _pack(tree: Path, archive: Path) -> None:
    _forget_addresses(tree)
    with tarfile.open(archive, "w") as packed:
        packed.add(tree, "source", filter=_anonymous)


def _clone(source: GitSource, tree: Path) -> None:
    _git(source, "clone", "--quiet", "--no-checkout", "--template=", "--", source.url, str(tree))


def _git(source: GitSource | Directory, *arguments: str) -> str:
    try:
        result = subprocess.run(
            [*COMMAND, *arguments], capture_output=True, check=False, timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL, env=environment() | ENVIRONMENT,
        )  # fmt: skip
    except FileNotFoundError:
        raise _failed(source, "git is not installed here") from None
    except subprocess.TimeoutExpired:
        raise _failed(source, f"git did not end within {TIMEOUT_S} s") from None
    if result.returncode:
        printed = result.stderr.decode(errors="replace")
        if isinstance(source, GitSource):
            printed = printed.replace(source.url, "its address")
        raise _failed(source, one_line(last_line(printed)))
    return result.stdout.decode(errors="replace")


def _failed(source: GitSource | Directory, why: str) -> EngineError:
    what = source.name or source.place
    return EngineError(f"{what}: its git repository cannot be read ({why})")


def _forget_addresses(tree: Path) -> None:
    """Without addresses in the copy; a submodule is then only its files."""
    for submodule in tree.rglob(".git"):
        if submodule.is_file():
            submodule.unlink()
    settings, kept, keep = tree / ".git" / "config", "", False
    for line in settings.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("["):
            keep = re.split(r"[\s\]]", line[1:])[0] in KEPT
        kept += line if keep else ""
    settings.write_text(kept, encoding="utf-8")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """A member without anything of this host; None for what is left out."""
    parts = Path(member.name).parts
    if parts[1:2] == (".git",) and parts[2:3] and parts[2] in LEFT_OUT:
        return None
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
