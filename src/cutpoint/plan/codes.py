"""What a rule's result depends on besides its inputs: our own code, and the libraries it imports.

Both are read off the source, so that nothing has to be listed by hand: the package-internal import closure of
the module that a rule calls, imports inside functions included, and the other packages imported in it.
"""

import ast
import hashlib
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "cutpoint"
ROOT = Path(__file__).parents[1]
MODULE_NAME = re.compile(rf"{PACKAGE}(\.\w+)+")

# Files beside the code that a module reads.
DATA_FOLDERS = {"cutpoint.report.page": ("report/templates",)}

# Distributions whose name is not that of the import; the first one installed counts.
DISTRIBUTIONS = {
    "PIL": ("pillow",),
    "cv2": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "jinja2": ("Jinja2",),
    "mmcv": ("mmcv", "mmcv-lite"),
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime"),
    "yaml": ("PyYAML",),
}
# They show or fetch, and do not change what is written.
WITHOUT_EFFECT = {"requests", "tqdm"}


def get_code(module: str) -> dict[str, object]:
    """The digest of a module's code and the versions of its libraries, as one value for ``params``."""
    return {"digest": code_digest(module), "versions": library_versions(module)}


def code_digest(module: str, *, root: Path = ROOT) -> str:
    """Hash the sources of a module and of everything of the package that it imports.

    Args:
        module: dotted name, such as ``cutpoint.evaluate.coco``.
        root: folder of the package's top-level ``__init__.py``.

    Returns:
        12 hexadecimal digits.

    Raises:
        ValueError: the package has no such module.
    """
    digest = hashlib.sha256()
    for name in sorted(import_closure(module, root=root)):
        files = [_find(name, root)]
        for folder in DATA_FOLDERS.get(name, ()):
            files += sorted(path for path in (root / folder).rglob("*") if path.is_file())
        for path in files:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def library_versions(module: str, *, root: Path = ROOT) -> dict[str, str]:
    """Versions of the installed distributions that the closure of a module imports."""
    imports = set()
    for name in import_closure(module, root=root):
        imports |= {target.partition(".")[0] for target in _imports(_find(name, root), name)}
    imports -= {PACKAGE, "__future__"} | WITHOUT_EFFECT | set(sys.stdlib_module_names)
    found = (_version(name) for name in sorted(imports))
    return dict(pair for pair in found if pair)


def import_closure(module: str, *, root: Path = ROOT) -> set[str]:
    """Names of the package's modules that importing and running ``module`` can reach, itself included."""
    if _find(module, root) is None:
        raise ValueError(f"{PACKAGE} has no module {module}")
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting += [parent for parent in _parents(name) if parent not in reached]
        for target in _imports(_find(name, root), name):
            # ``from package import name``: name is a module or something inside the package
            for known in (target, target.rpartition(".")[0]):
                if known.partition(".")[0] == PACKAGE and _find(known, root):
                    waiting.append(known)
                    break
    return reached


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


@cache
def _find(name: str, root: Path) -> Path | None:
    relative = Path(*name.split(".")[1:])
    for path in (root / relative / "__init__.py", (root / relative).with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _imports(path: Path, name: str) -> frozenset[str]:
    """Dotted names that a file imports. The time stamp lets a cache notice an edit."""
    return _imports_of(path, name, path.stat().st_mtime_ns)


@cache
def _imports_of(path: Path, name: str, mtime_ns: int) -> frozenset[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    targets: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            targets |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # ``python -m cutpoint.worker``: a module run by its name
            targets |= {node.value} if MODULE_NAME.fullmatch(node.value) else set()
    return frozenset(targets)


@cache
def _version(name: str) -> tuple[str, str] | None:
    for distribution in DISTRIBUTIONS.get(name, (name,)):
        try:
            return distribution, version(distribution)
        except PackageNotFoundError:
            continue
    return None
