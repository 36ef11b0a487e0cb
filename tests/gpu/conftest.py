"""What the tests on a GPU share: they skip by name where there is none."""

import json
from pathlib import Path

import pytest
from gpu_model import MODEL, ROOT

from cutpoint.plan.devices import has_gpu


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not has_gpu():
        for item in items:
            if Path(__file__).parent in Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session", params=["faster_rcnn", "deformable_detr", "dino"])
def other_kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow two-stage or query detector with random weights: as ``demo``, and ``name`` is its folder's."""
    from datasets import make_image, save_manifest
    from models import write_export
    from query_models import build_query_model
    from roi_models import ROI_ZOO, build_roi_model
    from zoo_models import SIZES, noise_images

    from cutpoint.detector.describe import describe_model
    from cutpoint.detector.trace import trace_model
    from cutpoint.export.precision import to_fp16

    name = request.param
    folder = tmp_path_factory.mktemp(name, numbered=False)
    paths = noise_images(folder)
    sides = (SIZES[number % len(SIZES)] for number in range(len(paths)))
    images = [make_image(i, path, *side) for i, (path, side) in enumerate(zip(paths, sides, strict=True))]
    save_manifest(folder / "manifest.json", images)
    build = build_roi_model if name in ROI_ZOO else build_query_model
    config, checkpoint = build(name, True, paths, folder)
    spec = str(folder / "spec.json")
    model = {"config": config, "checkpoint": checkpoint}
    describe_model(model=name, **model, candidate_floor=None, out=spec)
    for trace, shape in (("trace", "dynamic"), ("fixed-trace", [320, 320])):
        trace_model(**model, spec=spec, shape=shape, out=str(folder / f"{trace}.onnx"))
    to_fp16(
        trace=str(folder / "trace.onnx"),
        spec=spec,
        manifest=str(folder / "manifest.json"),
        out=str(folder / "half-trace.onnx"),
        report=str(folder / "half.json"),
    )
    for out, trace, cut in (
        *((cut, "trace", cut) for cut in ("raw", "decoded", "e2e")),
        ("fixed", "fixed-trace", "raw"),
        ("half", "half-trace", "raw"),
    ):
        write_export(trace=str(folder / f"{trace}.onnx"), spec=spec, cut=cut, out=str(folder / f"{out}.onnx"))
    (folder / "model.json").write_text(json.dumps(model))
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's detector exported: manifest, spec and an ONNX file of each cut, one of fixed shape."""
    from models import write_export
    from scoring import make_scoring

    from cutpoint.data.manifest import build_manifest
    from cutpoint.detector.describe import describe_model
    from cutpoint.detector.trace import trace_model

    folder = tmp_path_factory.mktemp("gpu")
    spec = str(folder / "spec.json")
    data = ROOT / "data/demo/traffic"
    build_manifest(
        dataset="traffic",
        images=str(data / "images"),
        annotations=str(data / "instances.json"),
        limit=None,
        out=str(folder / "manifest.json"),
    )
    describe_model(model="demo", **MODEL, candidate_floor=None, out=spec)
    make_scoring(str(folder / "manifest.json"), spec)
    for name, shape in (("trace", "dynamic"), ("fixed-trace", [320, 320])):
        trace_model(**MODEL, spec=spec, shape=shape, out=str(folder / f"{name}.onnx"))
    for name, trace, cut in (
        *((cut, "trace", cut) for cut in ("raw", "decoded", "e2e")),
        ("fixed", "fixed-trace", "raw"),
    ):
        write_export(
            trace=str(folder / f"{trace}.onnx"),
            spec=spec,
            cut=cut,
            out=str(folder / f"{name}.onnx"),
        )
    return folder
