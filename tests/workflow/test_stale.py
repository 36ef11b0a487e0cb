"""A changed input, however it was changed, makes again exactly what depends on it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from snake import ROOT, Result, copy_project, finish, run_snakemake

pytestmark = pytest.mark.slow

CONFIG = """\
device: cpu
imports: [mine.hooks]
models:
  demo: {config: config/mine/atss.py, checkpoint: weights/atss.pth}
datasets:
  traffic: {images: street/images, annotations: street/instances.json, limit: 12}
  calibration: {images: other/images, annotations: null}
variants:
  pytorch: {runtime: pytorch, cut: e2e}
  raw: {runtime: onnxruntime, cut: raw}
  int8: {runtime: onnxruntime, cut: raw, precision: int8, calibration: {dataset: calibration, images: 4}}
  given: {results: theirs/detections.json}
  theirs:
    runtime: onnxruntime
    cut: e2e
    onnx: theirs/model.onnx
    outputs: {box: {tensor: boxes}, score: {tensor: scores, activated: true}, label: {tensor: labels}}
evaluations:
  - {model: demo, dataset: traffic, variants: [pytorch, raw, int8, given, theirs]}
"""
EXPORTS = {"describe_model", "trace_model", "to_int8", "export_onnx", "import_onnx", "verify_export"}
RUNS = {"predict", "predict_pytorch", "time_variants"}
SCORES = {"evaluate", "resample", "measure_operating_points", "compare", "summarize", "render_report"}


def write_external_model(path: Path) -> None:
    """A graph whose one tensor lies in a file beside it."""
    weight = numpy_helper.from_array(np.ones((4, 3), np.float32), "weight")
    outputs = [
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in (("boxes", TensorProto.FLOAT), ("scores", 1), ("labels", TensorProto.INT64))
    ]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["b", 3, "h", "w"])
    nodes = [helper.make_node("Identity", ["weight"], ["boxes"])]
    graph = helper.make_graph(nodes, "theirs", [image], outputs, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    settings = {"all_tensors_to_one_file": True, "location": "model.onnx.data", "size_threshold": 0}
    onnx.save_model(model, path, save_as_external_data=True, **settings)


def write_inputs(folder: Path) -> None:
    """A project whose inputs are files of its own."""
    demo = ROOT / "data/demo"
    shutil.copytree(demo / "traffic", folder / "street")
    shutil.copytree(demo / "traffic_unlabelled", folder / "other")
    (folder / "weights").mkdir()
    shutil.copy(demo / "atss_traffic.pth", folder / "weights/atss.pth")
    (folder / "config/mine").mkdir()
    (folder / "config/mine/atss.py").write_text('_base_ = ["./base.py"]\n')
    (folder / "config/mine/base.py").write_text('_base_ = ["../demo/atss_traffic.py"]\n')
    (folder / "mine").mkdir()
    (folder / "mine/__init__.py").touch()
    (folder / "mine/hooks.py").write_text("VALUE = 1\n")
    (folder / "theirs").mkdir()
    (folder / "theirs/detections.json").write_text("[]")
    write_external_model(folder / "theirs/model.onnx")
    (folder / "config/config.yaml").write_text(CONFIG)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every output is there, empty, and recorded as up to date."""
    folder = copy_project(tmp_path_factory.mktemp("stale"))
    write_inputs(folder)
    return finish(folder)


@pytest.fixture
def plan(finished: Path, tmp_path: Path) -> Callable[..., Result]:
    """Plan again after a change to a copy."""
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)

    def run(change: Callable[[Path], None]) -> Result:
        change(folder)
        return run_snakemake(folder, "--dry-run")

    return run


def in_place(path: Path, content: bytes) -> None:
    """Other bytes in the same file, with its times put back."""
    times = path.stat()
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def by_an_older_file(path: Path, content: bytes) -> None:
    """As ``mv`` or a synchronised folder does."""
    other = path.with_name(path.name + ".old")
    other.write_bytes(content)
    os.utime(other, (1_000_000_000, 1_000_000_000))
    os.replace(other, path)


def by_an_older_copy(path: Path, content: bytes) -> None:
    """As ``cp -p`` does: the inode stays."""
    other = path.with_name(path.name + ".old")
    other.write_bytes(content)
    os.utime(other, (1_000_000_000, 1_000_000_000))
    shutil.copy2(other, path)
    other.unlink()


