"""What the tests on a GPU share: they skip by name where there is none."""

from pathlib import Path

import pytest

from cutpoint.plan.devices import has_gpu

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "config": str(ROOT / "config/demo/atss_traffic.py"),
    "checkpoint": str(ROOT / "data/demo/atss_traffic.pth"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not has_gpu():
        for item in items:
            if Path(__file__).parent in Path(item.fspath).parents:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


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
