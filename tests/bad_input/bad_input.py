"""A small sound project, ways to spoil it, and what the preflight says of it, in one process."""

import json
import shutil
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cutpoint.detector.inspection import inspect_model
from cutpoint.errors import UserError, UserErrors
from cutpoint.formats.convert import convert_annotations
from cutpoint.plan.digests import Digests
from cutpoint.plan.inspections import (
    conversion_settings,
    dataset_settings,
    external_settings,
    gather_settings,
    mmdet_settings,
    naming_findings,
    odd_settings,
)
from cutpoint.plan.make import Project, make_project
from cutpoint.plan.paths import (
    FINDINGS_FILE,
    conversion_file,
    dataset_findings,
    model_findings,
    odd_folder,
)
from cutpoint.preflight.datasets import inspect_dataset
from cutpoint.preflight.gather import gather_findings
from cutpoint.preflight.models import inspect_external
from cutpoint.preflight.passed import check_passed
from cutpoint.report.oddities import show_oddities

ROOT = Path(__file__).resolve().parents[2]
# stands for the project's folder in messages
FOLDER = "FOLDER"
CONFIG_FILE, ANNOTATIONS, RESULTS, SLICES = "config.yaml", "truth.json", "results.json", "slices.csv"
CONFIG = """\
device: cpu
models:
  demo: {config: detector/atss_traffic.py, checkpoint: detector/atss_traffic.pth}
  theirs: {}
datasets:
  street: {images: images, annotations: truth.json, slices: slices.csv}
  plain: {images: plain, annotations: null}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  e2e: {runtime: onnxruntime, cut: e2e}
  finished: {results: results.json}
  small: {onnx: small.onnx}
evaluations:
  - {model: demo, dataset: street, variants: [pytorch, raw, e2e, finished], ladder: [raw, e2e]}
  - {model: demo, dataset: plain, variants: [pytorch, raw]}
  - {model: theirs, dataset: street, variants: [small]}
"""
NAMES = ("pedestrian", "non-motor-vehicle", "motor-vehicle", "other")
SIDE = 64
IMAGES = {1: ("1.png", 64, 48), 2: ("2.jpg", 60, 60), 3: ("3.png", 40, 64)}  # id: name, width, height

Change = Callable[[Path], object]


@dataclass(frozen=True)
class BadInput:
    """An input that is refused.

    Attributes:
        name: of the test.
        what: the input, in words of the table.
        change: spoils the sound project in a folder.
        message: what the preflight says, a line for each problem; FOLDER stands for the project's folder.
    """

    name: str
    what: str
    change: Change
    message: str


def edit(path: str, old: str, new: str) -> Change:
    """Replace a text that is there once."""

    def change(folder: Path) -> None:
        text = (folder / path).read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        (folder / path).write_text(text.replace(old, new))

    return change


def edit_config(old: str, new: str) -> Change:
    """Replace a text of the config that is there once."""
    return edit(CONFIG_FILE, old, new)


def edit_json(path: str, mutate: Callable[[Any], object]) -> Change:
    """Change the content of a JSON file in place."""

    def change(folder: Path) -> None:
        content = json.loads((folder / path).read_text())
        mutate(content)
        (folder / path).write_text(json.dumps(content))

    return change


def write(path: str, content: str | bytes) -> Change:
    """Write a file anew."""
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / path).write_bytes(raw)


def find_problems(folder: Path) -> list[str]:
    """What the preflight says of the project in a folder: a message for each problem."""
    with chdir(folder):
        try:
            config = yaml.safe_load(Path(CONFIG_FILE).read_text())
            _inspect(make_project(config, [CONFIG_FILE], clone=ROOT, digests=Digests("digests.json")))
        except UserErrors as errors:
            found = list(errors.messages)
        except UserError as error:
            found = [str(error)]
        else:
            found = []
    return [message.replace(str(folder), FOLDER) for message in found]


