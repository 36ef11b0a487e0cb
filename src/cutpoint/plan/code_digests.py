"""What a rule's result depends on besides its inputs: our own code, and the libraries that it imports.

Both are read from the source, so there is no list by hand: the import closure, inside the package, of the
module that a rule calls (including imports inside functions), and the other packages that it imports.
"""

import ast
import hashlib
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cutpoint.plan.digests import Digests

PACKAGE = "cutpoint"
ROOT = Path(__file__).parents[1]
MODULE_NAME = re.compile(rf"{PACKAGE}(\.\w+)+")

# Files besides the code that a module reads.
DATA_FOLDERS = {
    "cutpoint.report.page": ("report/templates",),
    "cutpoint.runs.page": ("report/templates",),
}

# Distributions with another name than the import; the first installed one counts.
DISTRIBUTIONS = {
    "PIL": ("pillow",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "jinja2": ("Jinja2",),
    "mmcv": ("mmcv", "mmcv-lite"),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime"),
    "yaml": ("PyYAML",),
}
# They show or download something, and do not change what is written.
WITHOUT_EFFECT = {"requests", "tqdm"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class CodeDigests:
    """The code of each module of the package; the result for a file is kept with its digest."""

    def __init__(self, digests: Digests, root: Path = ROOT) -> None:
        """``root``: folder of the package's top-level ``__init__.py``."""
        self._digests = digests
        self._root = root

    def get(self, module: str) -> dict[str, object]:
        """The digest of a module's code and the versions of its libraries, as one value for ``params``."""
        names = self.closure(module)
        return {"digest": self._digest(names), "versions": self._versions(names)}

    def digest(self, module: str) -> str:
        """Hash a module and everything of the package that it imports, without comments and docstrings.

        Args:
            module: dotted name, for example ``cutpoint.evaluate.coco``.

        Returns:
            12 hexadecimal digits.

        Raises:
            ValueError: the package has no such module.
        """
        return self._digest(self.closure(module))

    def versions(self, module: str) -> dict[str, str]:
        """Versions of the installed distributions that the closure of a module imports."""
        return self._versions(self.closure(module))

    def closure(self, module: str) -> set[str]:
        """Names of the package's modules that a module can reach when it is imported and run, and itself.

        Raises:
            ValueError: the package has no such module.
        """
        reached: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            waiting += [parent for parent in _parents(name) if parent not in reached]
            for target in self._read(name)[1]:
                # ``from package import name``: name is a module or something inside the package
                for known in (target, target.rpartition(".")[0]):
                    if known.partition(".")[0] == PACKAGE and _find(known, self._root):
                        waiting.append(known)
                        break
        return reached

    def _digest(self, names: set[str]) -> str:
        digest = hashlib.sha256()
        for name in sorted(names):
            digest.update(f"{name} {self._read(name)[0]}\n".encode())
            for folder in DATA_FOLDERS.get(name, ()):
                for path in sorted(path for path in (self._root / folder).rglob("*") if path.is_file()):
                    digest.update(f"{path.name} {self._digests.of_file(str(path))}\n".encode())
        return digest.hexdigest()[:12]

    def _versions(self, names: set[str]) -> dict[str, str]:
        imports = {target.partition(".")[0] for name in names for target in self._read(name)[1]}
        imports -= {PACKAGE, "__future__"} | WITHOUT_EFFECT | set(sys.stdlib_module_names)
        installed = (_version(name) for name in sorted(imports))
        return dict(pair for pair in installed if pair)

    def _read(self, name: str) -> tuple[str, list[str]]:
        """The digest of a module's code, and the dotted names that it imports."""
        path = _find(name, self._root)
        if path is None:
            raise ValueError(f"{PACKAGE} has no module {name}")
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        return self._digests.remember("code", str(path), lambda path: _parse(path, package))


@cache
def _find(name: str, root: Path) -> Path | None:
    relative = Path(*name.split(".")[1:])
    for path in (root / relative / "__init__.py", (root / relative).with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _parse(path: str, package: str) -> tuple[str, list[str]]:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    targets: set[str] = set()
    for node in ast.walk(tree):
        targets |= _targets(node, package)
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), sorted(targets)


def _targets(node: ast.AST, package: str) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, base] if base else above)
        return {f"{base}.{alias.name}" for alias in node.names}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # ``python -m cutpoint.worker``: a module run by its name
        return {node.value} if MODULE_NAME.fullmatch(node.value) else set()
    return set()


@cache
def _version(name: str) -> tuple[str, str] | None:
    for distribution in DISTRIBUTIONS.get(name, (name,)):
        try:
            return distribution, version(distribution)
        except PackageNotFoundError:
            continue
    return None
