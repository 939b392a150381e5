from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.build.images import server_environment
from runner.matrix.canonical import full_loads
from runner.matrix.ceiling import AbOpening, ceiling_of
from runner.matrix.cell import Base, Requirement
from runner.matrix.file import load
from runner.matrix.plugins import patches
from runner.matrix.servers import Server
from tests.unit.matrix.matrices import REPOSITORY, expanded, ids, written

#: The axes of the experiment `control`, less those of its versions.
CONTROLLED = ("patch", "copy", "seconds", "spin")
GEVENT: dict[str, Any] = {
    "axes": {"python": ["3.11"], "gevent": ["24.2.1", "25.9.1"], "patch": ["none", "gevent"]}
}


# -- the committed file ----------------------------------------------------------------------------


def test_the_default_experiment_has_30_canonical_cells() -> None:
    sleep = load(REPOSITORY / "matrix.yaml").experiment()
    assert sleep.name == "sleep"
    assert [sum(c.patch == mode for c in sleep.cells) for mode in patches()] == [
        4, 0, 6, 0, 0, 0, 10, 10,
    ]  # fmt: skip
    assert ids(sleep)[:3] == [
        "py3.9-none",
        "py3.9-gevent22.10.2-gevent",
        "py3.9-gevent22.10.2-grpcio1.53.0-grpc",
    ]
    assert len({cell.environment for cell in sleep.cells}) == 4 + 6 + 10


def test_smoke_is_sleep_with_a_shorter_load() -> None:
    file = load(REPOSITORY / "matrix.yaml")
    sleep, smoke = file.experiment("sleep"), file.experiment("smoke")
    assert ids(smoke) == ids(sleep)
    first = smoke.cells[0]
    assert (first.workload.service_s, first.requests, first.concurrency) == (0.2, 200, 20)
    assert (smoke.limits.load_s, smoke.limits.startup_s) == (30, 30)


def test_traffic_is_sleep_under_two_loads_that_are_not_in_step() -> None:
    file = load(REPOSITORY / "matrix.yaml")
    sleep, traffic = file.experiment("sleep"), file.experiment("traffic")
    closed, fixed = traffic.cells[::2], traffic.cells[1::2]
    assert [cell.id for cell in closed] == [f"{name}-closed" for name in ids(sleep)]
    assert [cell.id for cell in fixed] == [f"{name}-r45" for name in ids(sleep)]
    assert {(c.rate, c.requests, c.axis("concurrency")) for c in closed} == {(None, 5000, "100")}
    assert {(c.rate, c.requests, c.axis("concurrency")) for c in fixed} == {("45", 2700, None)}
    assert {(c.workload.service_s, c.workload.spread_s) for c in traffic.cells} == {(2, 1)}


def test_article_varies_patch_and_server() -> None:
    article = load(REPOSITORY / "matrix.yaml").experiment("article")
    assert ids(article) == [
        "py3.11-none-werkzeug",
        "py3.11-none-werkzeug-single",
        "py3.11-gevent22.10.2-gevent-werkzeug",
        "py3.11-gevent22.10.2-gevent-werkzeug-single",
        "py3.11-gevent22.10.2-grpcio1.53.0-grpc-werkzeug",
        "py3.11-gevent22.10.2-grpcio1.53.0-grpc-werkzeug-single",
    ]
    first = article.cells[0]
    assert first.axis("werkzeug") == "2.2.3"
    assert first.exclude_newer == "2023-05-01"


# -- values ----------------------------------------------------------------------------------------


