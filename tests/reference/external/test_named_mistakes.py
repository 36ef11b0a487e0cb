"""Mistakes that the judge plants in a file's own detections are named, on other images than they are made on.

YOLOX-nano in three dresses. The reference is a results file of the judge, as if the .pt had given it.
"""

from dataclasses import replace
from pathlib import Path

import conventions as dress
import cv2
import judge as hand
import numpy as np
import onnx
import pytest
from judge import CONVENTIONS, ULTRALYTICS, YOLOV5, Judge, Recipe, Seen, to_coco
from scoring import make_scoring

from cutpoint.compare import diagnosis
from cutpoint.compare.fingerprints import fingerprint, run_mistakes, split_images
from cutpoint.data.manifest import build_manifest
from cutpoint.export.external import write_described
from cutpoint.files import read_json, write_json
from cutpoint.layouts.describe import describe
from cutpoint.layouts.facts import read_facts
from cutpoint.layouts.recognise import recognise
from cutpoint.records.manifest import read_manifest

pytestmark = pytest.mark.real
IMAGES, FEWER = 40, 16  # of each half
PAIRS = 5000


# --- ways to see an image that are mistakes


def black(image, size):
    return hand.letterbox(image, size, size, True, round, fill=0)


def nearest(image, size):
    """A letterbox of pixels that are repeated or left out."""
    height, width = image.shape[:2]
    seen = hand.centred(image, size)
    new = round(width * seen.gain), round(height * seen.gain)
    small = cv2.resize(image, new, interpolation=cv2.INTER_NEAREST)
    seen.pixels[seen.top : seen.top + new[1], seen.left : seen.left + new[0]] = small
    return seen


def padding_left(image, size):
    seen = hand.centred(image, size)
    return Seen(seen.pixels, seen.gains, seen.gain)


def in_network_pixels(image, size):
    return Seen(hand.centred(image, size).pixels)


def as_stretched(image, size):
    height, width = image.shape[:2]
    return Seen(hand.centred(image, size).pixels, (size[1] / width, size[0] / height))


# --- tensors and outputs that are mistakes


def bgr01(pixels):
    return hand.planes(pixels.astype(np.float32) / 255)


def rgb255(pixels):
    return hand.planes(pixels[..., ::-1].astype(np.float32))


def divided_twice(pixels):
    return hand.rgb01(pixels) / 255


def agnostic(boxes, scores, recipe=ULTRALYTICS):
    """One NMS over all classes."""
    places, labels = np.nonzero(scores > recipe.score)
    one = Recipe(recipe.score, recipe.iou, None, several=True)(boxes[places], scores[places, labels][:, None])
    best, found, _ = one
    rows = np.array(
        [
            np.flatnonzero((boxes[places] == box).all(1) & (scores[places, labels] == score))[0]
            for box, score in zip(best, found, strict=True)
        ],
        np.int64,
    )
    return best[: recipe.most], found[: recipe.most], labels[rows][: recipe.most]


def activated(change):
    """Columns whose scores went through a function once more or once less."""

    def read(out, recipe, size, classes):
        found = out["output0"].copy()
        scores = change(found[:, 4:].astype(np.float64))
        # the 300 best boxes come from the best pairs; by hand, NMS of all would take minutes
        found[:, 4:] = np.where(scores >= np.sort(scores, axis=None)[-PAIRS], scores, -1)
        return hand.read_columns({"output0": found}, recipe, size, classes)

    return read


def logits(p):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p))


def without_factor(out, recipe, size, classes):
    (found,) = out.values()
    return recipe(hand.from_centre(found[0, :, :4]), found[0, :, 5:])


def shifted(by):
    return lambda labels, classes: (labels + by) % classes


