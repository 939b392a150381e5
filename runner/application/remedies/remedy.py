"""One thing that helps: a key of the matrix file, and its value where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runner.matrix.application import SECTION

#: How a value stands in the matrix file, by key; a key that is not here has it as it is.
SHAPES: Final = {
    "before": '["{}"]',
    "debian": "[{}]",
    "environment": "{{{}: …}}",
    "include": "[{}]",
    "requirements": "[…, {}]",
    "services": "{{db: {{companion: {}}}}}",
}


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What helps against one kind of failure; `name` is what is missing.

    `key` is that of the section `application` to set, and `value` one thing that it gets, None
    where only the user knows it: `debian` and `libmagic1`, `environment` and the variable's name,
    `services` and a companion. An empty `key` stands for something else than a setting. `words`
    say the same for people, as a reason goes on after a semicolon.
    """

    kind: str
    name: str
    key: str
    value: str | None
    words: str

    def __str__(self) -> str:
        return self.words


def setting(key: str, value: str | None = None) -> str:
    """A key of the section with its value, as it stands in the matrix file, for people."""
    if value is None:
        return f"`{SECTION}.{key}`"
    return f"`{SECTION}.{key}: {SHAPES.get(key, '{}').format(value)}`"
