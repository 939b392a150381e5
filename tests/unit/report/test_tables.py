from __future__ import annotations

from dataclasses import replace

import pytest

from runner.engine.protocol import ROOTLESS
from runner.errors import UsageError
from runner.options import Format
from runner.outcome import Outcome
from runner.report.formats import _github, render
from runner.report.notes import CLOSED_LOOP, NO_LIMITS, OPEN_LOOP
from runner.report.pivot import pivot_table
from runner.report.row import Row
from runner.report.run import Run, collate
from runner.report.summary import summary
from runner.report.tables import columns_for, comparison, milliseconds, sort_rows
from runner.store.records import RunRecord
from tests.support.samples import (
    AXES,
    RESOURCES,
    cell,
    launch,
    launches_of,
    run_record,
    traffic,
)

GOLDEN = """\
| python   | gevent   | grpcio   | patch       | outcome         |   sent requests |   sent clie\
nts |   requests/s |   ceiling |   efficiency % |   × baseline |   p50 ms |   p90 ms |   p99 ms \
|   max ms |   CPU ms/request |   peak RSS MiB |   threads |
|:---------|:---------|:---------|:------------|:----------------|----------------:|------------\
---:|-------------:|----------:|---------------:|-------------:|---------:|---------:|---------:\
|---------:|-----------------:|---------------:|----------:|
| 3.9      | –        | –        | none        | ok              |            5000 |            \
100 |        40.00 |     49.02 |           81.6 |        1.000 |     2003 |     2010 |     2053 \
|     2100 |             1.00 |             61 |       101 |
| 3.9      | 22.10.2  | –        | gevent      | serialised      |             120 |            \
100 |         0.50 |     49.02 |            1.0 |        0.013 |        – |        – |        – \
|        – |             1.00 |             61 |       101 |
| 3.11     | –        | –        | none        | ok              |            5000 |            \
100 |        48.00 |     49.02 |           97.9 |        1.000 |     2003 |     2010 |     2053 \
|     2100 |             1.00 |             61 |       101 |
| 3.11     | 22.10.2  | –        | gevent      | ok (disturbed)  |            5000 |            \
100 |        24.00 |     49.02 |           49.0 |        0.500 |     2003 |     2010 |     2053 \
|     2100 |             1.00 |             61 |       101 |
| 3.11     | 25.9.1   | –        | gevent      | ok              |            5000 |            \
100 |        49.01 |     49.02 |          100.0 |        1.021 |     2003 |     2010 |     2053 \
|     2100 |             1.00 |             61 |       101 |
| 3.11     | 25.9.1   | 1.76.0   | gevent+grpc | hang-at-startup |               – |            \
  – |            – |         – |              – |            – |        – |        – |        – \
|        – |                – |              – |         – |

**Measured**

- sleep, run 20261101T120000Z: sleep 2 s; ab -c 100 -n 5000; each cell launched once.
- 2 × Example CPU, 8.0 GiB, Debian GNU/Linux 13, kernel 6.12.0; engine 20.10.24.
- Percentiles are those of a closed loop of clients: while the server stalls they send nothing, \
so a stall counts once (coordinated omission).

**Reasons**

- py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc: hang-at-startup: no answer in 30 s

**Disturbed**

- py3.11-gevent22.10.2-gevent: load generator busy 95 %

**Without an interval**

- py3.9-gevent22.10.2-gevent: CPU per request, memory: one of the two loads was cut, and costs of \
different loads are not compared

**Unavailable**

- py3.9-gevent25.9.1-gevent, py3.9-gevent25.9.1-grpcio1.76.0-gevent+grpc: no wheel \\| of gevent\
 25.9.1 for \\<3.9\\>

**Build failed**

- py3.11-gevent22.10.2-grpcio1.76.0-gevent+grpc: no room
"""


def test_the_markdown_table_of_a_whole_run(collated: Run) -> None:
    table = summary(collated)
    assert table is not None
    text = render(collated, format="github")
    assert text == f"{_github(table)}\n{GOLDEN}"
    assert "| gevent      | ok 2/3, serialised 1/3 |" in text
    assert "| gevent+grpc | hang-at-startup 1/1    |" in text


