"""How long a cell's requests took: the distribution over all of them, thinned to a curve.

`ab` stores each request's time in whole milliseconds (`requests.tsv.gz`, its `-g` format, ordered
by that time). A published run leaves these files out and keeps `percentiles.csv`, which has the
time of each whole percentile to the microsecond.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.store.run_directory import RunDirectory

Floats: TypeAlias = "npt.NDArray[np.float64]"

REQUESTS: Final = "requests.tsv.gz"
PERCENTILES: Final = "percentiles.csv"
#: The column of the request file with the time from connecting to the last byte, in ms.
_TOTAL: Final = "ttime"
#: Above this share of requests points are evenly apart, below it evenly on a logarithmic scale.
_TAIL: Final = 0.1
MOST_POINTS: Final = 100
#: Shares of the slowest requests that every curve has a point for, as far as it has requests.
LANDMARKS: Final = (0.5, 0.1, 0.01, 0.001)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Latencies in ms, in any order, and the number of requests that each stands for."""

    latency_ms: Floats
    requests: Floats


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A distribution's points: `share` of the requests took `latency_ms` or longer.

    Latencies rise and shares fall, from 1 at the fastest request to that of the slowest one.
    """

    latency_ms: Floats
    share: Floats

    def at(self, share: float) -> float:
        """The latency in ms that this share of the requests took or exceeded."""
        return float(np.interp(-share, -self.share, self.latency_ms))

    def landmarks(self) -> list[int]:
        """The places of the points nearest to the landmarks, as far as there are requests."""
        return [_nearest(self.share, share) for share in LANDMARKS if share >= self.share[-1]]


def curve_of(
    directory: RunDirectory, launches: Sequence[LaunchRecord], points: int = MOST_POINTS
) -> Curve | None:
    """The distribution over all requests of a cell's launches; None where no launch has a file.

    Raises `UsageError` for a file that cannot be read.
    """
    samples = [
        sample
        for launch in launches
        if (sample := read(directory.launch_directory(launch.cell, launch.launch), launch.requests))
    ]
    return thinned(pooled(samples), points) if samples else None


def read(launch: Path, requests: int) -> Sample | None:
    """A launch's latencies: of each request, else by percentile of so many; None without files."""
    for name, parse in ((REQUESTS, _requests), (PERCENTILES, _percentiles)):
        try:
            return parse((launch / name).read_bytes(), requests)
        except FileNotFoundError:
            continue
        except (OSError, EOFError, ValueError, LookupError, zlib.error) as error:
            raise UsageError(
                f"{launch / name}: cannot be read as latencies ({error}); "
                "remove it, and the charts do without"
            ) from error
    return None


def _requests(content: bytes, _: int) -> Sample:
    heading, _newline, lines = gzip.decompress(content).partition(b"\n")
    column = heading.decode().split("\t").index(_TOTAL)
    latency = _numbers([line.split(b"\t")[column] for line in lines.splitlines()])
    return Sample(latency_ms=latency, requests=np.ones_like(latency))


def _percentiles(content: bytes, requests: int) -> Sample:
    """The last percentile is the slowest request; the others share what remains."""
    _heading, *lines = content.splitlines()
    latency = _numbers([line.partition(b",")[2] for line in lines])
    each = (requests - 1) / max(latency.size - 1, 1)
    return Sample(latency_ms=latency, requests=np.append(np.full(latency.size - 1, each), 1.0))


def _numbers(texts: Sequence[bytes]) -> Floats:
    """The texts as times; `ValueError` where there are none, or others than times."""
    numbers = np.array(texts, dtype=np.float64)
    if not numbers.size or not np.isfinite(numbers).all() or numbers.min() < 0:
        raise ValueError("it has no times, or others than numbers from 0 up")
    return numbers


def pooled(samples: Sequence[Sample]) -> Sample:
    """All samples as one."""
    return Sample(
        latency_ms=np.concatenate([sample.latency_ms for sample in samples]),
        requests=np.concatenate([sample.requests for sample in samples]),
    )


def thinned(sample: Sample, points: int = MOST_POINTS) -> Curve:
    """The sample's distribution in at most so many points (6 or more), its tail kept.

    Half of the points are for the fastest nine tenths of the requests, half for the slowest.
    """
    order = np.argsort(sample.latency_ms, kind="stable")
    latency, requests = sample.latency_ms[order], sample.requests[order]
    # Summed from the slowest one, so that the smallest shares are exact.
    share = np.cumsum(requests[::-1])[::-1] / requests.sum()
    room = points - len(LANDMARKS)
    body = np.linspace(1, _TAIL, room - room // 2, endpoint=False)
    tail = np.geomspace(min(_TAIL, share[0]), share[-1], room // 2)
    wanted = np.concatenate([body, tail]) * (1 + 1e-9)  # a share equal but for rounding is found
    found = np.searchsorted(-share, -wanted).clip(max=share.size - 1)
    near = [_nearest(share, landmark) for landmark in LANDMARKS]
    picked = np.unique([*found, *near])
    return Curve(latency_ms=latency[picked], share=share[picked])


def _nearest(shares: Floats, wanted: float) -> int:
    """The place of the share that is the fewest times as large or small as the one wanted."""
    return int(np.abs(np.log(shares / wanted)).argmin())
