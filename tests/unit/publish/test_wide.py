"""A run of many cells, all of which have figures, with its real charts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.commands.publish import publish
from runner.publish import detail, page
from tests.support.published import stored, wide


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of eighty cells with little room for reports and pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detail, "ROOM", 2_000)
    monkeypatch.setattr(page, "LARGEST_SVG", 30_000)
    stored(tmp_path / "results", *wide(80))
    return Path(publish(Path("results"), [], None)).read_text(encoding="utf-8")


def test_a_large_run_keeps_its_page_small(opened: str) -> None:
    """Reports beyond the page's room are linked, pictures of many marks are of pixels."""
    found = re.search('<script type="application/json" id="data">(.*?)</script>', opened)
    assert found
    launches = [launch for cell in json.loads(found[1])["cells"] for launch in cell["launches"]]
    reports = [launch["files"]["ab.txt"] for launch in launches]
    assert len(reports) == 80
    assert 1_500 < sum(len(report) for report in reports if report) <= 2_000
    assert reports[0] is not None
    assert reports[-1] is None
    assert 'src="data:image/png;base64,' in opened
    for name in re.findall('data-chart="([^"]+)"', opened):
        for end in ("svg", "png"):
            assert Path(f"results/published/sleep/charts/{name}.{end}").stat().st_size > 0


def test_a_chart_of_tiles_needs_no_cell_without_figures(opened: str) -> None:
    assert 'data-chart="rate"' in opened
    svg = Path("results/published/sleep/charts/rate.svg").read_text(encoding="utf-8")
    assert "Infinity" not in svg
