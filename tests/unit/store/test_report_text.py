from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.measurement.ab import AbReportError, parse_whole
from runner.store.report_text import decoded, plain, separate

REPORT = (Path(__file__).parents[2] / "data" / "ab-2.4.71.txt").read_text(encoding="utf-8")


@given(st.text(), st.text(), st.integers(0, len(REPORT)))
def test_any_text_is_read_or_refused(before: str, after: str, cut: int) -> None:
    for part in separate(plain(before + REPORT[:cut] + after)):
        _read_or_refused(part)


def _read_or_refused(part: str) -> None:
    try:
        parse_whole(part)
    except AbReportError:
        return


@given(st.binary())
def test_any_file_is_text_or_named(content: bytes) -> None:
    try:
        text = decoded(content)
    except ValueError as error:
        text = str(error)
    assert "\0" not in text


#: Prefixes end in something that nobody takes for a part of the line.
PREFIXES = st.builds(
    "{}{}".format,
    st.text(st.characters(blacklist_categories=["C", "Z"], blacklist_characters="<")),
    st.sampled_from([" ", "\t", "| ", ": ", "> ", "] "]),
)


@given(PREFIXES)
def test_any_prefix_is_taken_off(prefix: str) -> None:
    lines = REPORT.splitlines()
    assert parse_whole(plain("\n".join(prefix + line for line in lines))) == parse_whole(REPORT)


def test_a_prefix_of_many_numbers_takes_no_time() -> None:
    numbers = "1 " * 60
    text = f"{numbers}Concurrency Level: 3\n{'1' * 5000}!\n"
    assert plain(text) == f"Concurrency Level: 3\n{'1' * 5000}!\n"


def test_without_a_prefix_nothing_is_taken_off() -> None:
    assert plain(REPORT).split() == REPORT.split()


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_text_per_report(times: int) -> None:
    assert separate(REPORT * times) == [REPORT] * times
