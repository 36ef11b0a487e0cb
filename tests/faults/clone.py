"""A clone in a folder of its own, without downloads and results."""

import shutil
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "workflow", "src", "config", "profiles", "data/sources.tsv")


def copy_clone(folder: Path, parts: Iterable[str] = PARTS) -> None:
    """Copy these parts of the clone into an empty folder; the demo's data are a link."""
    for part in parts:
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(ROOT / part, target)
    (folder / "data/demo").symlink_to(ROOT / "data/demo")
