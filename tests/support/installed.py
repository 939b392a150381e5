"""The project's wheel, installed into an environment of its own, and used from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import uv

CHECKOUT = Path(__file__).parents[2]
UV = uv.find_uv_bin()


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints to standard output."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def install(directory: Path) -> Path:
    """Build the wheel and install it with the locked versions; the path of `matrix`."""
    build = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable)
    run(UV, *build, "--out-dir", directory, CHECKOUT, cwd=directory)
    (wheel,) = directory.glob("*.whl")
    environment = directory / "environment"
    run(UV, "venv", "--python", sys.executable, environment, cwd=directory)
    python = environment / "bin" / "python"
    # The versions are those of the lock, so that nobody's release of today can fail a test.
    locked = ("--constraints", CHECKOUT / "requirements.lock")
    run(UV, "pip", "install", "--python", python, *locked, wheel, cwd=directory)
    return environment / "bin" / "matrix"


class Installed:
    """The installed program, called in a directory, with a home of its own."""

    def __init__(self, program: Path, directory: Path) -> None:
        self.program = program
        self.work = directory / "work"
        self.cache = directory / "home" / "cache"
        self.work.mkdir()

    def __call__(self, *arguments: str) -> str:
        # uv's downloads are reused: with an empty cache of its own it would take minutes.
        uv_cache = run(UV, "cache", "dir", cwd=self.work).strip()
        own = {"XDG_CACHE_HOME": str(self.cache), "UV_CACHE_DIR": uv_cache}
        return run(self.program, *arguments, cwd=self.work, **own)
