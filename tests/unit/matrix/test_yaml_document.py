from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import SpecError
from runner.matrix import yaml_document
from runner.matrix.file import load
from tests.unit.matrix.matrices import written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.10", "3.10"),
        ("1_0", "1_0"),
        ("0x1f", "0x1f"),
        ("010", "010"),
        ("1e3", "1e3"),
        ("12:30:00", "12:30:00"),
        ("2026-11-01", "2026-11-01"),
        ("yes", "yes"),
        ("!!float 3.10", "3.10"),
        ("'3.10'", "3.10"),
        ('"null"', "null"),
        ("''", ""),
        ("null", None),
        ("~", None),
        ("", None),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_are_the_text_that_was_written(
    tmp_path: Path, text: str, value: str | None
) -> None:
    assert yaml_document.read(written(tmp_path, f"key: {text}")).content == {"key": value}


def test_places_are_counted_from_1_and_of_keys_and_values(tmp_path: Path) -> None:
    found = yaml_document.read(written(tmp_path, "a:\n  b: [x, yy]\n"))
    path = f"{tmp_path}/matrix.yaml"
    assert found.position(("a", "b", 1)) == f"{path}:2:10"
    assert found.position(("a", "b"), key=True) == f"{path}:2:3"
    assert found.position(("a", "b")) == f"{path}:2:6"
    assert found.position(("a", "missing", 7)) == f"{path}:2:3"
    assert found.position(()) == f"{path}:1:1"


@pytest.mark.parametrize("text", ["\ufeffa: {b: 1}", "a: {b: 1}\r\n", "---\na: {b: 1}\n...\n"])
def test_what_editors_put_around_a_document(tmp_path: Path, text: str) -> None:
    assert yaml_document.read(written(tmp_path, text)).content == {"a": {"b": "1"}}


def test_an_anchor_stands_for_its_value_as_often_as_it_is_named(tmp_path: Path) -> None:
    found = yaml_document.read(written(tmp_path, "a: &a [1, 2]\nb: *a\nc: [*a, *a]\n"))
    assert found.content == {"a": ["1", "2"], "b": ["1", "2"], "c": [["1", "2"], ["1", "2"]]}


def test_a_few_lines_of_aliases_cannot_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(SpecError, match=r"more than 300000 values, aliases counted; remove some"):
        yaml_document.read(written(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a: " + "{a: " * 2000, "- " * 5000, "[" * 900 + "]" * 900]
)
def test_depth_cannot_exhaust_the_stack(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match="nested more than 50 deep; write it flat"):
        yaml_document.read(written(tmp_path, text))


#: Pieces that make text look like a matrix file long enough to get past the first check.
PIECES = st.sampled_from(
    [
        "version: 1\n", "experiments:\n", "  one:\n", "    axes:", " {python: 3.11}", "\n", "    ",
        "patch: [none, gevent]", "include: ", "exclude: ", "[{python: 3.11}]", "*a", "&a ", "<<: ",
        "- ", "? ", ": ", "[", "]", "{", "}", ",", "'", '"', ">", "#", "!!binary ", "%", "@", "\t",
        "packages: ", "flask: ", "null", "load: ", "limits: ", "extends: one", "\x00", "\x85", "é",
    ]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
@settings(deadline=None, max_examples=300)
def test_any_text_is_read_or_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = written(tmp_path_factory.getbasetemp(), text)
    try:
        file = load(path)
        for name in file.sections:
            file.experiment(name)
    except SpecError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - any other error fails the test


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        load(path)
    except SpecError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - any other error fails the test


#: Values of any shape where the file expects another.
VALUES: st.SearchStrategy[object] = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=8)
    | st.sampled_from(["3.11", "none", "gevent", "25.9.1", ">=24,<26", "==1,<1", "512m", "*"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["python", "gevent", "patch", "flask", "Flask", "seconds", "requests"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = ["axes", "packages", "load", "limits", "workload", "baseline", "exclude", "include", "base"]
KEYS += ["launches", "repeats", "server", "extends", "description", "exclude_newer"]


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), st.booleans())
@settings(deadline=None, max_examples=300)
def test_values_of_any_shape_are_taken_or_refused_with_their_place(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object], good: bool
) -> None:
    axes = {"axes": {"python": ["3.11"], "gevent": ["25.9.1"], "patch": ["none", "gevent"]}}
    path = written(tmp_path_factory.getbasetemp(), content | axes if good else content)
    try:
        load(path).experiment()
    except SpecError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017 - any other error fails the test
