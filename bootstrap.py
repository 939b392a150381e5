"""Create the virtual environment this project runs in: `python3 bootstrap.py [--dev]`.

Needs nothing but Python 3.11 or newer. Installs exactly what the lock file names, checked against
its hashes; does nothing where that is done already.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "installed-lock"
OLDEST_PYTHON = (3, 11)
NO_ENVIRONMENT = 3


def say(text: str) -> None:
    """Print progress to standard error."""
    sys.stderr.write(f"bootstrap: {text}\n")


def fail(text: str) -> None:
    """Print an error and end with the exit code for a host that cannot be used."""
    say(text)
    sys.exit(NO_ENVIRONMENT)


def fingerprint(lock: Path) -> str:
    """What an installed environment must match: lock, project metadata, place and interpreter."""
    digest = hashlib.sha256()
    for part in (lock.read_bytes(), (ROOT / "pyproject.toml").read_bytes()):
        digest.update(part)
    digest.update(f"{lock.name} {ROOT} {sys.version}".encode())
    return digest.hexdigest()


def run(*command: str) -> bool:
    """Run a command with its output on standard error; whether it succeeded."""
    return subprocess.run(command, stdout=sys.stderr, cwd=ROOT, check=False).returncode == 0


def create_environment() -> None:
    """Make an empty virtual environment, installing Debian's venv package where it lacks."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    if has_venv() or (install_venv() and has_venv()):
        say(f"creating {ENVIRONMENT.name}")
        if run(sys.executable, "-m", "venv", str(ENVIRONMENT)):
            return
    fail(
        "python3 cannot create virtual environments: install its venv package "
        "(Debian, Ubuntu: `apt-get install python3-venv`), then try again"
    )


def has_venv() -> bool:
    """Whether this Python can create a virtual environment with pip in it."""
    probe = "import venv, ensurepip"
    return (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode
        == 0
    )


def install_venv() -> bool:
    """Install Debian's python3-venv; False where this is not Debian or not root."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    say("installing python3-venv with apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv"],
    ):
        if subprocess.run(command, stdout=sys.stderr, env=environment, check=False).returncode:
            return False
    return True


def install(lock: Path) -> None:
    """Install the lock and, without its dependencies, the project itself."""
    pip = (str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--disable-pip-version-check")
    say(f"installing {lock.name}")
    quiet = ("install", "--quiet", "--no-warn-script-location", "--root-user-action=ignore")
    # The lock names everything: without `--no-deps`, pip 23.0 (Debian 12's) stumbles over extras.
    exactly = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    if not run(*pip, *quiet, *exactly):
        fail(
            f"the packages of {lock.name} could not be installed (see above): check that this "
            "machine reaches its package index, then try again"
        )
    if not run(*pip, *quiet, "--no-deps", "--no-build-isolation", "--editable", "."):
        fail("the project itself could not be installed (see above)")


def main() -> None:
    """Bring `.venv` in step with the lock."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:3])
        fail(f"Python 3.11 or newer is needed, not {found}: see `make PYTHON=…`")
    installed = STAMP.read_text().split() if STAMP.exists() else ["none", ""]
    # A development environment holds all that a plain one does, and stays one.
    development = "--dev" in sys.argv or installed[0] == "requirements-dev.lock"
    lock = ROOT / ("requirements-dev.lock" if development else "requirements.lock")
    wanted = fingerprint(lock)
    if installed == [lock.name, wanted]:
        return
    create_environment()
    install(lock)
    STAMP.write_text(f"{lock.name} {wanted}\n")


if __name__ == "__main__":
    main()
