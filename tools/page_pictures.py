"""Pictures of report pages, to be looked at: wide, narrow, dark, without scripts, and as a PDF.

    .venv/bin/python tools/page_pictures.py OUT [REPORT ...]

Without reports: those of tests/browser/page_cases.py, made anew. A picture is 1280 or 400 pixels wide and
as high as the page, up to a limit; ``first`` is what 1280 x 800 shows.
"""

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
HIGHEST_PX = 12000
NAMES = ("chromium", "chromium-browser", "google-chrome")
VIEWS = {
    "light": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 400, "height": 800}},
    "plain": {"viewport": {"width": 1280, "height": 800}, "java_script_enabled": False},
}


def picture(browser: Browser, report: Path, name: str, out: Path) -> None:
    """Write ``{name}-{view}.png`` for every view, ``{name}-first.png`` and ``{name}.pdf``."""
    for view, options in VIEWS.items():
        context = browser.new_context(**options)
        page = context.new_page()
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(800)
        if view == "light":
            page.screenshot(path=out / f"{name}-first.png")
        height = page.evaluate("document.documentElement.scrollHeight")
        for top in range(0, min(height, HIGHEST_PX), 600):
            page.evaluate("(top) => window.scrollTo(0, top)", top)
            page.wait_for_timeout(100)
        page.evaluate("window.scrollTo(0, 0)")
        height = page.evaluate("document.documentElement.scrollHeight")
        width = options["viewport"]["width"]
        page.screenshot(
            path=out / f"{name}-{view}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": width, "height": min(height, HIGHEST_PX)},
        )
        if view == "light":
            page.pdf(path=out / f"{name}.pdf", format="A4")
        context.close()


def reports_of_cases(folder: Path, only: str) -> dict[str, Path]:
    """The reports of the browser tests, by name."""
    sys.path += [str(ROOT / "tests" / part) for part in ("unit", "browser")]
    from page_cases import CASES

    from cutpoint.report.page import render_report

    made = {}
    for name, case in CASES.items():
        if only in name:
            (folder / name).mkdir(parents=True)
            made[name] = folder / name / "report.html"
            render_report(**case(folder / name), out=str(made[name]))
    return made


def main(out: str, *reports: str) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    path = os.environ.get("CUTPOINT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)))
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        given = {Path(report).resolve().parent.name: Path(report) for report in reports}
        for name, report in (given or reports_of_cases(Path(folder), os.environ.get("ONLY", ""))).items():
            picture(browser, report, name, Path(out))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
