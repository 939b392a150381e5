"""How long a cell's requests took: the distribution over all of them, thinned to a curve.

`ab` stores each request's time in whole milliseconds (`requests.tsv.gz`, its `-g` format). A
publication has the curves instead (`latency.csv`), for the cells that its chart shows.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from runner.errors import UsageError
from runner.measurement.records import LaunchRecord
from runner.store.run_directory import RunDirectory

T = TypeVar("T")

REQUESTS: Final = "requests.tsv.gz"
CURVE: Final = "latency.csv"
_HEADING: Final = b"share,ms"
#: The column of the request file with the time from connecting to the last byte, in ms.
_TOTAL: Final = b"ttime"
#: Above this share of requests points are evenly apart, below it evenly on a logarithmic scale.
_TAIL: Final = 0.1
MOST_POINTS: Final = 40
#: Shares of the slowest requests that every curve has a point for, as far as it has requests.
LANDMARKS: Final = (0.5, 0.1, 0.01, 0.001)


class Point(NamedTuple):
    """So large a share of the requests took so many milliseconds or longer."""

    share: float
    ms: float


#: From the fastest request, whose share is 1, to the slowest.
Curve = Sequence[Point]


def curve_of(directory: RunDirectory, launches: Sequence[LaunchRecord]) -> Curve:
    """The distribution over all requests of a cell's launches; empty where nothing is stored of it.

    Raises `UsageError` for a file that cannot be read.
    """
    paths = [directory.launch_directory(launch.cell, launch.launch) for launch in launches]
    for cell in {path.parent for path in paths}:
        if published := _read(cell / CURVE, _points):
            return published
    times = [ms for path in paths for ms in _read(path / REQUESTS, _times) or ()]
    return thinned(times) if times else ()


def curve_text(curve: Curve) -> str:
    """The curve as it is published."""
    return f"{_HEADING.decode()}\n" + "".join(f"{at.share:.4g},{at.ms:.5g}\n" for at in curve)


def _read(path: Path, parse: Callable[[bytes], T]) -> T | None:
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, LookupError, zlib.error) as error:
        raise UsageError(
            f"{path}: cannot be read as latencies ({error}); remove it, and the charts do without"
        ) from error


def _points(content: bytes) -> Curve:
    heading, *lines = content.split()
    if heading != _HEADING:
        raise ValueError(f"its heading is not {_HEADING.decode()}")
    columns = [line.split(b",") for line in lines]
    shares, times = (_numbers([texts[place] for texts in columns]) for place in (0, 1))
    return [Point(*pair) for pair in zip(shares, times, strict=True)]


def _times(content: bytes) -> list[float]:
    heading, *lines = gzip.decompress(content).splitlines()
    column = heading.split(b"\t").index(_TOTAL)
    return _numbers([line.split(b"\t")[column] for line in lines])


def _numbers(texts: Sequence[bytes]) -> list[float]:
    numbers = [float(text) for text in texts]
    if not numbers or not all(map(isfinite, numbers)) or min(numbers) < 0:
        raise ValueError("it has no times, or others than numbers from 0 up")
    return numbers


def thinned(times: Sequence[float], points: int = MOST_POINTS) -> Curve:
    """The distribution of these times in at most so many points (6 or more), its tail kept.

    Half of the points are for the fastest nine tenths of the requests, half for the slowest.
    """
    number, in_order = len(times), sorted(times)
    half = (points - len(LANDMARKS)) // 2
    body = [1 - (1 - _TAIL) * place / half for place in range(half)]
    tail = [_TAIL * (number * _TAIL) ** (-place / half) for place in range(1, half)]
    wanted = (*body, *tail, *LANDMARKS, 0.0)
    picked = sorted({min(number - round(share * number), number - 1) for share in wanted})
    return [Point((number - place) / number, in_order[place]) for place in picked]


def nearest(curve: Curve, share: float) -> Point:
    """The curve's point at a share of the slowest requests."""
    return min(curve, key=lambda point: abs(point.share - share))
