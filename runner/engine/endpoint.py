"""Which engine the user's settings name: by `DOCKER_HOST`, or by a context of the Docker CLI.

The rules are the CLI's: what a user types by hand then talks to the engine that the run talks to.
docker-py has them too, but takes the default engine for a context that it does not find.

`bootstrap.py` asks before the virtual environment exists, so that at import nothing but the
standard library is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner.errors import EngineUnavailableError

DEFAULT: Final = "unix:///var/run/docker.sock"
#: How long a socket on this machine may take to accept a connection.
ACCEPT_TIMEOUT_S: Final = 5.0
NO_CONTEXT: Final = "`docker context use default` (or `unset DOCKER_CONTEXT`)"
NO_TLS: Final = "`unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH`"


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Files for TLS: of the authority, and certificate and key of this client.

    `verify`: whether the engine must be the one that its certificate names.
    """

    authority: Path | None
    client: tuple[Path, Path] | None
    verify: bool


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where an engine listens; `named_by` is the setting that says so, empty for the default."""

    address: str
    named_by: str = ""
    certificates: Certificates | None = None

    def __str__(self) -> str:
        return f"{self.address} ({self.named_by})" if self.named_by else self.address

    @property
    def correction(self) -> str:
        """What to do where it is not the engine that is meant."""
        if not self.named_by:
            return "set DOCKER_HOST to the engine that is meant"
        leave = "`unset DOCKER_HOST`" if self.named_by == "DOCKER_HOST" else NO_CONTEXT
        return f"correct {self.named_by}, or use this machine's engine: {leave}"

    @property
    def is_silent(self) -> bool:
        """Whether it is a socket on this machine on which nobody listens."""
        scheme, _, path = self.address.partition("://")
        if scheme != "unix":
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ACCEPT_TIMEOUT_S)
            try:
                probe.connect(path)
            except (FileNotFoundError, ConnectionRefusedError):
                return True
            except OSError:
                return False
        return False


def endpoint() -> Endpoint:
    """The engine that the settings name.

    Raises `EngineUnavailableError` for settings that contradict each other or name what is not
    there.
    """
    host, context = os.environ.get("DOCKER_HOST"), _context()
    if not host and context != "default":
        return _of_context(context)
    address = host or DEFAULT
    if address.startswith("ssh://"):
        raise _no_ssh(address, "DOCKER_HOST")
    return Endpoint(
        address=address,
        named_by="DOCKER_HOST" if host else "",
        certificates=_certificates_of_environment(address),
    )


def _directory() -> Path:
    """The Docker CLI's settings."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def settings_file() -> Path:
    """The file of the Docker CLI's settings, whether it is there or not."""
    return _directory() / "config.json"


def no_settings(why: object) -> EngineUnavailableError:
    """The error for a file of settings that docker-py could not use."""
    return EngineUnavailableError(
        f"{settings_file()}: these are no settings of Docker ({why}): correct or remove them"
    )


def _settings() -> dict[str, Any]:
    try:
        settings = json.loads(settings_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


# -- contexts --------------------------------------------------------------------------------------


def _context() -> str:
    """The name of the current context."""
    return os.environ.get("DOCKER_CONTEXT") or str(_settings().get("currentContext") or "default")


def _of_context(name: str) -> Endpoint:
    """The engine of a context, which the CLI keeps under the digest of its name."""
    named_by = f"the Docker context {name!r}"
    try:
        digest = hashlib.sha256(name.encode()).hexdigest()
        stored = (_directory() / "contexts" / "meta" / digest / "meta.json").read_text("utf-8")
        docker = json.loads(stored)["Endpoints"]["docker"]
        address, skips = str(docker["Host"]), bool(docker.get("SkipTLSVerify"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise EngineUnavailableError(
            f"{named_by} names no engine: choose one that `docker context ls` lists, or use this "
            f"machine's engine: {NO_CONTEXT}"
        ) from None
    if address.startswith("ssh://"):
        raise _no_ssh(address, named_by)
    return Endpoint(
        address=address or DEFAULT,
        named_by=named_by,
        certificates=_certificates(
            _directory() / "contexts" / "tls" / digest / "docker", verify=not skips
        ),
    )


def _no_ssh(address: str, named_by: str) -> EngineUnavailableError:
    host, _, path = address.removeprefix("ssh://").partition("/")
    there = f"/{path}" if path else DEFAULT.removeprefix("unix://")
    return EngineUnavailableError(
        f"{named_by} names an engine behind SSH ({address}), which is not supported: forward its "
        f"socket, `ssh -nNT -L /tmp/engine.sock:{there} ssh://{host} &`, then "
        "`export DOCKER_HOST=unix:///tmp/engine.sock`"
    )


# -- certificates ----------------------------------------------------------------------------------


def _certificates(directory: Path, *, verify: bool) -> Certificates | None:
    """Those in a directory, None if it has none."""
    ca, cert, key = (directory / f"{name}.pem" for name in ("ca", "cert", "key"))
    authority = ca if ca.exists() else None
    client = (cert, key) if cert.exists() and key.exists() else None
    if authority is None and client is None:
        return None
    return Certificates(authority=authority, client=client, verify=verify)


def _certificates_of_environment(address: str) -> Certificates | None:
    """Those that `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` ask for."""
    verify, named = os.environ.get("DOCKER_TLS_VERIFY"), os.environ.get("DOCKER_CERT_PATH")
    if not verify and not named:
        return None
    setting = "DOCKER_TLS_VERIFY" if verify else "DOCKER_CERT_PATH"
    if address.startswith("unix://"):
        raise EngineUnavailableError(
            f"{setting} is set, and {address} is a socket on this machine, which has no TLS: "
            f"{NO_TLS}, or set DOCKER_HOST to the engine that is meant"
        )
    directory = Path(named) if named else _directory()
    missing = [n for n in ("ca.pem", "cert.pem", "key.pem") if not (directory / n).is_file()]
    if missing:
        raise EngineUnavailableError(
            f"{setting} is set, but {directory} has no {', no '.join(missing)}: set "
            f"DOCKER_CERT_PATH to the directory with the certificates of {address}, or {NO_TLS} if "
            "it has no TLS"
        )
    return _certificates(directory, verify=bool(verify))


# -- credentials -----------------------------------------------------------------------------------


def check_credential_helpers() -> None:
    """Raise `EngineUnavailableError` for settings that name a program that is not installed.

    It is asked for passwords with every build and pull, also where none is needed.
    """
    for helper in dict.fromkeys(_helpers(_settings())):
        if shutil.which(f"docker-credential-{helper}") is None:
            raise EngineUnavailableError(
                f"{settings_file()} names the credential helper {helper!r}, but there "
                f"is no program docker-credential-{helper}: install it, or remove `credsStore` and "
                "`credHelpers` from that file"
            )


def _helpers(settings: dict[str, Any]) -> Iterator[str]:
    if store := settings.get("credsStore"):
        yield str(store)
    helpers = settings.get("credHelpers") or {}
    if not isinstance(helpers, dict):
        raise no_settings("`credHelpers` is no object")
    yield from map(str, helpers.values())
