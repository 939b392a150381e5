"""Where the program's own files are, and where it keeps what it can make again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: What runs inside containers: the server program, the companions, the load generator's agent.
IMAGES: Final = Path(__file__).resolve().parents[1] / "images"
#: Locks and installed packages. Never in results: all of it can be made again.
CACHE: Final = Path(".cache")
