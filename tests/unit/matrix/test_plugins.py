"""Servers, workloads and patch modes: what their files say, and what follows for the cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.errors import SpecError
from runner.matrix import plugins
from runner.matrix.ceiling import AbOpening, ceiling_of, configuration_of, too_long
from runner.matrix.plugins import companions, patches, servers, workloads
from runner.matrix.servers import server
from runner.matrix.values import workload
from tests.unit.matrix.matrices import expanded, ids

VERSIONS = {"gevent": ["25.9.1"], "grpcio": ["1.76.0"]}


def one(directory: Path, axes: dict[str, Any], **more: Any) -> Any:
    load = {"concurrency": "100", "requests": "200"}
    axes = {"python": ["3.11"], **VERSIONS, **axes}
    return expanded(directory, {"load": load, "axes": axes, **more})


# -- what the files say ----------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [patches(), servers(), workloads()])
def test_names_and_places_are_their_own(kinds: Any) -> None:
    assert len({kind.place for kind in kinds.values()}) == len(kinds)
    assert [kind.place for kind in kinds.values()] == sorted(k.place for k in kinds.values())


@pytest.mark.parametrize("name", servers())
def test_a_server_is_read_as_it_is_shown(name: str) -> None:
    shown = str(server(name))
    assert server(shown) == server(name)
    assert len({setting[0] for setting in servers()[name].settings}) == len(
        servers()[name].settings
    )


@pytest.mark.parametrize("name", workloads())
def test_a_workload_names_what_it_needs(name: str) -> None:
    kind = workloads()[name]
    assert kind.companion is None or kind.companion in companions()
    assert kind.service_s is None or isinstance(kind.parameters[kind.service_s], float)
    for parameter, by in kind.packages_by.items():
        assert set(by) == set(kind.parameters[parameter])  # type: ignore[arg-type]
    off = {parameter for parameter, default in kind.parameters.items() if default == 0.0}
    truths = {parameter for parameter, default in kind.parameters.items() if default is False}
    assert set(dict(workload(name, {}).parameters)) == set(kind.parameters) - off | truths


def test_a_plugin_that_lacks_something_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "half.py").write_text("NAME = 'half'\n", encoding="utf-8")
    monkeypatch.setattr(plugins, "PROGRAM", tmp_path)
    with pytest.raises(SpecError, match=r"half\.py: PLACE is missing; define it as docs/extending"):
        plugins.servers.__wrapped__()


def test_a_parameter_has_one_kind_in_all_workloads() -> None:
    assert "spin" in plugins.parameters()
    for name in plugins.parameters():
        kinds = {type(k.parameters[name]) for k in workloads().values() if name in k.parameters}
        assert len(kinds) == 1


# -- what follows for the cells --------------------------------------------------------------------


def test_a_servers_package_is_only_in_cells_that_use_it(tmp_path: Path) -> None:
    cells = one(tmp_path, {"server": ["werkzeug", "gunicorn-sync", "waitress"]}).cells
    assert [cell.axis("gunicorn") for cell in cells] == [None, "any", None]
    assert [cell.axis("waitress") for cell in cells] == [None, None, "any"]
    assert all(cell.axis("gevent") is None for cell in cells)


def test_a_server_on_gevent_carries_it_unpatched_too(tmp_path: Path) -> None:
    (cell,) = one(tmp_path, {"server": ["pywsgi"]}).cells
    assert (cell.patch, cell.axis("gevent"), cell.axis("grpcio")) == ("none", "25.9.1", None)


def test_a_server_that_needs_an_unnamed_gevent_is_an_error(tmp_path: Path) -> None:
    axes = {"python": ["3.11"], "server": ["pywsgi"]}
    with pytest.raises(SpecError, match="server 'pywsgi' needs gevent"):
        expanded(tmp_path, {"axes": axes})


def test_a_workload_that_needs_an_unnamed_grpcio_is_an_error(tmp_path: Path) -> None:
    axes = {"python": ["3.11"], "workload": ["grpc"]}
    with pytest.raises(SpecError, match="workload 'grpc' needs grpcio"):
        expanded(tmp_path, {"axes": axes})


def test_an_include_may_not_add_a_patch_that_does_not_fit_its_server(tmp_path: Path) -> None:
    misfit = {"server": "gunicorn-gevent", "patch": "gevent-time"}
    include = [{"python": "3.13", **misfit, "gevent": "25.9.1"}]
    message = r":1:\d+: patch gevent-time under gunicorn-gevent: .*; change one of them$"
    with pytest.raises(SpecError, match=message):
        one(tmp_path, {"server": ["werkzeug"], "gevent": ["25.9.1"]}, include=include)


def test_settings_of_a_server_are_part_of_its_cell(tmp_path: Path) -> None:
    written = [{"name": "gunicorn-gthread", "workers": 2, "threads": 8}, "gunicorn-gthread"]
    found = one(tmp_path, {"server": written})
    assert ids(found) == [
        "py3.11-none-gunicorn-gthread-w2-t8",
        "py3.11-none-gunicorn-gthread-w1-t16",
    ]
    assert [cell.at_once for cell in found.cells] == [16, 16]


def test_a_patch_that_does_not_fit_its_server_is_skipped_with_the_reason(tmp_path: Path) -> None:
    axes = {"server": ["gunicorn-gevent"], "patch": ["none", "gevent-time"]}
    found = one(tmp_path, axes)
    assert [cell.patch for cell in found.cells] == ["none"]
    ((what, why),) = found.skipped
    assert what == "patch gevent-time under gunicorn-gevent"
    assert "patches everything by itself" in why
    axes["patch"] = ["gevent-time"]
    with pytest.raises(SpecError, match="no cell can run: patch gevent-time under"):
        one(tmp_path, axes)


def test_parameters_matter_only_where_the_workload_has_them(tmp_path: Path) -> None:
    axes = {"workload": ["http", "postgres"], "driver": ["psycopg2", "pg8000"]}
    found = one(tmp_path, axes, workload={"seconds": 0.5})
    assert ids(found) == [
        "py3.11-none-http",
        "py3.11-none-postgres-psycopg2",
        "py3.11-none-postgres-pg8000",
    ]
    http, psycopg2, pg8000 = found.cells
    assert (http.axis("driver"), pg8000.axis("driver")) == (None, "pg8000")
    assert http.axis("requests") == "any"
    assert (psycopg2.axis("psycopg2-binary"), psycopg2.axis("pg8000")) == ("any", None)
    assert {cell.workload.service_s for cell in found.cells} == {0.5}


def test_truths_are_named_in_ids(tmp_path: Path) -> None:
    axes = {"workload": ["grpc"], "ready": ["true", "false"], "call": ["unary", "stream"]}
    assert ids(one(tmp_path, axes))[:2] == [
        "py3.11-grpcio1.76.0-none-unary-ready",
        "py3.11-grpcio1.76.0-none-stream-ready",
    ]


def test_the_order_matters_only_where_something_is_patched(tmp_path: Path) -> None:
    found = one(tmp_path, {"patch": ["none", "gevent"], "order": ["first", "late"]})
    assert [(cell.patch, cell.placement) for cell in found.cells] == [
        ("none", None),
        ("gevent", "first"),
        ("gevent", "late"),
    ]


@pytest.mark.parametrize(
    ("axes", "more", "message"),
    [
        ({"server": ["gunicorn-sync-t4"]}, {}, "gunicorn-sync has no setting 't'"),
        ({"server": [{"name": "waitress", "workers": 2}]}, {}, "waitress has no setting 'workers'"),
        ({"server": [{"threads": 2}]}, {}, "a server needs a `name:`"),
        ({"server": [{"name": "waitress", "threads": 0}]}, {}, "'0' is not a whole number above 0"),
        ({"workload": ["slep"]}, {}, "unknown workload 'slep'; did you mean 'sleep'?"),
        ({"call": ["unary"]}, {}, "unknown axis 'call'"),
        ({"workload": ["grpc"], "call": ["unari"]}, {}, "unknown call 'unari'; did you mean"),
        ({"workload": ["grpc"], "ready": ["maybe"]}, {}, "'maybe' is neither true nor false"),
        ({}, {"workload": {"secnds": "2"}}, "unknown key 'secnds'; did you mean 'seconds'?"),
        ({}, {"workload": {"seconds": "two"}}, "workload.seconds: 'two' is not a number"),
        ({"order": ["last"]}, {}, "unknown placement 'last'; did you mean 'late'?"),
    ],
)
def test_mistakes(tmp_path: Path, axes: dict[str, Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        one(tmp_path, axes, **more)
    assert message in str(raised.value)
    assert str(raised.value).startswith(f"{tmp_path}/matrix.yaml:1:")


def test_the_ceiling_is_the_clients_and_settings_may_allow_less(
    tmp_path: Path,
) -> None:
    load = {"concurrency": "100", "requests": "1601"}
    axes = {"server": ["werkzeug", "gunicorn-gthread", "werkzeug-single"]}
    found = one(tmp_path, axes, load=load, workload={"seconds": 1}, limits={"load": 200})
    alone = AbOpening.FIRST_ALONE
    assert [ceiling_of(cell, alone) for cell in found.cells] == [1601 / 17] * 3
    allowed = [configuration_of(cell, alone) for cell in found.cells]
    assert allowed == pytest.approx([1601 / 17, 1601 / 101, 1])
    assert [cell.is_serial for cell in found.cells] == [False, False, True]
    cpu = one(tmp_path, {"workload": ["cpu", "file"]}, load=load, workload={"seconds": 1}).cells
    assert [ceiling_of(cell, alone) for cell in cpu] == [1601 / 17, None]
    assert [configuration_of(cell, alone) for cell in cpu] == [None, None]


def test_a_pool_that_cannot_do_its_load_in_time_is_said_before(tmp_path: Path) -> None:
    axes = {"server": [{"name": "waitress", "threads": 4}]}
    with pytest.raises(SpecError, match="5000 requests, 4 at a time, need 2502 s"):
        one(tmp_path, axes, load={})
    assert too_long([], one(tmp_path, {}).limits) is None


# -- expectations ----------------------------------------------------------------------------------


def test_expectations(tmp_path: Path) -> None:
    expect = [
        {"cells": {"patch": "gev*"}, "outcome": "ok"},
        {"cells": {"patch": "none"}, "outcome": ["ok", "serialised"], "efficiency": ">= 0.9, < 1"},
        {"why": ["/grpc 1\\.\\d+/", "none"]},
    ]
    first, second, third = one(tmp_path, {"patch": ["none", "gevent"]}, expect=expect).expect
    assert (first.cells, first.outcomes) == ((("patch", "gev*"),), ("ok",))
    assert second.bounds == (("efficiency", ">=", 0.9), ("efficiency", "<", 1.0))
    assert (second.whys, third.whys) == ((), ("/grpc 1\\.\\d+/", "none"))
    assert second.place.startswith(f"{tmp_path}/matrix.yaml:1:")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"cells": {"patch": "none"}}, "expects nothing"),
        ({"cells": {"patch": "grpc"}, "outcome": "ok"}, "matches no cell: patch grpc"),
        ({"cells": {"ptach": "none"}, "outcome": "ok"}, "unknown axis 'ptach'; did you mean"),
        ({"outcome": "okay"}, "unknown outcome 'okay'; did you mean 'ok'?"),
        ({"eficiency": ">= 1"}, "unknown key 'eficiency'; did you mean 'efficiency'?"),
        ({"efficiency": "about 1"}, "'about 1' is not a bound"),
        ({"why": "//"}, "says nothing: give a part of the line"),
        ({"why": "/(grpc/"}, "'/(grpc/' is not a regular expression: missing )"),
        ({"whi": "grpc"}, "unknown key 'whi'; did you mean 'why'?"),
    ],
)
def test_expectations_that_say_nothing(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        one(tmp_path, {}, expect=[entry])
    assert message in str(raised.value)
