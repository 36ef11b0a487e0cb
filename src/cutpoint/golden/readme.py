"""The ``README.md`` of a golden pack, for people who port a detector and have no data set there."""

import json
from pathlib import Path
from typing import Any

from cutpoint.printable import markdown_text, printable
from cutpoint.records.head import KINDS

REFUSED = """# Golden pack: {model}, variant {variant}

This variant has no detections, so there is nothing to check a port with: {refused}
"""
TEXT = """# Golden pack: {model}, variant {variant}

You port this detector to a phone, a camera, a Jetson, or to another language. This folder has {count}
image(s) and all that the detector computes of them, from the file to the final boxes. Run your port on the
same images, write down what it computes, and compare:

    python check.py PACK PORT

`PACK` is this folder. `PORT` is what your port computes. `check.py` needs Python 3.9 or newer and numpy. It
compares stage by stage, and names the first step that differs and the reason that the numbers prove. Its
exit code is 0 (the port agrees), 1 (it differs) or 2 (something cannot be read). `python check.py PACK PACK`
shows what agreement looks like. If your port runs in half precision or with 8-bit numbers, add `--precision
fp16` or `--precision int8`.

## What is in it

| file | content |
|---|---|
| `images/` | the images, as they are in the data set |
| `image1.npz`, ... | the arrays of each image, see below ({size}) |
| `pack.json` | the recipe with every parameter, the sizes of each image, the tolerances and their reasons |
| `check.py` | the checker |

The ONNX file: `{onnx}`, cut `{cut}`, {precision}, sha256 `{sha256}`.{made_from}

## What to give

Give any of these stages, for one image or more. The more you give, the nearer is the place that is named.
Final boxes alone are compared with recipes in which one step is changed or left out, and with the final boxes
that usual mistakes in the input give.

| key | type and shape on `image1` | what it is |
|---|---|---|
{rows}
Put them into a folder as `image1.npz` (one file an image, the keys as names), or as `image1.input.npy`, or
into one JSON file: `{{"image1": {{"input": [...], "detections": {{"boxes": [...], ...}}}}}}`. Final boxes can
also be one JSON list in COCO's results format: `image_id`, `category_id`, `bbox` (x, y, width, height) and
`score`. The image ids are {ids}.

`labels` are class numbers from 0: {classes}. `category_id` is `categories` of `pack.json`.

## From the image to the input tensor

Colours in the tensor: {channels}. Type: {dtype}. Axes: {axes}. A value is (pixel - mean) / std, where pixels
are 0 to 255, the mean is {mean} and the std is {std}. This is the whole recipe:

```json
{input}
```

`geometry` of each image in `pack.json` says what becomes of its size: `resized_*` is the image after the
resize, `left` and `top` the padding before it, `padded_*` the tensor. `scale_x`, `scale_y` are resized /
original.

## From the outputs to the boxes

{steps}

## How much may differ

| stage | tolerance | why |
|---|---|---|
{tolerances}
"""
STEPS = """{candidates} These steps turn them into detections in pixels of the
original image:

{listed}"""
PAIRS = """The candidates are all pairs of a {place} and a class with a {quantity} score {above} {value:g},
with their boxes in pixels of the network input."""
BEST_PAIRS = """The candidates are the {pairs} best pairs of a {place} and a class, and the best class of
every {place} that is among the {pairs} best, with their boxes in pixels of the network input."""
ROWS = "The graph ends in rows of boxes, scores and labels, as many as `count` says."
WORDS = {
    "pixels": "the decoded image: red, green, blue, 0 to 255. The pack has its means only",
    "input": "the input tensor, exactly as the file takes it",
    "image_sizes": "the second input: clip height, clip width, scale y, scale x",
    "output.priors": "where a row comes from; the rows are ranks, and rows of equal numbers are compared",
    "output": "an output of the graph",
    "candidates": "boxes (N, 4), scores (N,), labels (N,); also `.factors`, `.priors`, `.levels`",
    "step": "the same after `{step}`",
    "detections": "the final boxes (x1, y1, x2, y2) in pixels of the original image",
}


