from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import altair as alt
import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.publish.charts import Chart, charts_of, vega_bundle
from runner.publish.drawing import png
from runner.publish.drawing.artist import Artist
from runner.publish.source import PublishedRun
from runner.report.run import collate
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.samples import AXES, cell, launch, run_record, unavailable
from tests.unit.publish.test_latency import percentile_file, request_file

HOSTILE = "<script>alert('&')</script>"


def published(
    path: Path, run: RunRecord, launches: Mapping[str, Sequence[LaunchRecord]]
) -> PublishedRun:
    return PublishedRun(
        directory=RunDirectory(results=path, path=path / "run"),
        collated=collate(run, launches),
    )


def timed(record: LaunchRecord, second: int, wall_s: float = 110.0) -> LaunchRecord:
    """The launch as one that began so many seconds after noon, when the run began."""
    minutes, seconds = divmod(second, 60)
    started_at = f"2026-11-01T12:{minutes:02}:{seconds:02}+00:00"
    return record.model_copy(update={"started_at": started_at, "wall_s": wall_s})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PublishedRun:
    """One cell measured seven times, one twice, one disturbed, one hanging, one not to be had."""
    none, grpc = cell("3.11", "none"), cell("3.11", "grpc", gevent="25.9.1", grpcio="1.76.0")
    old = cell("3.11", "gevent", gevent="22.10.2")
    new = cell("3.11", "gevent", gevent="25.9.1", suffix=HOSTILE)
    gone = cell("3.11", "gevent+grpc", gevent="25.9.1", grpcio="1.76.0")
    launches = {
        none.id: [timed(launch(none, n, rate=47.5 + n / 10), 200 * n) for n in range(1, 8)],
        grpc.id: [launch(grpc, n, rate=40.0 + n) for n in (1, 2)],
        old.id: [timed(launch(old, rate=48.6, disturbed="ab waited"), 60)],
        new.id: [timed(launch(new, outcome=Outcome.HANG_AT_STARTUP, reason=HOSTILE), 60, 31.0)],
    }
    record = run_record(
        none, old, new, grpc, missing=(unavailable(gone, f"no wheel {HOSTILE}"),), launches=7
    )
    source = published(tmp_path_factory.mktemp("results"), record, launches)
    for number, times in ((1, [2001, 2010]), (2, [2002, 2400])):
        store(source, none, number, "requests.tsv.gz", request_file(times))
    store(source, old, 1, "percentiles.csv", percentile_file([2000 + n for n in range(101)]))
    return source


def store(run: PublishedRun, of: CellRecord, number: int, name: str, content: bytes) -> None:
    directory = run.directory.launch_directory(of.id, number)
    directory.mkdir(parents=True)
    (directory / name).write_bytes(content)


def drawn(runs: list[PublishedRun]) -> list[Chart]:
    with Artist() as artist:
        return charts_of(runs, artist)


@pytest.fixture(scope="module")
def charts(run: PublishedRun) -> dict[str, Chart]:
    return {chart.name: chart for chart in drawn([run])}


def data_of(chart: Chart) -> list[dict[str, Any]]:
    return [row for rows in chart.spec["datasets"].values() for row in rows]


def texts_of(chart: Chart) -> list[str]:
    return [text for text in ET.fromstring(chart.svg).itertext() if text]


def of_patch(chart: Chart, patch: str) -> dict[str, Any]:
    return next(row for row in data_of(chart) if row["patch"] == patch)


def test_a_run_has_the_charts_that_it_has_data_for(charts: dict[str, Chart]) -> None:
    assert [*charts] == ["rate", "cost", "latency", "timeline"]


