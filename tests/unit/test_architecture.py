"""How the package is built: which part knows which, who imports torch, how long a module may be."""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import cutpoint

ROOT = Path(cutpoint.__file__).parent
CLONE = ROOT.parents[1]
LONGEST = 300
# torch takes seconds to import
HEAVY = ("torch", "mmdet", "mmengine", "mmcv")
# stops at the first module after whose import one of them is there
CODE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if found := set(HEAVY) & set(sys.modules):
        sys.exit(f"{name} imports {', '.join(sorted(found))}")
"""


def list_modules() -> Iterator[tuple[str, Path]]:
    """Dotted name, without ``cutpoint``, and file of each module."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts).removesuffix("__init__").removesuffix("."), path


def imported(path: Path) -> set[str]:
    """Dotted names of all that a file imports, inside functions and for type checkers included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages() -> dict[str, set[str]]:
    """Which packages, or modules beside them, each one imports."""
    known = {name.partition(".")[0] for name, _ in list_modules()} - {""}
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, path in list_modules():
        own = name.partition(".")[0]
        for target in imported(path):
            parts = target.split(".")
            if parts[0] == "cutpoint" and own and len(parts) > 1 and parts[1] != own:
                graph[own].add(parts[1])
    return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """One cycle, its first member repeated at the end; empty where there is none."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for target in sorted(graph.get(name, ())):
            cycle = visit(target, [*way, name])
            if cycle:
                return cycle
        done.add(name)
        return []

    return next((cycle for name in sorted(graph) if (cycle := visit(name, []))), [])


def test_a_cycle_is_seen():
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"d", "b"}, "d": set()}) == ["b", "c", "b"]


def test_packages_do_not_import_each_other_in_a_circle():
    graph = packages()
    assert {"records", "predict"} <= graph["detector"]
    assert find_cycle(graph) == []


def test_records_are_the_ground_floor():
    assert packages()["records"] <= {"errors", "files"}


def test_no_part_of_snakemake_is_in_the_package():
    assert not [name for name, path in list_modules() if any("snakemake" in i for i in imported(path))]


def test_only_the_detector_package_names_torch_in_an_import():
    heavy = defaultdict(set)
    for name, path in list_modules():
        heavy[name.partition(".")[0]] |= {i.partition(".")[0] for i in imported(path)} & set(HEAVY)
    assert [name for name, found in heavy.items() if found] == ["detector"]


def test_only_the_detector_package_loads_torch():
    modules = [f"cutpoint.{name}" for name, _ in list_modules() if name and not name.startswith("detector")]
    assert {"cutpoint.predict.shard", "cutpoint.latency.worker", "cutpoint.demo.scenes"} < set(modules)
    command = [sys.executable, "-c", CODE.replace("HEAVY", repr(HEAVY)), *sorted(modules)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", ["src", "workflow", "tools", "benchmarks"])
def test_modules_are_short(part):
    files = [path for ending in ("*.py", "*.smk") for path in (CLONE / part).rglob(ending)]
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_no_two_modules_of_the_tests_have_one_name():
    """pytest puts every folder on one path, so the second of two would get the first."""
    names = Counter(path.name for path in (CLONE / "tests").rglob("*.py") if path.name != "conftest.py")
    assert "test_architecture.py" in names
    assert [name for name, count in names.items() if count > 1] == []