PLAIN = replace(CONVENTIONS["ultralytics"], recipe=ULTRALYTICS)
# each is the convention with one thing changed; the last is a change of the labels
PLANTED = {
    "channel_order": replace(PLAIN, tensor=bgr01),
    "not_divided": replace(PLAIN, tensor=rgb255),
    "divided_twice": replace(PLAIN, tensor=divided_twice),
    "stretch": replace(PLAIN, see=hand.stretched, per_axis=True),
    "place_corner": replace(PLAIN, see=hand.corner),
    "black_padding": replace(PLAIN, see=black),
    "padding_left": replace(PLAIN, see=padding_left),
    "no_scale_back": replace(PLAIN, see=in_network_pixels),
    "scaled_as_stretched": replace(PLAIN, see=as_stretched, per_axis=True),
    "interpolation_nearest": replace(PLAIN, see=nearest),
    "class_plus_one": (PLAIN, shifted(1)),
    "class_minus_one": (PLAIN, shifted(-1)),
    "double_sigmoid": replace(PLAIN, read=activated(hand.sigmoid)),
    "no_sigmoid": replace(PLAIN, read=activated(logits)),
    "confidence_25": replace(PLAIN, recipe=replace(ULTRALYTICS, score=0.25)),
    "best_class": replace(PLAIN, recipe=replace(ULTRALYTICS, several=False)),
    "class_agnostic": replace(PLAIN, recipe=agnostic),
    "iou_45": replace(PLAIN, recipe=replace(ULTRALYTICS, iou=0.45)),
    "max_100": replace(PLAIN, recipe=replace(ULTRALYTICS, most=100)),
}
FACTOR = replace(CONVENTIONS["yolov5"], recipe=YOLOV5)
ROWS = CONVENTIONS["ultralytics_nms"]


def without_pairs_below(threshold):
    def read(out, recipe, size, classes):
        boxes, scores, labels = hand.read_six(out, recipe, size, classes)
        kept = scores > threshold
        return boxes[kept], scores[kept], labels[kept]

    return read


# build, the convention, planted mistakes
OTHERS = {
    "yolov5": (dress.yolov5, FACTOR, {"factor_forgotten": replace(FACTOR, read=without_factor)}),
    "rows": (
        dress.ultralytics_nms,
        ROWS,
        {
            "padding_left": replace(ROWS, see=padding_left),
            "confidence_25": replace(ROWS, read=without_pairs_below(0.25)),
            "place_corner": replace(ROWS, see=hand.corner),
        },
    ),
}
TOGETHER = {
    "channel_order and padding_left": replace(PLAIN, tensor=bgr01, see=padding_left),
    "stretch and best_class": replace(
        PLAIN, see=hand.stretched, per_axis=True, recipe=replace(ULTRALYTICS, several=False)
    ),
    "place_corner and class_plus_one": (replace(PLAIN, see=hand.corner), shifted(1)),
}


