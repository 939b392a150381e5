"""The charts of a run, as pictures: what they show, what they say, and how little they weigh."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any
from xml.etree import ElementTree as ET

import altair as alt
import pytest

from runner.measurement.records import LaunchRecord
from runner.outcome import Outcome
from runner.publish.charts import Chart, charts_of, concurrency, figures, latency
from runner.publish.charts.latency import curves_of
from runner.publish.charts.style import on_paper, png
from runner.publish.environments import Environment, by_environment, environments
from runner.report.run import Run, collate
from runner.store.records import CellRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.samples import AXES, cell, launch, run_record, unavailable
from tests.unit.publish.test_latency import request_file

HOSTILE = "<script>alert('&')</script>\"x='"
COLOURS = {"#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"}


@pytest.fixture(scope="module")
def run() -> Run:
    """One cell measured seven times, one twice, one disturbed, one hanging, one unavailable."""
    none, grpc = cell("3.11", "none"), cell("3.11", "grpc", gevent="25.9.1", grpcio="1.76.0")
    old = cell("3.11", "gevent", gevent="22.10.2")
    new = cell("3.11", "gevent", gevent=HOSTILE)
    gone = cell("3.11", "gevent+grpc", gevent="25.9.1", grpcio="1.76.0")
    launches = {
        none.id: [launch(none, n, rate=47.5 + n / 10) for n in range(1, 8)],
        grpc.id: [launch(grpc, n, rate=40.0 + n) for n in (1, 2)],
        old.id: [launch(old, rate=48.6, disturbed="ab waited")],
        new.id: [launch(new, outcome=Outcome.HANG_AT_STARTUP, reason=HOSTILE)],
    }
    missing = (unavailable(gone, f"no wheel {HOSTILE}"),)
    return collate(run_record(none, old, new, grpc, missing=missing, launches=7), launches)


@pytest.fixture(scope="module")
def directory(run: Run, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Where the times of two cells' requests are stored."""
    path = tmp_path_factory.mktemp("results")
    found = RunDirectory(results=path, path=path / "run")
    for of, number, times in (
        ("py3.11-none", 1, [2001, 2010]),
        ("py3.11-none", 2, [2002, 2400]),
        ("py3.11-gevent22.10.2-gevent", 1, [2000 + n for n in range(101)]),
    ):
        launch_directory = found.launch_directory(of, number)
        launch_directory.mkdir(parents=True)
        (launch_directory / "requests.tsv.gz").write_bytes(request_file(times))
    return found


@pytest.fixture(scope="module")
def charts(run: Run, directory: RunDirectory) -> dict[str, Chart]:
    return {chart.name: chart for chart in drawn(run, directory)}


def lines(run: Run) -> list[Environment]:
    return environments(run, by_environment(run))


def drawn(run: Run, directory: RunDirectory) -> list[Chart]:
    found = lines(run)
    return [*charts_of(run, found, curves_of(directory, run, found))]


def made(record: RunRecord, launches: Mapping[str, Sequence[LaunchRecord]]) -> dict[str, Chart]:
    """The charts of a run that stored no latencies."""
    run = collate(record, launches)
    return {chart.name: chart for chart in charts_of(run, lines(run), {})}


def texts(chart: Chart) -> list[str]:
    return [text for text in ET.fromstring(chart.svg).itertext() if text]


def marks(chart: Chart) -> list[str]:
    """The descriptions of the chart's marks."""
    root = ET.fromstring(chart.svg)
    found = [element.get("aria-label") for element in root.iter() if element is not root]
    return [label for label in found if label]


def test_a_run_has_the_charts_that_it_has_data_for(charts: dict[str, Chart]) -> None:
    assert [*charts] == ["figures", "latency"]


def test_specifications_fit_the_schema_of_vega_lite(run: Run, directory: RunDirectory) -> None:
    clients = collate(*concurrent(["none", "gevent"], 2, [50, 200]))
    for spec in (
        figures.chart(lines(run)),
        latency.chart(lines(run), curves_of(directory, run, lines(run))),
        concurrency.chart(concurrency.lines_of(clients)),
    ):
        alt.Chart.from_dict(spec or {})  # raises for what does not fit


