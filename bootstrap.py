"""Create the virtual environment this project runs in: `python3 bootstrap.py [--dev] [--for USE]`.

Needs only Python 3.11 or newer. Installs exactly what the lock file names, checked against its
hashes, and does nothing if that has been done. `--for run` and `--for tests` also install, as root
on Debian or Ubuntu, the packages that measuring or the test suite needs, at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
#: Commands of the Makefile hold it shared while they run.
LOCK = ROOT / ".venv.lock"
STAMP = ENVIRONMENT / "installed-lock"
OLDEST_PYTHON = (3, 11)
NO_ENVIRONMENT = 3


def say(text: str) -> None:
    """Print progress to standard error."""
    sys.stderr.write(f"bootstrap: {text}\n")


def fail(text: str) -> None:
    """Print an error and exit with the code for a host that cannot be used."""
    say(text)
    sys.exit(NO_ENVIRONMENT)


def timed(name: str, work: Callable[[], None]) -> None:
    """Do some work and print how long it took."""
    began = time.monotonic()
    work()
    say(f"{name}: {time.monotonic() - began:.0f} s")


def run(*command: str) -> bool:
    """Run a command with its output on standard error; return whether it succeeded."""
    return subprocess.run(command, stdout=sys.stderr, cwd=ROOT, check=False).returncode == 0


# -- packages of the distribution ------------------------------------------------------------------


def install_packages(use: str | None, *, venv: bool) -> None:
    """Install what is missing for a use (`run`, `tests` or None), and the venv module if `venv`.

    What cannot be installed here is left to the command that needs it, which says what to do.
    """
    from runner import provision  # noqa: PLC0415 - not before the version of Python is known
    from runner.errors import EngineUnavailableError  # noqa: PLC0415

    tools = [] if use is None else [provision.MMDEBSTRAP]
    if use is not None and not provision.engine_may_exist():
        tools.append(provision.ENGINE)
    if use == "tests":
        tools.extend(provision.TEST_TOOLS)
    packages = [package for tool in tools if tool.is_missing for package in tool.packages]
    packages += ["python3-venv"] if venv else []
    if not packages or not provision.can_install():
        return
    try:
        timed("packages", lambda: provision.install_packages(packages, say))
    except EngineUnavailableError as error:
        # One name that the distribution does not have fails all; the others are tried by
        # themselves.
        say(str(error))
        for tool in tools:
            with contextlib.suppress(EngineUnavailableError):
                provision.install([tool], say)
        if venv:
            with contextlib.suppress(EngineUnavailableError):
                provision.install_packages(["python3-venv"], say)


def has_venv() -> bool:
    """Whether this Python can create a virtual environment with pip in it."""
    probe = "import venv, ensurepip"
    return (
        subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode
        == 0
    )


# -- the virtual environment -----------------------------------------------------------------------


def fingerprint(lock: Path) -> str:
    """What an installed environment must match: lock, project metadata, location, interpreter."""
    digest = hashlib.sha256()
    for part in (lock.read_bytes(), (ROOT / "pyproject.toml").read_bytes()):
        digest.update(part)
    digest.update(f"{lock.name} {ROOT} {sys.version}".encode())
    return digest.hexdigest()


def require_writable() -> None:
    """Nothing helps where nothing can be written, so that this is said first."""
    if not os.access(ROOT, os.W_OK):
        fail(f"{ROOT}: cannot be written to; make it writable, or use a clone of your own")


def create_environment(lock: Path) -> None:
    """Make the virtual environment and install the lock into it."""
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    say(f"creating {ENVIRONMENT.name} from {lock.name}")
    if not run(sys.executable, "-m", "venv", str(ENVIRONMENT)):
        fail(f"python3 could not create {ENVIRONMENT.name} (see above)")
    if not (with_uv(lock) or with_pip(lock)):
        fail(
            f"the packages of {lock.name} could not be installed (see above): check that this "
            "machine reaches its package index, then try again"
        )


def with_uv(lock: Path) -> bool:
    """Install uv, as the lock has it, and with uv all the rest; return whether that worked."""
    match = re.search(r"^uv==(?:.*\\\n)*.*$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        return False
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as only_uv:
        only_uv.write(match[0] + "\n")
        only_uv.flush()
        if not pip("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", only_uv.name):
            return False
    install = (
        str(ENVIRONMENT / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON),
        "--no-deps",
    )  # fmt: skip
    locked = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))
    return run(*install, *locked) and run(*install, "--no-build-isolation", "--editable", ".")


def with_pip(lock: Path) -> bool:
    """The same with pip, which may be configured for an index that uv does not know of."""
    say("installing with pip instead")
    # The lock names everything: without `--no-deps`, pip 23.0 (Debian 12's) stumbles over extras.
    locked = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    return pip(*locked) and pip("--no-deps", "--no-build-isolation", "--editable", ".")


def pip(*arguments: str) -> bool:
    """Run `pip install`. Twice quiet: warnings about the machine's settings are not printed."""
    quiet = ("--disable-pip-version-check", "install", "-qq", "--root-user-action=ignore")
    return run(str(PYTHON), "-m", "pip", *quiet, *arguments)


def main() -> None:
    """Bring `.venv`, and with `--for` the machine's packages, up to date."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:3])
        fail(
            f"Python 3.11 or newer is needed, not {found}: run "
            "`make PYTHON=/path/to/python3.11 matrix`"
        )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="with the tools for development")
    parser.add_argument("--for", dest="use", choices=("run", "tests"), help="what to prepare for")
    options = parser.parse_args()
    installed = STAMP.read_text().split() if STAMP.exists() else ["none", ""]
    # A development environment holds all that a plain one does, and stays one.
    development = options.dev or installed[0] == "requirements-dev.lock"
    lock = ROOT / ("requirements-dev.lock" if development else "requirements.lock")
    wanted = fingerprint(lock)
    is_current = installed == [lock.name, wanted]
    if not is_current:
        require_writable()
    venv_missing = not is_current and not has_venv()
    with ThreadPoolExecutor(1) as pool:
        packages: Future[None] = pool.submit(install_packages, options.use, venv=venv_missing)
        if not is_current:
            if venv_missing:
                packages.result()
                if not has_venv():
                    fail(
                        "python3 cannot create virtual environments: install its venv package "
                        "(Debian, Ubuntu: `apt-get install python3-venv`), then try again"
                    )
            with alone():
                timed("environment", lambda: create_environment(lock))
                STAMP.write_text(f"{lock.name} {wanted}\n")
        packages.result()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no command of this checkout runs in the environment that is to be replaced."""
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for a command that runs in this checkout's environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    except OSError as error:
        fail(f"{error.filename or ROOT}: {error.strerror}; make this directory writable")
