"""The program's side of the process that draws."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, Final, Self, cast

from runner.errors import MatrixError
from runner.publish.drawing import Pictures

COMMAND: Final = (sys.executable, "-m", "runner.publish.drawing")


class Artist:
    """Draws charts one after another, each as soon as it is asked for.

    Used as a context manager: what was asked for inside is drawn to its end, whether or not the
    program has gone on from there.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="artist")
        # In a session of its own: a key that interrupts the program is not meant for it.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._questions = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.submit(self._end)
        self._thread.shutdown(wait=False)

    def draw(self, spec: dict[str, Any]) -> Future[Pictures]:
        """The pictures of a specification, once they are drawn.

        Their `result` raises `MatrixError` where the drawing process ended without them.
        """
        return self._thread.submit(self._drawn, spec)

    def _drawn(self, spec: dict[str, Any]) -> Pictures:
        with suppress(BrokenPipeError):  # then there is no answer either
            self._questions.write(json.dumps(spec).encode() + b"\n")
            self._questions.flush()
        answer = self._answers.readline()
        if not answer:
            raise MatrixError(
                "the charts cannot be drawn: the process that draws them ended with status "
                f"{self._process.wait()}; its last words are above, and it may want more memory"
            )
        said = json.loads(answer)
        return Pictures(svg=said["svg"], png=base64.b64decode(said["png"]))

    def _end(self) -> None:
        self._process.communicate()
