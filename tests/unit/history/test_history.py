"""`matrix history`: what the series hold, and what is written of them."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import pytest
import yaml

from runner.commands.history import history as command
from runner.errors import UsageError
from runner.history.page import curve, ended, moves
from runner.history.series import CellHistory, Series, history
from runner.history.write import COLUMNS, write
from runner.measurement.records import LaunchRecord, RateFigures
from runner.outcome import Outcome
from runner.report.figures import FIGURES, RATE
from runner.report.run import Run
from runner.store.records import RunRecord
from tests.support.over_time import (
    CHANGED,
    GEVENT,
    KEPT,
    LAUNCHES,
    NONE,
    RUNS,
    at,
    records,
    run_of,
)
from tests.support.published import stored
from tests.support.samples import launch, run_record


def series(cell: CellHistory, name: str) -> Series:
    [found] = [one for one in cell.series if one.name == name]
    return found


def values(cell: CellHistory, name: str) -> list[float]:
    return [point.value for point in series(cell, name).points]


def a_run(number: int, *launches: LaunchRecord, record: RunRecord | None = None) -> Run:
    return run_of(at(record or run_record(NONE, GEVENT), number), list(launches))


# -- series ----------------------------------------------------------------------------------------


def test_a_run_is_a_point_of_each_cell_and_figure() -> None:
    made = [*records()]
    found = history(run_of(*one) for one in reversed(made))
    none, gevent = found.cells
    assert [cell.key.cell for cell in found.cells] == [NONE.id, GEVENT.id]
    assert [one.name for one in none.series] == ["rate", "cpu", "p99", "rss"]
    assert [one.name for one in gevent.series] == [
        *("rate", "rate_ratio", "cpu", "cpu_ratio", "p99", "p99_ratio", "rss", "rss_ratio")
    ]
    run, launches = made[4]
    point = series(none, "rate").points[4]
    own = [one.ab.requests_per_second for one in launches if one.ab and one.cell == NONE.id]
    assert point.value == pytest.approx(median(own))
    assert (point.run, point.launches) == (run, LAUNCHES)


def test_a_ratio_is_free_of_what_days_do_to_all_cells() -> None:
    _, gevent = history(run_of(*one) for one in records()).cells
    ratios = values(gevent, "rate_ratio")
    assert len(ratios) == RUNS
    assert ratios[:CHANGED] == pytest.approx([1.0] * CHANGED, abs=0.012)
    assert ratios[CHANGED:] == pytest.approx([KEPT] * (RUNS - CHANGED), abs=0.012)
    assert max(values(gevent, "rate")) / min(values(gevent, "rate")) > 1.06


def test_a_launch_that_later_runs_use_again_counts_once() -> None:
    first = launch(NONE, 1, rate=40.0)
    reused = first.model_copy(update={"reused_from": at(run_record(NONE), 0).run_id})
    whole = a_run(1, reused)
    partly = a_run(2, reused, launch(NONE, 2, rate=50.0))
    [none] = history([a_run(0, first), whole, partly]).cells
    assert values(none, "rate") == pytest.approx([40.0, 50.0])
    assert [point.launches for point in series(none, "rate").points] == [1, 1]
    assert len(none.outcomes) == 2


def test_a_run_that_is_given_twice_counts_once() -> None:
    run = a_run(0, launch(NONE))
    found = history([run, run])
    assert (len(found.runs), len(found.cells[0].outcomes)) == (1, 1)


def test_a_cell_without_figures_has_outcomes_alone() -> None:
    hung = launch(GEVENT, outcome=Outcome.HANG_AT_STARTUP, reason="no answer")
    runs = [a_run(0, launch(NONE), launch(GEVENT)), a_run(1, launch(NONE), hung)]
    _, gevent = history(runs).cells
    assert len(values(gevent, "rate")) == 1
    assert ended(gevent) == [
        (Outcome.HANG_AT_STARTUP, "hang-at-startup 1/2"),
        (Outcome.OK, "ok 1/2"),
    ]


def test_other_loads_are_other_series() -> None:
    short = NONE.model_copy(update={"requests": 200})
    found = history([a_run(0, launch(NONE)), a_run(1, launch(short), record=run_record(short))])
    assert [cell.key.load for cell in found.cells] == ["ab -c 100 -n 5000", "ab -c 100 -n 200"]


def test_a_rate_that_the_load_sets_has_no_ratio() -> None:
    fixed = {"concurrency": None, "requests": None, "rate": 45.0, "load_s": 60.0}
    none, gevent = (one.model_copy(update=fixed) for one in (NONE, GEVENT))
    sent = RateFigures(
        rate=45.0, requests=2700, sent=2700, lag_p50_ms=0.1, lag_p99_ms=0.2, lag_max_ms=0.3
    )
    made = [launch(one).model_copy(update={"rate": sent}) for one in (none, gevent)]
    found = history([a_run(0, *made, record=run_record(none, gevent))])
    names = [one.name for one in found.cells[1].series]
    assert "rate" in names
    assert "rate_ratio" not in names


# -- files -----------------------------------------------------------------------------------------


def test_a_file_for_each_cell_and_figure_that_otava_is_told_of(tmp_path: Path) -> None:
    page = write(tmp_path / "history", history(run_of(*one) for one in records()))
    directory = page.parent
    told = yaml.safe_load((directory / "otava.yaml").read_text(encoding="utf-8"))
    files = {str(path.relative_to(directory)) for path in directory.rglob("*.csv")}
    assert {test["file"] for test in told["tests"].values()} == files
    assert told["test_groups"] == {"sleep": [*told["tests"]]}
    name = f"sleep/{GEVENT.id}/cpu_ratio"
    assert told["tests"][name]["metrics"] == {"cpu_ratio": {"column": "value", "direction": -1}}
    assert told["tests"][f"sleep/{NONE.id}/rate"]["metrics"]["rate"]["direction"] == 1
    text = (directory / f"{name}.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(text.splitlines()))
    assert tuple(lines[0]) == COLUMNS
    assert len(lines) == RUNS
    assert lines[3] == {
        "time": "2026-01-04T12:00:00+00:00",
        "run": "20260104T120000Z",
        "value": "1",
        "launches": "3",
        "machine": "bench",
        "method": "1",
    }


def test_loads_of_one_cell_have_directories_of_their_own(tmp_path: Path) -> None:
    short = NONE.model_copy(update={"requests": 200})
    found = history([a_run(0, launch(NONE)), a_run(1, launch(short), record=run_record(short))])
    directory = write(tmp_path / "history", found).parent
    assert {str(path.relative_to(directory)) for path in directory.rglob("rate.csv")} == {
        f"sleep/{NONE.id}/ab-c-100-n-{number}-sleep-2-s/rate.csv" for number in (200, 5000)
    }


def test_a_history_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    found = history([a_run(0, launch(NONE))])
    directory = tmp_path / "history"
    stale = write(directory, found).parent / "sleep" / "gone.csv"
    stale.write_text("", encoding="utf-8")
    write(directory, found)
    assert not stale.exists()
    (directory / "otava.yaml").unlink()
    with pytest.raises(UsageError, match="something else than a history is there"):
        write(directory, found)
    assert {path.name for path in tmp_path.iterdir()} == {"history"}


# -- the page --------------------------------------------------------------------------------------


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.curves: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(unquote(found["href"]))
        if tag == "svg":
            self.curves.append(found["aria-label"])
        self.ids.add(found.get("id", ""))


def test_the_page_has_a_line_per_cell_and_links_to_its_files(tmp_path: Path) -> None:
    page = write(tmp_path / "history", history(run_of(*one) for one in records()))
    reader = Reader()
    text = page.read_text(encoding="utf-8")
    reader.feed(text)
    assert text.count('<th scope="row">') == 2
    assert len(reader.curves) == 2 * len(FIGURES)
    assert reader.curves[4].startswith("requests/s against the baseline in 30 runs, from 0.9")
    for link in reader.links:
        if link.startswith("#"):
            assert link[1:] in reader.ids
        else:
            assert (page.parent / link).exists(), link
    files = {str(path.relative_to(page.parent)) for path in page.parent.rglob("*.csv")}
    assert files <= {*reader.links}


def test_names_are_escaped(tmp_path: Path) -> None:
    odd = NONE.model_copy(update={"id": "<b>&", "workload": "<script>"})
    record = run_record(odd)
    text = write(tmp_path / "history", history([a_run(0, launch(odd), record=record)])).read_text(
        encoding="utf-8"
    )
    assert "<b>" not in text
    assert "<script>" not in text
    assert "&lt;b&gt;&amp;" in text


def test_a_curve_goes_from_left_to_right_and_up_with_its_values() -> None:
    points = [a_run(n, launch(NONE, rate=rate)) for n, rate in enumerate((48.0, 50.0, 49.0))]
    [none] = history(points).cells
    (x0, y0), (x1, y1), (x2, y2) = curve(series(none, "rate"))
    assert x0 < x1 < x2
    assert y1 < y2 < y0  # of a picture, y counts from the top
    flat = series(history(points[:1]).cells[0], "rate")
    assert len(curve(flat)) == 1


def test_a_point_made_elsewhere_is_marked() -> None:
    record = run_record(NONE)
    assert record.host
    other = record.model_copy(
        update={"host": record.host.model_copy(update={"hostname": "another"})}
    )
    method = record.model_copy(update={"method": record.method.model_copy(update={"version": 2})})
    made = (record, record, other, other, record, method)
    runs = [a_run(n, launch(NONE), record=one) for n, one in enumerate(made)]
    [none] = history(runs).cells
    assert none.shown(RATE)
    assert moves(series(none, "rate")) == {2, 4, 5}


# -- the command -----------------------------------------------------------------------------------


def test_runs_are_named_one_by_one_or_by_their_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    results = Path("results")
    for record, launches in list(records())[:3]:
        stored(results, record, launches)
    assert command(results, ["results/sleep"], None) == "results/history/index.html"
    lines = (results / "history" / "sleep" / NONE.id / "rate.csv").read_text(encoding="utf-8")
    assert len(lines.splitlines()) == 1 + 3
    one, *_ = sorted(results.glob("sleep/*"))
    page = command(results, ["latest", str(one)], tmp_path / "out")
    lines = (Path(page).parent / "sleep" / NONE.id / "rate.csv").read_text(encoding="utf-8")
    assert len(lines.splitlines()) == 1 + 2


@pytest.mark.parametrize("given", [["nowhere"], []])
def test_what_is_no_run_is_an_error(given: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run, and no directory of runs"):
        command(tmp_path / "results", given, None)


@pytest.mark.parametrize("given", [["results"], []])
def test_where_runs_are_instead_is_said(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record, launches = next(iter(records()))
    stored(Path("results"), record, launches)
    with pytest.raises(UsageError, match=r"of an experiment, such as results/sleep$"):
        command(Path("results"), given, None)


def test_runs_in_which_nothing_was_launched_are_an_error(tmp_path: Path) -> None:
    directory = stored(tmp_path / "results", run_record(NONE), [])
    with pytest.raises(UsageError, match="nothing was launched in these runs"):
        command(tmp_path / "results", [str(directory.path)], None)
