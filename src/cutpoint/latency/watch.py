"""Watch the machine during a measurement: work of other processes, clocks, heat, throttling."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import pynvml

# NVML's reasons for a lower clock because of heat or power. The power cap is normal under full load.
THROTTLES = {
    pynvml.nvmlClocksEventReasonSwThermalSlowdown: "software thermal slowdown",
    pynvml.nvmlClocksEventReasonHwSlowdown: "hardware slowdown",
    pynvml.nvmlClocksEventReasonHwThermalSlowdown: "hardware thermal slowdown",
    pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown: "hardware power brake",
}


@dataclass
class Load:
    """Watched time: by the clock, and the CPU time of other processes in it."""

    seconds: float = 0.0
    foreign_seconds: float = 0.0

    @property
    def foreign_cores(self) -> float:
        """Cores that other processes kept busy, on average."""
        return self.foreign_seconds / self.seconds if self.seconds else 0.0


@dataclass
class Watch:
    """Watches the machine for the processes that are timed.

    Attributes:
        states: readings of ``machine_state``, one per call of ``look``.
    """

    states: list[dict[str, Any]] = field(default_factory=list)
    _own: list[psutil.Process] = field(default_factory=lambda: [psutil.Process()])

    def add(self, pid: int) -> None:
        """Add a process whose work is not a disturbance."""
        self._own.append(psutil.Process(pid))

    @contextmanager
    def block(self, load: Load) -> Iterator[None]:
        """Add what happens in the block to ``load``."""
        began, busy, own = time.monotonic(), _busy_seconds(), self._own_seconds()
        yield
        load.seconds += time.monotonic() - began
        others = (_busy_seconds() - busy) - (self._own_seconds() - own)
        # the two are read one after the other and count in ticks, but a sum over many blocks is exact enough
        load.foreign_seconds += others

    def look(self) -> None:
        """Read the machine's state now."""
        self.states.append(machine_state())

    def summary(self) -> dict[str, Any]:
        """The first and last state, and the extremes between them; ``throttled`` names the reasons."""
        during = self.states[1:-1] or self.states
        return {
            "before": self.states[0],
            "during": _extremes(during),
            "after": self.states[-1],
            "throttled": sorted({r for s in self.states for gpu in s["gpus"] for r in gpu["throttled"]}),
        }

    def _own_seconds(self) -> float:
        total = 0.0
        for process in self._own:
            # a process that has ended does no more work
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:2])
        return total


def machine_state() -> dict[str, Any]:
    """Load, CPU clock (MHz) and temperature (Celsius), and each GPU's state; null if unknown."""
    clock = psutil.cpu_freq()
    sensors: dict[str, Any] = getattr(psutil, "sensors_temperatures", dict)()
    heat = [reading.current for readings in sensors.values() for reading in readings]
    return {
        "load_1min": round(os.getloadavg()[0], 2),
        "cpu_mhz": round(clock.current) if clock else None,
        "cpu_celsius": max(heat, default=None),
        "gpus": gpu_states(),
    }


def gpu_states() -> list[dict[str, Any]]:
    """Clocks (MHz), temperature (Celsius), power (W), memory in use (MiB) and throttling of each NVIDIA card.

    It only reads. Empty without a driver; a value that a card does not give is null.
    """
    return _of_each_card(_gpu_state)


def gpu_limits() -> list[dict[str, Any]]:
    """What bounds the speed of each NVIDIA card, and with which driver; see ``gpu_states``.

    Returns:
        for each card ``name``, ``driver``, ``cuda_version`` (the newest that the driver runs),
        ``power_limit`` (W), ``max_sm`` and ``max_memory`` (MHz).
    """
    return _of_each_card(_gpu_limit)


def _of_each_card(told: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    """What is told of each card; empty without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [told(card) for card in cards]
    finally:
        pynvml.nvmlShutdown()


def device_memory_mib(pid: int) -> float | None:
    """Memory that a process has on the GPUs, MiB; null if unknown."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        used = [p.usedGpuMemory for c in cards for p in _processes(c) if p.pid == pid]
        return round(sum(used) / 2**20, 1) if used and None not in used else None
    finally:
        pynvml.nvmlShutdown()


def _gpu_limit(card: Any) -> dict[str, Any]:
    milliwatts = _told(pynvml.nvmlDeviceGetEnforcedPowerLimit, card)
    cuda = _told(pynvml.nvmlSystemGetCudaDriverVersion)
    return {
        "name": _told(pynvml.nvmlDeviceGetName, card),
        "driver": _told(pynvml.nvmlSystemGetDriverVersion),
        # 13000 is CUDA 13.0
        "cuda_version": None if cuda is None else f"{cuda // 1000}.{cuda % 1000 // 10}",
        "power_limit": None if milliwatts is None else round(milliwatts / 1000, 1),
        "max_sm": _told(pynvml.nvmlDeviceGetMaxClockInfo, card, pynvml.NVML_CLOCK_SM),
        "max_memory": _told(pynvml.nvmlDeviceGetMaxClockInfo, card, pynvml.NVML_CLOCK_MEM),
    }


def _gpu_state(card: Any) -> dict[str, Any]:
    reasons = _told(pynvml.nvmlDeviceGetCurrentClocksEventReasons, card) or 0
    watts, memory = _told(pynvml.nvmlDeviceGetPowerUsage, card), _told(pynvml.nvmlDeviceGetMemoryInfo, card)
    return {
        "name": _told(pynvml.nvmlDeviceGetName, card),
        "sm_mhz": _told(pynvml.nvmlDeviceGetClockInfo, card, pynvml.NVML_CLOCK_SM),
        "memory_mhz": _told(pynvml.nvmlDeviceGetClockInfo, card, pynvml.NVML_CLOCK_MEM),
        "celsius": _told(pynvml.nvmlDeviceGetTemperature, card, pynvml.NVML_TEMPERATURE_GPU),
        "watts": None if watts is None else round(watts / 1000, 1),
        "memory_mib": None if memory is None else round(memory.used / 2**20, 1),
        "throttled": sorted(name for bit, name in THROTTLES.items() if reasons & bit),
    }


def _processes(card: Any) -> list[Any]:
    return _told(pynvml.nvmlDeviceGetComputeRunningProcesses, card) or []


def _told(question: Any, *arguments: Any) -> Any:
    """A card's answer; null if this card or driver has none."""
    try:
        return question(*arguments)
    except pynvml.NVMLError:
        return None


def _extremes(states: list[dict[str, Any]]) -> dict[str, Any]:
    """``[lowest, highest]`` of each number over the states, with the GPUs by their position."""
    numbers = ("load_1min", "cpu_mhz", "cpu_celsius")
    found: dict[str, Any] = {key: _span(state[key] for state in states) for key in numbers}
    cards = range(min(len(state["gpus"]) for state in states))
    keys = ("sm_mhz", "memory_mhz", "celsius", "watts", "memory_mib")
    found["gpus"] = [{key: _span(state["gpus"][i][key] for state in states) for key in keys} for i in cards]
    return found


def _span(values: Iterator[float | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    return [min(known), max(known)] if known else None


def _busy_seconds() -> float:
    """CPU time of all processes of the machine, including the time that a hypervisor took."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # guest time is already part of user time
    return sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
