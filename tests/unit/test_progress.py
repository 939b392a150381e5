"""What a run says while it goes on."""

from __future__ import annotations

import io

from rich.console import Console

from runner.measurement.records import rate_of
from runner.progress import LiveReporter, launch_line
from runner.report.tables import two_decimals
from tests.support.samples import cell, launch


def test_the_number_of_launches_is_shown_once_it_is_known() -> None:
    out = io.StringIO()
    reporter = LiveReporter(Console(file=out, force_terminal=True, width=200))
    with reporter:
        reporter._bar.refresh()
        assert "launches" not in out.getvalue()
        reporter.begin(3, 10)
        reporter._bar.refresh()
        assert "0/3 launches" in out.getvalue()


def test_the_bar_is_one_line_on_a_narrow_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=40)
    reporter = LiveReporter(console)
    reporter.begin(3, 10)
    reporter.loading(["py3.11-none-sleep"])
    assert len(console.render_lines(reporter._bar.get_renderable())) == 1


def test_a_launch_has_the_rate_that_the_table_has() -> None:
    """`ab` rounds its own."""
    made = launch(cell("3.11", "none"), rate=35.0)
    assert made.ab
    rounded = made.ab.model_copy(
        update={"complete": 1000, "time_taken_s": 28.14, "requests_per_second": 35.55}
    )
    shown = launch_line(made.model_copy(update={"ab": rounded}))
    assert two_decimals(rate_of(rounded)) == "35.54"
    assert "35.54 requests/s" in shown
