import numpy as np
import onnx
import pytest
from onnx import TensorProto
from tiny import atss_head, model_spec, write_one_node

from cutpoint.errors import UserError
from cutpoint.latency.watch import gpu_states
from cutpoint.predict import runtime
from cutpoint.predict.runtime import Session, check_provider

SPEC = model_spec(atss_head())


@pytest.fixture
def onnx_file(tmp_path):
    """Writes ``m.onnx``; see ``tiny.write_one_node``."""
    return lambda sides, metadata: write_one_node(tmp_path / "m.onnx", sides, metadata)


def test_a_session_knows_what_travels_in_the_file(onnx_file):
    metadata = {"cut": "e2e", "clip": "image", "recipe": "mmdet3", "spec": SPEC.to_dict()}
    session = Session(onnx_file(["height", "width"], metadata), "cpu", threads=1)
    assert (session.provider, session.cut, session.clip, session.recipe) == ("cpu", "e2e", "image", "mmdet3")
    assert session.spec == SPEC
    assert session.shape is None
    outputs = session.run({"images": np.ones((1, 3, 2, 2), np.float32)})
    assert list(outputs) == ["cls_0"]
    assert (outputs["cls_0"] == -1).all()


def test_a_recipe_in_a_file_of_format_1_has_todays_words(onnx_file):
    recipe = {"steps": [{"step": "threshold", "on": "class", "value": 0.05}, {"step": "cap", "k": 5}]}
    metadata = {"cut": "e2e", "clip": "image", "recipe": recipe, "spec": SPEC.to_dict()}
    session = Session(onnx_file(["height", "width"], metadata), "cpu", threads=1)
    assert session.recipe == {
        "steps": [
            {"step": "threshold", "quantity": "class", "value": 0.05},
            {"step": "max_per_img", "k": 5},
        ]
    }


def test_a_static_export_tells_its_shape(onnx_file):
    session = Session(onnx_file([64, 96], {"cut": "raw", "spec": SPEC.to_dict()}), "cpu")
    assert session.shape == (64, 96)
    assert session.clip is None
    assert session.batch is None


def test_an_external_or_broken_file_is_one_message(onnx_file, tmp_path):
    with pytest.raises(UserError, match=r"m\.onnx: no 'cutpoint' metadata"):
        Session(onnx_file([2, 2], None), "cpu")
    (tmp_path / "broken.onnx").write_bytes(b"not onnx")
    with pytest.raises(UserError, match=r"broken\.onnx: ONNX Runtime cannot load it \("):
        Session(tmp_path / "broken.onnx", "cpu")
    with pytest.raises(UserError, match=r"absent\.onnx: ONNX Runtime cannot load it \("):
        Session(tmp_path / "absent.onnx", "cpu")


def test_an_operator_that_the_provider_lacks_is_named(onnx_file):
    path = onnx_file([2, 2], {"cut": "raw", "spec": SPEC.to_dict()})
    model = onnx.load(path)
    # ONNX Runtime's CPU provider has no absolute value of bfloat16
    model.graph.node[0].op_type = "Abs"
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.BFLOAT16
    onnx.save(model, path)
    with pytest.raises(UserError, match=r"m\.onnx: the provider cpu lacks the operator Abs \(opset 13\)"):
        Session(path, "cpu")


@pytest.fixture
def gpu(monkeypatch):
    """Lets sessions be those of a GPU that ran some operators: pairs of provider and operator."""
    real = runtime.onnxruntime.InferenceSession

    class Part:
        def __init__(self, provider, kind):
            self.ep_name, self.op_type = provider, kind

        def get_nodes(self):
            return [self]

    def pretend(*places):
        class Gpu:
            def __init__(self, path, options, providers):
                self._real = real(path, providers=["CPUExecutionProvider"])
                self.options = dict(providers)["CUDAExecutionProvider"]

            def __getattr__(self, name):
                return getattr(self._real, name)

            def get_providers(self):
                return ["CUDAExecutionProvider", "CPUExecutionProvider"]

            def get_provider_graph_assignment_info(self):
                return [Part(f"{provider}ExecutionProvider", kind) for provider, kind in places]

        monkeypatch.setattr(runtime.onnxruntime, "InferenceSession", Gpu)
        monkeypatch.setattr(runtime, "check_provider", lambda provider: None)

    return pretend