def test_specifications_fit_the_schema_of_vega_lite(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        alt.Chart.from_dict(chart.spec)  # raises for what does not fit


def test_the_same_runs_give_the_same_bytes(run: PublishedRun, charts: dict[str, Chart]) -> None:
    again = drawn([run])
    assert [chart.spec for chart in again] == [chart.spec for chart in charts.values()]
    assert [chart.svg for chart in again] == [chart.svg for chart in charts.values()]
    assert [chart.png for chart in again] == [chart.png for chart in charts.values()]


def test_nothing_is_loaded_from_anywhere(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        assert "://" not in json.dumps(chart.spec)
        assert set(re.findall(r"\w+://([\w.]+)", chart.svg)) == {"www.w3.org"}
    assert set(re.findall(r"\w+://([\w.]+)", vega_bundle())) == {"www.w3.org"}


def test_the_bundle_gives_the_page_its_function() -> None:
    assert "drawChart" in vega_bundle()
    assert vega_bundle() is vega_bundle()


def test_foreign_text_is_text(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        assert "<script" not in chart.svg
    assert any(row.get("reason") == HOSTILE for row in data_of(charts["rate"]))
    assert not any(HOSTILE in text for text in texts_of(charts["rate"]))


def test_a_label_that_two_cells_share_is_their_id_as_text(tmp_path: Path) -> None:
    cells = [cell("3.11", "none", suffix=suffix) for suffix in ("", HOSTILE)]
    (rate,) = drawn([published(tmp_path, run_record(*cells), {})])
    assert {text for text in texts_of(rate) if "py3.11" in text} == {one.id for one in cells}


def test_a_page_colours_text_and_axes(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        colours = set(re.findall(r'(?:fill|stroke)="(#\w+|black|white)"', chart.svg))
        assert colours <= {"#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"}
        assert 'fill="currentColor"' in chart.svg


def test_a_reader_who_cannot_see_is_told_what_there_is(charts: dict[str, Chart]) -> None:
    root = ET.fromstring(charts["rate"].svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == charts["rate"].description
    assert {name: chart.description for name, chart in charts.items()} == {
        "rate": "3 cells between 41.5 and 48.6 requests/s against a ceiling of 50.0; "
        "hang-at-startup: 1 cell; unavailable: 1 cell.",
        "cost": "Medians by patch mode: none 1.00 ms of CPU per request and 61.4 MiB, "
        "gevent 1.00 ms of CPU per request and 61.4 MiB, "
        "grpc 1.00 ms of CPU per request and 61.4 MiB.",
        "latency": "Distributions of 2 cells: of a hundred requests the slowest took 2,099 ms or "
        "more in py3.11-gevent22.10.2-gevent, and 2,400 ms in py3.11-none.",
        "timeline": "9 launches within 25.2 minutes since the run's start, 1 of them disturbed.",
    }


def test_the_png_is_on_paper(charts: dict[str, Chart]) -> None:
    width, height, pixels = decoded(charts["rate"].png)
    assert len(pixels) == height * (1 + 4 * width)
    assert pixels[1:5] == b"\xff\xff\xff\xff"


def decoded(picture: bytes) -> tuple[int, int, bytes]:
    """Width, height, and the lines' filtered bytes of a PNG, its checksums checked."""
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    place, data = 8, b""
    while place < len(picture):
        length, kind = struct.unpack_from(">I4s", picture, place)
        content = picture[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", picture, place + 8 + length)
        assert checksum == zlib.crc32(kind + content)
        data += content if kind == b"IDAT" else b""
        place += length + 12
    width, height = struct.unpack_from(">II", picture, 16)
    return width, height, zlib.decompress(data)


def test_a_compressed_png_is_the_same_picture(charts: dict[str, Chart]) -> None:
    width, height, pixels = decoded(charts["rate"].png)
    loose = zlib.compress(pixels, 0)
    halves = [(b"IDAT", loose[:1000]), (b"IDAT", loose[1000:])]
    kept = [chunk for chunk in png._chunks(charts["rate"].png) if chunk[0] != b"IDAT"]
    parts = [png._packed(*chunk) for chunk in (*kept[:-1], *halves, kept[-1])]
    again = png.compressed(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert decoded(again) == (width, height, pixels)
    assert len(again) < len(loose) / 5


def test_a_rate_has_an_interval_from_five_launches_on_and_extremes_below(
    charts: dict[str, Chart],
) -> None:
    often, twice = (of_patch(charts["rate"], patch) for patch in ("none", "grpc"))
    assert often["rate"] == pytest.approx(47.9)
    assert often["low"] < often["rate"] < often["high"]
    assert "min" not in often
    assert (twice["min"], twice["max"]) == (pytest.approx(41), pytest.approx(42))
    assert "low" not in twice
    assert "41.50 (41.00–42.00)" in texts_of(charts["rate"])


def test_a_rate_that_needs_a_word_has_it(tmp_path: Path, charts: dict[str, Chart]) -> None:
    assert "48.60 · disturbed" in texts_of(charts["rate"])
    slow = cell("3.11", "none")
    launches = {slow.id: [launch(slow, rate=0.5, outcome=Outcome.SERIALISED)]}
    rate, *_ = drawn([published(tmp_path, run_record(slow), launches)])
    assert "0.50 · serialised" in texts_of(rate)


def test_cells_without_figures_are_there_with_their_word(charts: dict[str, Chart]) -> None:
    texts = texts_of(charts["rate"])
    assert {"hang-at-startup", "unavailable"} <= {*texts}
    assert "gevent 25.9.1 · gevent" in texts
    assert not {"undefined", "null", "NaN"} & {*texts}


@pytest.mark.parametrize(("ceiling", "kind"), [(0.6, "log"), (50.0, "linear")])
def test_loads_far_apart_have_a_logarithmic_axis(tmp_path: Path, ceiling: float, kind: str) -> None:
    slow, fast = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
    held = launch(slow, rate=0.5).model_copy(update={"ceiling_rps": ceiling})
    launches = {slow.id: [held], fast.id: [launch(fast)]}
    rate, _ = drawn([published(tmp_path, run_record(slow, fast), launches)])
    (scale,) = [
        layer["encoding"]["x"]["scale"]
        for layer in rate.spec["layer"]
        if "scale" in layer["encoding"]["x"]
    ]
    assert scale.get("type", "linear") == kind
    assert kind == "log" or scale["zero"]


def test_curves_are_over_all_launches_and_a_baseline_is_in_every_panel(
    charts: dict[str, Chart],
) -> None:
    none, gevent = (of_patch(charts["latency"], patch) for patch in ("none", "gevent"))
    assert none["ms"] == [2001, 2002, 2010, 2400]
    assert none["share"] == [1, 0.75, 0.5, 0.25]
    assert gevent["panel"] == ["gevent 22.10.2"]
    assert {"gevent 22.10.2", "gevent 25.9.1"} <= {*none["panel"]}
    assert len(gevent["ms"]) <= 100


def cost_of(path: Path, cpu_ms: float) -> Chart:
    """The chart of a baseline with 1 ms of CPU per request and a patched cell with so much."""
    cells = [cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")]
    launches = {one.id: [launch(one)] for one in cells}
    (record,) = launches[cells[1].id]
    assert record.resources
    used = record.resources.model_copy(update={"cpu_ms_per_request": cpu_ms})
    launches[cells[1].id] = [record.model_copy(update={"resources": used})]
    _, cost = drawn([published(path, run_record(*cells), launches)])
    return cost


def test_cost_is_beside_that_of_the_baseline(tmp_path: Path) -> None:
    cost = cost_of(tmp_path, 0.3)
    patched = of_patch(cost, "gevent")
    assert (patched["cpu_ms_per_request"], patched["cpu_ms_per_request_tick"]) == (0.3, 1.0)
    assert "none 1.00 ms of CPU per request and 61.4 MiB, gevent 0.30 ms" in cost.description
    assert {"CPU ms/request", "peak RSS MiB"} <= {*texts_of(cost)}


def test_costs_far_apart_have_a_logarithmic_axis(tmp_path: Path) -> None:
    texts = texts_of(cost_of(tmp_path, 1000.0))
    assert {"CPU ms/request, logarithmic", "peak RSS MiB"} <= {*texts}


def test_disturbed_launches_and_those_without_figures_are_told_apart(
    charts: dict[str, Chart],
) -> None:
    kinds = {row["cell"]: row["kind"] for row in data_of(charts["timeline"])}
    assert [*kinds.values()] == ["undisturbed", "disturbed", "without figures"]
    assert {*kinds.values()} <= {*texts_of(charts["timeline"])}
    bar = of_kind(charts["timeline"], "disturbed")
    assert bar["start"] == 1
    assert bar["end"] == pytest.approx(170 / 60, abs=0.001)
    assert bar["load"] == pytest.approx((170 - 5000 / 48.6) / 60, abs=0.001)
    assert "load" not in of_kind(charts["timeline"], "without figures")


def of_kind(chart: Chart, kind: str) -> dict[str, Any]:
    return next(row for row in data_of(chart) if row["kind"] == kind)


def test_launches_of_earlier_runs_are_not_on_the_timeline(tmp_path: Path) -> None:
    none, gevent = cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")
    earlier = timed(launch(gevent), 30).model_copy(update={"reused_from": "20261031T120000Z"})
    launches = {none.id: [timed(launch(none), 60)], gevent.id: [earlier]}
    charts = drawn([published(tmp_path, run_record(none, gevent), launches)])
    assert [row["cell"] for row in data_of(charts[-1])] == [none.id]
    assert "1 launch of earlier runs, used again, not shown." in texts_of(charts[-1])


def concurrent(patches: Sequence[str], gevents: int, clients: Sequence[int]) -> RunRecord:
    cells = [
        cell("3.11", patch, gevent=f"25.{n}", concurrency=number, suffix=f"-c{number}")
        for patch in patches
        for n in range(gevents)
        for number in clients
    ]
    return run_record(*cells, axes=(*AXES, "concurrency"))


def concurrency_of(path: Path, run: RunRecord) -> Chart:
    launches = {
        one.id: [launch(one, rate=one.concurrency / 2.0 + place / 10)]
        for place, one in enumerate(run.cells)
    }
    return next(c for c in drawn([published(path, run, launches)]) if c.name == "concurrency")


def test_figures_go_with_the_number_of_clients(tmp_path: Path) -> None:
    chart = concurrency_of(tmp_path, concurrent(["none", "gevent"], 1, [50, 200]))
    lines = {row["patch"] for row in data_of(chart) if "patch" in row}
    assert lines == {"none", "gevent"}
    assert chart.description == (
        "4 cells from 50 to 200 clients: the highest rate goes from 25.2 to 100.3 requests/s."
    )
    assert {"requests/s", "CPU ms/request", "peak RSS MiB", "threads", "p99 ms"} <= {
        *texts_of(chart)
    }


def test_too_many_lines_become_medians(tmp_path: Path) -> None:
    chart = concurrency_of(tmp_path, concurrent(["grpc", "gevent"], 13, [50, 200]))
    rows = [row for row in data_of(chart) if "patch" in row]
    assert len(rows) == 2 * 2
    assert rows[0]["line"] == "werkzeug"
    assert rows[0]["requests_per_second"] == pytest.approx(28.8)
    assert any("the median over the environments" in text for text in texts_of(chart))


def test_several_runs_share_rates_and_costs_and_have_the_rest_each(run: PublishedRun) -> None:
    charts = drawn([run, run])
    names = ["rate", "cost", "latency-1", "latency-2", "timeline-1", "timeline-2"]
    assert [chart.name for chart in charts] == names
    assert texts_of(charts[0]).count(run.label) == 2
    assert run.label in charts[2].title
    assert charts[0].description.count(run.label) == 2


def test_a_run_without_any_launch_has_its_cells(tmp_path: Path) -> None:
    (rate,) = drawn([published(tmp_path, run_record(cell("3.11", "none")), {})])
    assert rate.description == "not measured: 1 cell."
    assert "not measured" in texts_of(rate)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> PublishedRun:
    """A hundred and forty cells with two launches each, of which some hang."""
    cells = [
        cell("3.11", patch, gevent=f"2{minor}.9", grpcio=f"1.{grpcio}.0")
        for minor in range(7)
        for grpcio in range(10)
        for patch in ("grpc", "gevent+grpc")
    ]
    outcomes = [Outcome.HANG_AT_STARTUP if n % 10 == 3 else Outcome.OK for n in range(len(cells))]
    launches = {
        one.id: [
            timed(launch(one, n, outcome=outcome, disturbed="ab waited" if n == 2 else None), 300)
            for n in (1, 2)
        ]
        for one, outcome in zip(cells, outcomes, strict=True)
    }
    source = published(tmp_path_factory.mktemp("large"), run_record(*cells, launches=2), launches)
    times = percentile_file([2000 + n for n in range(101)])
    for one in cells:
        store(source, one, 1, "percentiles.csv", times)
    return source


@pytest.fixture(scope="module")
def large_charts(large: PublishedRun) -> dict[str, Chart]:
    return {chart.name: chart for chart in drawn([large])}


def test_a_large_run_has_a_tile_for_each_cell(
    large: PublishedRun, large_charts: dict[str, Chart]
) -> None:
    rate = large_charts["rate"]
    tiles = data_of(rate)
    assert {tile["cell"] for tile in tiles} == {row.cell for row in large.rows}
    # As near to a square as the axes allow: 7 gevents down, 10 grpcios × 2 patch modes across.
    assert len({tile["down"] for tile in tiles}) == 7
    assert len({tile["across"] for tile in tiles}) == 20
    assert sum("outcome" in tile for tile in tiles) == 14
    assert "hang-at-startup" in texts_of(rate)
    assert len(rate.svg) < 100_000


def test_panels_of_a_large_run_are_leafed_through(large_charts: dict[str, Chart]) -> None:
    latency = large_charts["latency"]
    curves = data_of(latency)
    assert len(curves) == 126
    assert {page for curve in curves for page in curve["page"]} == {0, 1, 2, 3, 4, 5}
    (choice,) = latency.spec["params"]
    assert choice["bind"]["options"] == [0, 1, 2, 3, 4, 5]
    shown = [text for text in texts_of(latency) if text.startswith("Shown: ")]
    assert shown == [
        "Shown: gevent 20.9 · grpcio 1.0.0 … gevent 21.9 · grpcio 1.1.0, 12 of 70 environments."
    ]
    assert len(latency.svg) < 100_000


def test_costs_of_a_large_run_are_summed_up(large_charts: dict[str, Chart]) -> None:
    assert [row["label"] for row in data_of(large_charts["cost"])] == [
        "grpc (70 cells)",
        "gevent+grpc (56 cells)",
    ]


def test_the_timeline_of_a_large_run_counts(large_charts: dict[str, Chart]) -> None:
    steps = data_of(large_charts["timeline"])
    assert len(steps) == 200
    assert max(step["running"] for step in steps) == 280
    assert sum(step.get("disturbed", 0) for step in steps) == 140
    assert large_charts["timeline"].description.endswith("140 of them disturbed.")
