"""Find the engine, once, and say clearly why none can be used."""

from __future__ import annotations

import os
from typing import Any

import docker
import requests
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException

from runner.engine.docker_engine import DockerEngine
from runner.errors import EngineUnavailableError

#: Engine 20.10: the first with the features every cell relies on.
OLDEST_API = (1, 41)
PING_TIMEOUT_S = 15
CALL_TIMEOUT_S = 120


def connect() -> DockerEngine:
    """Return the engine that `DOCKER_HOST` or the CLI's current context names.

    The endpoint is decided here, once, and stays the same for the whole run. Raises
    `EngineUnavailableError` where none answers or the one that answers is too old.
    """
    try:
        version = _version()
        api = str(version["ApiVersion"])
        newest = tuple(int(part) for part in api.split("."))
    except (DockerException, requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise EngineUnavailableError(_why(error)) from None
    if newest < OLDEST_API:
        raise EngineUnavailableError(
            f"the engine that answers is {version.get('Version', '?')} (API {api}), too old: "
            "Docker Engine 20.10 (API 1.41) or newer is needed; upgrade it, or point DOCKER_HOST "
            "at a newer one"
        )
    ours = tuple(int(part) for part in DEFAULT_DOCKER_API_VERSION.split("."))
    spoken = api if newest < ours else DEFAULT_DOCKER_API_VERSION
    return DockerEngine(docker.from_env(version=spoken, timeout=CALL_TIMEOUT_S))


def _version() -> dict[str, Any]:
    """What the engine says of itself, asked without a version of the API: any engine answers that.

    docker-py would ask by itself, but leaves its sockets open where no engine answers.
    """
    client = docker.from_env(version=DEFAULT_DOCKER_API_VERSION, timeout=PING_TIMEOUT_S)
    try:
        return dict(client.api.version(api_version=False))
    finally:
        client.close()


def _why(error: Exception) -> str:
    """One line: which endpoint, what happened, what to do."""
    endpoint = os.environ.get("DOCKER_HOST", "the default endpoint, unix:///var/run/docker.sock")
    text = str(error)
    if "Permission denied" in text or "PermissionError" in text:
        return f"no permission to use the engine at {endpoint}: run as root or join its group"
    if "timed out" in text.lower():
        return (
            f"the engine at {endpoint} accepts connections but does not answer within "
            f"{PING_TIMEOUT_S} s: restart it (`systemctl restart docker`), then try again"
        )
    cause = text.splitlines()[0][:200] if text else type(error).__name__
    return (
        f"no container engine answers at {endpoint} ({cause}): start it (`systemctl start docker`, "
        "or `dockerd &` where there is no systemd), install one (`apt-get install docker.io "
        "iptables`), or set DOCKER_HOST; `matrix doctor` tells more"
    )
