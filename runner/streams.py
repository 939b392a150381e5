"""Print to the standard streams, also where nobody reads them or they are closed."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import typer


def say(text: str) -> None:
    """Print a message for people to standard error, also if its reader has left."""
    try:
        typer.echo(text, err=True)
    except BrokenPipeError:
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


def nobody_reads(stream: TextIO) -> None:
    """From now on, discard what is written to a stream."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_closed_streams() -> None:
    """Open the standard streams that the program was started without (`matrix table >&-`).

    Otherwise the next file that is opened takes the place of one, and messages go into it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            mode = "w" if descriptor else "r"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