def test_everything_that_a_file_says_of_an_experiment(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        """\
version: 1
experiments:
  one:
    axes: {python: 3.10, patch: none}
    packages: {Flask: 3.1.*, "ruamel.yaml": "*"}
    exclude_newer: 2026-11-01
    server: werkzeug-single
    workload: {seconds: .5}
    load: {concurrency: 7, requests: 70}
    limits: {startup: 1.5, load: 60, memory: 1g, pids: 99}
    base: {kind: registry, registry: localhost:5000/, allow_expired: true}
    launches: 5
""",
    )
    (cell,) = one.cells
    assert (cell.python, cell.patch, cell.server) == (
        "3.10",
        "none",
        Server(name="werkzeug-single"),
    )
    assert (cell.workload.service_s, cell.concurrency, cell.requests) == (0.5, 7, 70)
    assert cell.requirements == (
        Requirement(name="flask", specifier="==3.1.*"),
        Requirement(name="ruamel-yaml", specifier=""),
    )
    assert cell.exclude_newer == "2026-11-01"
    limits = one.limits
    assert (limits.startup_s, limits.load_s, limits.memory_bytes, limits.pids) == (
        1.5, 60, 1024**3, 99,
    )  # fmt: skip
    assert one.base == Base(kind="registry", registry="localhost:5000/", allow_expired=True)
    assert (one.launches, one.baseline, one.axes) == (
        5, (("patch", "none"),), ("python", "patch"),
    )  # fmt: skip


def test_defaults_and_short_forms(tmp_path: Path) -> None:
    one = expanded(tmp_path, {"axes": {"python": "3.11"}, "base": "debian", "include": None})
    (cell,) = one.cells
    assert (cell.patch, cell.server) == ("none", Server(name="werkzeug"))
    assert (cell.workload.name, cell.workload.service_s) == ("sleep", 2)
    assert (cell.concurrency, cell.requests) == (100, 5000)
    assert (one.least_launches, one.launches) == (3, 15)
    assert dict(one.delta) == {"rate": 0.02, "cpu": 0.1, "p99": 0.05, "rss": 0.05}
    assert one.base == Base(kind="debian")


def test_the_first_experiment_is_the_default(tmp_path: Path) -> None:
    text = "version: 1\nexperiments:\n  b: {axes: {python: 3.9}}\n  a: {axes: {python: 3.11}}\n"
    file = load(written(tmp_path, text))
    assert (file.default, [*file.sections]) == ("b", ["b", "a"])
    assert load(written(tmp_path, f"default: a\n{text}")).experiment().name == "a"


# -- canonical cells and ids -----------------------------------------------------------------------


def test_a_cell_carries_only_what_its_patch_mode_imports(tmp_path: Path) -> None:
    modes = list(patches())
    one = expanded(
        tmp_path,
        {"axes": {"python": "3.11", "patch": modes}, "packages": {"gevent": "1", "grpcio": "2"}},
    )
    assert {str(c.patch): [r.name for r in c.requirements] for c in one.cells} == {
        "none": [],
        "imported": ["gevent", "grpcio"],
        "gevent": ["gevent"],
        "gevent-socket": ["gevent"],
        "gevent-select": ["gevent"],
        "gevent-time": ["gevent"],
        "grpc": ["gevent", "grpcio"],
        "gevent+grpc": ["gevent", "grpcio"],
    }


def test_imported_has_grpcio_only_where_the_file_names_it(tmp_path: Path) -> None:
    axes = {"python": "3.11", "gevent": ["1", "2"], "patch": ["none", "imported"]}
    one = expanded(tmp_path, {"axes": axes})
    assert ids(one) == ["py3.11-none", "py3.11-gevent1-imported", "py3.11-gevent2-imported"]
    one = expanded(tmp_path, {"axes": {**axes, "gevent": "1", "grpcio": ["3", "4"]}})
    assert ids(one)[1:] == [
        "py3.11-gevent1-grpcio3-imported",
        "py3.11-gevent1-grpcio4-imported",
    ]


def test_when_nothing_is_patched_its_order_does_not_matter(tmp_path: Path) -> None:
    axes = {"python": "3.11", "patch": ["none", "imported", "gevent"], "order": ["first", "late"]}
    one = expanded(tmp_path, {"axes": axes, "packages": {"gevent": "1"}})
    assert ids(one) == [
        "py3.11-none",
        "py3.11-gevent1-imported",
        "py3.11-gevent1-gevent-first",
        "py3.11-gevent1-gevent-late",
    ]


