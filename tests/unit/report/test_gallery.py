import json
import re
from pathlib import Path

import pytest
from gallery_files import draw_gallery
from jinja2 import Environment, PackageLoader, StrictUndefined

from cutpoint.records.detections import write_refusal
from cutpoint.report.gallery import build_gallery


def render(root: Path, labelled: bool = True, **drawn) -> str:
    """The section of the gallery as HTML, as it is without the script."""
    gallery = draw_gallery(root, labelled, **drawn)
    content = build_gallery([{"path": str(root / "gallery")}])
    environment = Environment(
        loader=PackageLoader("cutpoint.report"), autoescape=True, undefined=StrictUndefined
    )
    group = {"id": "set-3", "labelled": gallery.labelled}
    return environment.get_template("gallery.html.j2").render(group=group, section={"content": content})


def data_of(html: str) -> dict:
    return json.loads(re.search(r'id="set-3-gallery-data">(.*?)</script>', html, re.S)[1])


def boxes_in(html: str, kind: str) -> list[int]:
    """The number of boxes of a kind on each picture."""
    cards = re.findall(r"<svg.*?</svg>", html, re.S)
    paths = [re.search(rf'<path class="{kind}" d="(.*?)"', card) for card in cards]
    return [path[1].count("M") if path else 0 for path in paths]


def test_pictures_are_there_without_the_script_with_truth_and_the_first_difference(tmp_path):
    lost = {"same": (), "raw": ((3, 0), (3, 1), (2, 1)), "worse": ((3, 0), (3, 1), (3, 2))}
    html = render(tmp_path, lost=lost, images=3)
    assert html.count("<img") == html.count("data:image/jpeg;base64,") == 3
    assert re.findall(r'alt="(.*?)"', html) == [
        "003.jpg: 3 objects; raw: 2 missing, 0 extra",
        "002.jpg: 3 objects; raw: 1 missing, 0 extra",
        "001.jpg: 3 objects; no variant differs",
    ]
    assert (boxes_in(html, "truth"), boxes_in(html, "crowd")) == ([3, 3, 2], [0, 0, 1])
    assert boxes_in(html, "missing") == [2, 1, 0]
    labels = re.findall(r'<span class="box-label missing".*?>(.*?)</span>', html)
    assert labels == ["− pedestrian 0.90", "− car 0.80", "− car 0.80"]
    # the frame of the boxes is the original image
    assert 'viewBox="0 0 320 200"' not in html
    assert 'viewBox="0 0 200 320"' in html


def test_the_script_gets_every_variant_with_causes_in_words(tmp_path):
    causes = {"raw": {(2, 0.9): "nms", (2, 0.8): "no_candidate"}}
    data = data_of(render(tmp_path, lost={"raw": ((2, 0), (2, 1)), "same": ()}, causes=causes))
    assert data["causes"] == {"nms": "suppressed", "no_candidate": "no candidate: other scores"}
    assert data["names"] == {"10": "pedestrian", "20": "car", "30": "traffic <light>"}
    first = data["pictures"][0]
    assert (first["image_id"], list(first["variants"])) == (2, ["raw", "same"])
    assert [other.get("cause") for other in first["variants"]["raw"]["of_reference"]] == [
        *("nms", "no_candidate", None)
    ]


def test_without_annotations_nothing_speaks_of_ground_truth(tmp_path):
    html = render(tmp_path, labelled=False, lost={"raw": ((2, 0),)})
    assert boxes_in(html, "truth") == [0] * 4
    assert "Lost AP" not in html
    assert "ground truth" not in html
    assert data_of(html)["errors"] == []


def test_one_variant_alone_and_no_public_image_are_said(tmp_path):
    assert "no variant differs" in render(tmp_path, lost={})
    html = render(tmp_path, public=[4])
    assert "There is no picture to show." in html
    assert "4 images may not be shown (report.public): 0 by their licence, 4 without a known licence." in html


def test_a_refused_variant_is_said_with_its_reason(tmp_path):
    draw_gallery(tmp_path)
    write_refusal(tmp_path / "theirs.json", "NaN in <boxes>")
    names = ("pytorch", "raw", "theirs")
    html = render(tmp_path, detections={name: str(tmp_path / f"{name}.json") for name in names})
    assert "theirs is refused and not drawn: NaN in &lt;boxes&gt;" in html


HOSTILE = "</script><img src=x onerror=alert(1)>\"'&行人"


def test_names_and_addresses_end_no_element_and_no_attribute(tmp_path):
    draw_gallery(tmp_path)
    path = tmp_path / "manifests/setTrue.json"
    content = json.loads(path.read_text())
    content["categories"][1]["name"] = HOSTILE
    content["licences"] = [{"id": 4, "name": HOSTILE, "url": "https://example.org/?a=\"'<b>"}]
    for image in content["images"]:
        image |= {"licence": 4, "source": 'https://example.org/?"><script>', "file_name": HOSTILE}
    path.write_text(json.dumps(content))
    html = render(tmp_path, lost={"raw": ((2, 1),)}, manifest=str(path))
    assert html.count("<script") == html.count("</script") == 1
    assert html.count("<img") == 4
    assert "行人" in html
    assert data_of(html)["names"]["20"] == HOSTILE


@pytest.mark.parametrize(
    ("licence", "source", "credit"),
    [
        (4, "https://f.org/1", ["Source", "https://f.org/1", "Attribution", "https://by.org"]),
        (5, None, ["licence 5"]),
        (None, "https://f.org/1", ["Source", "https://f.org/1"]),
        (None, None, []),
    ],
)
def test_each_picture_has_its_attribution(tmp_path, licence, source, credit):
    draw_gallery(tmp_path)
    path = tmp_path / "manifests/setTrue.json"
    content = json.loads(path.read_text())
    content["licences"] = [{"id": 4, "name": "Attribution", "url": "https://by.org"}]
    content["images"][0] |= {"licence": licence, "source": source}
    path.write_text(json.dumps(content))
    html = render(tmp_path, manifest=str(path), images=1)
    said = re.search(r'<span class="credit">(.*?)</span>', html)
    assert all(word in said[1] for word in credit) if credit else said is None


def test_boxes_far_outside_keep_their_numbers_and_their_labels_stay_inside(tmp_path):
    draw_gallery(tmp_path)
    found = {}
    for name in ("pytorch", "raw"):
        entries = json.loads((tmp_path / f"{name}.json").read_text())
        for entry in entries:
            if entry["image_id"] == 2 and entry["category_id"] == 10 and name == "raw":
                entry["bbox"] = [-5000.0, -300.5, 20000.0, 9000.0]
        found[name] = str(tmp_path / f"far-{name}.json")
        Path(found[name]).write_text(json.dumps(entries))
    html = render(tmp_path, detections=found, images=1)
    assert "M-5000 -300.5H15000V8699.5H-5000Z" in html
    assert 'box-label extra" style="left: 0%; top: 100%"' in html
