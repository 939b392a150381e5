from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET

import pytest

from runner.errors import UsageError
from runner.outcome import Outcome
from runner.report.formats import escape_latex as latex
from runner.report.formats import escape_markdown as markdown
from runner.report.formats import render, stored_tables
from runner.report.modes import modes
from runner.report.row import Row
from runner.report.run import Run, collate
from runner.store.records import RunRecord
from runner.text import one_line
from tests.support.samples import cell, launch, run_record

HOSTILE = (
    "a|b\n<script>alert('x')</script> & `c` *d* _e_ \\f \x1b[31mred\x1b[0m 50% #1 $x^2$ {g} ~h"
)


def hostile_run() -> Run:
    none = cell("3.11", "none")
    run = run_record(none)
    hang = launch(none, outcome=Outcome.CRASHED, reason=HOSTILE)
    return collate(run, {none.id: [hang]})


def test_json_is_the_document_of_the_design(rows: tuple[Row, ...], collated: Run) -> None:
    document = json.loads(render(collated, format="json"))
    assert list(document) == ["schema", "experiment", "delta", "modes", "rows"]
    assert (document["schema"], document["experiment"]) == (2, "sleep")
    assert document["delta"] == {"rate": 0.02, "cpu": 0.1, "p99": 0.05, "rss": 0.05}
    assert [mode["patch"] for mode in document["modes"]] == [
        mode.values["patch"] for mode in modes(collated)
    ]
    for mode in document["modes"]:
        own = [
            row["rate_ratio"]
            for row in document["rows"]
            if row["cell"] in mode["rate_cells"] and not mode["baseline"]
        ]
        ends = (min(own), max(own)) if own else (None, None)
        assert (mode["rate_ratio_min"], mode["rate_ratio_max"]) == ends
    assert any(mode["rate_ratio_min"] for mode in document["modes"])
    assert document["rows"] == [row.values() for row in rows]
    assert document["rows"][0]["gevent"] is None
    assert document["rows"][-1]["requests_per_second"] is None


def test_csv_has_every_key_and_rounds_nothing(rows: tuple[Row, ...], collated: Run) -> None:
    lines = list(csv.DictReader(io.StringIO(render(collated, format="csv"))))
    assert [list(line) for line in lines] == [list(row.values()) for row in rows]
    for line, row in zip(lines, rows, strict=True):
        shown = {key: "" if value is None else str(value) for key, value in row.values().items()}
        assert line == shown
    assert "49.014" in {line["requests_per_second"] for line in lines}


def test_csv_names_further_axes_without_rows() -> None:
    run = run_record(axes=("python", "flask"))
    assert (
        render(collate(run, {}), format="csv")
        .splitlines()[0]
        .endswith(",disturbed,reused_from,in_effect,in_effect_by,flask")
    )


def test_markdown_shows_hostile_text_as_it_is() -> None:
    collated = hostile_run()
    line = next(x for x in render(collated, format="github").splitlines() if "crashed:" in x)
    assert line == (
        r"- py3.11-none: crashed: a\|b \<script\>alert('x')\</script\> \& \`c\` \*d\* \_e\_ \\f "
        r"\[31mred \[0m 50% #1 $x^2$ {g} \~h"
    )


def test_markdown_keeps_a_cell_on_its_line() -> None:
    assert markdown("a|b\r\nc") == r"a\|b c"


def test_html_escapes_everything_and_is_well_formed() -> None:
    collated = hostile_run()
    text = render(collated, format="html")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    root = ET.fromstring(f"<body>{text}</body>")
    headings = [(item.text or "").strip() for item in root.iter("th")]
    assert headings[:4] == ["python", "gevent", "grpcio", "patch"]
    assert any(one_line(HOSTILE) in (item.text or "") for item in root.iter("li"))


def test_html_escapes_the_cells_of_the_table() -> None:
    odd = cell("3.11", "gevent", gevent=">=24,<26")
    run = run_record(odd)
    text = render(collate(run, {odd.id: [launch(odd)]}), format="html")
    assert "<td>&gt;=24,&lt;26" in text


def test_latex_escapes_every_special_character() -> None:
    assert latex(r"\ ~ ^ & % $ # _ { } <") == (
        r"\textbackslash{} \textasciitilde{} \textasciicircum{} \& \% \$ \# \_ \{ \} \textless{}"
    )
    collated = hostile_run()
    text = render(collated, format="latex")
    assert r"efficiency \%" in text
    assert r"50\% \#1 \$x\textasciicircum{}2\$ \{g\}" in text
    assert text.count(r"\begin{itemize}") == text.count(r"\end{itemize}") == 2


def test_plain_text_cannot_steer_a_terminal() -> None:
    collated = hostile_run()
    text = render(collated, format="plain")
    assert "\x1b" not in text
    assert "  py3.11-none: crashed: a|b <script>" in text


def test_an_unknown_format_is_refused(collated: Run) -> None:
    with pytest.raises(UsageError, match="unknown format 'gitub'; did you mean 'github'"):
        render(collated, format="gitub")


@pytest.mark.parametrize("name", ["csv", "json"])
def test_formats_for_programs_have_no_pivot(name: str, collated: Run) -> None:
    with pytest.raises(UsageError, match=f"--pivot does not apply to --format {name}"):
        render(collated, format=name, pivot="patch")


def test_columns_are_chosen_by_key_or_heading(rows: tuple[Row, ...], collated: Run) -> None:
    text = render(collated, format="github", columns="patch, requests/s,mean_ms")
    headings = [part.strip() for part in text.splitlines()[0].strip("|").split("|")]
    assert headings == ["patch", "requests/s", "mean\\_ms"]
    assert len(text.partition("\n\n")[0].splitlines()) == 2 + sum(r.launches > 0 for r in rows)
    with pytest.raises(UsageError, match="--columns: unknown column 'pach'; did you mean 'patch'"):
        render(collated, format="github", columns="pach")


@pytest.mark.parametrize(
    ("options", "other"),
    [({"format": "json"}, "--format json"), ({"format": "plain", "pivot": "patch"}, "--pivot")],
)
def test_columns_cannot_be_chosen_everywhere(
    options: dict[str, str], other: str, collated: Run
) -> None:
    with pytest.raises(UsageError, match=f"--columns does not apply to {other}"):
        render(collated, columns="patch", **options)


def test_the_tables_that_are_stored_with_a_run(run: RunRecord) -> None:
    collated = collate(run, {run.cells[3].id: [launch(run.cells[3], rate=48.0)]})
    formats = {"table.json": "json", "table.csv": "csv", "table.md": "github"}
    assert stored_tables(collated) == {
        name: render(collated, format=format_name) for name, format_name in formats.items()
    }
