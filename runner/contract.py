"""What the runner and the programs in the containers agree on: `images/contract.py`, with types."""

from __future__ import annotations

import runpy
from typing import Final

from runner.paths import IMAGES

CONTRACT: Final = IMAGES / "contract.py"
_AGREED: Final = runpy.run_path(str(CONTRACT))

PORT: Final[int] = _AGREED["PORT"]
BODY: Final[str] = _AGREED["BODY"]
RECORDINGS: Final[str] = _AGREED["RECORDINGS"]
RECORD: Final[str] = _AGREED["RECORD"]
IMPORT_FAILED: Final[int] = _AGREED["IMPORT_FAILED"]
BEFORE_FAILED: Final[int] = _AGREED["BEFORE_FAILED"]
WORKLOAD_APPLICATION: Final[str] = _AGREED["WORKLOAD_APPLICATION"]
STARTED: Final[str] = _AGREED["STARTED"]
EFFECTS: Final[str] = _AGREED["EFFECTS"]
LOOKED: Final[str] = _AGREED["LOOKED"]
ASK: Final[str] = _AGREED["ASK"]
STACKS: Final[str] = _AGREED["STACKS"]
THREADS_ONLY: Final[int] = _AGREED["THREADS_ONLY"]
WITH_GREENLETS: Final[int] = _AGREED["WITH_GREENLETS"]
WITH_SCAN: Final[int] = _AGREED["WITH_SCAN"]
BLOCKS: Final[str] = _AGREED["BLOCKS"]
GROUPED: Final[str] = _AGREED["GROUPED"]
GREENLETS: Final[str] = _AGREED["GREENLETS"]
END_OF_DUMP: Final[str] = _AGREED["END_OF_DUMP"]
MAIN_THREAD: Final[str] = _AGREED["MAIN_THREAD"]
COMPANION_READY: Final[str] = _AGREED["COMPANION_READY"]