@pytest.mark.parametrize(("operator", "refused"), [("DeformConv", True), ("Shape", False)])
def test_a_weighted_operator_that_a_gpu_leaves_to_the_cpu_is_named(onnx_file, gpu, operator, refused):
    path = onnx_file([2, 2], {"cut": "raw", "spec": SPEC.to_dict()})
    gpu(("CUDA", "Conv"), ("CPU", operator))
    if refused:
        with pytest.raises(UserError, match=r"cuda lacks DeformConv in ONNX Runtime .* on the CPU"):
            Session(path, "cuda")
    else:
        assert Session(path, "cuda").provider == "cuda"


@pytest.mark.parametrize(
    ("places", "replayed"),
    [
        ((("CUDA", "Conv"), ("CUDA", "TopK")), True),
        ((("CUDA", "Conv"), ("CPU", "Shape")), False),
        ((("CUDA", "Conv"), ("CUDA", "NonMaxSuppression"), ("CUDA", "RoiAlign")), False),
        ((("CUDA", "Conv"), ("CUDA", "NonZero")), False),
    ],
)
def test_only_shapes_that_are_known_before_the_run_are_replayed(tmp_path, onnx_file, gpu, places, replayed):
    """Inputs and outputs of fixed shapes do not say that those between them are fixed."""
    path = onnx_file([2, 2], {"cut": "raw", "spec": SPEC.to_dict()})
    model = onnx.load(path)
    for value in [*model.graph.input, *model.graph.output]:
        for side in value.type.tensor_type.shape.dim:
            side.dim_value = side.dim_value or 1
    onnx.save(model, path)
    gpu(*places)
    opened, found = runtime._open(str(path), runtime.get_provider("cuda"), False, None)
    assert found == replayed
    assert opened.options["enable_cuda_graph"] == str(int(replayed))


def test_a_provider_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(runtime.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(runtime.onnxruntime, "preload_dlls", lambda: None, raising=False)
    check_provider("cpu")
    with pytest.raises(
        UserError, match=r"provider cuda: .* has only CPUExecutionProvider; install onnxruntime-gpu"
    ):
        check_provider("cuda")


def test_a_silent_fallback_to_the_cpu_is_refused(onnx_file, monkeypatch):
    # ONNX Runtime lists CUDA, cannot load its libraries, and goes on with the CPU
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime.onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(runtime.onnxruntime, "preload_dlls", lambda: None, raising=False)
    real = runtime.onnxruntime.InferenceSession
    fallen = lambda path, options, providers: real(path, options, providers=available[1:])  # noqa: E731
    monkeypatch.setattr(runtime.onnxruntime, "InferenceSession", fallen)
    path = onnx_file([2, 2], {"cut": "raw", "spec": SPEC.to_dict()})
    with pytest.raises(
        UserError, match=r"asked for CUDAExecutionProvider, .* fell back to CPUExecutionProvider"
    ):
        Session(path, "cuda")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_whose_library_does_not_load_is_one_message_that_names_what_is_missing(
    onnx_file, provider, monkeypatch
):
    if gpu_states():
        pytest.skip("this machine has a GPU")
    path = onnx_file([2, 2], {"cut": "raw", "spec": SPEC.to_dict()})
    message = r"m\.onnx: asked for \w+ExecutionProvider, ONNX Runtime fell back to CPUExecutionProvider: \w"
    with pytest.raises(UserError, match=message) as raised:
        Session(path, provider)
    assert "device: cpu" in str(raised.value)
    assert "lib" in str(raised.value)
