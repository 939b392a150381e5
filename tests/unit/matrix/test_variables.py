"""Environment variables as axes, arguments of a patch, and settings of a server by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.build.images import server_environment
from runner.errors import SpecError
from runner.matrix.servers import server, server_from_mapping, server_matcher, server_name
from runner.matrix.values import patch_mode, patch_part
from tests.unit.matrix.matrices import expanded, ids

FORK = "environment.GRPC_ENABLE_FORK_SUPPORT"


def one(directory: Path, axes: dict[str, Any], **more: Any) -> Any:
    return expanded(directory, {"axes": {"python": ["3.11"], **axes}, **more})


# -- variables -------------------------------------------------------------------------------------


def test_a_variable_is_an_axis(tmp_path: Path) -> None:
    found = one(tmp_path, {FORK: ["0", "1"]})
    assert ids(found) == [
        "py3.11-none-GRPC_ENABLE_FORK_SUPPORT-0",
        "py3.11-none-GRPC_ENABLE_FORK_SUPPORT-1",
    ]
    assert found.axes == ("python", FORK)
    assert [cell.axis(FORK) for cell in found.cells] == ["0", "1"]
    assert server_environment(found.cells[0])["GRPC_ENABLE_FORK_SUPPORT"] == "0"


def test_an_entry_may_name_one_that_is_no_axis(tmp_path: Path) -> None:
    more = {"include": [{FORK: "0"}], "expect": [{"cells": {FORK: "0"}, "outcome": "ok"}]}
    [cell] = one(tmp_path, {"patch": ["none"]}, **more).cells
    assert cell.variables == (("GRPC_ENABLE_FORK_SUPPORT", "0"),)


def test_any_value_has_an_id_of_its_own(tmp_path: Path) -> None:
    values = ["", "a b", "a/b", "a_b", "x" * 30]
    found = ids(one(tmp_path, {"environment.A": values}))
    assert found[0] == "py3.11-none-A-empty"
    assert found[3] == "py3.11-none-A-a_b"
    assert len({*found}) == len(values)
    assert all(set(" /") & set(cell_id) == set() for cell_id in found)


def test_pythons_path_keeps_what_is_ours(tmp_path: Path) -> None:
    [cell] = one(tmp_path, {"environment.PYTHONPATH": ["lib"]}).cells
    assert server_environment(cell)["PYTHONPATH"] == "lib:/site:/server"


@pytest.mark.parametrize(
    ("axis", "value", "message"),
    [
        ("environment.A-B", "1", "'A-B' is not the name of an environment variable"),
        ("environment.MATRIX_PATCH", "1", "are this program's own"),
        ("environment.A", "1\n2", "one line here"),
    ],
)
def test_mistakes_in_variables(tmp_path: Path, axis: str, value: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        one(tmp_path, {axis: [value]})


# -- arguments of a patch --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "text", "part"),
    [
        ("gevent(thread=False)", "gevent(thread=False)", "gevent-no-thread"),
        ("gevent( queue = True , thread=False )", "gevent(thread=False,queue=True)",
         "gevent-no-thread-with-queue"),
        ("gevent(socket=True)", "gevent", "gevent"),
        ("gevent+grpc(sys=True)", "gevent+grpc(sys=True)", "gevent+grpc-with-sys"),
        ("gevent()", "gevent", "gevent"),
    ],
)  # fmt: skip
def test_a_patch_has_one_form(written: str, text: str, part: str) -> None:
    assert patch_mode(written) == text
    assert patch_part(text) == part


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("gevent(tread=False)", "gevent has no argument 'tread'; did you mean 'thread'"),
        ("gevent(thread=0)", "write thread=True or thread=False"),
        ("none(thread=False)", "none has no argument 'thread'"),
        ("gevnt(thread=False)", "unknown patch 'gevnt'; did you mean 'gevent'"),
        ("gevent(thread=False", "is not a patch"),
    ],
)
def test_mistakes_in_arguments(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        patch_mode(written)


def test_a_patch_with_arguments_needs_what_it_needs_without(tmp_path: Path) -> None:
    axes = {"patch": ["gevent", "gevent(thread=False)"], "gevent": ["25.9.1"]}
    found = one(tmp_path, axes)
    assert ids(found)[1] == "py3.11-gevent25.9.1-gevent-no-thread"
    assert found.cells[1].placement == "first"
    assert server_environment(found.cells[1])["MATRIX_PATCH"] == "gevent(thread=False)"


# -- settings of servers ---------------------------------------------------------------------------

PRELOAD = {"name": "gunicorn-gthread", "preload": "true", "max_requests": "9"}


def test_a_setting_that_is_not_named_is_not_set(tmp_path: Path) -> None:
    found = one(tmp_path, {"server": ["gunicorn-gthread", PRELOAD]}, limits={"load": "900"})
    plain, preloading = found.cells
    assert str(preloading.server) == "gunicorn-gthread-w1-t16-preload-maxrequests9"
    told = server_environment(preloading)
    assert (told["MATRIX_SERVER_PRELOAD"], told["MATRIX_SERVER_MAX_REQUESTS"]) == ("1", "9")
    assert not {*server_environment(plain)} & {"MATRIX_SERVER_PRELOAD", "MATRIX_SERVER_TIMEOUT"}


def test_a_switch_that_is_off_is_as_if_it_were_not_named() -> None:
    off = server_from_mapping({"name": "gunicorn-sync", "preload": "false"})
    assert off == server("gunicorn-sync")
    assert server_matcher({"preload": "false"})("gunicorn-sync-w1")
    assert not server_matcher({"preload": "false"})("gunicorn-sync-w1-preload")
    assert server_matcher({"preload": "true"})("gunicorn-sync-w1-preload")
    assert not server_matcher({"preload": "false"})("werkzeug")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("uwsgi-w1-t16", "uwsgi"),
        ("uwsgi-gevent-w1-g1000", "uwsgi-gevent"),
        ("gunicorn-gthread-w1-t16-preload", "gunicorn-gthread"),
        ("of-another-time-w2-t3", "of-another-time"),
    ],
)
def test_the_name_of_a_server_is_told_from_its_settings(text: str, name: str) -> None:
    assert server_name(text) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gunicorn-gthread-preloaded", "has no setting 'preloaded'; did you mean 'preload'"),
        ("gunicorn-gthread-threads", "gunicorn-gthread has no setting 'threads'"),
        ("gunicorn-gthread-5", "unknown server 'gunicorn-gthread-5'"),
    ],
)
def test_mistakes_in_settings(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        server(text)


def test_connections_are_a_limit() -> None:
    few = {"name": "gunicorn-gevent", "worker_connections": "7", "workers": "2"}
    assert server_from_mapping(few).at_once == 14
    few = {"name": "gunicorn-gthread", "worker_connections": "7", "workers": "2"}
    assert server_from_mapping(few).at_once == 14
    assert server("gunicorn-gevent").at_once is None
