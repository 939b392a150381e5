from __future__ import annotations

import pytest

from runner.commands.runs import delta_option
from runner.errors import UsageError


def test_each_figure_has_a_share_of_its_own() -> None:
    assert delta_option(["rate=0.01", "cpu=0.2"], None) == {"rate": 0.01, "cpu": 0.2}
    assert delta_option(None, None) == {}


@pytest.mark.parametrize(
    ("given", "threshold", "words"),
    [
        (["cpi=0.1"], None, "--delta cpi=0.1: unknown figure 'cpi'; did you mean 'cpu'"),
        (["cpu"], None, "--delta cpu: '' is no share"),
        (["cpu=5"], None, "--delta cpu=5: '5' is no share: give a number between 0 and 1"),
        ((), "0.05", "--threshold 0.05: use --delta rate=0.05, or `delta: {rate: 0.05}`"),
    ],
)
def test_a_bad_one_says_what_to_write(given: list[str], threshold: str | None, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        delta_option(given, threshold)
    assert words in str(raised.value)
