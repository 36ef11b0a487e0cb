"""auto is resolved once; a device that is not there is refused."""

import re

import onnxruntime
import pytest

from cutpoint.errors import UserError
from cutpoint.plan import devices
from cutpoint.plan.devices import check_providers, compare_gpus, has_gpu, resolve_device
from cutpoint.providers import NVIDIA, PROVIDERS


@pytest.fixture
def machine(monkeypatch):
    def pretend(providers, gpu):
        available = [PROVIDERS[name].runtime_name for name in ("cpu", *providers)]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
        monkeypatch.setitem(devices.FINDERS, NVIDIA, lambda: gpu)

    return pretend


@pytest.mark.parametrize(
    ("providers", "gpu", "device"),
    [
        (["cuda"], True, "cuda"),
        (["cuda", "tensorrt"], True, "cuda"),
        (["cuda"], False, "cpu"),
        ([], True, "cpu"),
    ],
)
def test_auto(machine, providers, gpu, device):
    machine(providers, gpu)
    assert resolve_device("auto", remote=False) == device


def test_auto_is_refused_where_jobs_run_elsewhere(machine):
    machine(["cuda"], True)
    with pytest.raises(UserError, match="device: auto cannot be resolved here"):
        resolve_device("auto", remote=True)
    assert resolve_device("cuda", remote=True) == "cuda"


@pytest.mark.parametrize(
    ("providers", "gpu", "message"),
    [([], True, "has no CUDAExecutionProvider"), (["cuda"], False, "no CUDA device is visible")],
)
def test_a_missing_device_is_refused_by_its_key(machine, providers, gpu, message):
    machine(providers, gpu)
    check_providers([("cpu", "device")])
    with pytest.raises(UserError, match=rf"variants.v.provider: cuda cannot be used here: .*{message}"):
        check_providers([("cpu", "device"), ("cuda", "variants.v.provider")])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, None),
        (2, None),
        (5, r"gpu=5, but GPUs here: 2\. .*3 of them would hold cores and wait; gpu=2 is enough"),
        (1, r"GPUs here: 2, used at a time: 1; `--resources gpu=2` uses all"),
    ],
)
def test_another_number_of_gpus_than_there_are_is_said(monkeypatch, asked, said):
    monkeypatch.setattr(devices, "visible_gpus", lambda: ["first", "second"])
    assert compare_gpus([("cpu", "device")], asked) is None
    found = compare_gpus([("cpu", "device"), ("cuda", "device")], asked)
    assert found is None if said is None else re.search(said, found)


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_devices_do_not_count(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_gpu()
