"""The first table of a page, and what its sentences become."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest

from runner.commands.publish import publish
from runner.publish.page import markdown_sentence, sentence
from runner.publish.publication import Publication, publication
from runner.publish.tables import all_cells
from runner.publish.verdicts import Answer, Judged, answer, judged
from runner.report.figures import FIGURES, RATE
from runner.report.run import read_run
from runner.report.statistics import Contrast, Verdict
from runner.store.records import ExpectationRecord, RunRecord
from runner.store.run_directory import RunDirectory
from tests.support.published import NASTY, every_outcome, stored
from tests.support.samples import launch, traffic

pytestmark = pytest.mark.usefixtures("plain_charts")

CPU = FIGURES[1]


def published(*directories: RunDirectory) -> Publication:
    return publication("page", [(one, read_run(one)) for one in directories])


def answers(found: Publication) -> list[Answer]:
    headings, lines = all_cells(found)
    return [answer(part, headings, lines) for part in found.parts]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return stored(tmp_path / "results", *every_outcome(launches=7, faster=1.5))


@pytest.mark.parametrize(
    ("verdict", "sign", "of_a_rate", "of_a_cost"),
    [
        (Verdict.HIGHER, "▲", "better", "worse"),
        (Verdict.LOWER, "▼", "worse", "better"),
        (Verdict.SAME, "=", "same", "same"),
        (Verdict.UNDECIDED, "?", "undecided", "undecided"),
    ],
)
def test_more_of_a_rate_is_better_and_more_of_a_cost_is_worse(
    verdict: Verdict, sign: str, of_a_rate: str, of_a_cost: str
) -> None:
    contrast = Contrast(ratio=1.0, low=0.9, high=1.1, level=0.95, rounds=5, verdict=verdict)
    rate, cost = judged(RATE, contrast, 0.02), judged(CPU, contrast, 0.1)
    assert (rate.sign, rate.style, cost.style) == (sign, of_a_rate, of_a_cost)
    assert rate.ratio == "× 1.000 [0.900–1.100]"


def test_a_line_has_its_outcomes_verdicts_and_cells(run: RunDirectory) -> None:
    [found] = answers(published(run))
    assert found.axes == ["patch"]
    lines = {line.values["patch"]: line for line in found.lines}
    assert [*lines] == ["none", "gevent", "grpc", "gevent+grpc"]
    rate = lines["gevent"].figures[0]
    assert isinstance(rate, Judged)
    assert (rate.verdict, rate.style) == ("higher", "better")
    assert [text for _, text in lines["gevent"].outcomes] == ["ok 21/28", "serialised 7/28"]
    assert lines["gevent"].cells == 4
    assert lines["none"].figures[0] == "48.04"
    assert lines["gevent+grpc"].figures[0] == "–"


def test_a_line_leads_to_its_cells_in_the_table_of_all(tmp_path: Path) -> None:
    """By filters that the table has, with the texts that stand there."""
    record = traffic()
    launches = [launch(one) for one in record.cells]
    found = published(stored(tmp_path / "results", record, launches))
    headings, lines = all_cells(found)
    choices = {heading.key: heading.choices for heading in headings}
    keys = [heading.key for heading in headings]
    [one] = answers(found)
    assert one.lines
    for line in one.lines:
        assert {"patch", "rate"} == {key for key, _ in line.view}
        assert all(text in choices[key] for key, text in line.view)
        left = [
            of_cell.row.cell
            for of_cell in lines
            if all(of_cell.texts[keys.index(key)] == text for key, text in line.view)
        ]
        assert len(left) == line.cells == 1


def test_of_several_runs_a_line_leads_to_the_cells_of_its_own(tmp_path: Path) -> None:
    record, launches = every_outcome(launches=3)
    runs = [stored(tmp_path / f"{day}", of_day(record, day), launches) for day in (1, 2)]
    first, second = answers(published(*runs))
    assert dict(first.lines[0].view)["run"] == "sleep, 2026-11-01 12:00 UTC"
    assert dict(second.lines[0].view)["run"] == "sleep, 2026-11-02 12:00 UTC"
    anchors = [line.anchor for one in (first, second) for line in one.lines]
    assert len({*anchors}) == len(anchors)
    assert all(unquote(line.address) == line.anchor for line in first.lines)


def of_day(record: RunRecord, day: int) -> RunRecord:
    day_of_run = {"run_id": f"{day}", "started_at": f"2026-11-0{day}T12:00:00+00:00"}
    return record.model_copy(update=day_of_run)


def test_an_address_means_what_it_says_whatever_the_values_hold(run: RunDirectory) -> None:
    [found] = answers(published(run))
    strange = found.lines[0].__class__(
        values={}, outcomes=[], figures=[], threads="", cells=1, view=[("patch", "a&b=c +#d")]
    )
    assert strange.address == "patch=a%26b%3Dc%20%2B%23d"


def test_what_the_sentences_say_is_not_said_again_below_the_table(run: RunDirectory) -> None:
    [found] = answers(published(run))
    assert found.sentences[-1].startswith("Four of five such runs would show ")
    assert found.reading
    assert not {*found.reading} & {*found.sentences}


def test_where_nothing_is_compared_there_is_a_sentence_and_no_table(tmp_path: Path) -> None:
    record, launches = every_outcome()
    alone = stored(tmp_path / "results", record.model_copy(update={"baseline": {}}), launches)
    [found] = answers(published(alone))
    assert (len(found.sentences), found.table, found.lines) == (1, None, [])
    page = Path(publish(tmp_path / "results", [str(alone.path)], None))
    assert "Nothing in this run is compared" in page.read_text(encoding="utf-8")
    assert "Nothing in this run" in (page.parent / "README.md").read_text(encoding="utf-8")


def test_page_and_readme_begin_with_the_answer(run: RunDirectory) -> None:
    page = Path(publish(run.results, [str(run.path)], None))
    text = page.read_text(encoding="utf-8")
    main = text[text.index("<main>") :]
    assert main.index("<code>gevent</code> against <code>none</code> under") < main.index("▲")
    assert main.index("▲") < main.index('class="facts"') < main.index('id="pivot"')
    readme = (page.parent / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# sleep\n\n- `gevent` against `none` under `ab -c 100 -n 5000` ")
    assert readme.index("× 1.5") < readme.index("| patch") < readme.index("- run: ")


def test_page_and_readme_say_which_expectations_were_not_met(run: RunDirectory) -> None:
    unmet = "1 of 1 expectation was not met:"
    page = Path(publish(run.results, [str(run.path)], None))
    for name in ("index.html", "README.md"):
        assert unmet not in (page.parent / name).read_text(encoding="utf-8")
    cell = "py3.11-gevent25.9.1-gevent"
    expectation = ExpectationRecord(
        cells={"cell": cell}, outcomes=("crashed",), place="/home/me/matrix.yaml:7:9"
    )
    run.write_run(run.read_run().model_copy(update={"expect": (expectation,)}))
    page = Path(publish(run.results, [str(run.path)], None))
    text = page.read_text(encoding="utf-8")
    assert text.index("<main>") < text.index(unmet) < text.index("▲")
    assert f"<li><code>{cell}</code>: expected crashed, saw ok (matrix.yaml:7:9)</li>" in text
    readme = (page.parent / "README.md").read_text(encoding="utf-8")
    told = f"- {unmet}\n  - `{cell}`: expected crashed, saw ok (matrix.yaml:7:9)\n"
    assert 0 < readme.index(told) < readme.index("| patch")


def test_a_cell_has_its_ratios_with_interval_level_and_verdict(run: RunDirectory) -> None:
    text = Path(publish(run.results, [str(run.path)], None)).read_text(encoding="utf-8")
    [raw] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(raw)
    cells = {cell["key"]: cell for cell in data["cells"]}
    faster = cells["py3.11-gevent25.9.1-gevent"]
    assert faster["baseline"] == "py3.11-none"
    rate, *_ = faster["contrasts"]
    ratio, level, verdict, style = (data["texts"][number] for number in rate)
    assert ratio.startswith("× 1.5")
    assert level.endswith(" %")
    assert (verdict, style) == ("▲ higher", "better")
    assert data["compared"] == [figure.label for figure in FIGURES]
    assert cells["py3.11-none"]["baseline"] is None
    assert cells["py3.11-none"]["contrasts"] == [None] * len(FIGURES)


def test_a_sentence_is_escaped_but_for_its_code() -> None:
    text = f"`{NASTY.replace('`', '')}` & *b*"
    html = str(sentence(text))
    assert html.startswith("<code>&lt;/script&gt;")
    assert html.endswith("</code> &amp; *b*")
    assert unescape(re.sub("</?code>", "", html)) == text.replace("`", "")
    assert str(markdown_sentence("`a_b` & *b*")) == "`a_b` \\& \\*b\\*"
