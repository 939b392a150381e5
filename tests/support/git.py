"""Git repositories of tests: settings of this machine do not count, nor those of a hook."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runner.application.git import environment

SETTINGS = {
    "user.name": "n",
    "user.email": "n@localhost",
    "protocol.file.allow": "always",
    "init.defaultBranch": "main",
}


def git(directory: Path, *arguments: str) -> str:
    """What git prints, run in a directory."""
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
        env=environment() | own,
    ).stdout.strip()


def commit(directory: Path, message: str = "x") -> str:
    """The commit of all that is in a directory."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", message)
    return git(directory, "rev-parse", "HEAD")
