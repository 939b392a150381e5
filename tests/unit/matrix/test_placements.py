"""Where the patch stands: which combinations there are, and what is left out of a matrix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runner.build.images import server_environment
from runner.errors import SpecError
from runner.matrix.placements import PLACEMENTS, left_out, table, usual
from runner.matrix.plugins import patches, servers
from runner.matrix.servers import server
from tests.unit.matrix.matrices import REPOSITORY, expanded

OWN = {"app": "shop:app", "source": "none"}


def one(directory: Path, axes: dict[str, Any], **more: Any) -> Any:
    versions = {"gevent": ["25.9.1"], "grpcio": ["1.76.0"]}
    return expanded(directory, {"axes": {"python": ["3.11"], **versions, **axes}, **more})


def placed(directory: Path, axes: dict[str, Any], **more: Any) -> list[tuple[str, str | None]]:
    return [(cell.patch, cell.placement) for cell in one(directory, axes, **more).cells]


def test_a_patch_stands_first_but_where_the_server_has_another_usual_place(tmp_path: Path) -> None:
    axes = {"patch": ["none", "gevent", "grpc"], "server": ["werkzeug", "gunicorn-gevent"]}
    found = one(tmp_path, axes)
    assert [(str(c.server), c.patch, c.placement) for c in found.cells] == [
        ("werkzeug", "none", None),
        ("gunicorn-gevent-w1", "none", None),
        ("werkzeug", "gevent", "first"),
        ("werkzeug", "grpc", "first"),
        ("gunicorn-gevent-w1", "grpc", "worker"),
    ]
    [(what, why)] = found.skipped
    assert what.endswith("gevent-gunicorn-gevent-w1")
    assert "the same as py3.11-gevent25.9.1-none-gunicorn-gevent-w1" in why


def test_the_cell_that_comes_to_the_same_is_there_where_it_is_alone(tmp_path: Path) -> None:
    axes = {"patch": ["gevent", "gevent+grpc"], "server": ["gunicorn-gevent"]}
    assert placed(tmp_path, axes) == [("gevent", "worker"), ("gevent+grpc", "worker")]


def test_order_is_another_name(tmp_path: Path) -> None:
    axes = {"patch": ["gevent"]}
    expected = [("gevent", "first"), ("gevent", "late")]
    assert placed(tmp_path, axes | {"order": ["first", "late"]}) == expected
    late = {"order": "late"}
    assert placed(tmp_path, axes | {"placement": ["first", "late"]}, exclude=[late]) == expected[:1]
    assert placed(tmp_path, axes, order="late") == placed(tmp_path, axes, placement="late")
    assert one(tmp_path, axes | {"order": ["first"]}).axes[-1] == "placement"
    with pytest.raises(SpecError, match="`order` is another name of `placement`; keep one"):
        one(tmp_path, axes, order="late", placement="late")
    with pytest.raises(SpecError, match="are the same axis, 'placement'; keep one"):
        one(tmp_path, axes | {"order": ["first"], "placement": ["late"]})


@pytest.mark.parametrize(
    ("axes", "what", "why"),
    [
        ({"placement": "config"}, "placement config under werkzeug", "no configuration"),
        ({"placement": "worker"}, "placement worker under werkzeug", "no worker processes"),
        ({"placement": "did-patch"}, "placement did-patch under werkzeug", "not patch by itself"),
        ({"placement": "by-app"}, "patch gevent with placement by-app", "patch mode is `none`"),
        (
            {"placement": "did-patch", "server": "gunicorn-gevent"},
            "patch gevent with placement did-patch",
            "only `init_gevent` is left",
        ),
        (
            {"placement": "after-app", "server": "gunicorn-gevent"},
            "patch gevent with placement after-app under gunicorn-gevent",
            "without `preload` its worker has patched",
        ),
        ({"server": "gunicorn-eventlet"}, "patch gevent under gunicorn-eventlet", "by eventlet"),
        (
            {"server": "gunicorn-gevent", "patch": "gevent(thread=False)"},
            "patch gevent(thread=False) under gunicorn-gevent",
            "nothing can be left out",
        ),
        (
            {"server": "gunicorn-eventlet", "patch": "none", "gunicorn": ["26.2.0"]},
            "gunicorn 26.2.0 under gunicorn-eventlet",
            "it needs gunicorn<26",
        ),
    ],
)
def test_what_there_is_not_is_left_out_with_the_reason(
    tmp_path: Path, axes: dict[str, Any], what: str, why: str
) -> None:
    axes = {"patch": "gevent", **axes}
    more = {"python": "3.12", "server": "pywsgi", "patch": "none", "gevent": "25.9.1"}
    found = one(tmp_path, axes, packages={"gunicorn": "*"}, include=[more])
    [(left, reason)] = found.skipped
    assert left == what
    assert why in reason
    with pytest.raises(SpecError, match="no cell can run: " + re.escape(what)):
        one(tmp_path, axes, packages={"gunicorn": "*"})


def test_only_an_application_patches_itself(tmp_path: Path) -> None:
    axes = {"patch": ["none", "imported", "gevent"], "placement": ["by-app", "first"]}
    assert placed(tmp_path, axes, application=OWN) == [
        ("none", "by-app"),
        ("none", None),
        ("imported", None),
        ("gevent", "first"),
    ]
    assert ("none", "by-app") not in placed(tmp_path, axes)


def test_with_preload_a_patch_may_come_after_the_application(tmp_path: Path) -> None:
    preload = {"name": "gunicorn-gevent", "preload": "true"}
    axes = {"patch": ["gevent"], "placement": ["after-app"], "server": [preload]}
    assert placed(tmp_path, axes) == [("gevent", "after-app")]


def test_eventlets_worker_takes_a_gunicorn_that_has_it(tmp_path: Path) -> None:
    [cell] = one(tmp_path, {"server": ["gunicorn-eventlet"]}).cells
    assert (cell.axis("gunicorn"), cell.axis("eventlet")) == ("<26", "any")


def test_a_container_is_told_the_place(tmp_path: Path) -> None:
    [cell] = one(tmp_path, {"patch": ["gevent"], "placement": ["after-app"]}).cells
    assert server_environment(cell)["MATRIX_PLACEMENT"] == "after-app"


# -- the table -------------------------------------------------------------------------------------


def test_the_table_says_what_the_rules_say() -> None:
    lines = [line.strip("| ").split(" | ") for line in table().splitlines()]
    assert lines[0][1:] == [f"`{place}`" for place in PLACEMENTS]
    for name, *columns in lines[2:]:
        one = server(name.strip("`"))
        for place, text in zip(PLACEMENTS, columns, strict=True):
            there = {p for p in patches() if left_out(one, p, place, own=True) is None}
            patching = {p for p in there if patches()[p].patches} or (
                there & {"none"} if place == "by-app" else set()
            )
            assert (text != "–") == bool(patching)
            assert ("(usual)" in text) == (place == usual(one) and text != "–")


def test_the_documentation_has_the_table() -> None:
    text = (REPOSITORY / "docs" / "matrix-file.md").read_text(encoding="utf-8")
    assert f"<!-- quote: placements -->\n{table()}\n<!-- /quote -->" in text
    for place, meaning in PLACEMENTS.items():
        assert f"| `{place}` | {meaning} |" in text


@pytest.mark.parametrize("name", servers())
def test_a_server_names_places_that_there_are(name: str) -> None:
    assert {*servers()[name].placements} <= {*PLACEMENTS}
