"""How `ab` opens its connections is found out once for each image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.build.recipe import Image
from runner.commands.examined import examined
from runner.engine.protocol import ContainerSpec, ExecResult
from runner.matrix.ceiling import AbOpening
from tests.support.memory_engine import MemoryEngine

IMAGE = Image(reference="loadgen", image_id="sha256:1234", key="key")


def that_opens(number: int) -> MemoryEngine:
    """An engine whose `ab` opens so many connections before the first answer."""

    def answer(_: MemoryEngine, __: ContainerSpec, ___: Sequence[str]) -> ExecResult:
        told = json.dumps({"opened_before_first_answer": number, "version": "2.4.71"})
        return ExecResult(exit_code=0, stdout=told.encode(), stderr=b"")

    return MemoryEngine(answer)


def test_an_image_that_is_known_is_not_looked_at(tmp_path: Path) -> None:
    first = examined(that_opens(1), IMAGE, tmp_path, fresh=False)
    assert (first.opening, first.version) == (AbOpening.FIRST_ALONE, "2.4.71")
    engine = that_opens(4)
    assert examined(engine, IMAGE, tmp_path, fresh=False) == first
    assert engine.calls == {}


def test_another_image_is_looked_at_and_so_is_a_known_one_if_told(tmp_path: Path) -> None:
    examined(that_opens(1), IMAGE, tmp_path, fresh=False)
    other = replace(IMAGE, image_id="sha256:5678")
    seen = examined(that_opens(4), other, tmp_path, fresh=False)
    assert seen.opening is AbOpening.TOGETHER
    assert examined(that_opens(4), IMAGE, tmp_path, fresh=True) == seen
    assert examined(that_opens(1), IMAGE, tmp_path, fresh=False) == seen


def test_what_cannot_be_read_is_looked_at_again(tmp_path: Path) -> None:
    first = examined(that_opens(1), IMAGE, tmp_path, fresh=False)
    [known] = tmp_path.rglob("*.json")
    known.write_text('{"opening": "sideways"}', encoding="utf-8")
    assert examined(that_opens(1), IMAGE, tmp_path, fresh=False) == first
