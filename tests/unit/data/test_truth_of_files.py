"""Labels and ground truth of a model on a data set, from file to file."""

import json

import pytest
from image_files import encode
from tiny import atss_head, model_spec

from cutpoint.data.manifest import build_manifest
from cutpoint.data.truth import build_truth, map_labels
from cutpoint.records.labels import read_labels
from cutpoint.records.model import write_spec
from cutpoint.records.truth import LeftOut, read_truth

CATEGORIES = {9: "person", 4: "bus", 7: "tram"}
# image, category
BOXES = [(1, 9), (2, 4), (2, 7), (3, 9), (2, 9), (1, 4)]


@pytest.fixture
def data(tmp_path):
    """Three images, one of them beyond the limit; a class without a category, a category without a class."""
    folder = tmp_path / "images"
    folder.mkdir()
    images = []
    for number in (1, 2, 3):
        (folder / f"{number}.jpg").write_bytes(encode("JPEG", size=(100, 200)))
        images.append({"id": number, "file_name": f"{number}.jpg", "height": 100, "width": 200})
    boxes = [
        {"id": 50 + n, "image_id": image, "category_id": category, "bbox": [n, n, 20, 10]}
        for n, (image, category) in enumerate(BOXES)
    ]
    categories = [{"id": identity, "name": name} for identity, name in CATEGORIES.items()]
    content = {"images": images, "annotations": boxes, "categories": categories}
    annotations, manifest, spec = (str(tmp_path / f"{name}.json") for name in ("given", "manifest", "spec"))
    (tmp_path / "given.json").write_text(json.dumps(content))
    build_manifest(dataset="street", images=str(folder), annotations=annotations, limit=2, out=manifest)
    write_spec(spec, model_spec(atss_head()))  # car, bus, person
    return {"manifest": manifest, "spec": spec}


ORDER = {"classes": None, "order": "names"}


def test_truth_has_the_images_and_categories_that_are_scored_numbered_from_one(data, tmp_path):
    labels, out = str(tmp_path / "labels.json"), str(tmp_path / "truth.json")
    map_labels(**data, **ORDER, out=labels)
    assert read_labels(labels).labels == (None, 4, 9)
    build_truth(
        manifest=data["manifest"],
        labels=labels,
        invalid_boxes=None,
        categories_without_class="leave_out",
        out=out,
    )
    truth = read_truth(out)
    kept = set(truth.image_ids)
    assert len(kept) == 2
    expected = [pair for pair in BOXES if pair[0] in kept and pair[1] != 7]
    assert list(zip(truth.image_id.tolist(), truth.category_id.tolist(), strict=True)) == expected
    assert truth.id.tolist() == list(range(1, len(expected) + 1))
    assert [category.name for category in truth.categories] == ["person", "bus"]
    trams = sum(pair[0] in kept and pair[1] == 7 for pair in BOXES)
    assert truth.left_out == (LeftOut(1, trams, ("tram",)) if trams else LeftOut(0, 0, ()))
    assert truth.area.tolist() == [200.0] * len(expected)
    assert [note.partition(":")[0] for note in truth.notes] == [
        "area missing, null or 0",
        "iscrowd missing or null",
    ]
    assert (truth.dataset, truth.source) == ("street", str(tmp_path / "given.json"))
