from __future__ import annotations

from concurrent.futures import Future

import pytest

from runner.publish import bundled, publication
from runner.publish.charts import Chart
from runner.publish.drawing import Pictures

PICTURES: Future[Pictures] = Future()
PICTURES.set_result(
    Pictures(
        svg='<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', png=b"\x89PNG"
    )
)
CHART = Chart(
    name="rate",
    title="Rates <b>",
    description="what is < shown",
    spec={"mark": "point"},
    pictures=PICTURES,
)


@pytest.fixture
def plain_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chart that need not be drawn, and a script that need not be bundled."""
    monkeypatch.setattr(publication, "charts_of", lambda *_: [CHART])
    monkeypatch.setattr(bundled, "vega_bundle", lambda: "window.drawChart = () => {};")
