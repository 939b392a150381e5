"""Connect to the engine that the user's settings name, or say why none can be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import docker
import requests
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import parse_host
from requests.utils import get_environ_proxies

from runner.engine.docker_engine import DockerEngine
from runner.engine.endpoint import (
    DEFAULT,
    NO_TLS,
    Endpoint,
    check_credential_helpers,
    endpoint,
    no_settings,
)
from runner.errors import EngineUnavailableError, NoEngineError

#: Engine 20.10: the first with the features every cell relies on.
OLDEST_API = (1, 41)
PING_TIMEOUT_S = 15
CALL_TIMEOUT_S = 120


def connect() -> DockerEngine:
    """Return the engine that `DOCKER_HOST` or the CLI's current context names.

    The endpoint is decided here, once, and stays the same for the whole run. Raises
    `EngineUnavailableError` if none answers or the one that answers is too old or too new, and
    `NoEngineError` if nobody listens where engines usually do.
    """
    named = endpoint()
    _check_address(named)
    check_credential_helpers()
    try:
        version = _version(named)
        spoken = _spoken(version)
    except (DockerException, requests.RequestException) as error:
        if not named.named_by and named.is_silent:
            raise NoEngineError(why_unavailable(named, error)) from None
        raise EngineUnavailableError(why_unavailable(named, error)) from None
    except (ValueError, KeyError, TypeError):
        raise EngineUnavailableError(
            f"what answers at {named} is no container engine: {named.correction}"
        ) from None
    return DockerEngine(_client(named, spoken, CALL_TIMEOUT_S), named.address)


def _check_address(named: Endpoint) -> None:
    """Refuse what is no address. docker-py takes `unix:/path`, which is none for the CLI."""
    try:
        parse_host(named.address, tls=named.certificates is not None)
    except (DockerException, ValueError) as error:
        why = str(error)
    else:
        if named.address.startswith("npipe://"):
            why = "named pipes are those of Windows"
        elif "unix:" in named.address and "unix://" not in named.address:
            why = "two slashes are missing"
        else:
            return
    raise EngineUnavailableError(
        f"{named.named_by} names no address of an engine, such as {DEFAULT} or "
        f"tcp://HOST:PORT ({why}): {named.correction}"
    )


def _client(named: Endpoint, api: str, timeout: int) -> docker.DockerClient:
    tls: TLSConfig | bool = False
    if files := named.certificates:
        pair = (str(files.client[0]), str(files.client[1])) if files.client else None
        authority = str(files.authority) if files.authority else None
        tls = TLSConfig(client_cert=pair, ca_cert=authority, verify=files.verify)
    try:
        client = docker.DockerClient(base_url=named.address, version=api, timeout=timeout, tls=tls)
    except (DockerException, ValueError, TypeError, AttributeError) as error:
        raise no_settings(error) from None
    if tls:
        # Or else an authority in REQUESTS_CA_BUNDLE takes the place of the engine's own.
        client.api.trust_env = False
        secured = named.address.replace("tcp://", "https://", 1)
        client.api.proxies.update(get_environ_proxies(secured))
    return client


def _version(named: Endpoint) -> dict[str, Any]:
    """Describe the engine by a call without a version of the API: every engine answers that.

    docker-py would make it by itself, but leaves its sockets open where no engine answers.
    """
    client = _client(named, DEFAULT_DOCKER_API_VERSION, PING_TIMEOUT_S)
    try:
        return dict(client.api.version(api_version=False))
    except requests.JSONDecodeError as error:
        raise ValueError(str(error)) from None  # it did answer
    except (AttributeError, requests.exceptions.InvalidHeader) as error:
        raise no_settings(error) from None  # headers for each request are among them
    finally:
        client.close()


def _spoken(version: Mapping[str, Any]) -> str:
    """The version of the API that both sides speak; `EngineUnavailableError` if there is none."""
    newest = str(version["ApiVersion"])
    oldest = str(version.get("MinAPIVersion") or newest)
    engine = f"the engine that answers is {version.get('Version', '?')}"
    if _numbers(newest) < OLDEST_API:
        raise EngineUnavailableError(
            f"{engine} (API {newest}), too old: Docker Engine 20.10 (API 1.41) or newer is needed; "
            "upgrade it, or point DOCKER_HOST at a newer one"
        )
    spoken = min(newest, DEFAULT_DOCKER_API_VERSION, key=_numbers)
    if _numbers(spoken) < _numbers(oldest):
        raise EngineUnavailableError(
            f"{engine}, too new: it speaks no API before {oldest}, and this program none after "
            f"{spoken}; upgrade this program, or point DOCKER_HOST at an older engine"
        )
    return spoken


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def why_unavailable(named: Endpoint, error: Exception) -> str:
    """One line: which endpoint, what happened, what to do."""
    text, cause = str(error), _cause(error)
    if "Permission denied" in text or "PermissionError" in text:
        return (
            f"no permission to use the engine at {named}: run as root, or join the group of its "
            "socket (`usermod -aG docker NAME` as root, then log in again)"
        )
    if "HTTP request to an HTTPS server" in text or "server gave HTTP response" in text:
        return (
            f"the engine at {named} asks for TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to "
            "the directory with ca.pem, cert.pem and key.pem"
        )
    if named.certificates and ("SSL" in text or "certificate" in text):
        return (
            f"the engine at {named} is not the one that the certificates are for, or has no TLS "
            f"({cause}): correct DOCKER_CERT_PATH, or {NO_TLS}"
        )
    if "timed out" in text.lower() and not isinstance(error, requests.ConnectTimeout):
        return (
            f"the engine at {named} accepts connections but does not answer within "
            f"{PING_TIMEOUT_S} s: restart it (`systemctl restart docker`), then try again"
        )
    if named.named_by:
        return f"no container engine answers at {named}: {cause}; start it, {named.correction}"
    return (
        f"no container engine answers at {named}: {cause}; start it (`systemctl start docker`, "
        "or `dockerd &` where there is no systemd), set DOCKER_HOST, or install one: as root on "
        "Debian and Ubuntu, `--install` of `matrix run`, `try` and `doctor` does that (it installs "
        "docker.io and iptables, and starts dockerd); `matrix doctor` says more"
    )


def _cause(error: BaseException) -> str:
    """What the system said in the end, on one line; the libraries above it tell their own names."""
    while error.__context__:
        error = error.__context__
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0][:200]
