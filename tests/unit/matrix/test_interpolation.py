"""References to variables in text."""

from __future__ import annotations

import pytest

from runner.matrix.interpolation import Reference, interpolated, references

HOST = {"USER": "me", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${USER}", "me"),
        ("a${USER}b${USER}", "amebme"),
        ("${NOBODY}", ""),
        ("${NOBODY:-else}", "else"),
        ("${EMPTY:-else}", "else"),
        ("${USER:-else}", "me"),
        ("${NOBODY:-}", ""),
        ("${NOBODY:-a:-b\nc}", "a:-b\nc"),
        ("$USER costs 5$", "$USER costs 5$"),
        ("$${USER}", "${USER}"),
        ("$$USER", "$$USER"),
    ],
)
def test_values_take_the_place_of_references(text: str, expected: str) -> None:
    assert interpolated(text, HOST.get) == expected


def test_a_value_is_not_read_again() -> None:
    assert interpolated("${A}", {"A": "${B}", "B": "no"}.get) == "${B}"


@pytest.mark.parametrize(
    "text", ["${", "${USER", "${}", "${a b}", "${1}", "${A-x}", "${A:?x}", "${A:-${B}}"]
)
def test_other_forms_are_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=r"write `\$\{NAME\}` or `\$\{NAME:-default\}`, and `\$\$"):
        interpolated(text, HOST.get)


def test_references_have_names_and_defaults() -> None:
    assert references("$${X} ${A} ${B:-c}") == (
        Reference(name="A", default=None),
        Reference(name="B", default="c"),
    )
