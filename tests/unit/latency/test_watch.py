import subprocess
import sys
import time

import pynvml
import pytest

from cutpoint.latency import watch
from cutpoint.latency.notes import FOREIGN_CORES
from cutpoint.latency.watch import Load, Watch, device_memory_mib, gpu_limits, gpu_states


@pytest.fixture
def busy():
    """A process that computes for itself."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.kill()
    process.wait()


def watched(seconds, *own):
    load, watching = Load(), Watch()
    for process in own:
        watching.add(process.pid)
    with watching.block(load):
        time.sleep(seconds)
    return load.foreign_cores


def test_a_busy_process_is_a_disturbance_unless_it_is_ours(busy):
    # a machine that is busy with other things raises both; our own process lowers the second
    others, own = watched(1.0), watched(1.0, busy)
    assert others > FOREIGN_CORES
    assert others - own > 0.1


def test_blocks_add_up(monkeypatch):
    clock = {"now": 0.0, "busy": 0.0, "own": 0.0}
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(watch, "_busy_seconds", lambda: clock["busy"])
    monkeypatch.setattr(Watch, "_own_seconds", lambda self: clock["own"])
    load, watching = Load(), Watch()
    for busy, own in ((4.0, 3.0), (2.0, 2.0)):
        with watching.block(load):
            clock["now"] += 2
            clock["busy"] += busy
            clock["own"] += own
    assert (load.seconds, load.foreign_seconds) == (4, 1)
    assert load.foreign_cores == 0.25
    assert Load().foreign_cores == 0


def test_a_summary_has_the_ends_and_the_extremes_between(monkeypatch):
    gpu = {"sm_mhz": 1900, "memory_mhz": 2600, "celsius": 50, "watts": None, "memory_mib": 900.0}
    states = [
        {"load_1min": load, "cpu_mhz": mhz, "cpu_celsius": None, "gpus": [gpu | {"sm_mhz": sm} | reasons]}
        for load, mhz, sm, reasons in (
            (0.1, 2000, 300, {"throttled": []}),
            (1.0, 3000, 1900, {"throttled": []}),
            (1.5, 2500, 1200, {"throttled": ["hardware slowdown"]}),
            (0.9, 2100, 600, {"throttled": []}),
        )
    ]
    found = Watch(states=states).summary()
    assert (found["before"], found["after"]) == (states[0], states[3])
    assert found["during"] == {
        "load_1min": [1.0, 1.5],
        "cpu_mhz": [2500, 3000],
        "cpu_celsius": None,
        "gpus": [
            {"sm_mhz": [1200, 1900], "memory_mhz": [2600, 2600], "celsius": [50, 50]}
            | {"watts": None, "memory_mib": [900.0, 900.0]}
        ],
    }
    assert found["throttled"] == ["hardware slowdown"]


class FakeNvml:
    """One card; it does not tell its power."""

    NVMLError = pynvml.NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    def __getattr__(self, name):
        answers = {
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetName": "Card 1",
            "nvmlDeviceGetCurrentClocksEventReasons": pynvml.nvmlClocksEventReasonHwSlowdown
            | pynvml.nvmlClocksEventReasonSwPowerCap,
            "nvmlDeviceGetClockInfo": 1500,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlSystemGetDriverVersion": "570.1",
            "nvmlSystemGetCudaDriverVersion": 13_010,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetMemoryInfo": type("Memory", (), {"used": 3 * 2**20}),
            "nvmlDeviceGetComputeRunningProcesses": [
                type("Process", (), {"pid": pid, "usedGpuMemory": pid * 2**20}) for pid in (7, 8)
            ],
        }

        def question(*arguments):
            if name == "nvmlDeviceGetPowerUsage":
                raise self.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return answers.get(name)

        return question


def test_a_card_is_read_and_what_it_does_not_tell_is_null(monkeypatch):
    monkeypatch.setattr(watch, "pynvml", FakeNvml())
    assert gpu_states() == [
        {"name": "Card 1", "sm_mhz": 1500, "memory_mhz": 1500, "celsius": 61, "watts": None}
        | {"memory_mib": 3.0, "throttled": ["hardware slowdown"]}
    ]
    assert device_memory_mib(8) == 8.0
    assert device_memory_mib(9) is None


def test_the_limits_of_a_card(monkeypatch):
    monkeypatch.setattr(watch, "pynvml", FakeNvml())
    assert gpu_limits() == [
        {"name": "Card 1", "driver": "570.1", "cuda_version": "13.1", "power_limit": 700.0}
        | {"max_sm": 1980, "max_memory": 1980}
    ]


def test_without_a_driver_there_are_no_limits(monkeypatch):
    class NoDriver(FakeNvml):
        def nvmlInit(self):
            raise self.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(watch, "pynvml", NoDriver())
    assert gpu_limits() == []
