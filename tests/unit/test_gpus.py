"""Which GPUs a process may use, and which errors are a GPU's."""

import pynvml
import pytest

from cutpoint import gpus
from cutpoint.errors import UserError
from cutpoint.gpus import VISIBLE, Fault, Gpu, find_fault, visible_gpus
from cutpoint.predict import runtime
from cutpoint.providers import PROVIDERS

CARDS = ["GPU-aaaa-1", "GPU-bbbb-2", "GPU-bbcc-3"]


@pytest.fixture
def cards(monkeypatch):
    """Pretends a machine's cards by their UUIDs; null is one that does not answer."""

    class FakeNvml:
        NVMLError = pynvml.NVMLError

        def __init__(self, uuids):
            self.uuids = uuids

        def nvmlInit(self):
            if self.uuids is None:
                raise self.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

        def nvmlShutdown(self):
            pass

        def nvmlDeviceGetCount(self):
            return len(self.uuids)

        def nvmlDeviceGetHandleByIndex(self, index):
            return index

        def nvmlDeviceGetUUID(self, index):
            if self.uuids[index] is None:
                raise self.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return self.uuids[index]

    def pretend(uuids, visible=None):
        monkeypatch.setattr(gpus, "pynvml", FakeNvml(uuids))
        if visible is None:
            monkeypatch.delenv(VISIBLE, raising=False)
        else:
            monkeypatch.setenv(VISIBLE, visible)

    return pretend


def test_without_the_variable_they_are_the_machines_by_their_uuids(cards):
    cards(CARDS)
    assert visible_gpus() == [Gpu(uuid, uuid) for uuid in CARDS]
    cards(["GPU-aaaa-1", None])
    assert visible_gpus() == [Gpu("GPU-aaaa-1", "GPU-aaaa-1")]


@pytest.mark.parametrize("uuids", [None, []])
def test_where_nothing_tells_them_cuda_chooses(cards, uuids):
    cards(uuids)
    (only,) = visible_gpus()
    assert only.name is None


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("1,0", [("1", CARDS[1]), ("0", CARDS[0])]),
        (" 2 ", [("2", CARDS[2])]),
        # CUDA reads as far as the first that is not there
        ("0,-1,1", [("0", CARDS[0])]),
        ("1,7,0", [("1", CARDS[1])]),
        ("0,0,1", [("0", CARDS[0]), ("1", CARDS[1])]),
        # UUIDs, whole or their beginning, of a card or of a part of one
        ("GPU-bbbb-2", [("GPU-bbbb-2", CARDS[1])]),
        ("GPU-a", [("GPU-a", CARDS[0])]),
        ("MIG-1234", [("MIG-1234", "MIG-1234")]),
    ],
)
def test_the_variable_names_them_and_one_has_one_key_whatever_its_name(cards, visible, found):
    cards(CARDS, visible)
    assert [(gpu.name, gpu.key) for gpu in visible_gpus()] == found


def test_indexes_count_where_the_cards_are_not_known(cards):
    cards(None, "0,3")
    assert visible_gpus() == [Gpu("0", "index-0"), Gpu("3", "index-3")]


@pytest.mark.parametrize("visible", ["", "-1", "9"])
def test_hidden_cards_are_refused(cards, visible):
    cards(CARDS, visible)
    with pytest.raises(UserError, match=f"{VISIBLE}={visible}: no CUDA device is visible"):
        visible_gpus()


# as these libraries write them
LOST = [
    "CUDA error: no CUDA-capable device is detected\nCUDA kernel errors might be asynchronously reported",
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
    "CUDA error: all CUDA-capable devices are busy or unavailable",
    "CUDA error: unspecified launch failure\nCompile with `TORCH_USE_CUDA_DSA` to enable",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: unknown error",
    "No CUDA GPUs are available",
    "[ONNXRuntimeError] : 1 : FAIL : /onnxruntime_src/cuda_call.cc:123 CUDA failure 100: no CUDA-capable "
    "device is detected ; GPU=32635 ; hostname=a ; expr=cudaSetDevice(info_.device_id);",
    "CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=a ; expr=cudaStreamSynchronize",
    "CUDA failure 46: all CUDA-capable devices are busy or unavailable ; GPU=0",
]
FULL = [
    "CUDA out of memory. Tried to allocate 18.56 GiB. GPU 0 has a total capacity of 79.15 GiB",
    "CUDA error: out of memory",
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; expr=cudaStreamCreateWithFlags(&stream)",
    "/onnxruntime_src/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal"
    "(size_t) Failed to allocate memory for requested buffer of size 8388608000",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
]
# the program's own, and errors without a GPU
OTHERS = [
    "CUDA error: device-side assert triggered",
    "CUDA error: an illegal memory access was encountered",
    "std::bad_alloc",
    "out of memory",
    "unknown error",
    "boxes has NaN",
    "",
]


@pytest.mark.parametrize(
    ("text", "lost"), [*((t, True) for t in LOST), *((t, False) for t in FULL), *((t, None) for t in OTHERS)]
)
def test_errors_of_a_gpu_are_known_by_their_words(text, lost):
    fault = find_fault(RuntimeError(text))
    assert (fault and fault.lost) == lost
    if fault:
        assert fault.reason in text


def test_the_error_that_led_to_another_one_counts():
    error = UserError("a.onnx: ONNX Runtime cannot run it")
    error.__cause__ = RuntimeError(LOST[0])
    assert find_fault(error) == Fault("CUDA error: no CUDA-capable device is detected", True)


def test_a_session_that_is_not_on_its_device_is_a_fault_of_this_job(monkeypatch):
    monkeypatch.setattr(runtime.ctypes, "CDLL", lambda path: None)
    fault = find_fault(UserError(runtime._missing_library(PROVIDERS["cuda"])))
    assert fault is not None
    assert not fault.lost