def test_copies_differ_in_their_names_and_in_nothing_that_runs(tmp_path: Path) -> None:
    axes = {"python": "3.11", "patch": "gevent", "copy": ["a", "b"], "seconds": ["2", "2.01"]}
    one = expanded(tmp_path, {"axes": axes, "packages": {"gevent": "1"}})
    assert ids(one) == [
        "py3.11-gevent1-gevent-seconds2-copy-a",
        "py3.11-gevent1-gevent-seconds2.01-copy-a",
        "py3.11-gevent1-gevent-seconds2-copy-b",
        "py3.11-gevent1-gevent-seconds2.01-copy-b",
    ]
    first, _, copy, _ = one.cells
    assert server_environment(copy) == server_environment(first)
    assert replace(copy, copy="a") == first
    assert copy.environment == first.environment


def test_control_has_a_copy_and_one_effect_at_a_time() -> None:
    control = load(REPOSITORY / "matrix.yaml").experiment("control")
    kinds = [tuple(cell.axis(axis) for axis in CONTROLLED) for cell in control.cells]
    each = [("a", "2", "0"), ("a", "2", "0.1"), ("a", "2.01", "0"), ("b", "2", "0")]
    assert kinds == [(patch, *kind) for patch in ("none", "gevent") for kind in each]
    assert dict(control.baseline) == {"copy": "a", "seconds": "2", "spin": "0"}


def test_ids_name_what_varies(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {
            "axes": {
                "python": ["3.11"],
                "concurrency": [50, 100],
                "flask": ["2.*", ">=3,<4"],
                "server": ["werkzeug"],
                "patch": ["none", "gevent"],
            },
            "packages": {"gevent": "25.*", "flask": "*", "werkzeug": "3.0.1"},
        },
    )
    assert ids(one)[:4] == [
        "py3.11-flask2.*-none-c50",
        "py3.11-gevent25.*-flask2.*-gevent-c50",
        "py3.11-flask>=3,<4-none-c50",
        "py3.11-gevent25.*-flask>=3,<4-gevent-c50",
    ]
    assert not any("/" in name or " " in name for name in ids(one))
    assert one.axes == ("python", "concurrency", "flask", "server", "patch")


def test_a_list_under_packages_is_an_axis(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {"axes": {"python": "3.11"}, "packages": {"Flask": ["2.3.3", "3.1.0"], "click": ["8.1.7"]}},
    )
    assert ids(one) == ["py3.11-flask2.3.3-none", "py3.11-flask3.1.0-none"]
    assert one.axes == ("python", "flask")
    assert one.cells[0].axis("click") == "8.1.7"


def test_an_axis_and_its_package_may_be_spelt_differently(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {
            "axes": {"python": "3.11", "Flask": ["2.3.3", "3.1.0"]},
            "packages": {"flask": "*"},
            "exclude": [{"FLASK": "2.3.3"}],
        },
    )
    assert ids(one) == ["py3.11-none"]
    assert one.cells[0].requirements == (Requirement(name="flask", specifier="==3.1.0"),)


def test_an_axis_that_exclude_leaves_one_value_is_not_in_ids(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {
            "axes": {"python": ["3.9", "3.11"], "server": ["werkzeug", "werkzeug-single"]},
            "exclude": [{"server": "werkzeug"}],
        },
    )
    assert ids(one) == ["py3.9-none", "py3.11-none"]


# -- exclude and include ---------------------------------------------------------------------------


def test_exclude_matches_partially_and_by_the_version_meant(tmp_path: Path) -> None:
    one = expanded(tmp_path, {**GEVENT, "exclude": [{"gevent": "==24.2.1"}]})
    assert ids(one) == ["py3.11-none", "py3.11-gevent25.9.1-gevent"]


def test_include_extends_what_it_does_not_contradict(tmp_path: Path) -> None:
    include = [{"patch": "gevent", "concurrency": 50}, {"gevent": "24.2.1", "concurrency": 20}]
    one = expanded(tmp_path, {**GEVENT, "include": include, "limits": {"load": 9000}})
    # What an earlier entry added may be overwritten, an axis of the matrix never.
    assert ids(one) == [
        "py3.11-none-c20",
        "py3.11-gevent24.2.1-gevent-c20",
        "py3.11-none-c100",
        "py3.11-gevent25.9.1-gevent-c50",
    ]


