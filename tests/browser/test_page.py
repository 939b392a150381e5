"""The page in a real Chromium: sorting, filtering, addresses, evidence, charts, keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from runner.commands.publish import publish
from runner.outcome import Outcome
from tests.browser.conftest import Watched, watched
from tests.support.published import FRAME, NASTY, every_outcome, stored
from tests.support.samples import WAITED, attempt

HUNG = "py3.11-gevent25.9.1-grpcio1.76.0-gevent+grpc"


def shown(page: Page, column: str) -> list[str]:
    """The texts of a column's visible cells from top to bottom."""
    headings = page.locator("#cells thead th").all_inner_texts()
    place = 1 + [heading.strip() for heading in headings].index(column)
    return page.locator(f"#cells tbody tr:visible > :nth-child({place})").all_inner_texts()


def sort(page: Page, column: str) -> None:
    page.locator("#cells thead").get_by_role("button", name=column, exact=True).click()


def test_nothing_is_asked_for_and_nothing_is_complained_of(seen: Watched) -> None:
    """All charts are shown, all cells are opened, and the page is all that was loaded."""
    for figure in seen.page.locator(".chart").all():
        figure.scroll_into_view_if_needed()
        expect(figure.locator("svg")).to_be_visible()
    for link in seen.page.locator("#cells tbody th a").all():
        link.click()
        seen.page.keyboard.press("Escape")
    assert seen.console == []
    assert seen.requests == [seen.requests[0]]


def test_sorting_goes_up_down_and_back_with_the_unknown_last(seen: Watched) -> None:
    page = seen.page
    before = shown(page, "patch")
    heading = page.locator("#cells th", has_text="requests/s")
    sort(page, "requests/s")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    rates = shown(page, "requests/s")
    assert rates[0].startswith("0.50")
    assert rates[-1] == "–"
    sort(page, "requests/s")
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert shown(page, "requests/s")[0].startswith("72.")
    assert shown(page, "requests/s")[-1] == "–"
    sort(page, "requests/s")
    expect(heading).not_to_have_attribute("aria-sort", re.compile("."))
    assert shown(page, "patch") == before


def test_versions_sort_as_versions(seen: Watched) -> None:
    sort(seen.page, "gevent")
    found = [text for text in shown(seen.page, "gevent") if text != "–"]
    assert found == sorted(found, key=lambda text: [int(part) for part in text.split(".")])


def test_filters_of_one_axis_add_up_and_of_two_narrow(seen: Watched) -> None:
    page = seen.page
    page.get_by_text("Filter", exact=True).click()
    page.get_by_role("group", name="patch").get_by_label("gevent", exact=True).check()
    page.get_by_role("group", name="patch").get_by_label("none", exact=True).check()
    assert set(shown(page, "patch")) == {"gevent", "none"}
    page.get_by_role("group", name="outcome").get_by_label("serialised").check()
    assert shown(page, "patch") == ["gevent"]
    expect(page.get_by_role("status")).to_have_text(
        "1 of 10 cells shown; patch gevent or none; outcome serialised"
    )
    page.get_by_role("button", name="Show all cells").click()
    expect(page.get_by_role("status")).to_have_text("10 of 10 cells shown")