@pytest.mark.parametrize(("security", "cgroups"), [(ROOTLESS, "1"), (ROOTLESS, "2"), ("", "1")])
def test_a_table_says_that_an_engine_keeps_no_limits(security: str, cgroups: str) -> None:
    none = cell("3.11", "none")
    run = run_record(none)
    assert run.engine
    engine = replace(run.engine, security=(security,), cgroup_version=cgroups)
    run = run.model_copy(update={"engine": engine})
    text = render(collate(run, {none.id: [launch(none)]}), format="plain")
    assert ("engine 20.10.24 (rootless)." in text) is (security == ROOTLESS)
    assert (NO_LIMITS in text) is (security == ROOTLESS and cgroups == "1")


def test_launches_are_a_column_where_there_are_several() -> None:
    none = cell("3.11", "none")
    run = run_record(none, launches=2)
    collated = collate(run, {none.id: [launch(none, 1), launch(none, 2)]})
    assert comparison(collated).headings[-1] == "launches"
    assert comparison(collated).lines[0][-1] == "2"
    assert "each cell launched 2 times, medians shown" in render(collated, format="plain")


@pytest.mark.parametrize(
    ("key", "heading"),
    [("listen_overflows", "queue overflows"), ("syn_retransmits", "SYN retries")],
)
def test_what_should_be_none_is_a_column_where_there_was_any(key: str, heading: str) -> None:
    none = cell("3.11", "none")
    run = run_record(none)
    for seen, shown in ((None, False), (0, False), (3, True)):
        used = RESOURCES.model_copy(update={key: seen})
        collated = collate(run, {none.id: [launch(none).model_copy(update={"resources": used})]})
        assert (heading in comparison(collated).headings) is shown


@pytest.mark.parametrize("axis", ["server", "concurrency", "flask"])
def test_other_axes_are_columns_only_where_they_vary(axis: str) -> None:
    cells = {
        "server": (
            cell("3.11", "none"),
            cell("3.11", "none", further={"server": "werkzeug-single"}, suffix="-2"),
        ),
        "concurrency": (
            cell("3.11", "none", concurrency=9),
            cell("3.11", "none", concurrency=10, suffix="-2"),
        ),
        "flask": (cell("3.11", "none"), cell("3.11", "none", flask="2.2.5", suffix="-2")),
    }[axis]
    run = run_record(*cells, axes=(*AXES, axis))
    rows = collate(run, {c.id: [launch(c)] for c in cells}).rows
    assert [column.key for column in columns_for(rows, run)][:6] == [*AXES, axis, "outcome"]
    assert columns_for(rows[:1], run)[4].key == "outcome"


def test_cells_that_were_not_measured_are_listed(run: RunRecord) -> None:
    text = render(collate(run, {}), format="plain")
    assert "Not measured:\n  py3.9-none, py3.9-gevent22.10.2-gevent, py3.11-none" in text


def test_a_run_without_cells_is_still_a_table() -> None:
    run = run_record()
    for format_name in Format:
        assert render(collate(run, {}), format=format_name)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04, "0.0"), (9.94, "9.9"), (10.4, "10"), (2052.6, "2053")]
)
def test_milliseconds(value: float, shown: str) -> None:
    assert milliseconds(value) == shown


@pytest.mark.parametrize(
    ("column", "first"),
    [("requests_per_second", 0.5), ("-requests_per_second", 49.014), ("-requests/s", 49.014)],
)
def test_sorting_puts_the_unknown_last(
    rows: tuple[Row, ...], run: RunRecord, column: str, first: float
) -> None:
    ordered = sort_rows(rows, column, run)
    assert ordered[0].requests_per_second == first
    assert ordered[-1].requests_per_second is None
    assert len(ordered) == len(rows)


def test_sorting_knows_versions(rows: tuple[Row, ...], run: RunRecord) -> None:
    pythons = [str(row.python) for row in sort_rows(rows, "python", run)]
    assert pythons == sorted(pythons, key=len)
    assert sort_rows(rows, "-python", run)[0].python == "3.11"


def test_sorting_is_stable_and_shows_in_the_table(collated: Run) -> None:
    text = render(collated, format="csv", sort="-patch")
    first = text.splitlines()[1]
    assert first.startswith("py3.9-gevent25.9.1-grpcio1.76.0-gevent+grpc,")


def test_sorting_by_outcome(rows: tuple[Row, ...], run: RunRecord) -> None:
    assert sort_rows(rows, "outcome", run)[0].outcome is Outcome.BUILD_FAILED


