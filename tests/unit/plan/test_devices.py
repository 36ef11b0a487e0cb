"""auto is resolved once; a device that is not there is refused."""

import onnxruntime
import pytest

from cutpoint.errors import UserError
from cutpoint.plan import devices
from cutpoint.plan.devices import check_providers, has_gpu, resolve_device
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


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_devices_do_not_count(monkeypatch, hidden):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert not has_gpu()
