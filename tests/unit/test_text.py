"""The words that tables, messages and errors are made of."""

from __future__ import annotations

from runner.text import counted, duration, known, one_line, printable, suggestion


def test_a_word_that_is_near_is_suggested_and_otherwise_all() -> None:
    assert suggestion("pyton", ["python", "patch"]) == "; did you mean 'python'?"
    assert suggestion("zzz", ["python", "patch"]) == "; known: python, patch"
    assert suggestion("zzz", []) == ""


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 59, 61, 3599, 4800)] == [
        "0 s",
        "59 s",
        "1 min 01 s",
        "59 min 59 s",
        "1 h 20 min",
    ]


def test_plurals() -> None:
    numbers = [counted(1, "cell"), counted(0, "cell"), counted(1200, "launch")]
    assert numbers == ["1 cell", "0 cells", "1,200 launches"]


def test_what_is_not_known() -> None:
    assert [known(None), known(0), known("")] == ["not known", "0", ""]


def test_text_that_would_steer_a_terminal() -> None:
    assert one_line("a\x1b[31m\n b\tc") == "a [31m b c"
    assert printable("a\x1b[31m\n\tb") == "a[31m\n        b"
