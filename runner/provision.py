"""Prepare a Debian or Ubuntu machine, as root: install packages, start an engine.

`bootstrap.py` uses this before the virtual environment exists, so that at import nothing but the
standard library is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from runner.engine.endpoint import endpoint
from runner.errors import EngineUnavailableError, NoEngineError

Say = Callable[[str], None]


class Tool(NamedTuple):
    """A program of the host, the Debian packages that bring it, and what needs it."""

    program: str
    packages: tuple[str, ...]
    needed_for: str

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f"`apt-get install {' '.join(self.packages)}` as root"

    @property
    def is_missing(self) -> bool:
        """Whether the program is not on the PATH."""
        return shutil.which(self.program) is None


ENGINE = Tool("dockerd", ("docker.io", "iptables"), "running cells, if no engine answers")
#: Ubuntu's mmdebstrap comes without the keys of Debian's suites.
MMDEBSTRAP = Tool(
    "mmdebstrap", ("mmdebstrap", "debian-archive-keyring"), "base images, if no registry answers"
)
CHROMIUM = Tool("chromium", ("chromium",), "the browser tests of `make test`")
REGISTRY = Tool("docker-registry", ("docker-registry",), "the registry tests of `make test`")
OPENSSL = Tool("openssl", ("openssl",), "the test of TLS of `make test`")
#: What the test suite needs beyond what a run needs.
TEST_TOOLS = (CHROMIUM, REGISTRY, OPENSSL)

DAEMON_LOG = Path("/var/log/dockerd.log")
DAEMON_SOCKET = Path("/var/run/docker.sock")
START_TIMEOUT_S = 60.0
POLL_S = 0.1
#: How long to wait for another program (unattended upgrades, say) to release apt's or dpkg's lock.
LOCK_TIMEOUT_S = 600
LOCK_POLL_S = 1.0
LOCK_HELD = ("Could not get lock", "Unable to lock", "Unable to acquire the dpkg frontend lock")


def can_install() -> bool:
    """Whether this is a Debian or Ubuntu on which packages may be installed."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(tools: Iterable[Tool], say: Say) -> None:
    """Install the packages of those tools that are missing, where this host allows it."""
    packages = [package for tool in tools if tool.is_missing for package in tool.packages]
    if packages and can_install():
        install_packages(packages, say)


def install_packages(names: Sequence[str], say: Say) -> None:
    """Install packages with apt-get; raise `EngineUnavailableError` with its error message."""
    say(f"installing {' '.join(names)} with apt-get")
    apt_get(["update", "-qq"], say)
    apt_get(["install", "-y", "-qq", "--no-install-recommends", *names], say)


def apt_get(arguments: Sequence[str], say: Say) -> None:
    """Run apt-get, waiting for locks that another program holds, `LOCK_TIMEOUT_S` at most.

    apt's own option waits for dpkg's lock alone. Where the lock of the package lists or of the
    download cache is held, apt-get fails at once, so it is run again until it gets them.
    """
    command = ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_TIMEOUT_S}", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    waiting = False
    while True:
        result = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if not result.returncode:
            return
        errors = (result.stderr or result.stdout).strip()
        if not any(text in errors for text in LOCK_HELD) or time.monotonic() > deadline:
            last = errors.splitlines()[-1:]
            raise EngineUnavailableError(
                f"`{' '.join(command)}` failed: {''.join(last)}; fix that, then run the same "
                "command again"
            )
        if not waiting:
            say("waiting for another program to release apt's lock")
        waiting = True
        time.sleep(LOCK_POLL_S)


def engine_may_exist() -> bool:
    """Whether anything suggests an engine: then none is installed before it was tried."""
    return names_an_engine() or DAEMON_SOCKET.exists() or not ENGINE.is_missing


def names_an_engine() -> bool:
    """Whether the user's settings name an engine: no other one is installed in its place."""
    try:
        return bool(endpoint().named_by)
    except EngineUnavailableError:  # they name one that there is not, or that is not supported
        return True


def ensure_engine(say: Say, also: Iterable[Tool] = ()) -> None:
    """Install and start an engine if none answers; one that answers is used as it is.

    `also` are tools to install in the same go. Raises `EngineUnavailableError` with what to type
    where this is no Debian or Ubuntu, or no root, and where an engine runs that cannot be used: a
    second one would take the first one's network away.
    """
    problem = engine_problem()
    if problem and not (isinstance(problem, NoEngineError) and can_install()):
        raise problem
    install([*([ENGINE] if problem else []), *also], say)
    if problem is not None:
        start_daemon(say)


def engine_problem() -> EngineUnavailableError | None:
    """Why no engine can be used, None if one can."""
    from runner.engine.connection import connect  # noqa: PLC0415 - see the module's docstring

    try:
        connect().close()
    except EngineUnavailableError as error:
        return error
    return None


def start_daemon(say: Say) -> None:
    """Start dockerd, by systemd where it runs this machine, and wait until it answers."""
    if engine_problem() is None:  # the package's own scripts may have started it
        return
    if Path("/run/systemd/system").is_dir():
        say("starting docker.service")
        subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
        daemon = None
    else:
        say(f"starting dockerd, its log goes to {DAEMON_LOG}")
        daemon = _detached_daemon()
    deadline = time.monotonic() + START_TIMEOUT_S
    while problem := engine_problem():
        if daemon is not None and daemon.poll() is not None:
            raise EngineUnavailableError(f"dockerd ended at once: {_last_line()}; see {DAEMON_LOG}")
        if time.monotonic() > deadline:
            raise problem
        time.sleep(POLL_S)


def _detached_daemon() -> subprocess.Popen[bytes]:
    """Run dockerd in a session of its own: it outlives this program, as an engine should."""
    with DAEMON_LOG.open("ab") as log:
        return subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _last_line() -> str:
    lines = DAEMON_LOG.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
