"""The command line: its commands, and `main`, which turns what they raise into an exit status.

Results go to standard output, progress and messages to standard error. Each command imports what
it needs when it is called: `matrix --help` and `matrix table` would otherwise wait for libraries
that only other commands use.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from runner.cli import making, reading
from runner.cli.variadic import Compare
from runner.errors import (
    EngineError,
    EngineUnavailableError,
    InterruptedRunError,
    MatrixError,
    RegressionError,
    UsageError,
    is_out_of_memory,
    system_error,
)
from runner.streams import close_streams, prepare_streams, print_result, say
from runner.threads import end_where_none_can_start

application = typer.Typer(
    name="matrix",
    help="Does monkey-patching make your blocking Flask application concurrent, and at what price?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_result(f"monkey-matrix {version('monkey-matrix')}")
        raise typer.Exit


@application.callback()
def matrix(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """The options of `matrix` itself."""


# `matrix --help` lists them in this order.
application.command()(making.init)
application.command()(making.plan)
application.command()(making.run)
application.command()(making.worker)
application.command("try")(making.try_)
application.command()(making.merge)
application.command()(reading.table)
application.command(cls=Compare)(reading.compare)
application.command()(reading.show)
application.command()(reading.export)
application.command()(reading.history)
application.command()(making.import_ab)
application.command()(reading.publish)
application.command()(making.doctor)
application.command()(making.clean)


def _usage(error: typer.TyperException) -> str:
    """What is wrong with the command line, on one line, and where to look it up."""
    # pydantic, which reads the values for typer, calls each error one.
    message = " ".join(error.format_message().replace("Value error, ", "").split())
    return f"{message.rstrip('.')}; `matrix --help` and `matrix COMMAND --help` list what there is"


def _of_the_system(error: Exception) -> int:
    """Say what the system refused, and return the exit status; other errors are raised again."""
    if is_out_of_memory(error):
        say(
            f"error: no memory left ({error or 'MemoryError'}); what was measured is stored: end "
            "other programs, or raise the limits of this one, then run the same command to resume"
        )
    elif isinstance(error, OSError):
        say(f"error: {system_error(error)}")
    else:
        raise error
    return UsageError.exit_code


def _command() -> int:
    """Run the command that the command line names."""
    end_where_none_can_start()
    try:
        return application(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
    except SystemExit:  # typer exits where nobody reads what it prints by itself, such as `--help`
        return 0


def main() -> None:
    """Run the command line and exit: the only place that does."""
    prepare_streams()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # a shell may have it ignored
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = _command()
    except typer.TyperException as error:
        code = UsageError.exit_code
        say(f"error: {_usage(error)}")
    except typer.Abort:
        code = InterruptedRunError.exit_code
    except KeyboardInterrupt:
        code = InterruptedRunError.exit_code
        say("interrupted: what was measured is stored; run the same command to resume")
    except InterruptedRunError as interrupted:
        code = InterruptedRunError.exit_code
        print_result(str(interrupted))
        say("interrupted: this is what was measured so far")
    except RegressionError as found:
        code = found.exit_code
        print_result(str(found))
    except MatrixError as error:
        code = error.exit_code
        say(f"error: {error}")
    except EngineError as error:
        code = EngineUnavailableError.exit_code
        say(
            f"error: the engine failed: {error}; what was measured is stored: fix the engine "
            "(see `matrix doctor`), then run the same command to resume"
        )
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        code = _of_the_system(error)
    _leave_signals()
    close_streams()
    sys.exit(code)


def _leave_signals() -> None:
    """When all was said, a signal ends this program as it ends any."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)