def test_include_adds_a_cell_where_it_contradicts_all(tmp_path: Path) -> None:
    include = [
        {"python": "3.13", "gevent": "26.4.0", "patch": "gevent"},
        {"python": "3.13", "server": "werkzeug-single"},
    ]
    one = expanded(tmp_path, {**GEVENT, "include": include})
    assert ids(one)[-2:] == [
        "py3.13-gevent26.4.0-gevent-werkzeug",
        "py3.13-none-werkzeug-single",
    ]
    assert len(one.cells) == 5


def test_an_added_cell_is_not_extended_by_later_entries(tmp_path: Path) -> None:
    include = [{"python": "3.13"}, {"server": "werkzeug-single"}]
    one = expanded(tmp_path, {"axes": {"python": "3.11"}, "include": include})
    assert ids(one) == ["py3.11-none-werkzeug-single", "py3.13-none-werkzeug"]


def test_a_second_value_that_only_include_brings_tells_cells_apart(tmp_path: Path) -> None:
    axes = {"python": "3.11", "server": "werkzeug"}
    include = [{"python": "3.11", "server": "werkzeug-single"}]
    one = expanded(tmp_path, {"axes": axes, "include": include})
    assert ids(one) == ["py3.11-none-werkzeug", "py3.11-none-werkzeug-single"]


def test_an_added_cell_has_the_default_of_an_axis_that_it_does_not_name(tmp_path: Path) -> None:
    axes = {"python": "3.11", "server": "werkzeug"}
    one = expanded(tmp_path, {"axes": axes, "include": [{"python": "3.13"}]})
    assert ids(one) == ["py3.11-none", "py3.13-none"]


def test_include_may_give_what_the_patch_mode_needs(tmp_path: Path) -> None:
    axes = {"python": "3.11", "patch": ["none", "gevent"]}
    one = expanded(tmp_path, {"axes": axes, "include": [{"gevent": "25.9.1", "patch": "gevent"}]})
    assert ids(one) == ["py3.11-none", "py3.11-gevent25.9.1-gevent"]


def test_a_package_that_include_brings_becomes_an_axis(tmp_path: Path) -> None:
    content = {"axes": {"python": ["3.9", "3.11"]}, "packages": {"flask": "3.1.0"}}
    one = expanded(tmp_path, {**content, "include": [{"python": "3.9", "flask": "2.3.3"}]})
    assert ids(one) == ["py3.9-flask2.3.3-none", "py3.11-flask3.1.0-none"]
    assert one.axes == ("python", "flask")


# -- extends ---------------------------------------------------------------------------------------

PARENT = """\
version: 1
experiments:
  parent:
    axes: {python: [3.9, 3.11], patch: [none, gevent], gevent: 25.9.1}
    packages: {flask: 3.1.0, click: 8.1.7}
    load: {concurrency: 10, requests: 100}
    exclude: [{python: 3.9, patch: gevent}]
    launches: 3
"""


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", ["py3.9-none", "py3.11-none", "py3.11-gevent25.9.1-gevent"]),
        ("exclude: []", ["py3.9-none", "py3.9-gevent25.9.1-gevent"]),
        ("exclude:", ["py3.9-none", "py3.9-gevent25.9.1-gevent"]),
        ("axes: {gevent: 24.2.1}", ["py3.9-none", "py3.11-none", "py3.11-gevent24.2.1-gevent"]),
        ("axes: {patch: none}\n    exclude: []", ["py3.9-none", "py3.11-none"]),
    ],
)
def test_own_keys_replace_and_mappings_are_merged_one_level_deep(
    tmp_path: Path, own: str, expected: list[str]
) -> None:
    child = f"  child:\n    extends: parent\n    load: {{requests: 50}}\n    {own}\n"
    one = load(written(tmp_path, PARENT + child)).experiment("child")
    assert ids(one)[: len(expected)] == expected
    first = one.cells[0]
    assert (first.concurrency, first.requests, one.launches) == (10, 50, 3)
    assert [str(r) for r in first.requirements] == ["click==8.1.7", "flask==3.1.0"]


