"""What is fuzzed: sound seeds, how they are spoilt, what reads them, and what makes a result right."""

import random
import re
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import cv2
import format_targets
import mutate
import mutate_text
import numpy as np
import odd_targets
import yaml
from bad_input import ANNOTATIONS, CONFIG_FILE, RESULTS, ROOT, SLICES, write_project
from demands import demand
from tiny import input_recipe

from cutpoint.data.headers import read_header
from cutpoint.data.image import decode, prepare
from cutpoint.data.manifest import build_manifest
from cutpoint.data.slices import build_slices
from cutpoint.data.truth import build_truth, map_labels
from cutpoint.errors import UserError
from cutpoint.evaluate.coco import evaluate
from cutpoint.export.import_external import import_external
from cutpoint.layouts.naming import name_classes
from cutpoint.plan.digests import Digests
from cutpoint.plan.make import make_project
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.results_file import import_results
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import read_valid
from cutpoint.records.classes import Classes, write_classes
from cutpoint.records.detections import Refused, read_results
from cutpoint.records.manifest import read_manifest
from cutpoint.records.metrics import SUMMARY, read_metrics
from cutpoint.records.slices import list_slices
from cutpoint.records.truth import read_truth

NAMES = ("pedestrian", "non-motor-vehicle", "motor-vehicle", "other")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# a message is for people
LONGEST_MESSAGE = 20_000


@dataclass(frozen=True)
class Target:
    """A kind of input.

    Attributes:
        what: in words of the table.
        seeds: sound inputs, from the folder of a sound project.
        spoil: changes an input.
        read: reads an input in a folder, and demands that the result is right.
    """

    what: str
    seeds: Callable[[Path], list[bytes]]
    spoil: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path, bytes], None]


def prepare_folder(folder: Path) -> None:
    """Write the sound project, and what the readers need besides the input."""
    write_project(folder)
    with chdir(folder):
        _manifest()
        write_classes("classes.json", Classes("theirs", NAMES, fixed=True))
        _labels()
        _truth()


def run(target: Target, folder: Path, raw: bytes) -> bool:
    """Read an input; whether it was sound.

    Raises:
        NotRight: a wrong result, or a message that is none for people.
        Exception: whatever the reader raises besides ``UserError``.
    """
    with chdir(folder):
        try:
            target.read(folder, raw)
        except UserError as error:
            said = str(error)
            demand(bool(said.strip()), "an empty message")
            demand(len(said) < LONGEST_MESSAGE, f"a message of {len(said)} characters")
            demand(not CONTROL.search(said), f"control characters in a message: {said[:300]!r}")
            demand("Traceback" not in said, "a traceback in a message")
            return False
    return True


def choose(target: Target, seeds: list[bytes], number: int, name: str) -> bytes:
    """The input of this number: always the same."""
    rng = random.Random(f"{name} {number}")
    return target.spoil(rng.choice(seeds), rng)


def _manifest(annotations: str | None = ANNOTATIONS, out: str = "manifest.json") -> None:
    build_manifest(dataset="street", images="images", annotations=annotations, limit=None, out=out)


def _labels(manifest: str = "manifest.json", out: str = "labels.json") -> None:
    map_labels(manifest=manifest, spec="classes.json", classes=None, order=None, out=out)


def _truth(manifest: str = "manifest.json", labels: str = "labels.json", out: str = "gt.json") -> None:
    choices = {"invalid_boxes": None, "categories_without_class": "leave_out"}
    build_truth(manifest=manifest, labels=labels, **choices, out=out)


def _score(truth: str, detections: str) -> None:
    evaluate(truth=truth, detections=detections, out="metrics.json")
    found = read_metrics("metrics.json")
    numbers = [getattr(found, name) for name in SUMMARY]
    numbers += [value for line in found.per_class for value in (line.AP, line.AP50)]
    demand(all(value is None or 0 <= value <= 1 for value in numbers), f"metrics {numbers}")


def read_coco(folder: Path, raw: bytes) -> None:
    """Manifest, labels, ground truth, and the sound results scored on it."""
    Path("given.json").write_bytes(raw)
    _manifest("given.json", "own.json")
    listed = read_manifest("own.json")
    for image in listed.images:
        path = Path(image.path).resolve()
        demand(path.is_file() and path.is_relative_to(folder / "images"), f"an image at {image.path}")
    _labels("own.json", "own-labels.json")
    _truth("own.json", "own-labels.json", "own-gt.json")
    truth = read_truth("own-gt.json")
    demand(bool(np.isfinite(truth.bbox).all() and (truth.bbox[:, 2:] > 0).all()), "boxes without a size")
    demand(bool(np.isfinite(truth.area).all() and (truth.area >= 0).all()), "areas that are none")
    demand(len(set(truth.image_ids)) == len(truth.images), "an image twice")
    _score("own-gt.json", RESULTS)


def read_format(kind: str) -> Callable[[Path, bytes], None]:
    """Annotations of a format: converted, then read as COCO JSON is."""

    def read(folder: Path, raw: bytes) -> None:
        format_targets.convert(folder, kind, raw)
        read_coco(folder, Path(format_targets.CONVERTED).read_bytes())

    return read


def read_their_results(folder: Path, raw: bytes) -> None:
    """Detections of a results file, scored."""
    Path("given.json").write_bytes(raw)
    import_results(
        variant="theirs", results="given.json", manifest="manifest.json", labels="labels.json", out="det.json"
    )
    found = read_results("det.json")
    demand(
        bool(np.isfinite(found.bbox).all() and np.isfinite(found.score).all()), "boxes that are not finite"
    )
    demand(set(found.image_id.tolist()) <= {1, 2, 3}, "images that do not exist")
    demand(set(found.category_id.tolist()) <= {1, 2, 3, 4}, "categories that do not exist")
    _score("gt.json", "det.json")


