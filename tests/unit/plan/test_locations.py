"""Where relative paths of the config lead."""

import pytest

from cutpoint.plan.locations import find_beside, locate_config


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone beside the working directory; both have shared.txt, the clone alone has demo.txt."""
    folder, here = tmp_path / "clone", tmp_path / "here"
    for place in (folder, here):
        place.mkdir()
        (place / "shared.txt").touch()
    (folder / "demo.txt").touch()
    monkeypatch.chdir(here)
    return folder


def test_the_working_directory_comes_first_then_the_clone(clone):
    assert find_beside("shared.txt", clone) == "shared.txt"
    assert find_beside("demo.txt", clone) == str(clone / "demo.txt")
    assert find_beside("to_be_fetched.txt", clone) == "to_be_fetched.txt"
    assert find_beside(str(clone / "demo.txt"), clone) == str(clone / "demo.txt")


def test_every_path_of_the_config_is_located_and_nothing_else(clone):
    model = {"config": "demo.txt", "checkpoint": "shared.txt", "class_names": "demo.txt"}
    variant = {"runtime": "demo.txt", "onnx": "demo.txt"}
    config = {
        "device": "demo.txt",
        "downloads": {"folder": "demo.txt"},
        "models": {"m": model},
        "datasets": {"d": {"images": "demo.txt", "annotations": None}},
        "variants": {"theirs": {"results": "demo.txt"}, "external": variant, "plain": {"onnx": None}},
    }
    located = locate_config(config, clone)
    there = str(clone / "demo.txt")
    assert located == {
        "device": "demo.txt",
        "downloads": {"folder": there},
        "models": {"m": {"config": there, "checkpoint": "shared.txt", "class_names": "demo.txt"}},
        "datasets": {"d": {"images": there, "annotations": None}},
        "variants": {
            "theirs": {"results": there},
            "external": {"runtime": "demo.txt", "onnx": there},
            "plain": {"onnx": None},
        },
    }
    assert config["models"]["m"]["config"] == "demo.txt"


def test_a_shipped_config_is_no_path(clone):
    name = "mmdet::yolox/yolox_nano_8xb8-300e_coco.py"
    config = {
        "models": {"m": {"config": name}},
        "datasets": {},
        "variants": {},
        "downloads": {"folder": None},
    }
    assert locate_config(config, clone)["models"]["m"]["config"] == name
