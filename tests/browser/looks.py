"""What is looked for on an open page: each check gives the places where it fails, as text."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

GRAVE = ("serious", "critical")
# A4, landscape, with margins of 1 cm
PAPER_PX = 1047
# a figure is one picture with a label; what is inside it is not read
NO_FIGURES = {"exclude": [[".chart"]]}

# Elements whose content is wider than they are; source text may be.
CUT = """() => [...document.querySelectorAll('main *')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
  .filter((e) => e.clientWidth > 1 && !e.closest('pre, svg'))
  .map((e) => `${e.scrollWidth} > ${e.clientWidth}: ${e.outerHTML.slice(0, 160)}`)"""
# Elements that reach over the right edge of the window, or of what scrolls them.
OUTSIDE = """() => [...document.querySelectorAll('main *')]
  .filter((e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }))
  .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter((e) => !e.closest('svg, pre'))
  .map((e) => e.outerHTML.slice(0, 160))"""
STUCK = """() => [...document.querySelectorAll('main *')]
  .filter((e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
  .filter((e) => e.scrollWidth > e.clientWidth && e.tabIndex < 0)
  .filter((e) => !e.querySelector('a, button, input, select, [tabindex="0"]'))
  .map((e) => e.outerHTML.slice(0, 160))"""
HIDDEN = """() => [...document.querySelectorAll('main table, main figure')]
  .filter((e) => !e.checkVisibility({ visibilityProperty: true }))
  .map((e) => e.outerHTML.slice(0, 160))"""
HEADINGS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((e) => +e.tagName[1])"
# Heads of columns, and words of the config, that are narrower than their longest word.
BROKEN = """() => {
  const pen = document.createElement('canvas').getContext('2d');
  return [...document.querySelectorAll('.tabulator-col-title, .tabulator-cell, main thead th, main td')]
    .filter((e) => e.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }))
    .filter((e) => e.matches('.tabulator-col-title, th') || /^(onnxruntime|inconclusive)$/.test(e.innerText))
    .filter((e) => {
      const style = getComputedStyle(e);
      pen.font = style.font;
      const inside = e.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      return e.innerText.split(/[\\s-]+/).some((word) => pen.measureText(word).width > inside + 1.5);
    })
    .map((e) => `${e.clientWidth}: ${e.outerHTML.slice(0, 160)}`);
}"""
UNNAMED = """() => [...document.querySelectorAll('img:not([alt]), img[alt=""], svg:not([role=img])')]
  .filter((e) => !e.parentElement.closest('svg, [aria-hidden=true]') && e.ariaHidden !== 'true')
  .map((e) => e.outerHTML.slice(0, 160))"""


def open_all(page: Page) -> None:
    """Open what can be opened, and see everything once."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    for height in range(0, page.evaluate("document.documentElement.scrollHeight"), 700):
        page.evaluate("(top) => window.scrollTo(0, top)", height)
        page.wait_for_timeout(20)
    page.evaluate("window.scrollTo(0, 0)")


def audit(page: Page, **options: list[str]) -> list[str]:
    """What axe finds grave: rule, impact, and the first places."""
    violations = Axe().run(page, NO_FIGURES, options).response["violations"]
    return [
        f"{found['id']} ({found['impact']}): {[node['html'][:200] for node in found['nodes'][:3]]}"
        for found in violations
        if found["impact"] in GRAVE
    ]


def too_wide(page: Page, width: int) -> list[str]:
    """Whether the page scrolls sideways in a window of this width."""
    found = page.evaluate("document.documentElement.scrollWidth")
    return [f"{found} > {width}", *page.evaluate(OUTSIDE)[:5]] if found > width else []


def headings(page: Page) -> list[str]:
    """Headings begin with the only h1, and go down one level at a time."""
    levels = page.evaluate(HEADINGS)
    jumps = [i for i in range(1, len(levels)) if levels[i] - levels[i - 1] > 1]
    return [f"headings {levels}"] if jumps or levels[0] != 1 or levels.count(1) != 1 else []


def looked_at(page: Page, audited: bool = True) -> dict[str, list[str]]:
    """Everything that is wrong with a page of 1280 pixels, by where it was seen; an audit takes most time."""
    open_all(page)
    wrong = {
        "headings": headings(page),
        "pictures without words": page.evaluate(UNNAMED),
        "wider than 1280 px": too_wide(page, 1280),
        "cut off at 1280 px": page.evaluate(CUT),
        "words broken at 1280 px": page.evaluate(BROKEN),
    }
    if audited:
        wrong["audit"] = audit(page)
        page.emulate_media(color_scheme="dark")
        wrong["audit in the dark"] = audit(page, runOnly=["color-contrast"])
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_timeout(100)
    wrong["wider than 400 px"] = too_wide(page, 400)
    wrong["words broken at 400 px"] = page.evaluate(BROKEN)
    wrong["not scrolled by keyboard"] = page.evaluate(STUCK)
    page.set_viewport_size({"width": PAPER_PX, "height": 1000})
    page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = false))")
    page.emulate_media(media="print", color_scheme="dark")
    wrong["wider than the paper"] = page.evaluate(OUTSIDE)
    wrong["not on paper"] = page.evaluate(HIDDEN)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    wrong["not white paper"] = [] if paper == "rgb(255, 255, 255)" else [paper]
    return {where: found for where, found in wrong.items() if found}
