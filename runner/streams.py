"""Writing to the standard streams, also where nobody reads them, or there are none."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import typer


def say(text: str) -> None:
    """Print a message for people to standard error, which nobody may read any more."""
    try:
        typer.echo(text, err=True)
    except BrokenPipeError:
        nobody_reads(sys.stderr)


def print_result(text: str) -> None:
    """Print a result to standard output, whose reader may have left early (`matrix table | head`).

    What was measured is on disk by then: that nobody reads it here is no failure.
    """
    try:
        typer.echo(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_reads(sys.stdout)


def nobody_reads(stream: TextIO) -> None:
    """Drop what is written to a stream from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_closed_streams() -> None:
    """Give the program the standard streams that it was started without (`matrix table >&-`).

    The next file that is opened would become one of them, and be written to.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            mode = "w" if descriptor else "r"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
