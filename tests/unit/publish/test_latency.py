from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.publish.latency import (
    LANDMARKS,
    PERCENTILES,
    REQUESTS,
    Sample,
    curve_of,
    read,
    thinned,
)
from runner.store.run_directory import RunDirectory
from tests.support.samples import cell, launch

HEADING = "starttime\tseconds\tctime\tdtime\tttime\twait"
CELL = cell("3.11", "none")


def request_file(times: Sequence[int]) -> bytes:
    """As `ab -g` writes it: connecting, processing, both together, and waiting, in ms."""
    lines = [
        f"Wed Nov 25 13:16:48 2026\t1795612608\t9\t{time - 9}\t{time}\t{time - 12}"
        for time in times
    ]
    return gzip.compress("\n".join([HEADING, *lines, ""]).encode())


def percentile_file(times: Sequence[float]) -> bytes:
    lines = [f"{percent},{time:.3f}" for percent, time in enumerate(times)]
    return "\n".join(["Percentage served,Time in ms", *lines, ""]).encode()


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(results=tmp_path, path=tmp_path / "run")


def store(run: RunDirectory, number: int, **files: bytes) -> Path:
    names = {"requests": REQUESTS, "percentiles": PERCENTILES}
    directory = run.launch_directory(CELL.id, number)
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / names[name]).write_bytes(content)
    return directory


def test_the_times_of_all_requests_are_read(run: RunDirectory) -> None:
    sample = read(store(run, 1, requests=request_file([1022, 1025, 2037])), 3)
    assert sample is not None
    assert sample.latency_ms.tolist() == [1022, 1025, 2037]
    assert sample.requests.tolist() == [1, 1, 1]


def test_a_published_run_has_percentiles(run: RunDirectory) -> None:
    times = [2000 + percent / 4 for percent in range(100)] + [2500.125]
    sample = read(store(run, 1, percentiles=percentile_file(times)), 5000)
    assert sample is not None
    curve = thinned(sample, 200)
    assert sample.requests.sum() == pytest.approx(5000)
    assert (curve.latency_ms[0], curve.latency_ms[-1]) == (2000.0, 2500.125)
    assert curve.share[-1] == pytest.approx(1 / 5000)
    assert curve.at(0.5) == pytest.approx(2012.5, abs=0.01)


def test_all_requests_are_better_than_percentiles(run: RunDirectory) -> None:
    directory = store(run, 1, requests=request_file([10]), percentiles=percentile_file([99.0]))
    sample = read(directory, 1)
    assert sample is not None
    assert sample.latency_ms.tolist() == [10]


def test_a_launch_without_files_has_no_latencies(run: RunDirectory) -> None:
    assert read(store(run, 1), 5000) is None
    assert curve_of(run, [launch(CELL)]) is None


def test_launches_are_pooled(run: RunDirectory) -> None:
    store(run, 1, requests=request_file([10, 30]))
    store(run, 2, requests=request_file([20, 40]))
    store(run, 3)
    curve = curve_of(run, [launch(CELL, number) for number in (1, 2, 3)])
    assert curve is not None
    assert dict(zip(curve.latency_ms, curve.share, strict=True)) == {
        10: 1,
        20: 0.75,
        30: 0.5,
        40: 0.25,
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(REQUESTS, b"no archive", id="no archive"),
        pytest.param(REQUESTS, request_file([10, 20])[:-12], id="cut short"),
        pytest.param(REQUESTS, gzip.compress(b"seconds\tctime\n1\t2\n"), id="other columns"),
        pytest.param(REQUESTS, gzip.compress(f"{HEADING}\nWed\t17\n".encode()), id="no numbers"),
        pytest.param(REQUESTS, gzip.compress(HEADING.encode()), id="no requests"),
        pytest.param(PERCENTILES, b"", id="nothing"),
        pytest.param(PERCENTILES, b"Percentage served,Time in ms\n", id="no percentiles"),
        pytest.param(PERCENTILES, b"Percentage served,Time in ms\n0,soon\n", id="no times"),
        pytest.param(PERCENTILES, b"Percentage served,Time in ms\n0,nan\n", id="no number"),
        pytest.param(PERCENTILES, b"Percentage served,Time in ms\n0,-1\n", id="before the request"),
    ],
)
def test_a_damaged_file_is_named_with_the_remedy(
    run: RunDirectory, name: str, content: bytes
) -> None:
    directory = store(run, 1)
    (directory / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"{re.escape(str(directory / name))}: .*; remove it"):
        read(directory, 5000)


times = st.lists(st.integers(0, 100_000), min_size=1, max_size=400)


@given(times, st.integers(6, 100))
def test_a_curve_keeps_both_ends_and_says_what_is_so(times: list[int], points: int) -> None:
    latency = np.array(times, dtype=np.float64)
    curve = thinned(Sample(latency_ms=latency, requests=np.ones_like(latency)), points)
    assert curve.latency_ms.size <= points
    assert (curve.latency_ms[0], curve.latency_ms[-1]) == (min(times), max(times))
    assert (curve.share[0], curve.share[-1]) == (1, pytest.approx(1 / len(times)))
    assert (np.diff(curve.share) < 0).all()
    assert (np.diff(curve.latency_ms) >= 0).all()
    # Of equal latencies each stands for itself and the rest: a share is never more than is so.
    for ms, share in zip(curve.latency_ms, curve.share, strict=True):
        assert (latency > ms).mean() < share <= (latency >= ms).mean() + 1e-12


def test_few_points_keep_the_tail() -> None:
    latency = np.concatenate([np.full(4995, 2001.0), [2100, 2200, 2300, 2400, 9000]])
    curve = thinned(Sample(latency_ms=latency, requests=np.ones_like(latency)), 12)
    assert curve.latency_ms[-1] == 9000
    assert curve.latency_ms.size <= 12
    assert [curve.share[place] for place in curve.landmarks()] == pytest.approx(LANDMARKS)


def test_landmarks_beyond_the_requests_are_none() -> None:
    curve = thinned(Sample(latency_ms=np.arange(50.0), requests=np.ones(50)))
    assert [curve.latency_ms[place] for place in curve.landmarks()] == [25, 45]
