"""A real Chromium, and pages published for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from runner.commands.publish import publish
from runner.provision import CHROMIUM
from tests.support.published import every_outcome, stored

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, which `make test` installs. Without one these tests fail."""
    executable = shutil.which(CHROMIUM.program)
    assert executable, f"the browser tests need Chromium: {CHROMIUM.remedy}"
    with sync_playwright() as playwright:
        # Each launch has a new user data directory.
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of every outcome, with real charts."""
    results = tmp_path_factory.mktemp("published") / "results"
    stored(results, *every_outcome(launches=7, faster=1.5))
    return Path(publish(results, [], None))


@dataclass
class Watched:
    """A page, and all that it said and asked for."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context


def watched(context: BrowserContext) -> Watched:
    """A new page whose every word and request is noted."""
    seen = Watched(page=context.new_page())
    seen.page.on("console", seen.heard)
    seen.page.on("pageerror", lambda error: seen.console.append(f"error: {error}"))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    return seen


@pytest.fixture
def seen(context: BrowserContext, published: Path) -> Watched:
    """The published page, opened."""
    found = watched(context)
    found.page.goto(published.as_uri())
    return found
