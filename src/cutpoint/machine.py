"""The machine that a measurement was made on."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

# CUDA, cuDNN and TensorRT as torch and ONNX Runtime load them
CUDA = (
    *("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
    "tensorrt",
)
LIBRARIES = (
    "torch",
    "mmdet",
    "mmcv",
    "mmcv-lite",
    "onnxruntime-gpu",
    "onnxruntime",
    "onnx",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    *CUDA,
)


def machine_facts() -> dict[str, Any]:
    """Processor, memory, load, GPU and library versions, as plain JSON values."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": platform.python_version(),
        "gpus": _gpus(),
        "libraries": library_versions(LIBRARIES),
    }


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the libraries that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _gpus() -> list[str]:
    """Name and driver of each NVIDIA card; empty if the driver's tool is missing."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]
