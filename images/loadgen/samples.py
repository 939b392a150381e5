"""Correctness while a load lasts: one request of our own at a time, with a pause after each.

`ab` and what sends at a fixed rate look at an answer's status and length only. Where the right
answer is one exact body, its length is enough and nothing is sampled.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from recorded import Sample
from request import BODILESS, Answer, CheckFailedError, ask, told_of, what_is_wrong

#: Seconds between an answer and the next request.
PAUSE_S = 1.0


class Samples(threading.Thread):
    """The requests that are sampled. `taken` are those that the server may have recorded."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.config = config
        self.wanted: bool = not config["fixed_length"]
        self.stopped = threading.Event()
        self.taken: list[Sample] = []
        self.sent = self.right = 0
        self.first_wrong: dict[str, Any] | None = None

    def start(self) -> None:
        """Begin, where anything is to be sampled."""
        if self.wanted:
            super().start()

    def run(self) -> None:
        """Take samples until stopped."""
        while not self.stopped.is_set():
            self.take()
            self.stopped.wait(PAUSE_S)

    def take(self) -> None:
        """Take one. One that the load's end has overtaken does not count."""
        begun_ns = time.monotonic_ns()
        wrong: dict[str, Any] | None = None
        try:
            answer = ask(self.config, self.config["silence_s"])
        except CheckFailedError as error:
            wrong = {"failed": error.kind, "reason": str(error), "answer": None}
        else:
            self.taken.append(self._sample(begun_ns, answer))
            if text := what_is_wrong(self.config["response"], answer):
                wrong = {"failed": "wrong-answer", "reason": text, "answer": told_of(answer)}
        self.sent += 1
        self.right += wrong is None
        self.first_wrong = self.first_wrong or wrong

    def _sample(self, begun_ns: int, answer: Answer) -> Sample:
        bodiless = self.config["request"]["method"] == "HEAD" or answer.status in BODILESS
        length = None if bodiless else len(answer.body)
        return Sample(begun_ns, time.monotonic_ns(), answer.status, length)

    def end(self, *, answering: bool) -> None:
        """Stop; of a server that answers, wait for the last one."""
        self.stopped.set()
        if self.wanted and answering:
            self.join()

    def reply(self, *, answering: bool) -> dict[str, Any] | None:
        """What was found, after one more request to a server that answers; None without any."""
        if not self.wanted:
            return None
        if answering:
            self.take()
        return {"sent": self.sent, "right": self.right, "first_wrong": self.first_wrong}