def test_a_patch_mode_leads_to_its_cells(seen: Watched) -> None:
    page = seen.page
    page.locator("#summary").get_by_role("link", name="gevent+grpc", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("2 of 10 cells shown; patch gevent+grpc")
    expect(page.locator("#table-title")).to_be_in_viewport()
    assert shown(page, "patch") == ["gevent+grpc"] * 2
    page.go_back()
    expect(page.get_by_role("status")).to_have_text("10 of 10 cells shown")
    assert seen.console == []


def test_a_verdict_has_a_sign_a_word_and_a_colour(seen: Watched) -> None:
    found = seen.page.locator("#summary tbody tr", has_text="gevent").first.locator("td")
    rate, memory = found.nth(1), found.nth(4)
    expect(rate).to_contain_text("▲ higher")
    expect(rate).to_contain_text("× 1.5")
    expect(memory).to_contain_text("= same within 5 %")
    background = "(e) => getComputedStyle(e).backgroundColor"
    assert rate.evaluate(background) != memory.evaluate(background)


def test_a_cells_verdicts_are_in_its_dialog_and_lead_to_the_baseline(seen: Watched) -> None:
    page = seen.page
    page.locator("#cells tbody tr", has_text="py3.13-gevent25.9.1-gevent").first.locator(
        "th a"
    ).click()
    dialog = page.get_by_role("dialog")
    ratios = dialog.get_by_role("table", name="Against py3.13-none")
    expect(ratios.locator("tbody tr")).to_have_count(4)
    expect(ratios.locator("tbody tr").first).to_contain_text("▲ higher")
    expect(ratios.locator("tbody tr").first).to_contain_text(re.compile(r"\[1\.\d+–1\.\d+\]"))
    ratios.get_by_role("link", name="py3.13-none").click()
    expect(dialog.get_by_role("heading", level=2)).to_have_text("py3.13-none")
    expect(dialog.get_by_role("table", name="Against")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_columns_are_hidden_and_shown(seen: Watched) -> None:
    page = seen.page
    expect(page.locator("#cells thead th", has_text=re.compile("^cell$"))).to_be_hidden()
    page.get_by_text("Columns", exact=True).click()
    page.locator("#shown-columns").get_by_label("cell", exact=True).check()
    page.locator("#shown-columns").get_by_label("p50 ms").uncheck()
    expect(page.locator("#cells thead th", has_text=re.compile("^cell$"))).to_be_visible()
    expect(page.locator("#cells thead th", has_text="p50 ms")).to_be_hidden()
    assert HUNG in shown(page, "cell")


def test_the_address_is_the_view(seen: Watched, context: BrowserContext) -> None:
    page = seen.page
    page.get_by_text("Filter", exact=True).click()
    page.get_by_role("group", name="patch").get_by_label("gevent+grpc").check()
    sort(page, "python")
    sort(page, "python")
    page.get_by_text("Columns", exact=True).click()
    page.locator("#shown-columns").get_by_label("threads").uncheck()
    other = context.new_page()
    other.goto(page.url)
    for opened in (page, other):
        assert shown(opened, "python") == ["3.13", "3.11"]
        expect(opened.locator("#cells thead th", has_text="threads")).to_be_hidden()
    assert other.locator("#filters input:checked").count() == 1


def test_an_address_with_a_cell_opens_it_and_closing_it_leaves_the_view(
    context: BrowserContext, published: Path
) -> None:
    page = context.new_page()
    page.goto(f"{published.as_uri()}#patch=gevent%2Bgrpc&cell={HUNG.replace('+', '%2B')}")
    expect(page.get_by_role("dialog")).to_contain_text(FRAME)
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.url.endswith("#patch=gevent%2Bgrpc")


@pytest.mark.parametrize(
    "hash_", ["#nothing=1&sort=nothing&cell=none&hide=x", "#%", "#=&=", "#cells"]
)
def test_a_wrong_address_shows_everything(
    context: BrowserContext, published: Path, hash_: str
) -> None:
    found = watched(context)
    found.page.goto(f"{published.as_uri()}{hash_}")
    expect(found.page.get_by_role("status")).to_contain_text("10 of 10")
    assert found.console == []


def test_a_mark_is_described_where_it_is_pointed_at(seen: Watched) -> None:
    page = seen.page
    tip = page.get_by_role("tooltip")
    expect(tip).to_be_hidden()
    mark = page.locator(".chart svg [aria-label]").first
    mark.hover()
    expect(tip).to_have_text(str(mark.get_attribute("aria-label")))
    expect(tip).to_contain_text("requests/s")
    expect(tip).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    mark.hover()
    page.locator("#charts-title").hover()
    expect(tip).to_be_hidden()


def test_a_hollow_mark_is_pointed_at_in_its_middle(context: BrowserContext, tmp_path: Path) -> None:
    run, launches = every_outcome()
    disturbed = [launch.model_copy(update={"disturbed": "ab waited"}) for launch in launches]
    stored(tmp_path / "results", run, disturbed)
    page = context.new_page()
    page.goto(Path(publish(tmp_path / "results", [], None)).as_uri())
    page.locator(".chart svg [aria-label]").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("disturbed")


def test_a_cell_leads_to_its_rejected_attempts(context: BrowserContext, tmp_path: Path) -> None:
    run, launches = every_outcome()
    first, *others = launches
    kept = first.model_copy(update={"attempt": 2})
    directory = stored(tmp_path / "results", run, [kept, *others])
    directory.write_disturbed(attempt(run.cells[0], 1, 1), {})
    page = context.new_page()
    published = Path(publish(tmp_path / "results", [], None))
    page.goto(published.as_uri())
    section = page.get_by_role("region", name="Attempts, ")
    section.get_by_role("link", name=run.cells[0].id).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_have_text(run.cells[0].id)
    expect(dialog).to_contain_text(f"Launch 1, attempt 1: {WAITED}")
    link = dialog.get_by_role("link", name="result.json").last
    assert (published.parent / str(link.get_attribute("href"))).is_file()
    assert "disturbed/launch-01-attempt-1" in str(link.get_attribute("href"))


def test_a_charts_marks_are_one_stop_and_the_arrow_keys_go_on(seen: Watched) -> None:
    page = seen.page
    chart = page.locator(".chart svg").first
    marks = chart.locator("[aria-label]")
    tip = page.get_by_role("tooltip")
    page.locator("#copy").focus()
    for _ in range(60):
        if chart.locator("[aria-label]:focus").count():
            break
        page.keyboard.press("Tab")
    for place, key in ((0, "ArrowRight"), (1, "ArrowRight"), (2, "ArrowLeft"), (1, "Tab")):
        expect(marks.nth(place)).to_be_focused()
        expect(tip).to_have_text(str(marks.nth(place).get_attribute("aria-label")))
        page.keyboard.press(key)
    assert chart.locator(":focus").count() == 0
    page.keyboard.press("Shift+Tab")
    expect(marks.nth(1)).to_be_focused()


def test_a_cell_shows_all_its_evidence(seen: Watched) -> None:
    page = seen.page
    page.locator(".pivot a", has_text="hang-at-startup").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_have_text(HUNG)
    for words in (
        "no answer within 30 s",
        "grpcio 1.76.0",
        "sha256:cc",
        "docker run",
        "stacks.txt",
        f"matrix run sleep --select cell={HUNG} --fresh",
        "most recent call first",
    ):
        expect(dialog).to_contain_text(words)
    page.keyboard.press("Escape")
    page.locator(".pivot a", has_text="48.04").first.click()
    reports = dialog.get_by_role("link", name="ab.txt")
    assert reports.count() == dialog.locator("tbody tr").count() == 7
    assert str(reports.first.get_attribute("href")).endswith("launch-01/ab.txt")
    expect(dialog.locator("thead")).to_contain_text("requests/s")


def test_a_launch_that_failed_has_no_figures(seen: Watched) -> None:
    """Even where `ab` has a report of it."""
    seen.page.locator(".pivot a", has_text="crashed").first.click()
    seen.page.get_by_role("dialog").get_by_text("ab.txt").first.click()
    expect(seen.page.get_by_role("dialog")).to_contain_text("This is ApacheBench")
    headings = seen.page.get_by_role("dialog").locator("thead")
    expect(headings).to_contain_text("started")
    expect(headings).not_to_contain_text("requests/s")


def test_scripts_in_results_stay_text(seen: Watched) -> None:
    page = seen.page
    page.locator(".pivot a", has_text="crashed").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(NASTY[:60])
    assert page.evaluate("window.broken") is None
    assert page.locator("#injected").count() == 0
    assert page.locator("img").count() == 0


def test_the_visible_table_is_copied_as_markdown(seen: Watched, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = seen.page
    page.evaluate("location.hash = '#patch=none&sort=-python&hide=max_ms'")
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    heading, rule, *lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert heading.startswith("| python | gevent |")
    assert "max ms" not in heading
    assert set(rule) <= set("|:- ")
    assert [line.split(" | ")[0] for line in lines] == ["| 3.13", "| 3.11"]
    assert all(line.count("|") == heading.count("|") for line in lines)


def test_without_leave_to_copy_it_is_copied_the_old_way(seen: Watched) -> None:
    page = seen.page
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy as Markdown").click()
    expect(page.get_by_role("button", name=re.compile("Copied|Not allowed"))).to_be_visible()
    assert page.locator("textarea").count() == 0


def test_all_can_be_done_with_the_keyboard(seen: Watched) -> None:
    page = seen.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the results")).to_be_in_viewport()
    button = page.locator("#cells thead").get_by_role("button", name="requests/s")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#cells th", has_text="requests/s")).to_have_attribute(
        "aria-sort", "ascending"
    )
    link = page.locator("#cells tbody th a").first
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(link).to_be_focused()


def luminance(colour: str) -> float:
    """Relative luminance of `rgb(…)` or `color(srgb …)` (WCAG 2.2, definition of it)."""
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)][:3]
    channels = parts if colour.startswith("color(") else [part / 255 for part in parts]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


