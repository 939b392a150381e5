"""What a load came to: the agent's answer, read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.errors import EngineError
from runner.matrix.ceiling import AbOpening, shortest_time_s
from runner.measurement import ab, rate, served
from runner.measurement.agent import LoadReply
from runner.measurement.asked import WORKLOAD, Asked
from runner.measurement.load import Load
from runner.measurement.records import AbFigures, Answers, RateFigures, Served
from runner.text import last_line


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A load that was sent, and what is known of it.

    `set_up` is how many requests the server is set up to take at a time, `sent_right` how many
    right answers it recorded. `standstills` are the times in which no request moved, `began_s` is
    when the first entered. `files` are what is kept of the load, by name.
    """

    reply: LoadReply
    load: Load
    opening: AbOpening
    set_up: int
    figures: AbFigures | None = None
    served: Served | None = None
    answers: Answers | None = None
    sent_right: int = 0
    standstills: tuple[float, ...] = ()
    began_s: float = 0.0
    rate: RateFigures | None = None
    asked: Asked = WORKLOAD
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def stalled_s(self) -> float | None:
        """For how long no request moved at most; None if that is not known.

        The clients of a closed loop wait from its beginning on.
        """
        if self.served is None:
            return None
        return max((0.0 if self.load.rate else self.began_s), *self.standstills, 0.0)

    @property
    def offered(self) -> float:
        """How many requests the clients kept in work, had each been answered as fast as a lone one.

        Little's law, with the service time as the unit of time; at a fixed rate it is that rate
        times that time.
        """
        if self.load.rate:
            service_ms = self.served.service_ms if self.served else None
            return self.load.rate * (service_ms or 0.0) / 1000
        return self.load.requests / shortest_time_s(
            requests=self.load.requests,
            concurrency=self.load.concurrency,
            service_s=1.0,
            opening=self.opening,
        )

    @property
    def seen(self) -> Served | None:
        """What was recorded, with what was offered."""
        return self.served and self.served.model_copy(update={"offered": self.offered})

    @property
    def cpu_share(self) -> float:
        """CPUs that the server kept busy over the load."""
        return (self.reply.after.cpu_s - self.reply.before.cpu_s) / self.reply.ab.wall_s


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """What is damaged of a load's files is an `EngineError`: it says nothing about the cell."""
    try:
        yield
    except ValueError as error:
        raise EngineError(f"what the load left cannot be read: {error}") from error


@_readable()
def read_load(
    reply: LoadReply,
    load: Load,
    *,
    opening: AbOpening,
    set_up: int,
    lone_s: float | None,
    asked: Asked = WORKLOAD,
) -> Loaded:
    """What the agent's answer says of a load; `lone_s` is a lone request's time, in seconds.

    `EngineError` where the load generator left nothing that can be read.
    """
    files: dict[str, bytes] = {}
    figures: AbFigures | None
    answers, at_a_rate = None, None
    if load.rate:
        figures, answers, at_a_rate = _read_rate(reply, load, load.rate, files, asked)
    else:
        figures = _read_ab(reply, files)
    seen, sent_right, began_s = None, 0, 0.0
    standstills: tuple[float, ...] = ()
    if reply.served_archive:
        files["served.tsv.gz"] = reply.served_archive
        requests = served.parse(reply.served_archive)
        seen = served.served(requests, lone_s)
        sent_right = served.sent_right(requests, asked.right)
        standstills = served.standstills(requests)
        began_s = min((request.entered_s for request in requests), default=0.0)
        if figures and not load.rate:
            answers = served.answers(requests, figures, asked.right)
        if answers is None:
            seen = None  # some were not recorded
    return Loaded(
        reply=reply,
        load=load,
        opening=opening,
        set_up=set_up,
        figures=figures,
        served=seen,
        answers=answers,
        sent_right=sent_right,
        standstills=standstills,
        began_s=began_s,
        rate=at_a_rate,
        asked=asked,
        files=files,
    )


def _read_ab(reply: LoadReply, files: dict[str, bytes]) -> AbFigures | None:
    files["ab.txt"] = (reply.ab.stdout + reply.ab.stderr).encode()
    if reply.requests_archive:
        files["requests.tsv.gz"] = reply.requests_archive
    if reply.percentiles_csv:
        files["percentiles.csv"] = reply.percentiles_csv.encode()
    try:
        return ab.parse(reply.ab.stdout, reply.percentiles_csv)
    except ab.AbReportError:
        return None


def _read_rate(
    reply: LoadReply, load: Load, per_second: float, files: dict[str, bytes], asked: Asked
) -> tuple[AbFigures, Answers, RateFigures]:
    if reply.requests_archive is None:
        raise EngineError(f"the load generator wrote nothing: {last_line(reply.ab.stderr)}")
    files["requests.tsv.gz"] = reply.requests_archive
    try:
        return rate.figures(reply.requests_archive, per_second, load.requests, asked.right)
    except ValueError as error:
        raise EngineError(f"the load generator: {error}") from error