def _inspect(project: Project) -> None:
    """Do what the rules of the preflight do."""
    plan, config = project.plan, project.config
    for dataset in plan.datasets:
        record = conversion_file(dataset)
        if record:
            made = {"out": dataset.annotations, "record": record}
            convert_annotations(dataset=dataset.name, **conversion_settings(dataset), **made)
        settings = dataset_settings(dataset, config)
        inspect_dataset(dataset=dataset.name, **settings, out=dataset_findings(dataset))
        odd = odd_folder(dataset)
        if odd:
            show_oddities(dataset=dataset.name, **odd_settings(dataset, config), out_dir=odd)
    for model in plan.models:
        out = model_findings(model)
        if model.is_external:
            settings = external_settings(plan, model)
            inspect_external(model=model.name, **settings, datasets=naming_findings(plan, model), out=out)
        else:
            imports = config["imports"]
            inspect_model(model=model.name, **mmdet_settings(model), imports=imports, out=out)
    gather_findings(**gather_settings(plan, config, remote=False), out=FINDINGS_FILE)
    check_passed(FINDINGS_FILE)


def write_project(folder: Path) -> None:
    """Write the sound project."""
    (folder / CONFIG_FILE).write_text(CONFIG)
    shutil.copytree(ROOT / "config/demo", folder / "detector")
    shutil.copy2(ROOT / "data/demo/atss_traffic.pth", folder / "detector")
    for name in ("images", "plain"):
        (folder / name).mkdir()
    for identity, (name, width, height) in IMAGES.items():
        pixels = np.random.default_rng(identity).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / name)
    Image.fromarray(pixels).save(folder / "plain/alone.png")
    (folder / ANNOTATIONS).write_text(json.dumps(_annotations()))
    (folder / RESULTS).write_text(json.dumps(_results()))
    lines = [f"{name},time,{'day' if identity < 3 else 'night'}" for identity, (name, *_) in IMAGES.items()]
    (folder / SLICES).write_text("\n".join(["image,name,value", *lines, ""]))
    onnx.save(small_model(), folder / "small.onnx")


def _annotations() -> dict[str, Any]:
    """Two boxes of different categories in each image."""
    boxes = [(image, category) for image in IMAGES for category in (image, 4)]
    return {
        "images": [
            {"id": identity, "file_name": name, "width": width, "height": height}
            for identity, (name, width, height) in IMAGES.items()
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": category,
                "bbox": [4.0 * category, 5.0, 20.0, 22.0],
                "area": 440.0,
                "iscrowd": 0,
            }
            for number, (image, category) in enumerate(boxes, start=1)
        ],
    }


def _results() -> list[dict[str, Any]]:
    """Every box of the annotations, one pixel beside it."""
    return [
        {
            "image_id": box["image_id"],
            "category_id": box["category_id"],
            "bbox": [box["bbox"][0] + 1, *box["bbox"][1:]],
            "score": 0.9 - 0.05 * number,
        }
        for number, box in enumerate(_annotations()["annotations"])
    ]


def small_model() -> onnx.ModelProto:
    """A file as Ultralytics writes it: a box for each cell of a grid, with scores of its mean colour."""
    rng, cell = np.random.default_rng(0), 16
    cells = SIDE // cell
    centres = (np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), 0) + 0.5) * cell
    sizes = rng.uniform(cell, 3 * cell, (2, cells, cells))
    values = {
        "weight": rng.normal(0, 8, (len(NAMES), 3, 1, 1)),
        "boxes": np.concatenate([centres, sizes]).reshape(1, 4, -1),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in values.items()]
    tensors.append(numpy_helper.from_array(np.array([1, len(NAMES), -1]), "shape"))
    nodes = [
        helper.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[cell] * 2, strides=[cell] * 2),
        helper.make_node("Conv", ["cells", "weight"], ["maps"]),
        helper.make_node("Reshape", ["maps", "shape"], ["columns"]),
        helper.make_node("Sigmoid", ["columns"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + len(NAMES), cells * cells])
    graph = helper.make_graph(nodes, "small", [image], [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {"names": str(dict(enumerate(NAMES))), "imgsz": str([SIDE, SIDE]), "stride": "32"}
    helper.set_model_props(model, metadata | {"task": "detect", "batch": "1"})
    return model
