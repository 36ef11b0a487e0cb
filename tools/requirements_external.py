"""Write requirements-external.txt: the part of requirements.txt that models without mmdet need.

These are Snakemake, what the packages in src import outside ``detector/``, and what those need in turn. It
reads the metadata of the installed packages, so it runs in the environment of ``make setup``.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
# the only part that imports torch and mmdet
DETECTOR = SOURCE / "cutpoint/detector"
# what no module imports: it runs the workflow, here and on clusters, and builds it
ALWAYS = ("snakemake", "snakemake-executor-plugin-slurm", "setuptools")
# The same runtime for CPUs alone is a tenth of the size.
SMALLER = {"onnxruntime-gpu": "onnxruntime"}


def requirements() -> str:
    """The file's text, sorted as requirements.txt."""
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    needed = _closure({*ALWAYS, *_distributions()})
    lines = [line for line in locked if canonicalize_name(line.partition("==")[0]) in needed]
    return "".join(f"{_smaller(line)}\n" for line in lines)


def _smaller(line: str) -> str:
    name, _, version = line.partition("==")
    return f"{SMALLER.get(name, name)}=={version}"


def _distributions() -> Iterator[str]:
    """The packages that have a module which the package imports."""
    known = packages_distributions()
    for path in SOURCE.rglob("*.py"):
        if DETECTOR not in path.parents:
            for name in _imports(path):
                yield from known.get(name, ())


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {path.name for path in SOURCE.iterdir()}


def _closure(names: set[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in reached:
            reached.add(name)
            for text in distribution(name).requires or ():
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                    waiting.append(needed.name)
    return reached


if __name__ == "__main__":
    (ROOT / "requirements-external.txt").write_text(requirements(), encoding="utf-8")
