"""What 1280 x 800 pixels say without scrolling, and what a figure's buttons save."""

import csv
import xml.etree.ElementTree as ElementTree

import pytest

# by the data set's place among the cards: heading, then the facts by their names
TOLD = {
    "plain": [
        (
            "Use e2e",
            {"Cost": "ΔAP -0.0002, 95 % interval -0.0007 to +0.0003", "Losses": "1 lossless, 1 equivalent"},
        ),
        ("Use e2e", {"Cost": "[baseline off]", "Times": "3 of 4 can be trusted (without compiled NMS)"}),
        ("Use raw", {"Cost": "agreement 1.0000", "Latency": "35.8 ms"}),
    ],
    "disturbed": [
        (
            "No recommendation on speed",
            {
                "Losses": "1 lossless, 1 equivalent",
                "Times": "cannot be trusted (without compiled NMS, disturbed)",
            },
        )
    ],
    "single": [("Use pytorch", {"Cost": "AP 0.5800", "Losses": "nothing is compared"})],
}


@pytest.mark.parametrize("case", TOLD)
def test_best_variant_cost_loss_and_trust_are_in_sight(page_of, case):
    page = page_of(case)
    cards = page.locator("#short article")
    assert cards.count() == len(TOLD[case])
    for card, (said, facts) in zip(cards.all(), TOLD[case], strict=True):
        names = card.locator("dt").all_inner_texts()
        assert {"Losses", "Times"} <= set(names)
        seen = [card.get_by_text(said).first, *card.locator("dd").all(), *card.locator(".flags").all()]
        for place in seen:
            box = place.bounding_box()
            assert box["y"] + box["height"] <= 800
        for name, text in facts.items():
            assert text in card.locator("dd").nth(names.index(name)).inner_text()
    assert page.evaluate("scrollY") == 0


def saved(page, figure, button):
    with page.expect_download() as waiting:
        figure.get_by_role("button", name=button).click()
    return waiting.value.suggested_filename, waiting.value.path().read_text(encoding="utf-8-sig")


def test_a_figure_is_saved_as_its_data_and_as_a_picture(page_of):
    figure = page_of().locator("#short figure").first
    figure.locator("button").first.wait_for()
    page = figure.page
    name, text = saved(page, figure, "CSV")
    assert name.endswith(".csv")
    rows = {row["variant"]: row for row in csv.DictReader(text.splitlines())}
    assert set(rows) == {"pytorch", "raw", "e2e", "raw-int8"}
    assert float(rows["raw-int8"]["value"]) == pytest.approx(-0.0213)
    name, text = saved(page, figure, "SVG")
    assert name.endswith(".svg")
    picture = ElementTree.fromstring(text)
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert {"raw-int8", "pytorch"} <= {"".join(part.itertext()) for part in picture.iter() if part.text}