def by_a_link(path: Path, content: bytes) -> None:
    """To an older file."""
    other = path.with_name(path.name + ".target")
    other.write_bytes(content)
    os.utime(other, (1_000_000_000, 1_000_000_000))
    path.unlink()
    path.symlink_to(other)


WAYS = [in_place, by_an_older_file, by_an_older_copy, by_a_link]


def without_the_last_box(path: Path) -> bytes:
    content = json.loads(path.read_text())
    content["annotations"].pop()
    return json.dumps(content).encode()


def longer(path: Path) -> bytes:
    """A comment or bytes that a decoder skips."""
    return path.read_bytes() + b"\n# x\n"


def chosen_images(folder: Path) -> list[str]:
    from cutpoint.data.selection import list_images, select

    return select(list_images(str(folder / "street/images")), 12)


@pytest.mark.parametrize("way", WAYS)
def test_boxes_are_scored_again_and_nothing_is_run(plan, way):
    def change(folder):
        path = folder / "street/instances.json"
        way(path, without_the_last_box(path))

    result = plan(change)
    assert set(result.jobs) >= SCORES | {"build_truth", "draw_samples"}
    assert not set(result.jobs) & (
        EXPORTS | RUNS | {"build_manifest", "map_labels", "postprocess", "autopsy"}
    )


@pytest.mark.parametrize("way", WAYS)
def test_an_image_is_run_on_again_and_nothing_is_exported(plan, way):
    def change(folder):
        path = folder / "street/images" / chosen_images(folder)[3]
        way(path, longer(path))

    result = plan(change)
    assert result.jobs["build_manifest"] == 1
    assert set(result.jobs) >= SCORES | RUNS | {"verify_export"}
    assert not set(result.jobs) & (EXPORTS - {"verify_export"})


def test_an_image_beyond_the_limit_is_nobodys(plan):
    def change(folder):
        others = {path.name for path in (folder / "street/images").iterdir()} - set(chosen_images(folder))
        path = folder / "street/images" / min(others)
        path.write_bytes(longer(path))

    assert plan(change).jobs == {}


def test_a_calibration_image_makes_the_int8_file_again(plan):
    def change(folder):
        path = min((folder / "other/images").iterdir())
        in_place(path, longer(path))

    result = plan(change)
    assert result.jobs["build_manifest"] == result.jobs["to_int8"] == result.jobs["export_onnx"] == 1
    assert result.jobs["predict"] == 1
    assert not set(result.jobs) & {"predict_pytorch", "describe_model", "import_onnx"}


@pytest.mark.parametrize(
    ("path", "way"),
    [
        *(("weights/atss.pth", way) for way in WAYS),
        ("config/mine/base.py", in_place),
        ("config/demo/atss_small.py", by_an_older_file),
        ("mine/hooks.py", by_a_link),
    ],
)
def test_the_model_is_exported_and_run_again(plan, path, way):
    result = plan(lambda folder: way(folder / path, longer(folder / path)))
    assert set(result.jobs) >= SCORES | RUNS | EXPORTS
    assert "build_manifest" not in result.jobs


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
def test_an_external_file_is_taken_in_again(plan, name):
    def change(folder):
        path = folder / "theirs" / name
        if name == "model.onnx":
            model = onnx.load(path, load_external_data=False)
            model.doc_string = "made again"
            by_an_older_file(path, model.SerializeToString())
        else:
            in_place(path, bytes(path.stat().st_size))

    result = plan(change)
    assert result.jobs["import_onnx"] == result.jobs["predict"] == result.jobs["verify_export"] == 1
    assert not set(result.jobs) & {"predict_pytorch", "trace_model", "build_manifest"}


@pytest.mark.parametrize("way", WAYS)
def test_a_results_file_is_scored_again(plan, way):
    result = plan(lambda folder: way(folder / "theirs/detections.json", b"[ ]"))
    assert result.jobs["import_results"] == result.jobs["evaluate"] == 1
    assert not set(result.jobs) & (EXPORTS | RUNS)


def test_files_that_are_touched_or_written_anew_change_nothing(plan):
    def change(folder):
        for path in ("street/instances.json", "weights/atss.pth", "theirs/detections.json"):
            (folder / path).write_bytes((folder / path).read_bytes())
        for path in (folder / "street/images").iterdir():
            path.touch()

    assert plan(change).jobs == {}
