"""Whether a Dask scheduler answers at an address: asked here before Dask is left to it.

Dask itself waits for ever where something else listens, and reports a wrong certificate, or an
address without a port, as a traceback.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any, Final

from runner.commands.hosts.dask_extra import distributed
from runner.errors import EngineUnavailableError, UsageError

#: How long, in seconds, the scheduler has for an answer.
ANSWER_S: Final = 30
#: How long a new connection is tried. So long it also takes to notice that the scheduler has ended:
#: the client asks it something each second, and has to connect again then.
CONNECT_S: Final = 10
MOST_PORT: Final = 65_535


async def reach(address: str, role: str) -> str:
    """The address of this machine from which the scheduler is reached.

    The role, `client` or `worker`, is whose certificates are used. Raises `UsageError` for an
    address or certificates that cannot be right, `EngineUnavailableError` where no scheduler is.
    """
    library = distributed()
    check_address(address)
    arguments = _certificates(address, role)
    try:
        async with asyncio.timeout(ANSWER_S):
            comm = await library.comm.connect(address, timeout=CONNECT_S, **arguments)
            try:
                here: str = library.comm.get_address_host(comm.local_address)
                found = await library.core.send_recv(comm, op="identity", n_workers=0)
            finally:
                comm.abort()
    except Exception as error:  # noqa: BLE001 - what else may listen there answers with anything
        cause = _cause(error)
        # A `ValueError` of Tornado's where the other side, without TLS, was the first to speak.
        if address.startswith("tls:") and isinstance(cause, (ssl.SSLError, ValueError)):
            reason = getattr(cause, "reason", None) or cause
            raise EngineUnavailableError(
                f"{address}: TLS fails ({reason}): the scheduler must use TLS, too, with a "
                "certificate of the same authority, see docs/hosts.md"
            ) from None
        raise no_scheduler(address, _words(cause)) from None
    if not isinstance(found, dict) or found.get("type") != "Scheduler":
        raise no_scheduler(address, "something else does")
    return here


def check_address(address: str) -> None:
    """`UsageError` for what is no address of a scheduler."""
    match = re.fullmatch(r"(?:tcp|tls)://(?:\[[^\]\s]+\]|[^:/\s]+):(\d+)", address)
    if match is None or int(match[1]) > MOST_PORT:
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler: write tcp://HOST:8786, with TLS "
            "tls://HOST:8786, and an IPv6 address in brackets, tcp://[::1]:8786"
        )


def in_brackets(host: str) -> str:
    """A name or an address of a host as Dask wants it: one of IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _certificates(address: str, role: str) -> dict[str, Any]:
    """What Dask's configuration has of TLS; `UsageError` where it does not suit the address."""
    security = distributed().security.Security()
    config = security.get_tls_config_for_role(role)
    named = {name: config[name] for name in ("ca_file", "cert", "key") if config.get(name)}
    where = f"distributed.comm.tls, {role}"
    missing = [path for path in named.values() if "\n" not in path and not Path(path).is_file()]
    if missing:
        raise UsageError(f"{missing[0]}: Dask's configuration ({where}) names it; there is no file")
    try:
        arguments: dict[str, Any] = security.get_connection_args(role)
    except OSError as error:
        raise UsageError(
            f"{', '.join(named.values())}: TLS cannot use them ({error.strerror or error}): see "
            f"Dask's configuration ({where})"
        ) from None
    if address.startswith("tls:") and arguments["ssl_context"] is None:
        raise UsageError(
            f"{address}: TLS needs certificates, and Dask's configuration ({where}) names none: "
            "see docs/hosts.md"
        )
    if address.startswith("tcp:") and arguments["require_encryption"]:
        raise UsageError(f"{address}: Dask's configuration requires TLS: write tls://")
    return arguments


def _cause(error: BaseException) -> BaseException:
    """The first of the errors that Dask has wrapped."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def _words(cause: BaseException) -> str:
    if isinstance(cause, asyncio.CancelledError):  # by a deadline
        return "no answer"
    if isinstance(cause, ConnectionResetError):
        return f"{cause.strerror}: does it use TLS, tls://?"
    return str(cause) or type(cause).__name__


def no_scheduler(address: str, why: str) -> EngineUnavailableError:
    """The error for an address that no scheduler answers at."""
    return EngineUnavailableError(
        f"{address}: no Dask scheduler answers there ({why}); start one with `dask scheduler "
        "--host ADDRESS`, see docs/hosts.md"
    )
