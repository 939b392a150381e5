"""Checks of what workers answer, before it is used.

Dask unpickles what arrives without calling any constructor, so nothing has checked it: a worker of
another version, or with a damaged disk, may send anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from runner.commands.hosts.pool import Ended, Pool
from runner.commands.hosts.wire import Assignment, Greeting, Made, Order, Prepared, program
from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.store.run_directory import RESULT

MessageT = TypeVar("MessageT")
MESSAGES: Final = (Greeting, Prepared, Made, Order)


@cache
def _adapters() -> dict[type[Any], TypeAdapter[Any]]:
    return {kind: TypeAdapter(kind) for kind in MESSAGES}


def received(message: MessageT) -> MessageT:
    """The message, made again from what is in it; `UsageError` if that is no such message."""
    adapter = _adapters()[type(message)]
    try:
        made: MessageT = adapter.validate_python(adapter.dump_python(message, warnings=False))
        if not isinstance(made, Made):
            adapter.dump_json(made)  # what no file can hold
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"{type(message).__name__}: {_words(error)}") from None
    return made


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, PydanticSerializationError):
        return "a value of another kind"
    return str(error)


def next_answer(pool: Pool, seconds: float) -> Ended | None:
    """What ends next in the pool. What is no message that this program knows, is an error."""
    ended = pool.next_ended(seconds)
    if ended is None or ended.result is None:
        return ended
    if not isinstance(ended.result, MESSAGES):
        return Ended(host=ended.host, error=_useless(type(ended.result).__name__))
    try:
        return replace(ended, result=received(ended.result))
    except UsageError as error:
        return Ended(host=ended.host, error=_useless(str(error)))


def _useless(what: str) -> UsageError:
    return UsageError(
        f"its worker answered what cannot be used ({what}): install the same version of this "
        "program here and there, and start the worker again"
    )


def unfit(greeting: Greeting, others: Iterable[Greeting]) -> str | None:
    """Why a worker cannot take part beside the others."""
    if greeting.program != program():
        return f"its worker is {greeting.program}, and this is {program()}: install one version"
    if any(other.engine_key == greeting.engine_key for other in others):
        return "another worker uses the same engine, or one with the same id, see docs/hosts.md"
    return None


def misfit(
    answer: object, shard: Assignment, asked: tuple[Prepared, Order] | None
) -> UsageError | None:
    """Why an answer is none to what was `asked`: a round of the shard, or to make it ready."""
    found = next(_of_round(answer, shard, *asked) if asked else _of_shard(answer, shard), None)
    return _useless(found) if found else None


def _of_shard(answer: object, shard: Assignment) -> Iterator[str]:
    if not isinstance(answer, Prepared):
        yield type(answer).__name__
        return
    known = {cell.id for cell in (*answer.record.cells, *answer.record.unavailable)}
    if known != {cell.id for cell in shard.locked.all_cells}:
        yield "ready for other cells"


def _of_round(answer: object, shard: Assignment, prepared: Prepared, order: Order) -> Iterator[str]:
    if not isinstance(answer, Made):
        yield type(answer).__name__
        return
    try:
        records = [LaunchRecord.model_validate_json(one.result) for one in answer.launches]
    except ValidationError as error:
        yield _words(error)
        return
    cells = {cell.id for cell in prepared.record.cells}
    if any(one.cell not in cells or one.launch != order.number for one in records):
        yield "launches of another round"
    if max(Counter((one.cell, one.attempt) for one in records).values(), default=0) > 1:
        yield "a launch twice"
    if not all(_is_file(name) for one in answer.launches for name in one.files):
        yield "files that are not a launch's"
    # A cell at a percentage of a rate that is not known has no launch.
    needed = cells - {cell.id for cell in shard.locked.full_loads}
    final = {one.cell for one, sent in zip(records, answer.launches, strict=True) if sent.final}
    if answer.whole and (needed if order.cells is None else needed & order.cells) - final:
        yield "a round without all its launches"


def _is_file(name: str) -> bool:
    """Whether a file of that name lies in its launch's directory, beside the result."""
    return name.isprintable() and "/" not in name and name not in {"", ".", "..", RESULT}
