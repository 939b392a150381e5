"""A model of an answer or a file whose numbers may be absurd, and are then refused."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, model_validator


class Bounded(BaseModel):
    """A model that refuses NaN, infinity, and numbers above `largest`.

    `largest` is small enough that what is computed from a few such numbers is still finite.
    """

    largest: ClassVar[float] = 1e100

    @model_validator(mode="after")
    def _refuse_beyond_measure(self) -> Self:
        for name, value in vars(self).items():
            for number in value.values() if isinstance(value, dict) else (value,):
                if isinstance(number, (int, float)) and not -self.largest <= number <= self.largest:
                    raise ValueError(f"{name} is beyond all measure")
        return self
