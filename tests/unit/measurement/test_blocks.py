"""Blocks of an event loop, by place."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from runner.measurement.blocks import PLACES, BlocksReply, Sample, Told, Watched, blocks_of
from runner.measurement.why.seen import Frame, Stack

S = 1_000_000_000
PERIOD_S = 0.02


def stack(line: int, function: str = "index") -> Stack:
    return Stack(number=1, frames=(Frame(file="/site/app.py", line=line, function=function),))


def tell(stack: Stack, machine: str) -> Told:
    frame = stack.frames[0]
    return Told(place=frame.function, what=f"{frame.line} on {machine}", where=frame.function)


def sample(began_s: float, until_s: float, number: int | None = 0, *, kept: bool = False) -> Sample:
    return Sample(began_ns=int(began_s * S), until_ns=int(until_s * S), stack=number, kept=kept)


def reply(*samples: Sample, stacks: tuple[Stack, ...] = (stack(1), stack(2))) -> BlocksReply:
    watched = Watched(
        gevent="25.9.1", machine="x86_64", period_s=PERIOD_S, stacks=stacks, samples=samples
    )
    return BlocksReply(asked_ns=100 * S, watched=(watched,))


def test_lines_of_a_function_are_one_place_by_the_line_that_took_longest() -> None:
    found = blocks_of(
        reply(sample(1, 1.1), sample(1, 2.0, 1), sample(5, 5.5), sample(9, 9.2)), 0, tell
    )
    (block,) = found
    assert (block.what, block.where, block.times) == ("2 on x86_64", "index", 3)
    assert block.total_s == pytest.approx(1 + 0.5 + 0.2 + 3 * PERIOD_S)
    assert block.longest_s == pytest.approx(1 + PERIOD_S)
    assert not block.lock_kept


def test_a_block_at_two_places_is_divided_between_them() -> None:
    stacks = (stack(1), stack(2, "other"))
    found = blocks_of(reply(sample(1, 2), sample(1, 4, 1), sample(1, 4.5), stacks=stacks), 0, tell)
    assert [(b.where, b.times) for b in found] == [("other", 1), ("index", 2)]
    assert found[0].total_s == pytest.approx(2)
    assert found[1].total_s == pytest.approx(1.5 + PERIOD_S)
    assert found[1].longest_s == pytest.approx(1 + PERIOD_S)


def test_of_a_block_that_began_before_counts_what_came_after() -> None:
    (block,) = blocks_of(reply(sample(1, 4)), 3 * S, tell)
    assert block.total_s == pytest.approx(1 + PERIOD_S)


def test_the_loops_of_several_processes_are_added() -> None:
    one = reply(sample(1, 2, kept=True)).watched[0]
    (block,) = blocks_of(BlocksReply(asked_ns=0, watched=(one, one)), 0, tell)
    assert (block.times, block.lock_kept) == (2, True)


def test_a_block_of_which_nobody_saw_where() -> None:
    (block,) = blocks_of(reply(sample(1, 2, None, kept=True)), 0, tell)
    assert (block.what, block.where) == ("not seen where", None)


def test_there_are_not_more_places_than_anybody_reads() -> None:
    stacks = tuple(stack(1, str(number)) for number in range(PLACES + 5))
    samples = [sample(n, n + (n + 1) / 100, n) for n in range(len(stacks))]
    found = blocks_of(reply(*samples, stacks=stacks), 0, tell)
    assert len(found) == PLACES
    assert found[0].where == str(len(stacks) - 1), "the longest first"


def test_numbers_that_nothing_has_are_refused() -> None:
    with pytest.raises(ValidationError, match="period_s is beyond all measure"):
        Watched(period_s=math.inf)
