"""What is read from elsewhere, an answer or a file, with numbers that can be counted with."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, model_validator


class Bounded(BaseModel):
    """A model that refuses infinite numbers, those that are none, and such as nothing has.

    `largest` is the largest there may be: what is computed of a few such numbers is still finite.
    """

    largest: ClassVar[float] = 1e100

    @model_validator(mode="after")
    def _refuse_beyond_measure(self) -> Self:
        for name, value in vars(self).items():
            for number in value.values() if isinstance(value, dict) else (value,):
                if isinstance(number, (int, float)) and not -self.largest <= number <= self.largest:
                    raise ValueError(f"{name} is beyond all measure")
        return self
