from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.publish.latency import (
    CURVE,
    LANDMARKS,
    REQUESTS,
    curve_of,
    curve_text,
    nearest,
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


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(results=tmp_path, path=tmp_path / "run")


def store(run: RunDirectory, number: int, content: bytes) -> Path:
    path = run.launch_directory(CELL.id, number) / REQUESTS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_launches_are_pooled(run: RunDirectory) -> None:
    store(run, 1, request_file([10, 30]))
    store(run, 2, request_file([20, 40]))
    curve = curve_of(run, [launch(CELL, number) for number in (1, 2, 3)])
    assert curve == [(1, 10), (0.75, 20), (0.5, 30), (0.25, 40)]


def test_without_files_there_is_no_curve(run: RunDirectory) -> None:
    assert not curve_of(run, [launch(CELL)])
    assert not curve_of(run, [])


def test_a_published_run_has_the_curve_itself(run: RunDirectory) -> None:
    store(run, 1, request_file([10, 20, 30]))
    curve = curve_of(run, [launch(CELL)])
    path = run.path / "cells" / CELL.id / CURVE
    path.write_text(curve_text(curve), encoding="utf-8")
    assert curve_text(curve) == "share,ms\n1,10\n0.6667,20\n0.3333,30\n"
    store(run, 1, b"no archive")
    assert curve_text(curve_of(run, [launch(CELL)])) == curve_text(curve)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(REQUESTS, b"no archive", id="no archive"),
        pytest.param(REQUESTS, request_file([10, 20])[:-12], id="cut short"),
        pytest.param(REQUESTS, gzip.compress(b"seconds\tctime\n1\t2\n"), id="other columns"),
        pytest.param(REQUESTS, gzip.compress(f"{HEADING}\nWed\t17\n".encode()), id="no numbers"),
        pytest.param(REQUESTS, gzip.compress(HEADING.encode()), id="no requests"),
        pytest.param(REQUESTS, request_file([-1]), id="before the request"),
        pytest.param(CURVE, b"", id="nothing"),
        pytest.param(CURVE, b"a,b\n1,2\n", id="other heading"),
        pytest.param(CURVE, b"share,ms\n", id="no points"),
        pytest.param(CURVE, b"share,ms\n1\n", id="no times"),
        pytest.param(CURVE, b"share,ms\n1,soon\n", id="no number"),
        pytest.param(CURVE, b"share,ms\n1,nan\n", id="not a number"),
    ],
)
def test_a_damaged_file_is_named_with_the_remedy(
    run: RunDirectory, name: str, content: bytes
) -> None:
    path = run.launch_directory(CELL.id, 1) / name
    path = path if name == REQUESTS else run.path / "cells" / CELL.id / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UsageError, match=rf"{re.escape(str(path))}: .*; remove it"):
        curve_of(run, [launch(CELL)])


times = st.lists(st.integers(0, 100_000), min_size=1, max_size=400)


@given(times, st.integers(8, 100))
def test_a_curve_keeps_both_ends_and_says_what_is_so(times: list[int], points: int) -> None:
    curve = thinned(times, points)
    assert len(curve) <= points
    assert (curve[0].ms, curve[-1].ms) == (min(times), max(times))
    assert [curve[0].share, curve[-1].share] == pytest.approx([1, 1 / len(times)])
    for before, after in itertools.pairwise(curve):
        assert before.share > after.share
        assert before.ms <= after.ms
    # Of equal times each stands for itself and the rest: a share is never more than is so.
    for share, ms in curve:
        slower, as_slow = (sum(t > ms for t in times), sum(t >= ms for t in times))
        assert slower < share * len(times) <= as_slow + 1e-9


def test_few_points_keep_the_tail() -> None:
    curve = thinned([*[2001.0] * 4995, 2100, 2200, 2300, 2400, 9000], 12)
    assert curve[-1].ms == 9000
    assert len(curve) <= 12
    assert [nearest(curve, share).share for share in LANDMARKS] == pytest.approx(LANDMARKS)


def test_a_share_has_its_latency() -> None:
    curve = thinned([float(ms) for ms in range(1, 101)], 100)
    assert nearest(curve, 1).ms == 1
    assert nearest(curve, 0.5).ms == 51
    assert nearest(curve, 0.001).ms == 100
