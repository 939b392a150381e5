"""What git knows of a directory. Nothing that a repository configures is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from runner.errors import UsageError
from runner.text import last_line, one_line

#: The repository may be another user's than the one who runs this; its file monitor is a program.
COMMAND: Final = (
    "git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false",
    "ls-files", "--cached", "--others", "--exclude-standard", "-z",
)  # fmt: skip
TIMEOUT_S: Final = 60
#: Variables that name a repository: a hook that runs this program has those of its own.
OF_A_REPOSITORY: Final = frozenset({
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH",
})  # fmt: skip


def environment() -> dict[str, str]:
    """The variables of this program with which git looks for the repository by itself."""
    return {name: value for name, value in os.environ.items() if name not in OF_A_REPOSITORY}


def files(directory: Path) -> set[str]:
    """What git tracks below a directory or does not ignore, relative to it.

    Nothing outside of a repository, nor where a repository around it ignores the whole directory.
    """
    if not any((parent / ".git").exists() for parent in (directory, *directory.parents)):
        return set()
    names: set[str] = set()
    for name in _listed(directory):
        path = directory / name
        if path.is_dir() and not path.is_symlink():  # a repository in the repository
            names |= {f"{name.rstrip('/')}/{inner}" for inner in files(path)}
        else:
            names.add(name)
    return names


def _listed(directory: Path) -> list[str]:
    try:
        result = subprocess.run(
            COMMAND, cwd=directory, env=environment(), capture_output=True, check=False,
            timeout=TIMEOUT_S,
        )  # fmt: skip
    except FileNotFoundError:
        raise _failed(directory, "git is not installed here") from None
    except subprocess.TimeoutExpired:
        raise _failed(directory, f"git did not answer within {TIMEOUT_S} s") from None
    if result.returncode:
        why = one_line(last_line(result.stderr.decode(errors="replace")))
        raise _failed(directory, why or f"git ended with status {result.returncode}")
    return [os.fsdecode(name) for name in result.stdout.split(b"\0") if name]


def _failed(directory: Path, why: str) -> UsageError:
    return UsageError(
        f"{directory}: git must say which files to copy, and cannot ({why}); fix that, or write "
        "a .dockerignore, which is then used instead"
    )
