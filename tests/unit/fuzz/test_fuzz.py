"""A small part of `make fuzz` with each run of the suite, always the same, and that it can fail."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runner.errors import MatrixError
from tests.fuzz import loop, mutate
from tests.fuzz.__main__ import figures
from tests.fuzz.loop import Tally, one
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

SEED = 20261127
#: Of each target so many that all of them together take few seconds.
INPUTS = {"matrix": 150, "reports": 300, "records": 300, "runs": 40, "replies": 120, "messages": 60}


@pytest.mark.parametrize("kind", [kind for kind, _ in TARGETS], ids=lambda kind: str(kind.name))
def test_a_few_inputs(kind: type[Target], tmp_path: Path) -> None:
    target, tally = kind(tmp_path), Tally()
    for number in range(INPUTS[kind.name]):
        one(target, SEED, number, tally)
    assert [(f.number, f.what, f.where) for f in tally.findings.values()] == []
    assert tally.accepted > 0


class Faulty(Target):
    """Raises what its input says."""

    name = "faulty"
    raises: ClassVar[dict[bytes, BaseException]] = {
        b"0": MatrixError("refused, as it should be"),
        b"1": KeyError("a fault"),
        b"2": RecursionError("another"),
    }

    def make(self, chance: random.Random) -> bytes:
        return str(chance.randrange(4)).encode()

    def take(self, made: bytes, chance: random.Random) -> None:
        if made in self.raises:
            raise self.raises[made]


def test_what_no_input_may_raise_is_found(tmp_path: Path) -> None:
    target, tally = Faulty(tmp_path), Tally()
    for number in range(40):
        one(target, SEED, number, tally)
    assert {finding.what for finding in tally.findings.values()} == {
        "KeyError: 'a fault'",
        "RecursionError: another",
    }
    assert tally.faults + tally.accepted < tally.inputs == 40
    row = figures({"faulty": tally}).splitlines()[-1]
    assert [cell.strip() for cell in row.split("|")][1:3] == ["faulty", "40"]


class Hanging(Faulty):
    """Computes without end, and catches every exception."""

    def take(self, made: bytes, chance: random.Random) -> None:
        while True:
            try:
                self._compute()
            except Exception:  # noqa: BLE001 - as a program that hangs may
                continue

    def _compute(self) -> None:
        sum(range(1000))


def test_an_input_that_hangs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CPU_S", 0.05)
    tally = Tally()
    one(Hanging(tmp_path), SEED, 1, tally)
    assert [finding.what for finding in tally.findings.values()] == ["HangsError: "]


def every(value: Any) -> Iterator[Any]:
    yield value
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in below:
        yield from every(inner)


def test_inputs_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    original = {"a": [1, 2, {"b": None}], "c": "text"}
    texts = ["one: 1\ntwo: 22\n", "three: [3]\n"]

    def made(seed: int) -> list[bytes]:
        chance = random.Random(seed)
        values = [mutate.json_bytes(chance, original) for _ in range(200)]
        return values + [mutate.as_bytes(chance, mutate.text(chance, texts)) for _ in range(200)]

    assert made(1) == made(1)
    assert len({*made(1), *made(2)}) > 400
    assert original == {"a": [1, 2, {"b": None}], "c": "text"}


def test_values_keep_to_json() -> None:
    chance = random.Random(SEED)
    original = {"a": [1, 2, {"b": None}], "c": "text", "d": {"e": {"f": [[]]}}}
    for _ in range(500):
        made = mutate.value(chance, original)
        assert all(isinstance(v, (dict, list, str, int, float, type(None))) for v in every(made))
        json.dumps(made)