@pytest.mark.parametrize(
    ("column", "hint"), [("requests_per_secnd", "did you mean 'requests_per_second'"), ("", "cell")]
)
def test_an_unknown_column_is_refused(column: str, hint: str, collated: Run) -> None:
    with pytest.raises(UsageError, match=f"--sort: unknown column .*{hint}"):
        render(collated, format="plain", sort=column)


# -- the pivot -------------------------------------------------------------------------------------


def test_the_shared_baseline_stands_on_every_line_of_its_python(collated: Run) -> None:
    table = pivot_table(collated, "patch")
    assert table.headings == ("python", "gevent", "grpcio", "none", "gevent", "gevent+grpc")
    assert table.lines == (
        ("3.9", "22.10.2", "–", "40.00", "serialised 0.50", "–"),
        ("3.9", "25.9.1", "1.76.0", "40.00", "–", "–"),
        ("3.11", "22.10.2", "1.76.0", "48.00", "24.00", "build-failed"),
        ("3.11", "25.9.1", "1.76.0", "48.00", "49.01", "hang-at-startup"),
    )


def test_a_cell_without_the_axis_stands_in_every_column(collated: Run) -> None:
    table = pivot_table(collated, "gevent")
    assert table.headings == ("python", "grpcio", "patch", "22.10.2", "25.9.1")
    assert ("3.9", "–", "none", "40.00", "40.00") in table.lines
    assert ("3.11", "–", "gevent", "24.00", "49.01") in table.lines


def test_columns_are_in_the_order_of_versions(collated: Run) -> None:
    table = pivot_table(collated, "python")
    assert table.headings[-2:] == ("3.9", "3.11")
    assert table.lines[0] == ("–", "–", "none", "40.00", "48.00")


def test_numbers_are_in_their_own_order() -> None:
    cells = [cell("3.11", "none", concurrency=n, suffix=f"-c{n}") for n in (100, 20)]
    run = run_record(*cells, axes=(*AXES, "concurrency"))
    collated = collate(run, {c.id: [launch(c, rate=float(c.concurrency or 0))] for c in cells})
    table = pivot_table(collated, "concurrency")
    assert table.headings[-2:] == ("20", "100")
    assert table.lines == (("3.11", "–", "–", "none", "20.00", "100.00"),)


def test_a_cell_that_was_not_measured_is_a_dash(run: RunRecord) -> None:
    lines = pivot_table(collate(run, {}), "patch").lines
    assert lines[-1] == ("3.11", "25.9.1", "1.76.0", "–", "–", "–")


def test_what_a_cell_shows_is_said_below(collated: Run) -> None:
    text = render(collated, format="plain", pivot="patch")
    assert "Cells show requests/s by patch:" in text
    assert "Unavailable:" in text


@pytest.mark.parametrize(
    ("axis", "message"),
    [("pyton", "unknown axis 'pyton'; did you mean 'python'"), ("zzz", "known: python, gevent")],
)
def test_an_unknown_axis_is_refused(axis: str, message: str, collated: Run) -> None:
    with pytest.raises(UsageError, match=message):
        pivot_table(collated, axis)


def test_an_axis_without_values_is_refused() -> None:
    run = run_record(cell("3.11", "none"))
    with pytest.raises(UsageError, match="no cell of this run has a value on the axis 'gevent'"):
        pivot_table(collate(run, {}), "gevent")


def test_a_fixed_rate_has_a_column_and_its_own_note() -> None:
    run = traffic()
    table = comparison(collate(run, launches_of(run)))
    assert "rate" in table.headings
    assert "concurrency" not in table.headings
    place = table.headings.index("rate")
    assert sorted(line[place] for line in table.lines) == ["45", "45", "closed", "closed"]
    measured = table.notes[0].items
    assert "ab -c 100 -n 5000 or 45 requests/s for 60 s" in measured[0]
    assert measured[-2:] == (CLOSED_LOOP, OPEN_LOOP)


def test_a_rate_alone_says_nothing_of_closed_loops() -> None:
    run = traffic()
    fixed = run.model_copy(update={"cells": run.cells[2:]})
    table = comparison(collate(fixed, launches_of(fixed)))
    assert "rate" in table.headings
    assert CLOSED_LOOP not in table.notes[0].items


def test_loads_have_lines_of_their_own_beside_each_other() -> None:
    run = traffic()
    table = pivot_table(collate(run, launches_of(run)), "patch")
    assert [line[3] for line in table.lines] == ["45", "closed"]
    assert table.headings[3:] == ("rate", "none", "gevent")
    assert {line[4:] for line in table.lines} == {("48.00", "48.00")}
