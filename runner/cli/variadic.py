"""An option that takes all values after it, which the command line's parser does not know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

NEW_RUNS: Final = "--with"
RunsArgument = Annotated[
    list[str],
    typer.Argument(metavar="OLD [NEW]", help="Run directories; NEW is `latest` by default."),
]
NewRunsOption = Annotated[
    list[str] | None,
    typer.Option(NEW_RUNS, metavar="NEW...", help="The new runs; all others are old ones."),
]


class Compare(TyperCommand):
    """`compare OLD… --with NEW…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401, D102 - typer's
        return super().parse_args(ctx, [*repeated(NEW_RUNS, args)])


def repeated(option: str, arguments: Sequence[str]) -> Iterator[str]:
    """`--with A B` as `--with A --with B`; the values of other options stay where they are.

    Each of the command's options takes a value.
    """
    begun, previous = False, ""
    for argument in arguments:
        is_value = previous.startswith("--") and "=" not in previous
        if begun and not is_value and not argument.startswith("-"):
            yield option
        begun = begun or argument.partition("=")[0] == option
        yield argument
        previous = argument
