"""The page about a data set's annotations: what is odd in them, and what a conversion lost."""

from pathlib import Path

import pytest
import yaml

from cutpoint.plan.config import complete_config
from cutpoint.plan.digests import Digests
from cutpoint.plan.evaluations import Plan
from cutpoint.plan.recognition import Recogniser
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.tables import report_entries
from cutpoint.records.conversion import Conversion, Loss, write_conversion
from cutpoint.records.oddities import INDEX, OddImage, Oddities, Oddity, write_oddities
from cutpoint.report.conversion import CONVERSION
from cutpoint.report.environment import open_templates
from cutpoint.report.odd import ODD, in_words
from cutpoint.report.section import Section, show

SCHEMA = Path(__file__).resolve().parents[3] / "workflow/schemas/config.schema.yaml"


def html_of(section: Section, path: str) -> str:
    environment = open_templates()
    environment.filters["in_words"] = in_words
    (made,) = show([section], {section.kind: [{"dataset": "street", "model": "det", "path": path}]})
    return environment.get_template(made.template).render(section=made)


@pytest.fixture
def odd(tmp_path):
    image = OddImage(7, "<b>7</b>.jpg", "car, 20 x 30 px at 900, 40", ((900, 40, 920, 70),))
    kinds = (
        Oddity(
            "outside", "bbox outside its image", "a miss", "annotations", 4, 90, 2, (image,), "outside.jpg"
        ),
        Oddity("empty", "image without a box", "a mistake", "images", 1, 9, 1, ()),
        Oddity("unused", "category without a box", "AP is without it (<i>)", "categories", 1, 3, 0, ()),
    )
    (tmp_path / "odd").mkdir()
    write_oddities(tmp_path / "odd" / INDEX, Oddities("street", kinds))
    (tmp_path / "odd/outside.jpg").write_bytes(b"\xff\xd8\xff")
    return str(tmp_path / "odd")


def test_odd_things_are_folded_away_and_counted_in_the_line_that_stays(odd):
    html = html_of(ODD, odd)
    summary = html[html.index("<summary>") : html.index("</summary>")]
    assert summary.endswith(
        "What is odd in street: bbox outside its image: 4; image without a box: 1; category without a box: 1"
    )
    assert "<details" in html
    assert "open" not in html.split(">")[0]
    assert "bbox outside its image: 4 of 90 annotations, on 2 images</strong>; a miss." in html
    assert "image without a box: 1 of 9 images</strong>; a mistake." in html
    assert html.count("<img ") == 1
    assert 'src="data:image/jpeg;base64,/9j/"' in html
    assert "The picture has the 1 worst that may be shown." in html
    assert "<li>image 7, &lt;b&gt;7&lt;/b&gt;.jpg: car, 20 x 30 px at 900, 40</li>" in html
    assert "<b>7" not in html
    assert "(&lt;i&gt;)" in html


def test_a_data_set_of_several_models_is_shown_once():
    """``report_entries`` has one entry a data set."""
    plan = _plan()
    entries = report_entries(plan)
    assert [entry["path"] for entry in entries["odd"]] == ["results/preflight/odd/street"]
    assert [entry["path"] for entry in entries["conversions"]] == [
        "results/annotations/street.conversion.json"
    ]
    assert len(entries["samples"]) == 3


def _plan() -> Plan:
    config = """
models: {one: {classes: [car]}, two: {classes: [car]}}
datasets:
  street: {images: images, annotations: theirs, format: yolo}
  plain: {images: images, annotations: null}
variants: {found: {results: found.json}}
evaluations:
  - {model: one, dataset: street, variants: [found]}
  - {model: two, dataset: street, variants: [found]}
  - {model: one, dataset: plain, variants: [found]}
"""
    completed = complete_config(yaml.safe_load(config), SCHEMA)
    return build_plan(completed, "cpu", Recogniser([], Digests("cache.json")))


def test_a_conversion_is_a_table_of_losses(tmp_path):
    losses = (Loss("polygon", 3, "the box around it is used", "a.txt, line 2"), Loss("<x>", 1, "kept"))
    path = tmp_path / "record.json"
    write_conversion(path, Conversion("street", "yolo", "theirs", 9, 2, 40, 0, losses, ()))
    html = html_of(CONVERSION, str(path))
    assert (
        "street, from yolo (theirs) to COCO JSON: 9 images, 2 categories, 40 boxes, 0 of them crowds" in html
    )
    assert (
        '<tr><th scope="row">polygon</th><td class="number">3</td><td>the box around it is used</td>'
        "<td>a.txt, line 2</td></tr>" in html
    )
    assert "&lt;x&gt;" in html
