"""Where the program's own files are, and where it keeps what it can make again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import platformdirs

_PACKAGE: Final = Path(__file__).resolve().parent
_CHECKOUT: Final = _PACKAGE.parent
#: In a checkout `images/` is beside the package, in an installed wheel it is inside.
_IS_CHECKOUT: Final = all((_CHECKOUT / name).exists() for name in ("images", "pyproject.toml"))

#: What runs inside containers: the server program, the companions, the load generator's agent.
IMAGES: Final = (_CHECKOUT if _IS_CHECKOUT else _PACKAGE) / "images"
#: Locks, installed packages, what was found out about `ab`. Never in results: all of it can be made
#: again.
CACHE: Final = (
    _CHECKOUT / ".cache" if _IS_CHECKOUT else platformdirs.user_cache_path("monkey-matrix")
)
