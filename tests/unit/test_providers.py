"""One row is all that a provider needs, and what the code asks about providers it asks the table."""

import ast
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml
from tiny import atss_head, model_spec, write_one_node

import cutpoint
from cutpoint.errors import UserError
from cutpoint.latency.statistics import timed_stages
from cutpoint.plan import devices
from cutpoint.plan.config import complete_config
from cutpoint.plan.devices import check_providers, resolve_device
from cutpoint.plan.resolve import build_plan
from cutpoint.plan.tables import table_row
from cutpoint.plan.variants import differences
from cutpoint.predict.runtime import Session
from cutpoint.predict.stream import share_threads
from cutpoint.providers import AUTO, CPU, NVIDIA, PROVIDERS, Provider, get_provider
from cutpoint.records.latency import COPIES, STAGES

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
ONNX, TORCH = {"runtime": "onnxruntime"}, {"runtime": "pytorch"}
VARIANTS = {
    "pytorch": {**TORCH, "cut": "e2e"},
    "pytorch_raw": {**TORCH, "cut": "raw"},
    "raw": {**ONNX, "cut": "raw"},
    "first": {**ONNX, "cut": "raw"},
}


@pytest.fixture
def second(monkeypatch):
    """A second provider on the CPU: one row, and no other line."""
    row = Provider("second", "CPUExecutionProvider", CPU, options=(("device_type", "CPU"),))
    monkeypatch.setitem(PROVIDERS, "second", row)
    return row


def plan_on(device, **providers):
    """A plan whose variants may have providers of their own, past the schema, which lists names."""
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "variants": VARIANTS,
        "evaluations": [{"model": "m", "dataset": "d", "variants": list(VARIANTS)}],
    }
    config = complete_config(config, SCHEMA)
    for name, provider in providers.items():
        config["variants"][name]["provider"] = provider
    return build_plan(config, device)


def test_a_plan_on_a_second_provider_of_the_cpu(second):
    plan = plan_on("second", first="cpu")
    evaluation = plan.evaluations[0]
    pytorch, raw, first = (evaluation.variant(name) for name in ("pytorch_raw", "raw", "first"))
    # PyTorch runs on the same device, which is no difference of its own
    assert (pytorch.run.provider, raw.run.provider, first.run.provider) == ("cpu", "second", "cpu")
    assert differences(pytorch, raw) == ["runtime"]
    assert differences(raw, first) == ["provider"]
    assert (raw.run.name, first.run.name) == ("onnxruntime-raw-fp32", "onnxruntime-raw-fp32-cpu")
    assert [run.gpus for run in evaluation.runs] == [0] * len(evaluation.runs)
    assert table_row(evaluation, raw).tf32 is None
    assert {name for name, _ in plan.wanted_providers} == {"second", "cpu"}
    beside = plan_on("cpu", raw="second").evaluations[0].variant("raw").run
    assert (beside.name, beside.provider_overridden) == ("onnxruntime-raw-fp32-second", True)


def test_a_second_provider_of_the_cpu_needs_no_gpu(second, monkeypatch):
    monkeypatch.setitem(devices.FINDERS, NVIDIA, lambda: False)
    check_providers([("second", "device")])
    assert resolve_device("second", remote=True) == "second"
    absent = Provider("absent", "AbsentExecutionProvider", CPU)
    monkeypatch.setitem(PROVIDERS, "absent", absent)
    message = "device: absent cannot be used here: the installed onnxruntime has no AbsentExecutionProvider"
    with pytest.raises(UserError, match=message):
        check_providers([("absent", "device")])
    with pytest.raises(UserError, match=r"set device to one of cpu, cuda, tensorrt, second, absent"):
        resolve_device("auto", remote=True)


def test_tf32_is_refused_where_the_row_has_none(second):
    config = {
        "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
        "datasets": {"d": {"images": "d", "annotations": None}},
        "variants": {**VARIANTS, "v": {**ONNX, "cut": "raw", "tf32": True}},
        "evaluations": [{"model": "m", "dataset": "d", "variants": ["pytorch"]}],
    }
    with pytest.raises(UserError, match=r"only cuda, tensorrt have it, and this runs on second"):
        build_plan(complete_config(config, SCHEMA), "second")


