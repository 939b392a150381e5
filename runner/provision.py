"""What Debian or Ubuntu, as root, can be given: packages, and an engine that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.engine.connection import connect
from runner.errors import EngineUnavailableError

ENGINE_PACKAGES = ("docker.io", "iptables")
DAEMON_LOG = Path("/var/log/dockerd.log")
START_TIMEOUT_S = 60.0
POLL_S = 0.25
Say = Callable[[str], None]


def can_install() -> bool:
    """Whether this is a Debian or Ubuntu on which packages may be installed."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_packages(names: Sequence[str], say: Say) -> None:
    """Install packages with apt-get; raise `EngineUnavailableError` with its last words."""
    say(f"installing {' '.join(names)} with apt-get")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
    ):
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            last = (result.stderr or result.stdout).strip().splitlines()[-1:]
            raise EngineUnavailableError(
                f"`{' '.join(command)}` failed: {''.join(last)}; mend that, then try again"
            )


def ensure_tool(tool: str, package: str, say: Say) -> None:
    """Install the package where the tool is missing and this host lets us."""
    if shutil.which(tool) is None and can_install():
        install_packages([package], say)


def ensure_engine(say: Say) -> None:
    """Install and start an engine where none answers; one that answers is used as it is.

    Raises `EngineUnavailableError` with what to type where this is no Debian or Ubuntu, or no root.
    """
    missing = engine_problem()
    if missing is None:
        return
    if "DOCKER_HOST" in os.environ or not can_install():
        raise missing
    if shutil.which("dockerd") is None:
        install_packages(ENGINE_PACKAGES, say)
    start_daemon(say)


def engine_problem() -> EngineUnavailableError | None:
    """Why no engine can be used, None where one can."""
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
            raise EngineUnavailableError(
                f"dockerd ended at once: {_last_words()}; {DAEMON_LOG} tells more"
            )
        if time.monotonic() > deadline:
            raise problem
        time.sleep(POLL_S)


def _detached_daemon() -> subprocess.Popen[bytes]:
    """Run dockerd in a session of its own: it outlives this program, as an engine should."""
    with DAEMON_LOG.open("ab") as log:
        return subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def _last_words() -> str:
    lines = DAEMON_LOG.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