class Bed:
    """A dressed file, its fingerprints on one half of the images, and what the judge finds on the other."""

    def __init__(self, folder: Path, net, model: onnx.ModelProto, plain, count, images, annotations, names):
        self.net, self.images, self.plain, self.names = net, images, plain, names
        self.folder, self.graph = folder, model.SerializeToString()
        path = str(folder / "file.onnx")
        onnx.save(model, path)
        facts = read_facts(path)
        description = describe(path, facts, recognise(facts, path, net.names).layout, {}, net.names)
        exported, spec = str(folder / "export.onnx"), str(folder / "spec.json")
        write_described(
            model="nano", onnx=path, description=description, classes=net.names, out=exported, out_spec=spec
        )
        self.manifest = str(folder / "manifest.json")
        build_manifest(
            dataset="dev",
            images=str(annotations.parent / "images"),
            annotations=str(annotations),
            limit=None,
            out=self.manifest,
        )
        labels, truth = make_scoring(self.manifest, spec)
        others, chosen = split_images(read_manifest(self.manifest), count)
        self.others, self.chosen = ([image.id for image in half] for half in (others, chosen))
        self.rest, self.own = self.detect(self.plain, self.others), self.detect(self.plain, self.chosen)
        reference = str(folder / "reference.json")
        write_json(reference, self.rest + self.own)
        self.common = {
            "model": exported,
            "manifest": self.manifest,
            "reference": reference,
            "provider": "cpu",
            "threads": 2,
            "images": count,
            "labels": labels,
            "truth": truth,
        }
        self.prints = str(folder / "prints.json")
        fingerprint(**self.common, out=self.prints)
        self.made: dict = {}

    def detect(self, planted, ids):
        """COCO results of a convention, clipped to the image."""
        convention, relabel = planted if isinstance(planted, tuple) else (planted, None)
        judge = Judge(self.graph, convention, self.net.size, self.net.classes)
        results = []
        for image_id in ids:
            boxes, scores, labels = judge.detect(self.images[image_id])
            height, width = self.images[image_id].shape[:2]
            boxes = np.clip(boxes, 0, [width, height, width, height])
            labels = relabel(labels, self.net.classes) if relabel else labels
            results += to_coco(image_id, (boxes, scores, labels), self.names)
        return results

    def diagnose(self, results):
        variant, out = str(self.folder / "variant.json"), str(self.folder / "diagnosis.json")
        write_json(variant, self.rest + results)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(diagnosis, "run_mistakes", self.remake)
            diagnosis.diagnose(fingerprints=self.prints, variant=variant, **self.common, out=out)
        return read_json(out)

    def remake(self, session, mistakes, images, categories):
        """``run_mistakes``, each mistake once for all diagnoses: they are of the same images."""
        new = [mistake for mistake in mistakes if mistake.name not in self.made]
        if new:
            self.made |= run_mistakes(session, new, images, categories)
        return {mistake.name: self.made[mistake.name] for mistake in mistakes}


def summary(name, said):
    near = (f"{line['names'][0]} {line['distance']:.2f} {line['match_rate']}" for line in said["ranking"][:3])
    return f"{name}: {', '.join(near)}; limit {said['limit']:.2f}; {said['text']}"


@pytest.fixture(scope="module")
def make_bed(official, photographs, categories, real, tmp_path_factory):
    annotations = real / "coco-dev" / "instances.json"

    def make(build, plain, count):
        folder = tmp_path_factory.mktemp("bed")
        return Bed(folder, official, build(official), plain, count, photographs, annotations, categories)

    return make


@pytest.fixture(scope="module")
def bed(make_bed):
    return make_bed(dress.ultralytics, PLAIN, IMAGES)


@pytest.fixture(scope="module")
def found(bed):
    """What is said of every planted mistake."""
    return {name: bed.diagnose(bed.detect(how, bed.chosen)) for name, how in PLANTED.items()}


def test_each_planted_mistake_is_named(found):
    print(*(summary(name, said) for name, said in found.items()), sep="\n")
    named = {name: (said["verdict"], said["names"]) for name, said in found.items()}
    words = dict.fromkeys(PLANTED, "looks like") | {"divided_twice": "resembles"}  # it leaves no detection
    assert named == {name: (words[name], [name]) for name in PLANTED}
    assert found["divided_twice"]["text"].endswith(f"no detection on these {IMAGES} images.")


def test_without_a_mistake_there_is_nothing_to_explain(bed):
    said = bed.diagnose(bed.own)
    assert (said["verdict"], "reference" in said["text"]) == ("nothing to explain", False)


@pytest.mark.parametrize("name", TOGETHER)
def test_two_mistakes_are_not_named_as_one(bed, name):
    said = bed.diagnose(bed.detect(TOGETHER[name], bed.chosen))
    print(summary(name, said))
    assert said["verdict"] in ("nothing fits", "resembles")


@pytest.mark.parametrize("other", OTHERS)
def test_other_layouts(make_bed, other):
    build, plain, planted = OTHERS[other]
    bed = make_bed(build, plain, FEWER)
    said = {name: bed.diagnose(bed.detect(how, bed.chosen)) for name, how in planted.items()}
    print(*(summary(name, found) for name, found in said.items()), sep="\n")
    assert {name: (found["verdict"], found["names"]) for name, found in said.items()} == {
        name: ("looks like", [name]) for name in planted
    }
    assert bed.diagnose(bed.own)["verdict"] == "nothing to explain"
