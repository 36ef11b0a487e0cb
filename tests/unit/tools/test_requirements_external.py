"""The light set-up is the part of the lock that models without mmdet need, and nothing that imports torch."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location(
    "requirements_external", ROOT / "tools/requirements_external.py"
)
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


def test_the_file_is_what_the_tool_writes():
    assert (ROOT / "requirements-external.txt").read_text() == tool.requirements(), "run `make environment`"


def test_it_is_a_part_of_the_lock():
    lock = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().split())
    light = dict(line.split("==") for line in (ROOT / "requirements-external.txt").read_text().split())
    other = {name: version for name, version in light.items() if lock.get(name) != version}
    assert other == {"onnxruntime": lock["onnxruntime-gpu"]}
    assert not {"torch", "mmdet", "mmengine", "mmcv-lite", "onnxscript", "pytest", "mypy"} & set(light)
    assert {"snakemake", "setuptools", "numpy", "onnx", "pycocotools", "opencv-python"} <= set(light)
