"""Tables and toolbox: sort, filter, columns, hide and highlight, and all of it in the link."""

import csv

import pytest
from page_cases import CHINESE, HOSTILE, QUOTES

MAIN = ".enhanced:has(+ .scroll #set-0-variants)"


@pytest.fixture
def open_table(page_of):
    """Open a case, and wait for the comparison table of its first data set."""

    def open_page(case="plain", link="", **options):
        page = page_of(case, link, **options)
        page.locator("#set-0-title").scroll_into_view_if_needed()
        page.evaluate("document.getElementById('set-0').scrollIntoView()")
        page.locator(f"{MAIN} .tabulator-row").first.wait_for()
        return page

    return open_page


def names(page):
    """The variants of the comparison table's rows, from top to bottom."""
    return page.locator(f"{MAIN} .tabulator-row").evaluate_all("rows => rows.map(row => row.dataset.variant)")


def column(page, title):
    return page.locator(f"{MAIN} .tabulator-col", has=page.get_by_role("button", name=title, exact=True))


def link_of(page):
    return page.evaluate("location.hash")


def test_sorting_leaves_the_reference_on_top_and_is_in_the_link(open_table):
    page = open_table()
    assert names(page) == ["pytorch", "raw", "e2e", "raw-int8"]
    head = column(page, "AP")
    head.get_by_role("button", name="AP", exact=True).press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert names(page) == ["pytorch", "raw", "e2e", "raw-int8"]
    head.get_by_role("button", name="AP", exact=True).press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert names(page) == ["pytorch", "raw-int8", "e2e", "raw"]
    again = open_table(link=link_of(page))
    assert names(again) == ["pytorch", "raw-int8", "e2e", "raw"]


def test_every_column_filters_by_words_and_by_bounds(open_table):
    page = open_table()
    page.locator(MAIN).get_by_role("button", name="Filter").click()
    page.locator(MAIN).get_by_label("Filter AP", exact=True).press_sequentially("< 0.57")
    page.locator(MAIN).get_by_role("status").filter(has_text="2 of 4 rows").wait_for()
    assert names(page) == ["pytorch", "raw-int8"]
    page.locator(MAIN).get_by_label("Filter AP", exact=True).fill("")
    page.locator(MAIN).get_by_label("Filter cut").press_sequentially("RAW")
    page.locator(MAIN).get_by_role("status").filter(has_text="3 of 4 rows").wait_for()
    assert names(page) == ["pytorch", "raw", "raw-int8"]
    assert names(open_table(link=link_of(page))) == ["pytorch", "raw", "raw-int8"]


def test_columns_are_chosen_and_stay_chosen(open_table):
    page = open_table()
    assert not column(page, "AP50").is_visible()
    page.locator(MAIN).get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="AP50").check()
    page.get_by_role("checkbox", name="cut").uncheck()
    page.keyboard.press("Escape")
    page.locator(".popup").wait_for(state="detached")
    for opened in (page, open_table(link=link_of(page))):
        assert column(opened, "AP50").is_visible()
        assert not column(opened, "cut").is_visible()


def test_the_toolbox_hides_and_highlights_in_every_table_and_the_link_keeps_it(open_table):
    page = open_table()
    page.get_by_role("button", name="Toolbox").press("Enter")
    box = page.locator("#toolbox")
    box.get_by_role("checkbox", name="e2e", exact=True).uncheck()
    box.get_by_role("button", name="Highlight raw", exact=True).press("Enter")
    assert box.get_by_role("button", name="Highlight raw", exact=True).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert not box.locator("#toolbox-panel").is_visible()
    for opened in (page, open_table(link=link_of(page))):
        assert names(opened) == ["pytorch", "raw", "raw-int8"]
        rows = opened.locator("tr[data-variant=e2e]")
        assert rows.count() > 5
        assert not any(row.is_visible() for row in rows.all())
        assert "1 hidden · 1 highlighted" in opened.get_by_role("button", name="Toolbox").inner_text()
        colours = opened.evaluate(
            """(main) => ["raw", "raw-int8"].map((name) => getComputedStyle(
                document.querySelector(`${main} .tabulator-row[data-variant="${name}"]`)).backgroundColor)""",
            MAIN,
        )
        assert colours[0] != colours[1]