def read_their_slices(folder: Path, raw: bytes) -> None:
    """Slices of the sound data set."""
    Path("given.csv").write_bytes(raw)
    build_slices(dataset="street", slices="given.csv", manifest="manifest.json", out="slices.json")
    for part in list_slices("slices.json"):
        demand(bool(part.name and part.value and part.images), f"an empty slice {part}")
        demand(set(part.images) <= {1, 2, 3}, f"images of {part}")
        demand(not CONTROL.search(part.name + part.value), f"control characters in {part}")


def read_image(folder: Path, raw: bytes) -> None:
    """An image by its header, decoded, and prepared; by OpenCV alone it is the same."""
    Path("given.png").write_bytes(raw)
    header = read_header("given.png")
    image = decode("given.png")
    demand(image.shape == (header.height, header.width, 3), f"{image.shape} pixels, {header} by its header")
    alone = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    demand(alone is not None and np.array_equal(image, alone), "other pixels than OpenCV's")
    tensor, geometry = prepare(image, input_recipe())
    demand(bool(np.isfinite(tensor).all()), "pixels that are not finite")
    demand((geometry.height, geometry.width) == image.shape[:2], f"{geometry}")


def read_config(folder: Path, raw: bytes) -> None:
    """A plan. What is no YAML is refused by Snakemake, which reads the file."""
    Path(CONFIG_FILE).write_bytes(raw)
    try:
        config = yaml.safe_load(raw)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise UserError("not YAML") from error
    if not isinstance(config, dict):
        raise UserError("Snakemake: a config is a mapping")
    project = make_project(config, [CONFIG_FILE], clone=ROOT, digests=Digests("digests.json"))
    names = [model.name for model in project.plan.models] + [data.name for data in project.plan.datasets]
    names += [variant.name for e in project.plan.evaluations for variant in e.variants]
    for name in names:
        demand(bool(re.fullmatch(r"[A-Za-z0-9_-]+", name)), f"the name {name!r}")


def read_onnx(folder: Path, raw: bytes) -> None:
    """An external file: its classes and layout, imported, and run on an image."""
    Path("given.onnx").write_bytes(raw)
    name_classes(model="theirs", classes="null", files=["given.onnx"], manifests=[], out="own-classes.json")
    import_external(
        model="theirs",
        onnx="given.onnx",
        layout=None,
        written={},
        classes="own-classes.json",
        candidate_floor=None,
        out="own.onnx",
        out_spec="own-spec.json",
    )
    pipeline = OnnxPipeline(Session("own.onnx", "cpu", 1))
    tensor, geometries = pipeline.batch(
        [pipeline.prepare(decode("images/1.png"))] * (pipeline.fixed_batch or 1)
    )
    demand(tensor.nbytes < 2**30, f"an input of {tensor.shape}")
    try:
        found = read_valid(pipeline, pipeline.infer(tensor, *geometries), geometries[0], 0)
    except Refused as refused:
        raise UserError(str(refused)) from refused
    demand(bool(np.isfinite(found.boxes).all()), "boxes that are not finite")


def files(*names: str) -> Callable[[Path], list[bytes]]:
    """Files of the sound project as seeds."""
    return lambda folder: [(folder / name).read_bytes() for name in names]


def images(folder: Path) -> list[bytes]:
    """The project's images, and the same pixels in other formats."""
    pixels = cv2.imread(str(folder / "images/1.png"))
    made = [
        cv2.imencode(ending, array)[1].tobytes()
        for ending, array in (
            (".jpg", pixels),
            (".png", pixels[..., 0]),
            (".png", pixels.astype(np.uint16) * 257),
            (".bmp", pixels),
            (".webp", pixels),
            (".tiff", pixels),
        )
    ]
    return files("images/1.png", "images/2.jpg")(folder) + made


def configs(folder: Path) -> list[bytes]:
    """The project's config, and one with most keys that a config may have."""
    return [*files(CONFIG_FILE)(folder), Path(__file__).with_name("rich_config.yaml").read_bytes()]


SPOILERS = {
    "yolo": mutate_text.spoil_lines,
    "yolo_yaml": mutate.spoil_yaml,
    "voc": mutate_text.spoil_xml,
    "kitti": mutate_text.spoil_lines,
    "bdd100k": mutate.spoil_json,
    "cvat": mutate_text.spoil_xml,
}
TARGETS = {
    "config": Target("a config becomes a plan", configs, mutate.spoil_yaml, read_config),
    "annotations": Target(
        "COCO annotations are listed, mapped and scored", files(ANNOTATIONS), mutate.spoil_json, read_coco
    ),
    "oddities": Target(
        "what is odd in COCO annotations",
        odd_targets.odd_annotations,
        mutate.spoil_json,
        odd_targets.read_odd,
    ),
    **{
        kind: Target(f"annotations as {kind} has them", seeds, SPOILERS[kind], read_format(kind))
        for kind, seeds in format_targets.SEEDS.items()
    },
    "results": Target(
        "a results file is read and scored", files(RESULTS), mutate.spoil_json, read_their_results
    ),
    "slices": Target("slices of a data set", files(SLICES), mutate.spoil_csv, read_their_slices),
    "images": Target(
        "bytes of an image: header, pixels, network input", images, mutate.spoil_bytes, read_image
    ),
    "onnx_metadata": Target(
        "what an ONNX file says of itself: classes, layout, size; then it runs",
        files("small.onnx"),
        mutate.spoil_metadata,
        read_onnx,
    ),
    "onnx_graph": Target(
        "graph and bytes of an ONNX file: read, imported, run",
        files("small.onnx"),
        mutate.spoil_graph,
        read_onnx,
    ),
}
