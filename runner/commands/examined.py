"""How the `ab` of an image opens its connections: found out once, and known from then on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from runner.build.recipe import Image
from runner.engine.protocol import Engine
from runner.measurement.agent import AbFacts, ab_facts
from runner.store.atomic import write_atomic

_FACTS: Final = TypeAdapter(AbFacts)


def examined(engine: Engine, image: Image, cache: Path, *, fresh: bool) -> AbFacts:
    """What was found out about this very image, by its id, in an earlier run or just now.

    `fresh` looks again.
    """
    path = cache / "ab" / f"{image.image_id.rpartition(':')[2]}.json"
    if not fresh:
        with suppress(OSError, ValueError):
            return _FACTS.validate_json(path.read_bytes())
    facts = ab_facts(engine, image.reference)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _FACTS.dump_json(facts))
    return facts
