"""Digests and versions follow what a module can reach, and nothing else."""

import pytest

from cutpoint.plan.codes import code_digest, import_closure, library_versions

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


def test_closure_follows_functions_packages_and_relative_imports(root):
    assert import_closure("cutpoint.top", root=root) == {
        "cutpoint",
        "cutpoint.top",
        "cutpoint.middle",
        "cutpoint.sub",
        "cutpoint.sub.deep",
        "cutpoint.sub.beside",
    }
    assert "cutpoint.sub.deep" in import_closure("cutpoint.dotted", root=root)


def test_a_module_run_by_its_name_counts(root):
    assert "cutpoint.other" in import_closure("cutpoint.runs", root=root)


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("sub/deep.py", {"top": True, "middle": True, "dotted": True, "other": False, "runs": False}),
        ("sub/__init__.py", {"top": True, "dotted": True, "other": False}),
        ("other.py", {"top": False, "other": True, "runs": True}),
        ("__init__.py", {"top": True, "other": True}),
    ],
)
def test_an_edit_changes_the_digests_of_those_that_reach_it(root, edited, changes):
    before = {name: code_digest(f"cutpoint.{name}", root=root) for name in changes}
    path = root / edited
    path.write_text(path.read_text() + "# edited\n")
    after = {name: code_digest(f"cutpoint.{name}", root=root) for name in changes}
    assert {name: before[name] != after[name] for name in changes} == changes


def test_an_edit_that_adds_an_import_is_noticed(root):
    before = import_closure("cutpoint.other", root=root)
    (root / "other.py").write_text("from cutpoint.sub import deep\n")
    assert import_closure("cutpoint.other", root=root) - before == {
        "cutpoint.sub",
        "cutpoint.sub.deep",
        "cutpoint.sub.beside",
    }


def test_touching_changes_nothing(root):
    before = code_digest("cutpoint.top", root=root)
    (root / "sub/deep.py").touch()
    assert code_digest("cutpoint.top", root=root) == before


def test_versions_are_of_third_party_libraries_that_determine_the_result(root):
    assert set(library_versions("cutpoint.other", root=root)) == {"PyYAML"}
    assert {name.partition("-headless")[0] for name in library_versions("cutpoint.top", root=root)} == {
        "numpy",
        "opencv-python",
    }


def test_an_unknown_module_is_an_error(root):
    with pytest.raises(ValueError, match="no module"):
        code_digest("cutpoint.nothing", root=root)


def test_the_package_itself():
    assert "cutpoint.detector.mmcv_ops" in import_closure("cutpoint.detector.trace")
    assert not any("detector" in name for name in import_closure("cutpoint.predict.shard"))
    assert {"torch", "mmdet"} <= set(library_versions("cutpoint.detector.trace"))
    assert "torch" not in library_versions("cutpoint.evaluate.coco")
    assert "cutpoint.latency.worker" in import_closure("cutpoint.latency.coordinator")
