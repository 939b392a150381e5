"""Print to the standard streams, also where nobody reads them or they are closed."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

import typer


def say(text: str) -> None:
    """Print a message for people to standard error, unless its reader has left or its disk is full.

    No run ends for a message.
    """
    try:
        typer.echo(text, err=True)
    except OSError:
        nobody_reads(sys.stderr)


def print_result(text: str) -> None:
    """Print a result to standard output, whose reader may have left early (`matrix table | head`).

    That is no failure: what was measured is on disk by then.
    """
    try:
        typer.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads(sys.stdout)


def close_streams() -> None:
    """Discard what a full disk did not take: Python would try again at its end, and exit with 120.

    Who printed it has said so.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nobody_reads(stream)


def nobody_reads(stream: TextIO) -> None:
    """From now on, discard what is written to a stream."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def prepare_streams() -> None:
    """Make the standard streams such that whatever the program prints can be printed.

    Those that it was started without (`matrix table >&-`) are opened. Otherwise the next file that
    is opened takes the place of one, and messages go into it. What a locale's encoding has no
    character for is printed as an escape.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            mode = "w" if descriptor else "r"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
