"""The page in a browser: Debian's Chromium, from the disk, with the network off."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from page_cases import CASES
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)

from cutpoint.report.page import render_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
OWN = ("file:", "data:", "blob:")
# a busy machine draws slowly
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)


@dataclass
class Watched:
    """What a page must not do."""

    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text}")

    def open_dialog(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def request(self, request: Request) -> None:
        if not request.url.startswith(OWN):
            self.requests.append(request.url)

    def follow(self, page: Page) -> None:
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.said.append(f"page error: {error}"))
        page.on("dialog", self.open_dialog)
        page.on("request", self.request)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: CUTPOINT_CHROMIUM, else one of ``NAMES``. Without it a test is skipped by name."""
    path = os.environ.get("CUTPOINT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        message = f"browser: none of {', '.join(NAMES)}; install chromium or set CUTPOINT_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def report_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of a case, rendered once."""

    @cache
    def render(case: str) -> Path:
        folder = tmp_path_factory.mktemp(case)
        render_report(**CASES[case](folder), out=str(folder / "report.html"))
        return folder / "report.html"

    return render


def _only_files(route: Route) -> None:
    route.continue_() if route.request.url.startswith(OWN) else route.abort()


@pytest.fixture
def open_report(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a report: ``open_report(path, link="", **options of the browser's context)``.

    At the end of the test nothing may have been requested, and nothing said on the console.
    """
    watched, contexts = Watched(), []

    def open_page(report: Path, link: str = "", **options: Any) -> Page:
        context: BrowserContext = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}} | options
        )
        contexts.append(context)
        context.set_offline(True)
        context.route("**/*", _only_files)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        watched.follow(page)
        page.goto(report.as_uri() + link)
        if options.get("java_script_enabled", True):
            page.wait_for_function("performance.getEntriesByName('ready').length > 0")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert watched.requests == []
    assert watched.said == []


@pytest.fixture
def page_of(open_report: Callable[..., Page], report_of: Callable[[str], Path]) -> Callable[..., Page]:
    """Open the report of a case: ``page_of(case, link="", **options)``; see ``open_report``."""

    def open_case(case: str = "plain", link: str = "", **options: Any) -> Page:
        return open_report(report_of(case), link, **options)

    return open_case
