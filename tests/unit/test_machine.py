import importlib.metadata
import json
import os
import subprocess

from cutpoint import machine


def test_facts_are_json_and_complete():
    facts = json.loads(json.dumps(machine.machine_facts()))
    assert set(facts) == {
        "processor",
        "architecture",
        "physical_cores",
        "logical_cores",
        "usable_cores",
        "memory_gib",
        "load_1min",
        "system",
        "python",
        "gpus",
        "libraries",
    }
    assert facts["usable_cores"] == len(os.sched_getaffinity(0))
    assert facts["memory_gib"] > 0.1
    assert facts["libraries"]["numpy"] == importlib.metadata.version("numpy")


def test_versions_of_what_is_installed():
    assert set(machine.library_versions(("numpy", "no-such-library"))) == {"numpy"}


def test_gpus_are_read_line_by_line(monkeypatch):
    answer = subprocess.CompletedProcess([], 0, stdout="NVIDIA H200, 570.1\n\nNVIDIA L4, 570.1\n")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: answer)
    assert machine._gpus() == ["NVIDIA H200, 570.1", "NVIDIA L4, 570.1"]


def test_no_gpu_driver_is_no_error(monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(machine.subprocess, "run", absent)
    assert machine._gpus() == []