def readme_of(pack: dict[str, Any], folder: Path) -> str:
    """The text for a pack; ``folder`` has its arrays already."""
    if "refused" in pack:
        return REFUSED.format(**pack)
    size = sum(path.stat().st_size for path in folder.glob("*.npz"))
    recipe = pack["input"]
    named = [name for name in pack["classes"] if name]
    return TEXT.format(
        model=pack["model"],
        variant=pack["variant"],
        count=len(pack["images"]),
        size=f"{size / 1e6:.1f} MB together",
        onnx=printable(pack["onnx"]["name"].replace("`", "'"), keep=""),
        sha256=pack["onnx"]["sha256"],
        made_from=_made_from(pack),
        cut=pack["cut"],
        precision=pack["precision"],
        rows="".join(_key_rows(pack)),
        ids=", ".join(str(image["image_id"]) for image in pack["images"]),
        classes=f"0 is {markdown_text(named[0])}, of {len(named)} classes"
        if named
        else "the classes have no names",
        channels=recipe["channels"],
        dtype=recipe["dtype"],
        axes=recipe["axes"],
        mean=_numbers(recipe["mean"]),
        std=_numbers(recipe["std"]),
        input=json.dumps(recipe["recipe"], indent=1),
        steps=_steps(pack),
        tolerances="\n".join(_tolerances(pack)),
    )


def _made_from(pack: dict[str, Any]) -> str:
    external = pack["onnx"]["made_from"]
    if not external:
        return ""
    return f" It was made from `{external}`: nodes behind its outputs turn them into the outputs named below."


def _key_rows(pack: dict[str, Any]) -> list[str]:
    keys = ["pixels", "input", *pack["other_inputs"], *(f"output.{name}" for name in pack["outputs"])]
    keys += ["candidates", *(f"step{number}" for number in range(1, len(pack["recipe"]) + 1)), "detections"]
    lines = []
    for key in keys:
        kind = next(kind for kind in WORDS if key.startswith(kind))
        step = pack["recipe"][int(key[len("step") :]) - 1]["step"] if kind == "step" else ""
        many = kind in ("candidates", "step", "detections")
        name = f"`{key}.boxes`, `.scores`, `.labels`" if many else f"`{key}`"
        form = pack["arrays"].get(f"{key}.boxes" if many else key, "uint8 (height, width, 3)")
        lines.append(f"| {name} | {form} | {WORDS[kind].format(step=step)} |\n")
    return lines


def _steps(pack: dict[str, Any]) -> str:
    listed = "\n".join(
        f"{number}. `{step['step']}`{_parameters(step)}"
        for number, step in enumerate(pack["recipe"], start=1)
    )
    candidates = ROWS
    if pack["cut"] != "e2e":
        floor = pack["floor"]
        above = "of at least" if floor["inclusive"] else "above"
        quantity = "class" if floor["quantity"] == "class" else "class x factor"
        text = BEST_PAIRS if "pairs" in floor else PAIRS
        words = {"quantity": quantity, "above": above, "place": KINDS[pack["kind"]].place}
        candidates = text.format(**words, **{key: floor[key] for key in ("value", "pairs") if key in floor})
    elif pack["recipe_in_graph"] is not None:
        candidates += f" The post-processing in it is {json.dumps(pack['recipe_in_graph'])}."
    return STEPS.format(candidates=candidates, listed=listed) if listed else f"{candidates} They are final."


def _parameters(step: dict[str, Any]) -> str:
    values = {key: value for key, value in step.items() if key != "step"}
    return (
        f" with {', '.join(f'{key} {json.dumps(value)}' for key, value in values.items())}" if values else ""
    )


def _tolerances(pack: dict[str, Any]) -> list[str]:
    tolerances = pack["tolerances"]
    rows = {key: tolerances[key] for key in ("pixels", "input", "candidates", "detections")}
    lines = [f"| {key} | {_limits(value)} | {value['why']} |" for key, value in rows.items()]
    outputs = list(tolerances["outputs"].values())
    if outputs:
        spreads = sorted(value["spread"] for value in outputs)
        shown = f"spread {spreads[0]:.2g} to {spreads[-1]:.2g}"
        lines.insert(2, f"| outputs | {shown} | {outputs[0]['why']} |")
    return lines


def _limits(tolerance: dict[str, Any]) -> str:
    return ", ".join(f"{name} {limit:.3g}" for name, limit in tolerance.items() if name != "why")


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
