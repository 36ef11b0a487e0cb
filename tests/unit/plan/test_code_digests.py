"""Digests and versions follow what a module can reach, and nothing else."""

import pytest

from cutpoint.plan.code_digests import CodeDigests
from cutpoint.plan.digests import Digests

FILES = {
    "__init__.py": "",
    "top.py": "import numpy\nfrom cutpoint import middle\n",
    "middle.py": "def f():\n    from cutpoint.sub.deep import value\n    return value\n",
    "sub/__init__.py": "from .beside import thing\n",
    "sub/deep.py": "import cv2\nvalue = 1\n",
    "sub/beside.py": "thing = 1\n",
    "other.py": "import yaml\nimport tqdm\nimport json\n",
    "runs.py": "COMMAND = ['-m', 'cutpoint.other']\n",
    "dotted.py": "import cutpoint.sub.deep\n",
}


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def codes(root, tmp_path_factory):
    return CodeDigests(Digests(tmp_path_factory.mktemp("cache") / "digests.json"), root)


def test_closure_follows_functions_packages_and_relative_imports(root, codes):
    assert codes.closure("cutpoint.top") == {
        "cutpoint",
        "cutpoint.top",
        "cutpoint.middle",
        "cutpoint.sub",
        "cutpoint.sub.deep",
        "cutpoint.sub.beside",
    }
    assert "cutpoint.sub.deep" in codes.closure("cutpoint.dotted")


def test_a_module_run_by_its_name_counts(root, codes):
    assert "cutpoint.other" in codes.closure("cutpoint.runs")


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("sub/deep.py", {"top": True, "middle": True, "dotted": True, "other": False, "runs": False}),
        ("sub/__init__.py", {"top": True, "dotted": True, "other": False}),
        ("other.py", {"top": False, "other": True, "runs": True}),
        ("__init__.py", {"top": True, "other": True}),
    ],
)
def test_an_edit_changes_the_digests_of_those_that_reach_it(root, codes, edited, changes):
    before = {name: codes.digest(f"cutpoint.{name}") for name in changes}
    path = root / edited
    path.write_text(path.read_text() + "edited = True\n")
    after = {name: codes.digest(f"cutpoint.{name}") for name in changes}
    assert {name: before[name] != after[name] for name in changes} == changes


def test_an_edit_that_adds_an_import_is_noticed(root, codes):
    before = codes.closure("cutpoint.other")
    (root / "other.py").write_text("from cutpoint.sub import deep\n")
    assert codes.closure("cutpoint.other") - before == {
        "cutpoint.sub",
        "cutpoint.sub.deep",
        "cutpoint.sub.beside",
    }


def test_touching_changes_nothing(root, codes):
    before = codes.digest("cutpoint.top")
    (root / "sub/deep.py").touch()
    assert codes.digest("cutpoint.top") == before


def test_versions_are_of_third_party_libraries_that_determine_the_result(root, codes):
    assert set(codes.versions("cutpoint.other")) == {"PyYAML"}
    assert {name.partition("-headless")[0] for name in codes.versions("cutpoint.top")} == {
        "numpy",
        "opencv-python",
    }


def test_an_unknown_module_is_an_error(root, codes):
    with pytest.raises(ValueError, match="no module"):
        codes.digest("cutpoint.nothing")


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "# a comment\n" + text,
        lambda text: text.replace("def f():\n", 'def f():\n    """What f is."""\n\n'),
        lambda text: '"""What the module is."""\n' + text,
        lambda text: text.replace("value\n    return", "value  # why\n\n    return"),
    ],
)
def test_comments_docstrings_and_blank_lines_are_no_change(root, codes, edit):
    before = codes.digest("cutpoint.top")
    path = root / "middle.py"
    text = path.read_text()
    path.write_text(edit(text))
    assert path.read_text() != text
    assert codes.digest("cutpoint.top") == before


def test_a_text_that_the_code_uses_is_a_change(root, codes):
    before = codes.digest("cutpoint.runs")
    (root / "runs.py").write_text(FILES["runs.py"].replace("-m", "-n"))
    assert codes.digest("cutpoint.runs") != before


def test_the_package_itself(tmp_path):
    codes = CodeDigests(Digests(tmp_path / "digests.json"))
    assert "cutpoint.detector.mmcv_ops" in codes.closure("cutpoint.detector.trace")
    assert not any("detector" in name for name in codes.closure("cutpoint.predict.shard"))
    assert {"torch", "mmdet"} <= set(codes.versions("cutpoint.detector.trace"))
    assert "torch" not in codes.versions("cutpoint.evaluate.coco")
    assert "cutpoint.latency.worker" in codes.closure("cutpoint.latency.coordinator")
