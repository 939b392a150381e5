from __future__ import annotations

import pytest

from runner.publish import publication
from runner.publish.charts import Chart

CHART = Chart(
    name="figures",
    title="Rates <b>",
    description="what is < shown",
    svg='<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0,0h9"/></svg>',
)


@pytest.fixture
def plain_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chart that need not be drawn."""
    monkeypatch.setattr(publication, "charts_of", lambda *_, **__: iter([CHART]))