def test_forty_variants_are_hidden_by_name_and_what_is_the_same_folds_away(open_table):
    page = open_table("forty")
    assert len(names(page)) == 40
    page.get_by_role("button", name="Toolbox").click()
    box = page.locator("#toolbox")
    box.get_by_role("searchbox").fill("608")
    box.get_by_role("button", name="none", exact=True).click()
    shown = names(page)
    assert 20 < len(shown) < 40
    assert not [name for name in shown if "608" in name]
    box.get_by_role("button", name="invert", exact=True).click()
    assert len(names(page)) == 40
    box.get_by_label("only what differs").check()
    assert [name for name in names(page) if name != "pytorch"]
    assert page.locator(f"{MAIN} .tabulator-row", has_text="lossless").count() == 0
    assert not column(page, "agreement").is_visible()
    box.get_by_role("radio", name="dark").check()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
    box.get_by_role("button", name="Reset all").click()
    assert len(names(page)) == 40
    assert "?" not in link_of(page)


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_cut_off_and_the_page_does_not_scroll_sideways(open_table, width):
    page = open_table(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    holder = page.locator(f"{MAIN} .tabulator-tableholder")
    if width == 1280:
        assert holder.evaluate("element => element.scrollWidth - element.clientWidth") <= 1
        return
    # the first column stays while the others scroll below it
    holder.evaluate("element => (element.scrollLeft = 300)")
    name = page.locator(f"{MAIN} .tabulator-row [role=rowheader]").first
    assert name.bounding_box()["x"] == pytest.approx(holder.bounding_box()["x"], abs=1)


def test_the_csv_has_full_precision_intervals_and_flags(open_table):
    page = open_table()
    with page.expect_download() as download:
        page.locator(MAIN).get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "street-det-variants.csv"
    with open(download.value.path(), encoding="utf-8-sig", newline="") as file:
        lines = {line["variant"].split()[0]: line for line in csv.DictReader(file)}
    assert list(lines) == ["pytorch", "raw", "e2e", "raw-int8"]
    assert float(lines["raw-int8"]["AP"]) == pytest.approx(0.5587)
    assert lines["raw-int8"]["AP, doubt"] == "failed"
    assert lines["raw-int8"]["ΔAP, 95 % interval"] == "-0.0300 to -0.0120"
    assert lines["raw-int8"]["AP50"] == "0.8"  # also the columns that are not shown


def test_a_number_says_what_it_is(open_table):
    page = open_table()
    page.locator(MAIN).get_by_label("What is AP?").click()
    said = page.locator(".popup").inner_text()
    assert "101 recalls" in said
    assert "pycocotools" in said
    assert "street, det: comparable" in said
    assert "unlabelled, det: not comparable" in said
    assert column(page, "AP").get_attribute("aria-sort") == "none"


def test_without_scripts_the_numbers_are_a_part_of_the_page(page_of):
    page = page_of(java_script_enabled=False)
    link = page.locator("#set-0-variants").get_by_label("What is AP?")
    link.click()
    assert page.locator("#number-ap").is_visible()
    assert not page.locator("#toolbox").is_visible()


def test_all_classes_are_there_whatever_their_names(open_table):
    for case, wanted in (("hostile", (HOSTILE, QUOTES)), ("chinese", CHINESE)):
        page = open_table(case)
        table = page.locator(".enhanced:has(+ .scroll [data-rows=set-0-classes])")
        page.locator("h3", has_text="Classes that moved").first.scroll_into_view_if_needed()
        table.locator(".tabulator-row").first.wait_for()
        texts = table.locator(".tabulator-cell:first-child").all_inner_texts()
        assert len(texts) > len(set(texts)) >= 3
        assert set(wanted) <= set(texts)
