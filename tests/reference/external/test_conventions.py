"""Every convention through the package, against the judge: the same detections, the same AP."""

import conventions as dress
import pytest
from cases import CASES, ONLY_COCO, ONLY_SMALL, Case
from dressing import small
from product import make_manifest, run
from verdicts import compare, judge_all, kept

from cutpoint.files import read_json


@pytest.mark.parametrize("name", CASES | ONLY_SMALL)
def test_the_package_reads_a_convention_as_the_judge_does(name, tiny, drawn, drawn_data, tmp_path):
    case, (manifest, truth) = (CASES | ONLY_SMALL)[name], drawn_data
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


@pytest.mark.real
@pytest.mark.parametrize("name", CASES | ONLY_COCO)
def test_a_real_detector_in_each_convention(name, official, twenty, categories, tmp_path):
    case, (manifest, images, truth) = (CASES | ONLY_COCO)[name], twenty
    model = case.build(official)
    wanted = judge_all(model, case, official, images, categories)
    result = run(model, case.read(official), manifest, tmp_path)
    assert result.layout == case.layout
    assert result.metrics["AP"] > 0.2
    compare(result, wanted, truth, case.pixels)
