"""What gets inputs."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from runner.errors import MatrixError


class Target(ABC):
    """Something that takes inputs. Whatever else it raises than `allowed` is a fault."""

    name: ClassVar[str]
    allowed: ClassVar[tuple[type[Exception], ...]] = (MatrixError,)

    def __init__(self, directory: Path) -> None:
        self.directory = directory / self.name
        self.directory.mkdir()

    @abstractmethod
    def make(self, chance: random.Random) -> bytes:
        """An input."""

    @abstractmethod
    def take(self, made: bytes, chance: random.Random) -> None:
        """Do with it what the program would."""

    def _file(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path
