"""Values of headers that a command prints once the server of a launch is ready: tokens, cookies."""

from __future__ import annotations

from typing import Final

from runner.application.remedies.rules import remedy_of
from runner.application.secret_values import Secrets
from runner.engine.pod import SERVER_USER, Pod
from runner.engine.protocol import ExecResult
from runner.matrix.sending import too_long_for_ab
from runner.measurement.asked import Asked
from runner.text import last_line, one_line

#: How long one of the commands may take, in seconds.
TIMEOUT_S: Final = 60.0


class HeaderFailedError(Exception):
    """A header has no value; the text says which, and why."""


def printed_values(pod: Pod, asked: Asked, *, by_ab: bool) -> dict[str, str]:
    """What each command prints, by the name of its header, run beside the server as its user.

    Raises `HeaderFailedError`; the values are in no message. `by_ab`: whether `ab` is to send them.
    """
    values: dict[str, str] = {}
    for header in asked.commands:
        command = ("/bin/sh", "-c", header.command or "")
        result = pod.engine.exec(pod.server, command, timeout=TIMEOUT_S, user=SERVER_USER)
        if why := _failure(result, asked):
            raise HeaderFailedError(f"`request.headers`: the command of {header.name} {why}")
        values[header.name] = result.stdout.decode("utf-8", "replace").strip()
    if by_ab and (why := too_long_for_ab(asked.request, asked.values(values))):
        raise HeaderFailedError(why)
    return values


def _failure(result: ExecResult, asked: Asked) -> str | None:
    """Why a command's output is no value, None where it is one."""
    if result.exit_code is None:
        return f"did not end within {TIMEOUT_S:.0f} s"
    printed = result.stdout.decode("utf-8", "replace").strip()
    if result.exit_code:
        said = last_line(result.stderr.decode("utf-8", "replace")) or "it printed no error"
        hidden = asked.secrets({}) | Secrets(values=frozenset({printed}))
        remedy = remedy_of(said, said)
        helps = f"; {remedy}" if remedy else ""
        return f"ended with status {result.exit_code}: {hidden.mask(one_line(said) + helps)}"
    if not printed:
        return "printed nothing; let it print the value to its standard output"
    if not printed.isprintable():
        return "printed more than one line; let it print the value alone"
    return None
