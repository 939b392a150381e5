from __future__ import annotations

from runner.publish.wording import Condition, code, condition, listed, merged, ratios, span
from runner.report.rows import Row
from runner.report.run import collate
from tests.support.samples import cell, run_record

AXES = ("python", "gevent", "grpcio")


def rows(*points: tuple[str, str | None, str | None]) -> list[Row]:
    cells = [cell(python, "gevent", gevent=g, grpcio=r) for python, g, r in points]
    return [*collate(run_record(*cells), {}).rows]


GRID = rows(
    *((p, g, r) for p in ("3.9", "3.11", "3.13") for g in ("24.2", "25.9") for r in ("1.5", "1.7"))
)


def told(some: list[Row], among: list[Row] = GRID) -> str:
    return str(condition(some, among, AXES))


def test_all_cells_need_no_condition() -> None:
    assert told(GRID) == "in all 12 cells"
    assert told(GRID[:2], GRID[:2]) == "in both cells"
    assert told(GRID[:1], GRID[:1]) == "in the one cell"


def test_the_values_that_single_cells_out_are_named() -> None:
    assert told([r for r in GRID if r.gevent == "24.2"]) == "in all 6 cells with gevent 24.2"
    some = [r for r in GRID if r.python == "3.9" and r.gevent == "25.9"]
    assert told(some) == "in both cells on Python 3.9 with gevent 25.9"


def test_where_one_value_is_left_out_of_many_it_is_the_one_that_is_named() -> None:
    some = [r for r in GRID if r.python != "3.9"]
    assert told(some) == "in all 8 cells on Python 3.11 or 3.13"
    wide = rows(*((f"3.{n}", None, None) for n in range(8, 14)))
    assert told(wide[1:], wide) == "in 5 cells, all but those on Python 3.8"


def test_cells_that_no_values_tell_from_others_are_counted() -> None:
    assert told(GRID[:1] * 2, [*GRID[:1] * 3]) == "in 2 of 3 cells"


def test_an_axis_that_adds_nothing_is_not_named() -> None:
    """Where only one Python has the gevent, the gevent says it all."""
    some = rows(("3.9", "22.10", None))
    assert told(some, [*some, *GRID]) == "in the one cell with gevent 22.10"


def test_points_that_fill_no_grid_are_named_one_by_one() -> None:
    some = [GRID[0], GRID[-1]]
    assert told(some) == (
        "in both cells on Python 3.9 with gevent 24.2 and grpcio 1.5, "
        "or on Python 3.13 with gevent 25.9 and grpcio 1.7"
    )


def test_a_dropped_axis_is_none_of_its_values() -> None:
    among = rows(("3.11", None, None), ("3.11", "24.2", None), ("3.11", "25.9", None))
    assert told(among[:2], among) == "in both cells with gevent 24.2 or none"
    assert told(among[:1], among) == "in the one cell without gevent"


def test_long_lists_are_cut() -> None:
    wide = rows(*((f"3.{n}", None, None) for n in range(1, 20)))
    assert told(wide[:10], wide).endswith("3.1, 3.2, 3.3, 3.4, 3.5 or 5 more")


def test_equal_conditions_add_up() -> None:
    old = condition([r for r in GRID if r.python == "3.9"], GRID, AXES)
    both: Condition = merged([old, old])
    assert str(both) == "in all 8 cells on Python 3.9"
    assert old.key == both.key


def test_a_name_cannot_end_its_span() -> None:
    assert code("a`b\n<i>") == "`a'b <i>`"


def test_lists_and_spans() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"], "or")] == ["", "a", "a, b or c"]
    assert [span([]), span([None, 1.004]), span([0.2, 0.4])] == ["", "1.00", "0.20–0.40"]
    assert ratios([0.997, 1.002]) == "0.997–1.002"
    assert ratios([0.5, 16.02]) == "0.50–16.0"
