"""The reports that the tests open, by name: each a function of an empty folder.

``plain`` has a failed gate, a failed export, and a data set without annotations beside two with them.
"""

from collections.abc import Callable
from itertools import islice, product
from pathlib import Path

from page_fixtures import GATE_CHECKS, disturbed, page_arguments, with_flags
from report_fixtures import VARIANTS

STREET = {"street": True}
# what a name must not do: end an element, run, leave an attribute, start a formula, break a line, move the
# cursor, turn the text round, be wide
HOSTILE = "</script></style><img src=x onerror=alert(1)>"
QUOTES = """'"><svg onload=alert(2)>&amp;`${alert(3)}"""
LONG = "=cmd()|' /C calc'!A0\n\x1b[2J\x00\u202e" + "averylongnamewithoutanyspace" * 8
CHINESE = ("行人", "汽车", "交通信号灯（红色）")


def unlabelled(root: Path) -> dict:
    return page_arguments(root, gate=(), datasets={"unlabelled": False})


def forty(root: Path) -> dict:
    """40 variants whose names are long, half of them lossless."""
    cuts, precisions, recipes = ("raw", "decoded", "e2e"), ("fp32", "fp16"), range(6)
    shapes = ("", "-608x608", "-800x1344-trained")
    made: dict[str, dict] = {"pytorch": VARIANTS["pytorch"]}
    for number, (recipe, cut, precision, shape) in enumerate(
        islice(product(recipes, cuts, precisions, shapes), 39)
    ):
        name = f"{cut}-{precision}{shape}" + (f"-seed-recipe-{recipe}" if recipe else "")
        judged = ("different", [-0.002 * number, -0.001 * number]) if number % 2 else ("lossless", [0.0, 0.0])
        ap = -0.0015 * number if number % 2 else 0.0
        cells = {"runtime": "onnxruntime", "cut": cut, "precision": precision, "ap": ap, "judged": judged}
        made[name] = cells
    return page_arguments(root, gate=(), datasets=STREET, variants=made)


def single(root: Path) -> dict:
    return page_arguments(root, gate=(), datasets=STREET, variants={"pytorch": VARIANTS["pytorch"]})


def all_disturbed(root: Path) -> dict:
    arguments = page_arguments(root, gate=GATE_CHECKS[:1], datasets=STREET)
    return with_flags(arguments, root, "street", **dict.fromkeys(VARIANTS, disturbed(1.7)))


def failed_export(root: Path) -> dict:
    """One export is out of tolerance, one variant has no detections at all."""
    arguments = page_arguments(root, gate=(), datasets=STREET)
    refused = {"refused": f"NaN in boxes of {HOSTILE}", "AP": None, "verdict": None, "delta_AP": None}
    return with_flags(arguments, root, "street", e2e=refused)


def chinese(root: Path) -> dict:
    return page_arguments(root, gate=(), classes=CHINESE, file_name="图像 {:03d} 夜间.jpg")


def hostile(root: Path) -> dict:
    arguments = page_arguments(
        root,
        datasets=STREET | {"unlabelled": False},
        classes=(HOSTILE, QUOTES, LONG),
        file_name=HOSTILE + "{}.jpg",
    )
    named = {
        "doubtful": (QUOTES, HOSTILE, LONG),
        "layout": HOSTILE,
        "recipe": f"mmdet3+{QUOTES}",
        "notes": LONG,
    }
    arguments["config"]["models"] = {HOSTILE: {"config": QUOTES, "checkpoint": LONG}}
    return with_flags(arguments, root, "street", raw=named, e2e={"recipe": LONG})


CASES: dict[str, Callable[[Path], dict]] = {
    "plain": page_arguments,
    "unlabelled": unlabelled,
    "forty": forty,
    "single": single,
    "disturbed": all_disturbed,
    "failed_export": failed_export,
    "chinese": chinese,
    "hostile": hostile,
}