def test_the_same_run_gives_the_same_bytes(
    run: Run, directory: RunDirectory, charts: dict[str, Chart]
) -> None:
    assert [chart.svg for chart in drawn(run, directory)] == [
        chart.svg for chart in charts.values()
    ]


def test_a_picture_loads_nothing_and_foreign_text_is_text(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        assert set(re.findall(r"\w+://([\w.]+)", chart.svg)) == {"www.w3.org"}
        for picture in (chart.svg, on_paper(chart.svg)):
            tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(picture).iter()}
            assert tags <= {"svg", "g", "path", "text", "tspan", "line", "rect"}
            # Two pictures of one page must not share ids.
            assert "id=" not in picture
    assert any(HOSTILE in text for text in texts(charts["figures"]))


def test_a_page_colours_text_and_axes(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        assert set(re.findall(r'(?:fill|stroke)="(#\w+|black|white)"', chart.svg)) <= COLOURS
        assert 'fill="currentColor"' in chart.svg


def test_a_mark_says_what_it_is(charts: dict[str, Chart]) -> None:
    assert "none · gevent 22.10.2: 47.90 [47.60–48.20] requests/s" in marks(charts["figures"])
    assert "grpc · gevent 25.9.1: 41.50 (41.00–42.00) requests/s" in marks(charts["figures"])
    assert "gevent · gevent 22.10.2: 48.60 requests/s, disturbed" in marks(charts["figures"])
    assert "gevent · gevent 22.10.2: 61 peak RSS MiB, disturbed" in marks(charts["figures"])
    assert marks(charts["latency"])[:2] == [
        "none · gevent 22.10.2: 1 in 2 took 2010 ms or longer",
        "gevent · gevent 22.10.2: 1 in 2 took 2051 ms or longer",
    ]
    slow = cell("3.11", "none")
    one_at_a_time = {slow.id: [launch(slow, rate=0.5, outcome=Outcome.SERIALISED)]}
    chart = made(run_record(slow), one_at_a_time)["figures"]
    assert "none · sleep: 0.50 requests/s, serialised" in marks(chart)


def test_every_description_can_be_reached(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        root = ET.fromstring(chart.svg)
        described = [element for element in root.iter() if element.get("aria-label")]
        assert {element.get("role") for element in described[1:]} == {"img"}
        assert described[0].get("role") == "group"  # an image would hide what is in it


def test_a_reader_who_cannot_see_is_told_what_there_is(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        assert ET.fromstring(chart.svg).get("aria-label") == chart.description
    assert {name: chart.description for name, chart in charts.items()} == {
        "figures": "3 cells: 41.50 to 48.60 requests/s, ceiling 49.02; "
        "unavailable: 1 cell; hang-at-startup: 1 cell.",
        "latency": "2 cells: half of the requests took 2010 ms or more in py3.11-none, and "
        "2051 ms or more in py3.11-gevent22.10.2-gevent.",
    }


def test_a_picture_outside_the_page_is_on_paper_without_descriptions(
    charts: dict[str, Chart],
) -> None:
    picture = on_paper(charts["figures"].svg)
    root = ET.fromstring(picture)
    assert root[0].attrib == {"width": "100%", "height": "100%", "fill": "#ffffff"}
    assert root.get("color")
    assert picture.count("aria-label") == 1
    assert png(picture).startswith(b"\x89PNG\r\n\x1a\n")


def test_cells_without_figures_are_there_with_their_word(charts: dict[str, Chart]) -> None:
    found = texts(charts["figures"])
    assert "gevent: hang-at-startup" in found
    assert not any("unavailable" in text for text in found)  # what cannot exist is in the tables
    assert not {"undefined", "null", "NaN"} & {*found}


def test_notes_say_how_to_read_the_chart(charts: dict[str, Chart]) -> None:
    found = " ".join(texts(charts["figures"]))
    assert "the most that the load's clients could get" in found
    assert "Hollow marks: some launch was disturbed." in found


def test_a_chart_says_how_many_attempts_it_does_not_show() -> None:
    none = cell("3.11", "none")
    words = "Not shown: 2 of 3 attempts, rejected as disturbed."
    for number, shown in ((1, []), (3, [words])):
        kept = launch(none).model_copy(update={"attempt": number})
        found = texts(made(run_record(none), {none.id: [kept]})["figures"])
        assert [text for text in found if text.startswith("Not shown")] == shown


@pytest.mark.parametrize(("clients", "is_logarithmic"), [(1, True), (100, False)])
def test_loads_far_apart_have_a_logarithmic_axis(clients: int, is_logarithmic: bool) -> None:
    slow = cell("3.11", "none", concurrency=clients)
    fast = cell("3.11", "gevent", gevent="25.9.1")
    launches = {slow.id: [launch(slow, rate=0.4)], fast.id: [launch(fast)]}
    found = texts(made(run_record(slow, fast), launches)["figures"])
    assert ("requests/s, logarithmic" in found) is is_logarithmic


def test_costs_far_apart_have_a_logarithmic_axis() -> None:
    cells = [cell("3.11", "none"), cell("3.11", "gevent", gevent="25.9.1")]
    launches = {one.id: [launch(one)] for one in cells}
    (record,) = launches[cells[1].id]
    assert record.resources
    used = record.resources.model_copy(update={"cpu_ms_per_request": 1000.0})
    launches[cells[1].id] = [record.model_copy(update={"resources": used})]
    found = texts(made(run_record(*cells), launches)["figures"])
    assert {"CPU ms/request, logarithmic", "peak RSS MiB"} <= {*found}


def test_a_baseline_is_beside_each_of_its_patched_cells(charts: dict[str, Chart]) -> None:
    rates = [mark for mark in marks(charts["figures"]) if "requests/s" in mark]
    assert sum(mark.startswith("none ·") for mark in rates) == 3
    panels = [mark for mark in marks(charts["latency"]) if mark.startswith("none ·")]
    assert len(panels) == 3


def concurrent(
    patches: Sequence[str], gevents: int, clients: Sequence[int]
) -> tuple[RunRecord, dict[str, list[LaunchRecord]]]:
    cells = [
        cell("3.11", patch, gevent=f"25.{n}", concurrency=number, suffix=f"-c{number}")
        for patch in patches
        for n in range(gevents)
        for number in clients
    ]
    launches = {
        one.id: [launch(one, rate=(one.concurrency or 0) / 2.0 + place / 10)]
        for place, one in enumerate(cells)
    }
    return run_record(*cells, axes=(*AXES, "concurrency")), launches


def test_figures_go_with_the_number_of_clients() -> None:
    chart = made(*concurrent(["none", "gevent"], 1, [50, 200]))["concurrency"]
    assert chart.description == (
        "4 cells from 50 to 200 clients: the highest rate goes from 25.20 to 100.30 requests/s."
    )
    panels = {"requests/s", "CPU ms/request", "peak RSS MiB", "threads", "p99 ms"}
    assert panels <= {*texts(chart)}
    assert "gevent · werkzeug · 200 clients: 100.30 requests/s" in marks(chart)
    assert not any("median" in text for text in texts(chart))


def test_environments_of_one_server_are_one_line() -> None:
    chart = made(*concurrent(["grpc", "gevent"], 3, [50, 200]))["concurrency"]
    rates = [mark for mark in marks(chart) if "requests/s" in mark]
    assert rates[0] == "gevent · werkzeug · 50 clients: 25.80 requests/s"
    assert len(rates) == 4
    assert any("the median over its environments" in text for text in texts(chart))


def test_servers_have_one_ceiling_for_what_their_clients_can_get() -> None:
    cells = [
        cell("3.11", "none", concurrency=clients, further={"server": server}, suffix=f"-{place}")
        for place, (server, clients) in enumerate(product(("werkzeug", "pywsgi"), (50, 200)))
    ]
    run = run_record(*cells, axes=(*AXES, "server", "concurrency"))
    launches = {one.id: [launch(one, rate=20.0)] for one in cells}
    found = [*concurrency._ceilings(concurrency.lines_of(collate(run, launches)))]
    assert [(point["clients"], point["value"]) for point in found] == [
        (50, pytest.approx(5000 / 202)),
        (200, pytest.approx(5000 / 52)),
    ]


def test_runs_of_one_page_have_charts_of_their_own(run: Run) -> None:
    (chart,) = charts_of(run, lines(run), {}, suffix="-2", label="of the second")
    assert chart.name == "figures-2"
    assert chart.title.endswith(": of the second")
    assert chart.title in texts(chart)


def test_a_run_without_any_launch_has_its_cells() -> None:
    chart = made(run_record(cell("3.11", "none")), {})["figures"]
    assert chart.description == "not measured: 1 cell."
    assert "none: not measured" in texts(chart)


def test_a_run_without_cells_has_no_charts() -> None:
    assert made(run_record(), {}) == {}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, RunDirectory]:
    """Seventy environments of two patch modes; in the last ten one is slower, or hangs."""
    path = tmp_path_factory.mktemp("large")
    directory = RunDirectory(results=path, path=path / "run")
    cells = [
        cell("3.11", patch, gevent=f"2{minor}.9", grpcio=f"1.{grpcio}.0")
        for minor in range(7)
        for grpcio in range(10)
        for patch in ("grpc", "gevent+grpc")
    ]
    launches = {one.id: [differing(one, place)] for place, one in enumerate(cells)}
    for one in cells:
        launch_directory = directory.launch_directory(one.id, 1)
        launch_directory.mkdir(parents=True)
        (launch_directory / "requests.tsv.gz").write_bytes(request_file(range(2000, 2100)))
    return collate(run_record(*cells), launches), directory


def differing(of: CellRecord, place: int) -> LaunchRecord:
    if place < 120 or place % 2:
        return launch(of)
    if place == 138:
        return launch(of, outcome=Outcome.HANG_AT_STARTUP, reason="no answer")
    slow: dict[str, Any] = {"p99_ms": 9000.0, "time_taken_s": 500.0}
    record = launch(of)
    assert record.ab
    return record.model_copy(update={"ab": record.ab.model_copy(update=slow)})


def test_a_large_run_shows_where_patch_modes_differ(large: tuple[Run, RunDirectory]) -> None:
    run, directory = large
    curves = curves_of(directory, run, lines(run))
    assert len(curves) == 2 * latency.MOST_PANELS  # no more files are read than are drawn
    charts = {chart.name: chart for chart in charts_of(run, lines(run), curves)}
    shown = [mark.partition(": ")[0] for mark in marks(charts["figures"]) if "requests/s" in mark]
    assert len({mark.partition(" · ")[2] for mark in shown}) == figures.MOST_LINES
    assert sum("gevent 26.9" in mark for mark in shown) == 19
    assert "grpc: hang-at-startup" in texts(charts["figures"])
    notes = [text for name in charts for text in texts(charts[name]) if text.startswith("Shown: ")]
    assert notes == [
        "Shown: 40 of 70 environments, those whose patch modes differ most.",
        "Shown: 12 of 70 environments, those whose p99 differ most.",
    ]
    assert len(charts["figures"].svg) < 120_000


def test_a_picture_weighs_little(charts: dict[str, Chart]) -> None:
    """Of what Vega writes into each mark only what is seen or said is left."""
    for chart in charts.values():
        for idle in (' opacity="1"', "class=", "graphics-", "aria-roledescription"):
            assert idle not in chart.svg
        assert not re.search(r"\d\.\d{3}", re.sub('aria-label="[^"]*"', "", chart.svg))
