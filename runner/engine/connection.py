"""Find the engine, once, and say clearly why none can be used."""

from __future__ import annotations

import os

import docker
import requests
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
        client = docker.from_env(timeout=PING_TIMEOUT_S)
        version = client.version()
    except (DockerException, requests.RequestException, ValueError) as error:
        raise EngineUnavailableError(_why(error)) from None
    api = version.get("ApiVersion", "0.0")
    if tuple(int(part) for part in api.split(".")) < OLDEST_API:
        client.close()
        raise EngineUnavailableError(
            f"the engine at {client.api.base_url} is {version.get('Version', '?')} (API {api}), "
            "too old: Docker Engine 20.10 (API 1.41) or newer is needed; upgrade it, or point "
            "DOCKER_HOST at a newer one"
        )
    client.api.timeout = CALL_TIMEOUT_S
    return DockerEngine(client)


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
