"""What commands print of the published runs is what they printed; see `tests.support.golden`."""

from __future__ import annotations

import difflib
from itertools import islice

import pytest

from tests.support import golden


def test_every_published_run_has_its_texts() -> None:
    assert {path.stem for path in golden.GOLDEN.iterdir()} == {*golden.names()}


@pytest.mark.parametrize("name", golden.names())
def test_commands_print_what_they_printed(name: str) -> None:
    stored = golden.stored(name).read_text(encoding="utf-8").splitlines()
    today = golden.document(name).splitlines()
    changes = islice(difflib.unified_diff(stored, today, "stored", "today", n=1, lineterm=""), 40)
    assert not (shown := "\n".join(changes)), (
        f"{shown}\nIf this is meant: `python -m tests.support.golden --write`, in a commit that "
        "says which rule changed."
    )
