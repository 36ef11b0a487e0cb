"""Which of mmdet's shipped configs are served, and why the others are not."""

import functools
from collections import Counter
from pathlib import Path

from mmengine.config import Config
from mmengine.utils import get_installed_path

from cutpoint.detector.describe_input import describe_input
from cutpoint.detector.support import find_refusal
from cutpoint.detector.typenames import type_name
from cutpoint.errors import UserError

# Served configs by detector before two-stage and query detectors came: input and head were described.
BEFORE = {
    "ATSS": 6,
    "AutoAssign": 1,
    "DDOD": 1,
    "FCOS": 21,
    "FOVEA": 8,
    "FSAF": 3,
    "GFL": 6,
    "NASFCOS": 2,
    "PAA": 7,
    "RTMDet": 8,
    "RepPointsDetector": 10,
    "RetinaNet": 64,
    "SingleStageDetector": 7,
    "TOOD": 7,
    "VFNet": 13,
    "YOLOF": 2,
    "YOLOV3": 6,
    "YOLOX": 9,
}


@functools.cache
def load_zoo() -> dict[str, Config]:
    """Every config of mmdet that loads and holds a model and a test set, by its path below the configs."""
    root = Path(get_installed_path("mmdet")) / ".mim" / "configs"
    loaded = {}
    for path in sorted(root.glob("[!_]*/**/*.py")):
        try:
            config = Config.fromfile(path)
        except (FileNotFoundError, ImportError):  # a base that is not shipped, or another library's
            continue
        if "model" in config and "test_dataloader" in config:
            loaded[str(path.relative_to(root))] = config
    return loaded


def why_not(config: Config) -> str | None:
    """Why a config is refused before its model is built; null if it is served."""
    reason = find_refusal(config)
    if reason is None:
        try:
            describe_input(config)
        except UserError as error:
            reason = str(error)
    return reason


def section() -> str:
    """Served configs by detector, and the reasons for the others, as a section of docs/heads.md."""
    reasons = {name: why_not(config) for name, config in load_zoo().items()}
    detectors = {name: type_name(config.model.type) for name, config in load_zoo().items()}
    shipped = Counter(detectors.values())
    served = Counter(detectors[name] for name, reason in reasons.items() if reason is None)
    rows = [
        f"| {detector} | {count} | {BEFORE.get(detector, 0)} | {served[detector]} |"
        for detector, count in sorted(shipped.items(), key=lambda item: (-item[1], item[0]))
    ]
    total = f"| all | {shipped.total()} | {sum(BEFORE.values())} | {served.total()} |"
    refused = Counter(reason for reason in reasons.values() if reason)
    listed = [
        f"- {count}: {reason}." for reason, count in sorted(refused.items(), key=lambda i: (-i[1], i[0]))
    ]
    return SECTION.format(rows="\n".join([total, *rows]), refused="\n".join(listed))


SECTION = """## Configs that mmdet ships

Served are configs whose detector and input Cutpoint reproduces, as `src/cutpoint/detector/support_tables.py`
and the input recipe say before anything is built. Configs that do not load are left out: they need another
library, or a base that is not shipped. `before` counts the version without two-stage and query detectors.

| detector | shipped | before | served |
| --- | ---: | ---: | ---: |
{rows}

Why the others are refused, with the number of configs:

{refused}
"""