#: Colour of each element with text of its own, and of the nearest ground that is not transparent.
COLOURS = """() => [...document.querySelectorAll("body *")].filter((e) => e.offsetParent
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())
    && !e.closest("svg, .aside")).map((e) => {
  let ground = e;
  const clear = (node) => /rgba\\(.*, 0\\)/.test(getComputedStyle(node).backgroundColor);
  while (ground.parentElement && clear(ground)) ground = ground.parentElement;
  return [e.textContent.trim().slice(0, 30), getComputedStyle(e).color,
          getComputedStyle(ground).backgroundColor];
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_in_both_schemes(browser: Browser, published: Path, scheme: str) -> None:
    with browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(published.as_uri())
        ground = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert (ground > 0.5) is (scheme == "light")
        found = page.evaluate(COLOURS)
        assert len(found) > 100
        for text, colour, behind in found:
            light, dark = sorted((luminance(colour), luminance(behind)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, colour, behind)


def test_a_phone_scrolls_tables_and_not_the_page(browser: Browser, published: Path) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(published.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        table = page.get_by_role("region", name=re.compile("^Against the baseline, "))
        assert table.evaluate("(e) => e.scrollWidth > e.clientWidth")
        table.evaluate(
            "(e) => { e.scrolled = new Promise((done) => { e.onscroll = () => done(true); }); }"
        )
        table.focus()
        page.keyboard.press("ArrowRight")
        assert table.evaluate("(e) => e.scrolled")
        page.locator("#cells tbody th a").nth(2).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 390


def test_without_javascript_all_can_be_read(browser: Browser, published: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(published.as_uri())
        assert page.locator("#cells tbody tr").count() == 10
        expect(page.locator("#controls")).to_be_hidden()
        assert page.locator(".chart svg").count() == 2
        page.locator("#summary tbody a").first.click()
        expect(page.locator("#table-title")).to_be_in_viewport()
        page.locator(".pivot a", has_text="hang-at-startup").first.click()
        row = page.locator(":target")
        expect(row).to_be_in_viewport()
        expect(row).to_contain_text("no answer within 30 s")
        row.get_by_role("link", name=HUNG, exact=True).click()
        expect(page.locator("body")).to_contain_text('"outcome": "hang-at-startup"')


def test_print_shows_the_table_without_its_controls(seen: Watched) -> None:
    seen.page.set_viewport_size({"width": 1030, "height": 700})  # A4 with its margins
    seen.page.emulate_media(media="print")
    expect(seen.page.locator("#cells")).to_be_visible()
    for hidden in ("#controls", "nav"):
        expect(seen.page.locator(hidden)).to_be_hidden()
    widths = "[...document.querySelectorAll('.scroll')].map((e) => e.scrollWidth)"
    assert max(seen.page.evaluate(widths)) <= 1030
    expect(seen.page.locator("#method").get_by_text("no wheel")).to_be_visible()


def test_two_runs_stand_side_by_side(context: BrowserContext, tmp_path: Path) -> None:
    results = tmp_path / "results"
    paths = []
    for day, faster in ((1, 1.0), (2, 0.5)):
        run, launches = every_outcome(launches=7, faster=faster)
        of_day = {"run_id": f"2026110{day}T120000Z", "started_at": f"2026-11-0{day}T12:00:00+00:00"}
        paths.append(str(stored(results, run.model_copy(update=of_day), launches).path))
    found = watched(context)
    found.page.goto(Path(publish(results, paths, None)).as_uri())
    lower = found.page.locator("#comparison tr", has_text="lower")
    assert lower.count() == 3
    lower.first.get_by_role("link").click()
    expect(found.page.get_by_role("dialog")).to_contain_text("py3.11-gevent25.9.1-gevent")
    assert "cell=runs%2F2-sleep-20261102T120000Z%2Fpy3.11" in found.page.url
    found.page.keyboard.press("Escape")
    found.page.get_by_text("Filter", exact=True).click()
    found.page.get_by_role("checkbox", name="sleep, 2026-11-02 12:00 UTC").check()
    assert set(shown(found.page, "run")) == {"sleep, 2026-11-02 12:00 UTC"}
    assert found.console == []


#: As long as a why line gets; the last cell's is hostile.
CAUSE = (
    "psycopg2-binary 2.9.10 waits in C (recvfrom → db:5432), called from shop/orders.py:12; the "
    "event loop was blocked for {} % of the burst; a request that is at orders.py:14 cannot go "
    'on meanwhile; remedy: a wait callback ("psycogreen"), or psycopg 3'
)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_cause_of_an_outcome_is_shown_in_notes_table_and_dialog(
    context: BrowserContext, tmp_path: Path, width: int
) -> None:
    """Of cells that share it once, as text, and without making the page wider than the window."""
    run, launches = every_outcome(launches=7)
    failed = [one for one in launches if not one.outcome.has_figures]
    causes = {one.cell: CAUSE.format(90 + n) for n, one in enumerate(failed)}
    causes |= {one.cell: NASTY for one in failed if one.outcome is Outcome.CRASHED}
    caused = [one.model_copy(update={"why": causes.get(one.cell)}) for one in launches]
    stored(tmp_path / "results", run, caused)
    seen = watched(context)
    page = seen.page
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(Path(publish(tmp_path / "results", [], None)).as_uri())
    (first, cause), (second, _) = [one for one in causes.items() if "gevent+grpc" in one[0]]
    note = page.locator("li", has_text="psycopg2-binary")
    expect(note).to_be_visible()
    expect(note).to_have_text(f"{first}, {second}: {CAUSE.format('96–103')}")
    page.goto(f"{page.url}#cell={quote(first)}")
    dialog = page.get_by_role("dialog")
    line = dialog.get_by_text(f"Why: {cause}").first
    expect(line).to_be_visible()
    wider = "(e) => e.scrollWidth - e.clientWidth"
    assert dialog.evaluate(wider) <= 0
    assert page.locator("html").evaluate(wider) <= 0
    assert page.evaluate("window.broken") is None
    assert page.locator("#injected").count() == 0
    assert seen.console == []
