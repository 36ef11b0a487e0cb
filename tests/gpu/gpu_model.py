"""The detector that the tests on a GPU use: the demo's."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "config": str(ROOT / "config/demo/atss_traffic.py"),
    "checkpoint": str(ROOT / "data/demo/atss_traffic.pth"),
}
