"""What the machine must have for the plan: disk, memory, providers."""

import shutil
from collections import namedtuple

import pytest

from cutpoint.plan.devices import has_gpu
from cutpoint.preflight import machine
from cutpoint.preflight.machine import free_memory, inspect_machine
from cutpoint.records.manifest import Image, Manifest
from cutpoint.records.preflight import DatasetFindings

Usage = namedtuple("Usage", "total used free")
IMAGES = tuple(Image(n, f"{n}.png", f"{n}.png", 10, 10) for n in range(1000))
DATA = {"street": DatasetFindings((), (), Manifest("street", None, None, IMAGES, (), ()))}


@pytest.fixture
def inspect(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(bytes(2_000_000))

    def call(*, disk=10**12, memory=10**12, **changes):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, disk))
        monkeypatch.setattr(machine, "free_memory", lambda: memory)
        planned = {"weights": ["weights.pth", "fetched.pth"], "exports": {"weights.pth": 3, "fetched.pth": 1}}
        planned |= {"stores": {"street": 2}, "pictures": 4_000_000, "providers": [], "remote": False}
        return inspect_machine(DATA, **(planned | changes)).problems

    return call


def test_enough(inspect):
    assert inspect() == ()
    # two stores of 1000 images, three files of 2 MB, 4 MB of pictures
    assert inspect(disk=2000 * machine.CANDIDATE_BYTES + 10_000_000) == ()


def test_the_disk_is_too_full(inspect):
    (problem,) = inspect(disk=2000 * machine.CANDIDATE_BYTES + 9_999_999)
    assert problem.startswith("disk: 42 MB are free below ")
    assert "needs at least 42 MB (32 for candidates, 6 for ONNX files, 4 for pictures); free some" in problem


def test_the_memory_is_too_small(inspect):
    (problem,) = inspect(memory=machine.PROCESS_BYTES)
    assert problem == (
        "memory: 300 MB are free, and one job for weights.pth needs at least 306 MB; end other programs, or "
        "run on a machine with more"
    )
    assert inspect(memory=1, remote=True) == ()


@pytest.mark.skipif(has_gpu(), reason="the provider is here")
def test_a_provider_that_is_not_here(inspect):
    (problem,) = inspect(providers=[("cuda", "variants.raw.provider")])
    # this ONNX Runtime is built without it, or one of its libraries is missing
    said = problem.removeprefix("variants.raw.provider: ")
    assert said.startswith(("provider cuda: this ONNX Runtime ", "ONNX Runtime falls back from CUDA"))
    assert inspect(providers=[("cuda", "variants.raw.provider")], remote=True) == ()


def test_the_memory_of_a_control_group_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUP", tmp_path / "none")
    whole = free_memory()
    assert whole > 10**6
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    for name, text in (("max", "5000\n"), ("current", "3000\n"), ("stat", "anon 1\ninactive_file 700\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory() == 2700
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > 10**6