def test_packages_are_merged_by_the_name_that_is_meant(tmp_path: Path) -> None:
    children = "  b: {extends: parent, packages: {Flask: 3.0.0}}\n  c: {extends: b, launches: 1}\n"
    one = load(written(tmp_path, PARENT + children)).experiment("c")
    assert [str(r) for r in one.cells[0].requirements] == ["click==8.1.7", "flask==3.0.0"]
    assert one.launches == 1


def test_other_mappings_are_replaced_whole(tmp_path: Path) -> None:
    parent = f"{PARENT}    baseline: {{patch: none, python: 3.9}}\n"
    child = "  child: {extends: parent, baseline: {patch: gevent}}\n"
    one = load(written(tmp_path, parent + child)).experiment("child")
    assert one.baseline == (("patch", "gevent"),)


# -- loads -----------------------------------------------------------------------------------------


def test_a_rate_instead_of_clients_is_an_axis_too(tmp_path: Path) -> None:
    one = expanded(tmp_path, {"axes": {"python": "3.11"}, "load": {"rate": "45.0", "seconds": 10}})
    cell = one.cells[0]
    assert one.axes == ("python", "rate")
    assert (cell.id, cell.per_second, cell.load_s, cell.requests) == ("py3.11-none", 45, 10, 450)


def test_what_a_load_does_not_have_makes_no_further_cells(tmp_path: Path) -> None:
    one = expanded(
        tmp_path, {"axes": {"python": "3.11", "rate": ["closed", 45], "concurrency": [50, 100]}}
    )
    assert ids(one) == ["py3.11-none-c50-closed", "py3.11-none-c100-closed", "py3.11-none-r45"]


def test_a_percentage_is_of_what_the_baseline_reaches_on_the_same_python(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {
            "axes": {
                "python": ["3.9", "3.11"],
                "patch": ["none", "gevent"],
                "rate": ["closed", "50.0%"],
            },
            "packages": {"gevent": "25.9.1"},
            "load": {"seconds": 20},
        },
    )
    of = full_loads(one.cells, dict(one.baseline), one.axes)
    assert {cell.id: full.id if full else None for cell, full in of.items()} == {
        f"py{python}-{mode}-r50pct": f"py{python}-none-closed"
        for python in ("3.9", "3.11")
        for mode in ("none", "gevent25.9.1-gevent")
    }
    cell = one.cells[1]
    assert (cell.axis("rate"), cell.share, cell.per_second, cell.requests) == ("50%", 0.5, None, 0)
    assert ceiling_of(cell, AbOpening.FIRST_ALONE) is None
    at = cell.at_share_of(48.4218)
    assert (at.id, at.per_second, at.requests, at.load_s) == (cell.id, 24.2109, 484, 20)
    assert ceiling_of(at, AbOpening.FIRST_ALONE) == 24.2109
    few = cell.at_share_of(0.5)
    assert (few.per_second, few.requests, few.load_s) == (0.25, 10, 40)
    assert one.cells[0].at_share_of(9.0) == one.cells[0]


def test_a_percentage_is_at_the_clients_of_the_load_where_these_vary(tmp_path: Path) -> None:
    one = expanded(
        tmp_path,
        {
            "axes": {"python": "3.11", "rate": ["closed", "80%"], "concurrency": [10, 50]},
            "load": {"concurrency": 50, "requests": 500},
        },
    )
    [(cell, full)] = full_loads(one.cells, dict(one.baseline), one.axes).items()
    assert (cell.id, full and full.id) == ("py3.11-none-r80pct", "py3.11-none-c50-closed")


def test_a_spread_of_nothing_can_be_named(tmp_path: Path) -> None:
    one = expanded(tmp_path, {"axes": {"python": "3.11", "spread": ["0", "0.5"]}})
    assert ids(one) == ["py3.11-none-spread0", "py3.11-none-spread0.5"]
    assert [cell.axis("spread") for cell in one.cells] == ["0", "0.5"]
    assert [cell.workload.longest_s for cell in one.cells] == [2, 2.5]
