"""A cell's dialog, the Escape key, the Back button and the address, however quickly they follow.

Between two steps of one script the browser delivers no events, so such steps are those of the
quickest reader possible: an event that comes late (the dialog's `close`, `hashchange`) comes late
every time, not only on a busy machine.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched

#: `escape` closes the dialog as the key does: the page learns of it by an event, later.
STEPS = """
const dialog = document.querySelector("#cell");
const links = [...document.querySelectorAll("#cells tbody th a")];
const keys = JSON.parse(document.querySelector("#data").textContent).cells.map(({ key }) => key);
const click = (place) => links[place].click();
const escape = () => { if (dialog.open) dialog.requestClose(); };
const address = (place) => { location.hash = `cell=${encodeURIComponent(keys[place])}`; };
const sort = () => document.querySelector("#cells th button").click();
"""


def step(page: Page, script: str) -> None:
    """Take steps without a pause, then wait until all that they caused has happened."""
    settled = "new Promise((done) => setTimeout(() => requestAnimationFrame(done), 20))"
    page.evaluate(f"async () => {{ {STEPS} {script}; await {settled}; }}")


def cells(page: Page) -> list[str]:
    """The cells' ids in the order of the table."""
    found: list[str] = page.evaluate(f"() => {{ {STEPS} return keys; }}")
    return found


def expect_open(page: Page, cell: str) -> None:
    expect(page.get_by_role("dialog").get_by_role("heading", level=2)).to_have_text(cell)
    expect(page).to_have_url(re.compile(f"[#&]cell={re.escape(quote(cell))}$"))


def expect_closed(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("[#&]cell="))


@pytest.mark.parametrize("time", range(3))
def test_every_cell_opens_and_closes_under_quick_fingers(seen: Watched, time: int) -> None:
    page = seen.page
    links = page.locator("#cells tbody th a").all()
    for link, cell in zip(links, cells(page), strict=True):
        link.click()
        expect_open(page, cell)
        page.keyboard.press("Escape")
        expect_closed(page)
    for link in links:
        link.click()
        page.keyboard.press("Escape")
    expect_closed(page)
    assert seen.console == []


def test_a_cell_that_is_closed_at_once_stays_closed(seen: Watched) -> None:
    for place in range(10):
        step(seen.page, f"click({place}); escape()")
        expect_closed(seen.page)


def test_a_cell_opens_however_soon_after_another_was_closed(seen: Watched) -> None:
    ids = cells(seen.page)
    for place in range(9):
        step(seen.page, f"click({place})")
        step(seen.page, f"escape(); click({place + 1})")
        expect_open(seen.page, ids[place + 1])
        step(seen.page, f"escape(); click({place + 1})")  # the same one again
        expect_open(seen.page, ids[place + 1])
        step(seen.page, "escape()")
        expect_closed(seen.page)


def test_the_last_of_many_quick_clicks_counts(seen: Watched) -> None:
    every = "for (const place of keys.keys()) { click(place); escape(); }"
    step(seen.page, f"{every} click(3)")
    expect_open(seen.page, cells(seen.page)[3])
    step(seen.page, f"escape(); {every}")
    expect_closed(seen.page)


def test_what_follows_at_once_does_not_open_the_cell_again(seen: Watched) -> None:
    step(seen.page, "click(2)")
    step(seen.page, "escape(); sort(); if (dialog.open) throw new Error('open again')")
    expect_closed(seen.page)
    expect(seen.page).to_have_url(re.compile("sort="))


def test_back_closes_the_cell_and_forward_opens_it(seen: Watched) -> None:
    page = seen.page
    step(page, "sort()")
    before = page.url
    page.locator("#cells tbody th a").nth(1).click()
    page.go_back()
    expect_closed(page)
    expect(page).to_have_url(before)
    page.go_forward()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect_closed(page)
    expect(page).to_have_url(before)


def test_after_escape_back_opens_nothing(seen: Watched) -> None:
    page = seen.page
    before = page.url
    step(page, "click(4)")
    page.keyboard.press("Escape")
    step(page, "history.back()")
    expect_closed(page)
    expect(page).to_have_url(before)
    step(page, "click(4)")
    step(page, "escape(); history.back()")
    expect_closed(page)


def test_cells_looked_at_one_after_another_are_one_step_back(seen: Watched) -> None:
    page = seen.page
    before = page.url
    steps = page.evaluate("history.length")
    for place in range(10):
        step(page, f"click({place})")
        step(page, "escape()")
    assert page.evaluate("history.length") == steps + 1
    step(page, "history.back()")
    expect_closed(page)
    expect(page).to_have_url(before)


def test_a_second_cell_is_opened_by_its_address(seen: Watched) -> None:
    page, ids = seen.page, cells(seen.page)
    step(page, "click(0)")
    step(page, "address(5)")
    expect_open(page, ids[5])
    page.keyboard.press("Escape")
    expect_closed(page)
    step(page, "address(1)")
    expect_open(page, ids[1])
    step(page, "escape(); address(6)")
    expect_open(page, ids[6])
    step(page, "address(2); address(3); escape()")
    step(page, "escape()")
    expect_closed(page)
    step(page, "address(7)")
    page.go_back()
    expect_closed(page)


def test_a_cell_can_be_opened_in_a_tab_of_its_own(seen: Watched) -> None:
    page = seen.page
    with page.context.expect_page() as opened:
        page.locator("#cells tbody th a").nth(2).click(modifiers=["ControlOrMeta"])
    expect_closed(page)
    expect_open(opened.value, cells(page)[2])
