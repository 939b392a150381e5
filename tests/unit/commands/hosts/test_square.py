"""Which host makes which round."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runner.commands.hosts.square import PERIOD, Task, home

hosts_and_shards = st.integers(1, 12).flatmap(
    lambda hosts: st.tuples(st.just(hosts), st.integers(1, hosts))
)


@given(hosts_and_shards)
def test_in_every_round_a_host_has_at_most_one_shard(given_: tuple[int, int]) -> None:
    hosts, shards = given_
    for number in range(1, 3 * PERIOD * hosts + 1):
        homes = [home(Task(number, s + 1), hosts=hosts, rounds=100) for s in range(shards)]
        assert len({*homes}) == shards


@given(hosts_and_shards)
def test_a_shard_meets_every_host_for_as_many_rounds_in_a_row(given_: tuple[int, int]) -> None:
    hosts, shards = given_
    rounds = PERIOD * hosts
    for shard in range(1, shards + 1):
        homes = [home(Task(n, shard), hosts=hosts, rounds=rounds) for n in range(1, rounds + 1)]
        assert set(Counter(homes).values()) == {PERIOD}
        assert all(len({*homes[n : n + PERIOD]}) == 1 for n in range(0, rounds, PERIOD))


@given(st.integers(1, 12), st.integers(1, 40))
def test_no_host_has_fewer_rounds_than_say_something(hosts: int, rounds: int) -> None:
    homes = [home(Task(n, 1), hosts=hosts, rounds=rounds) for n in range(1, rounds + 1)]
    assert min(Counter(homes).values()) >= min(PERIOD, rounds)
