"""A config for one ONNX file and one data set, with comments."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutpoint.errors import UserError
from cutpoint.formats.convert import read_category_list
from cutpoint.layouts.layout import Layout
from cutpoint.printable import printable
from cutpoint.records.annotations import read_category_names

COCO = "coco"

PLAIN = re.compile(r"[A-Za-z_./][\w./-]*")
# words that YAML reads as something else
NOT_TEXT = ("null", "true", "false", "yes", "no", "on", "off", "y", "n", "~")
# what a comment shows for an input that nothing says; the user looks it up
EXAMPLES = {
    "input": "input: {resize: letterbox, place: corner, fill: 114, colour: bgr}  # as it was trained",
    "size": "input: {size: [640, 640]}  # height and width that it was trained with",
}


@dataclass(frozen=True)
class Given:
    """What the command line says: the file, the data set, and ``classes`` as the config takes it.

    ``annotation_format``: what ``annotations`` are, as the config's ``format``.
    """

    onnx: str
    images: str
    annotations: str | None
    classes: Any
    annotation_format: str = COCO


def config_text(
    given: Given,
    name: str,
    layout: Layout,
    why: str,
    open_input: str | None,
    classes: Sequence[str],
    precision: str,
) -> str:
    """The config's text.

    Args:
        given: see ``Given``.
        name: of the layout.
        layout: the layout.
        why: how it is known.
        open_input: a key of ``EXAMPLES`` if the config must still say it.
        classes: the class names by label.
        precision: of the file; it names the row.

    Raises:
        UserError: the annotations cannot be read, or no class is a category.
    """
    model = _name(given.onnx)
    half = [f"  # fp16: {{onnx: {_yaml(given.onnx)}, layout: {name}, precision: fp16}}"]
    said = "the names in the file" if given.classes is None else "labels in this order, or by id"
    lines = [
        printable(
            f"# {Path(given.onnx).name} on {Path(given.images).name or given.images}. Run it with", keep=""
        ),
        "#   snakemake --configfile THIS_FILE --cores 4",
        "# config/README.md explains every key.",
        "models:",
        f"  {model}:",
        f"    classes: {_yaml(given.classes)}  # {said}",
        "",
        "datasets:",
        "  images:",
        f"    images: {_yaml(given.images)}",
        f"    annotations: {_yaml(given.annotations)}"
        + ("" if given.annotations else "  # without them there is no AP, only agreement"),
        *([f"    format: {given.annotation_format}"] if given.annotation_format != COCO else []),
        *_dataset_lines(given, classes),
        "",
        "variants:",
        f"  {precision}:",
        f"    onnx: {_yaml(given.onnx)}",
        f"    layout: {name}  # {printable(why, keep='')}",
        *([f"    # {EXAMPLES[open_input]}"] if open_input else []),
        "  # Other rows for the same table; take the # away and name them in the evaluation:",
        "  # pt: {results: predictions.json}  # what the original gave; a good reference",
        *(half if precision == "fp32" else []),
        f"  # threshold: {{onnx: {_yaml(given.onnx)}, layout: {name}, "
        f"recipe: {{base: {layout.recipe}, score_thr: 0.25}}}}",
        "",
        "evaluations:",
        f"  - model: {model}",
        "    dataset: images",
        f"    variants: [{precision}]",
        "    reference: null  # the first variant",
        "",
        "latency: {images: 32}",
    ]
    return "\n".join(lines) + "\n"


def _dataset_lines(given: Given, classes: Sequence[str]) -> list[str]:
    """The keys that the data set needs because its categories are not the classes."""
    if given.annotations is None:
        return []
    categories = _categories(given.annotations, given)
    named = [name for name in classes if name]
    shared = [name for name in categories if name in set(named)]
    if not shared:
        raise UserError(
            f"{given.annotations}: no category is a class of the file: categories "
            f"{', '.join(categories[:5])}; classes {', '.join(named[:5])}; give --classes, the "
            "categories' names in the order of the training"
        )
    lines = []
    if len(shared) < len(set(categories)):
        missing = [name for name in categories if name not in set(named)]
        lines.append(
            "    categories_without_class: leave_out  # or count, as AP 0; no class for "
            f"{printable(', '.join(missing[:3]), keep='')}{' and more' if missing[3:] else ''}"
        )
    return lines


def _categories(annotations: str, given: Given) -> list[str]:
    if given.annotation_format == COCO:
        return read_category_names(annotations, annotations)
    return read_category_list(given.annotation_format, annotations, given.images)


def _name(path: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", Path(path).stem).strip("_") or "model"


def _yaml(value: Any) -> str:
    """A value as YAML in one line."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT:
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    # YAML takes some line ends of Unicode for its own
    return json.dumps(value, ensure_ascii=not str(value).isprintable())
