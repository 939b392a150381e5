"""Answers of a worker that are not what was asked for: each is refused, in a line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.commands.hosts import tasks
from runner.commands.hosts.answers import misfit, next_answer, received
from runner.commands.hosts.post import Post
from runner.commands.hosts.wire import Assignment, Made, Order, Prepared
from runner.errors import UsageError
from tests.support.hosts import MemoryPool, cells_of, memory_post, shards_of


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return memory_post(tmp_path, "a")


@pytest.fixture
def shard() -> Assignment:
    return shards_of(cells_of(1), 1)[0]


@pytest.fixture
def prepared(post: Post, shard: Assignment) -> Prepared:
    return post.prepare(shard)


@pytest.fixture
def order(prepared: Prepared) -> Order:
    return Order(run="run", key=prepared.key, number=2)


@pytest.fixture
def asked(prepared: Prepared, order: Order) -> tuple[Prepared, Order]:
    return prepared, order


@pytest.fixture
def made(post: Post, order: Order) -> Made:
    return post.make_round(order)


def damaged(message: Any, **changes: object) -> Any:
    """A message as another version might send it: no constructor was asked."""
    made = copy.deepcopy(message)
    vars(made).update(changes)
    return made


def without(message: Any, name: str) -> Any:
    made = copy.deepcopy(message)
    del vars(made)[name]
    return made


def test_what_is_right_is_received_as_it_is(
    post: Post, shard: Assignment, prepared: Prepared, order: Order, made: Made
) -> None:
    greeting = post.greet()
    messages: list[Any] = [greeting, prepared, order, made]
    assert [received(one) for one in messages] == messages
    assert misfit(prepared, shard, None) is None
    assert misfit(made, shard, (prepared, order)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda greeting: without(greeting, "engine_key"),
        lambda greeting: damaged(greeting, host=without(greeting.host, "hostname")),
        lambda greeting: damaged(greeting, engine=damaged(greeting.engine, cpus="two")),
        lambda greeting: damaged(greeting, held=3),
        lambda greeting: damaged(greeting, engine_key="\ud800"),
        lambda _: "monkey-matrix 0.1",
    ],
    ids=["missing", "missing below", "another kind", "no list", "no text", "no greeting"],
)
def test_a_greeting_of_another_version(post: Post, change: Callable[[Any], Any]) -> None:
    pool, greeting = MemoryPool({"tcp://a": post}), change(post.greet())
    post.greet = lambda: greeting  # type: ignore[method-assign]
    pool.submit("tcp://a", tasks.greet)
    ended = next_answer(pool, 1)
    assert ended is not None
    assert ended.result is None
    assert isinstance(ended.error, UsageError)
    assert "its worker answered what cannot be used" in str(ended.error)


def test_ready_for_other_cells(shard: Assignment, prepared: Prepared) -> None:
    record = prepared.record.model_copy(update={"cells": prepared.record.cells[1:]})
    assert "ready for other cells" in str(misfit(replace(prepared, record=record), shard, None))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made.launches[:1], "a round without all its launches"),
        (lambda made: [*made.launches, made.launches[0]], "a launch twice"),
        (lambda made: [made.launches[0]._replace(final=False), made.launches[1]], "without all"),
        (lambda made: [made.launches[0]._replace(result=b"{"), made.launches[1]], "Invalid JSON"),
        (
            lambda made: [made.launches[0]._replace(files={"../x": b""}), made.launches[1]],
            "files that are not a launch's",
        ),
    ],
)
def test_a_round_that_is_not_whole(
    shard: Assignment,
    asked: tuple[Prepared, Order],
    made: Made,
    change: Callable[[Made], Any],
    words: str,
) -> None:
    assert len(made.launches) == 2
    assert words in str(misfit(replace(made, launches=change(made)), shard, asked))


def test_another_round_and_no_round(
    shard: Assignment, prepared: Prepared, order: Order, made: Made
) -> None:
    asked = (prepared, replace(order, number=3))
    assert "launches of another round" in str(misfit(made, shard, asked))
    assert "(Prepared)" in str(misfit(prepared, shard, asked))
    assert "(Made)" in str(misfit(made, shard, None))


def test_a_part_of_a_round_need_not_have_all(
    shard: Assignment, prepared: Prepared, order: Order, made: Made
) -> None:
    part = replace(made, launches=made.launches[:1], whole=False)
    assert misfit(part, shard, (prepared, order)) is None
    first = prepared.record.cells[0].id
    some = replace(order, cells=frozenset({first}))
    answer = [one for one in made.launches if f'"{first}"'.encode() in one.result]
    assert misfit(replace(made, launches=answer), shard, (prepared, some)) is None


def test_a_worker_refuses_an_order_that_is_none(post: Post, order: Order) -> None:
    with pytest.raises(UsageError, match="Order: "):
        post.acknowledge(damaged(order, number="../.."))
    with pytest.raises(UsageError, match="Order: "):
        post.make_round(damaged(order, number=None))