def test_a_session_of_a_second_provider(second, tmp_path, monkeypatch):
    opened, real = [], onnxruntime.InferenceSession

    def open_session(path, options, providers):
        opened.extend(providers)
        # ONNX Runtime's own CPU provider takes no options
        return real(path, options, providers=[name for name, _ in providers])

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    metadata = {"cut": "raw", "spec": model_spec(atss_head()).to_dict()}
    session = Session(write_one_node(tmp_path / "m.onnx", [2, 2], metadata), "second", threads=1)
    assert opened == [("CPUExecutionProvider", {"device_type": "CPU"})]
    assert (session.provider, session.pinned, session.cuda_graph) == ("second", False, False)
    assert (session.run({"images": np.ones((1, 3, 2, 2), np.float32)})["cls_0"] == -1).all()


def test_cores_and_stages_of_a_second_provider(second, monkeypatch):
    assert share_threads(4, "second") == share_threads(4, "cpu") == (1, 4, 4)
    assert timed_stages("second") == STAGES
    monkeypatch.setitem(PROVIDERS, "third", Provider("third", "ThirdExecutionProvider", NVIDIA))
    assert share_threads(4, "third") == (4, 4, 1)
    assert timed_stages("third") == (*STAGES, *COPIES)


def test_options_are_switched_by_their_names():
    cuda, tensorrt = PROVIDERS["cuda"], PROVIDERS["tensorrt"]
    assert cuda.session_options(tf32=True, graph=False) == {"use_tf32": "1", "enable_cuda_graph": "0"}
    assert tensorrt.session_options(tf32=True, graph=True) == {"trt_cuda_graph_enable": "1"}
    assert PROVIDERS["cpu"].session_options(tf32=True, graph=True) == {}
    assert [row.has_tf32 for row in PROVIDERS.values()] == [False, True, True]


def test_the_rows_fit_together():
    for name, row in PROVIDERS.items():
        assert row.name == name
        assert set(row.fallbacks) <= set(PROVIDERS)
        # what nobody else runs the CPU runs
        assert name == "cpu" or row.fallbacks[-1] == "cpu"
        # a PyTorch run counts as a provider of the same device
        assert PROVIDERS[row.device.pytorch].device == row.device
        assert row.device == CPU or (row.device in devices.FINDERS and row.device.absent)
    assert PROVIDERS[AUTO[-1]].built_in


def test_the_schema_lists_the_rows():
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    assert schema["properties"]["device"]["enum"] == ["auto", *PROVIDERS]
    variant = schema["properties"]["variants"]["additionalProperties"]["properties"]
    assert variant["provider"]["enum"] == [*PROVIDERS, None]


def test_an_unknown_provider_is_named():
    with pytest.raises(UserError, match=r"provider 'cdua': unknown; did you mean 'cuda'\? known: cpu, cuda"):
        get_provider("cdua")


def words_of_providers():
    return {word for row in PROVIDERS.values() for word in (row.name, row.runtime_name)}


def asks(text):
    """The lines of Python that compare something with the name of a provider, or look one up by it."""
    words = words_of_providers()
    for node in ast.walk(ast.parse(text)):
        parts = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        constants = [n for part in parts for n in ast.walk(part) if isinstance(n, ast.Constant)]
        if any(isinstance(n.value, str) and n.value in words for n in constants):
            yield node.lineno


def test_nothing_else_asks_which_provider_it_is():
    assert list(asks('if provider == "cpu": pass')) == [1]
    assert list(asks('x = 1\ny = a in ("cuda", "tensorrt")')) == [2]
    assert list(asks('x = {"cuda": 1}[a]')) == [1]
    package = Path(cutpoint.__file__).parent
    files = [path for path in package.rglob("*.py") if path.name != "providers.py"]
    assert {str(path): lines for path in files if (lines := list(asks(path.read_text())))} == {}
    words = "|".join(words_of_providers())
    rules = [*(ROOT / "workflow").rglob("*.smk"), ROOT / "Snakefile"]
    assert [path for path in rules if re.search(rf"""["']({words})["']""", path.read_text())] == []
