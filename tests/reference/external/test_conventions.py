"""Every convention through the package, against the judge: the same detections, the same AP."""

import conventions as dress
import pytest
from cases import CASES, ONLY_COCO, Case
from dressing import small
from judge import Judge, average_precision, to_coco, unmatched
from product import draw_data, make_manifest, run

from cutpoint.files import read_json

# Rows of score .01 and less are dropped. One score of coco-dev is .01 to the last bit, and the next is 5e-7
# more: how a CPU rounds must not decide which side it is on.
DROPPED = 0.01 + 1e-7


def kept(detections):
    return [entry for entry in detections if entry["score"] > DROPPED]


def judge_all(model, case, net, images, categories):
    """Detections by hand."""
    judge = Judge(model.SerializeToString(), case.convention, net.size, net.classes)
    numbers = None if case.convention.ids else categories
    return [entry for key, image in images.items() for entry in to_coco(key, judge.detect(image), numbers)]


def compare(result, wanted, truth, pixels):
    assert unmatched(kept(wanted), kept(result.detections), pixels)[:5] == []
    assert result.metrics["AP"] == pytest.approx(average_precision(truth, wanted), abs=5e-4)


def inside(start, length, limit):
    """Start and length of what lies between 0 and ``limit``."""
    first, last = max(start, 0), min(start + length, limit)
    return first, last - first


@pytest.fixture(scope="module")
def drawn_data(drawn, tiny, tmp_path_factory):
    """The drawn images, and as ground truth some boxes of the small detector, moved a little."""
    case = CASES["ultralytics"]
    model, numbers = case.build(tiny), range(1, tiny.classes + 1)
    found = judge_all(model, case, tiny, drawn, numbers)
    boxes = []
    for key, image in drawn.items():
        best = sorted(
            (entry for entry in found if entry["image_id"] == key), key=lambda entry: -entry["score"]
        )
        for number, entry in enumerate(best[:8]):
            x, y, width, height = entry["bbox"]
            x, y, height = x + number % 3, y - number % 2, height * (1 + 0.05 * number)
            (x, width), (y, height) = inside(x, width, image.shape[1]), inside(y, height, image.shape[0])
            if min(width, height) >= 2:
                boxes.append(entry | {"bbox": [x, y, width, height]})
    folder = tmp_path_factory.mktemp("drawn")
    return draw_data(folder, drawn, tiny.names, boxes), read_json(folder / "instances.json")


@pytest.mark.parametrize("name", CASES)
def test_the_package_reads_a_convention_as_the_judge_does(name, tiny, drawn, drawn_data, tmp_path):
    case, (manifest, truth) = CASES[name], drawn_data
    model = case.build(tiny)
    wanted = judge_all(model, case, tiny, drawn, range(1, tiny.classes + 1))
    assert len(kept(wanted)) > 100
    result = run(model, case.read(tiny), manifest, tmp_path)
    assert result.layout == case.layout
    assert 0.005 < result.metrics["AP"] < 0.98
    compare(result, wanted, truth, case.pixels)


def test_yolonas_fits_images_into_636_of_640(drawn, drawn_data, tmp_path):
    net, (manifest, truth) = small((640, 640)), drawn_data
    case = Case(dress.yolonas_flat, "yolonas_636", "yolonas-flat")
    model = case.build(net)
    wanted = judge_all(model, case, net, drawn, range(1, net.classes + 1))
    assert len(kept(wanted)) > 100
    compare(run(model, case.read(net), manifest, tmp_path), wanted, truth, case.pixels)


@pytest.fixture(scope="module")
def twenty(real, truth, photographs, tmp_path_factory):
    """Manifest, photographs and ground truth of 20 images of coco-dev."""
    folder = real / "coco-dev"
    out = tmp_path_factory.mktemp("twenty") / "manifest.json"
    manifest = make_manifest(folder / "images", folder / "instances.json", out, limit=20)
    chosen = {entry["id"] for entry in read_json(manifest)["images"]}
    assert len(chosen) == 20
    parts = {
        "images": [entry for entry in truth["images"] if entry["id"] in chosen],
        "annotations": [entry for entry in truth["annotations"] if entry["image_id"] in chosen],
    }
    images = {key: image for key, image in photographs.items() if key in chosen}
    return manifest, images, truth | parts


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES | ONLY_COCO)
def test_a_real_detector_in_each_convention(name, official, twenty, categories, tmp_path):
    case, (manifest, images, truth) = (CASES | ONLY_COCO)[name], twenty
    model = case.build(official)
    wanted = judge_all(model, case, official, images, categories)
    result = run(model, case.read(official), manifest, tmp_path)
    assert result.layout == case.layout
    assert result.metrics["AP"] > 0.2
    compare(result, wanted, truth, case.pixels)
