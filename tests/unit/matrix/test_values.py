from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from runner.matrix.cell import Requirement
from runner.matrix.values import python_version, specifier, version


@pytest.mark.parametrize(
    ("written", "meant", "label"),
    [
        ("25.9.1", "==25.9.1", "25.9.1"),
        ("==25.9.1", "==25.9.1", "25.9.1"),
        ("v25.9.1", "==25.9.1", "25.9.1"),
        ("1.0-1", "==1.0.post1", "1.0.post1"),
        ("25.*", "==25.*", "25.*"),
        (">=24,<26", ">=24,<26", ">=24,<26"),
        (" >= 24 ,\t< 26\n", ">=24,<26", ">=24,<26"),
        ("~=25.1", "~=25.1", "~=25.1"),
        ("!=25.9.0", "!=25.9.0", "!=25.9.0"),
        ("*", "", "any"),
        ("any", "", "any"),
    ],
)
def test_versions_become_specifiers(written: str, meant: str, label: str) -> None:
    assert specifier(written) == meant
    assert version(written) == Requirement(name="gevent", specifier=meant).label == label
    assert specifier(label) == meant


@pytest.mark.parametrize(
    "written", ["", "newest", "25.9.x", "==", "25.9,24", "===25.9", "=25.9", ">=", ",", "25.*.*"]
)
def test_what_is_no_version(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not a version: write one \(25\.9\.1\)"):
        specifier(written)


@pytest.mark.parametrize(
    "written",
    [
        ">=26,<25", ">=26,<26", ">26,<=26", "==1,==2", "==1.0,!=1.0", "==25.*,==24.*",
        "==25.*,>=26", "~=25.1,<25", "<0", ">1,<1", ">=2,!=2.*,<3",
    ],
)  # fmt: skip
def test_bounds_that_leave_nothing(written: str) -> None:
    with pytest.raises(ValueError, match="allows no version at all"):
        specifier(written)


@pytest.mark.parametrize(
    "written",
    [
        ">=26,<=26", ">25.9,<25.9.1", ">25.9,<25.9.0.1", "==25.*,!=25.9.1", "<1", "<=0",
        ">=1!2,<1!3", ">=1.0a1,<1.0b1", ">1.0a1,<1.0a3", "==1.0+cpu,>=1.0", "~=25.1,!=25.1",
        ">=24,<26,!=25.*", ">=0,!=0.*", "<2,>0.9.9", "<0.1",
        "<1!0", "<1.0.dev1", ">5.post1",
    ],
)  # fmt: skip
def test_bounds_that_leave_something(written: str) -> None:
    assert specifier(written) == written


PARTS = st.tuples(
    st.sampled_from([">=", ">", "<", "<=", "==", "!="]),
    st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n))),
    st.booleans(),
).map(lambda part: part[0] + part[1] + (".*" if part[2] and part[0] in {"==", "!="} else ""))
#: Enough versions to lie in every gap that such bounds can leave.
RELEASES = [
    f"{a}.{b}.{c}.{d}" for a in range(6) for b in range(6) for c in range(6) for d in (0, 1)
]


@given(st.lists(PARTS, min_size=2, max_size=3))
@settings(deadline=None)
def test_no_version_is_allowed_by_what_is_refused_and_some_by_the_rest(parts: list[str]) -> None:
    text = ",".join(parts)
    some = any(SpecifierSet(text).contains(version) for version in RELEASES)
    try:
        specifier(text)
    except ValueError:
        assert not some, text
    else:
        # What lies in a gap that no release above falls into is allowed all the same.
        assert some or SpecifierSet(text).contains("0.0.0.0.1") or _in_a_narrow_gap(text)


def _in_a_narrow_gap(text: str) -> bool:
    return any(
        SpecifierSet(text).contains(f"{release}{end}")
        for release in (".".join(r.split(".")[:n]) for r in RELEASES for n in (1, 2, 3, 4))
        for end in (".0.0.1", ".999999")
    )


@pytest.mark.parametrize("text", ["3.8", "3.10", "3.14", "4.0", "3.13t", "3.14t"])
def test_pythons(text: str) -> None:
    assert python_version(text) == text


@pytest.mark.parametrize("text", ["3", "3.11.2", "3.011", "03.11", "3.11t", "", "3.x", "٣.١١"])
def test_what_is_no_python(text: str) -> None:
    with pytest.raises(ValueError, match=r"written X\.Y"):
        python_version(text)


@pytest.mark.parametrize("text", ["2.7", "3.7", "1.99"])
def test_pythons_that_are_too_old(text: str) -> None:
    with pytest.raises(ValueError, match=r"3\.8 or newer"):
        python_version(text)
