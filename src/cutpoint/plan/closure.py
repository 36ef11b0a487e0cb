"""The files that a model config and the user's modules reach. Their code is read, and it does not run."""

import ast
import importlib.util
import json
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cutpoint.errors import UserError
from cutpoint.plan.base_paths import evaluate

# Files that a config or a module may open by name. JSON is left out, because it may belong to a data set.
OPENED = (".py", ".txt", ".csv", ".npy", ".npz", ".yaml", ".yml")


@dataclass
class Reach:
    """What one file needs.

    ``configs``: paths of config files, which must exist. ``imports``: ``(level, parts)`` of every import;
    level is the number of leading dots. ``named``: files of the working directory that a text names.
    """

    configs: list[str] = field(default_factory=list)
    imports: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    named: list[str] = field(default_factory=list)


def config_files(config: str) -> list[str]:
    """The local files that a model config consists of.

    These are the config, the files that it inherits from (``_base_``, or ``read_base()`` in a pure-Python
    config), the local modules that these import (also with ``custom_imports``) with everything that those
    import, and the files of the working directory that they name (see ``OPENED``). A local module lies next
    to the file that imports it, below the working directory, or below a folder of Python's search path that
    has no installed packages.

    Args:
        config: a path, or ``mmdet::...``, which has none (mmdet's version stands for it).

    Returns:
        the config first, then the others in the order in which they are reached.

    Raises:
        UserError: a file cannot be read, or a ``_base_`` cannot be read without running it or is missing.
    """
    if "::" in config:
        return []
    reached: dict[str, None] = {}
    modules: list[str] = []
    waiting = [config]
    while waiting:
        path = waiting.pop(0)
        if path in reached:
            continue
        reached[path] = None
        reach = _read(path, True)
        for base in reach.configs:
            if not Path(base).is_file():
                raise UserError(f"model config {path}: it inherits from {base}, which does not exist")
        waiting += reach.configs + [name for name in reach.named if name.endswith(".py")]
        modules += _imported(path, reach) + reach.named
    return list(dict.fromkeys([*reached, *_follow(modules)]))


def module_files(modules: Iterable[str]) -> list[str]:
    """The local files of modules and of everything that they import.

    Args:
        modules: dotted names, the config's ``imports``.

    Returns:
        paths in the order in which they are reached, with the packages that a module lies in.

    Raises:
        UserError: a module is neither below the working directory nor installed.
    """
    files: list[str] = []
    for module in modules:
        parts = tuple(module.split("."))
        local = [path for root in _roots() for path in _locate(root, parts)]
        ends = os.path.join(*parts)
        whole = any(path.endswith((f"{ends}.py", os.path.join(ends, "__init__.py"))) for path in local)
        # find_spec of the top package does not run code
        if not whole and (local or importlib.util.find_spec(parts[0]) is None):
            raise UserError(f"imports: no module {module!r} below {Path.cwd()} or among the installed ones")
        files += local
    return _follow(files)


def _follow(files: Iterable[str]) -> list[str]:
    reached: dict[str, None] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop(0)
        if path not in reached:
            reached[path] = None
            reach = _read(path, False) if path.endswith(".py") else Reach()
            waiting += _imported(path, reach) + reach.named
    return list(reached)


def _imported(path: str, reach: Reach) -> list[str]:
    folder = os.path.dirname(path)
    files: list[str] = []
    for level, parts in reach.imports:
        if level:
            files += _locate(os.path.normpath(os.path.join(folder, *[".."] * (level - 1))), parts)
        else:
            files += [file for root in dict.fromkeys([folder, *_roots()]) for file in _locate(root, parts)]
    return files


def _roots() -> list[str]:
    """The roots of local modules: the search path with its editable installs, without installed packages.

    An installed module changes only with its version.
    """
    here = os.getcwd()
    fixed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    roots = [""]
    for entry in map(os.path.abspath, filter(None, sys.path)):
        installed = {"site-packages", "dist-packages", "lib-dynload"} & set(Path(entry).parts)
        if os.path.isdir(entry) and entry not in fixed and not installed and entry != here:
            roots.append(os.path.relpath(entry, here) if entry.startswith(here + os.sep) else entry)
    return list(dict.fromkeys(roots))


def _locate(root: str, parts: tuple[str, ...]) -> list[str]:
    """The existing files that run when a module below a folder is imported."""
    files: list[str] = []
    folder = root
    for part in parts:
        package = os.path.join(folder, part)
        if os.path.isfile(os.path.join(package, "__init__.py")):
            files.append(os.path.join(package, "__init__.py"))
        elif os.path.isfile(f"{package}.py"):
            files.append(f"{package}.py")
            break
        elif not os.path.isdir(package):
            break
        folder = package
    return [os.path.normpath(file) for file in files]


def _read(path: str, is_config: bool) -> Reach:
    try:
        state = os.stat(path)
    except OSError as error:
        raise UserError(f"model config {path}: cannot be read ({error.strerror})") from error
    return _read_once(path, is_config, state.st_mtime_ns, state.st_size)


@cache
def _read_once(path: str, is_config: bool, _time: int, _size: int) -> Reach:
    if is_config and not path.endswith((".py", ".json", ".yaml", ".yml")):
        raise UserError(f"model config {path}: mmengine reads .py, .json, .yaml and .yml files")
    try:
        text = Path(path).read_text(encoding="utf-8")
        if is_config and not path.endswith(".py"):
            return _read_data(path, _fill_in(path, text))
        tree = ast.parse(_fill_in(path, text) if is_config else text)
    except (OSError, SyntaxError, ValueError, yaml.YAMLError) as error:
        if not is_config:  # the job that imports it says why; its content is known by its digest
            return Reach()
        kind = "Python" if path.endswith(".py") else "JSON or YAML"
        raise UserError(f"model config {path}: cannot be read as {kind} ({error})") from error
    bases = list(_inherited(path, tree)) if is_config else []
    skipped = {id(node) for block in _base_blocks(tree) for node in block.body}
    nodes = [node for node in ast.walk(tree) if id(node) not in skipped]
    return Reach(bases, [item for node in nodes for item in _imports(node)], list(_named(nodes)))


def _fill_in(path: str, text: str) -> str:
    """Insert what mmengine inserts before it reads a config (``Config._file2dict``, mmengine 0.10.7)."""
    stem, suffix = os.path.splitext(os.path.basename(path))
    known = {
        "fileDirname": os.path.dirname(os.path.abspath(path)),
        "fileBasename": stem + suffix,
        "fileBasenameNoExtension": stem,
        "fileExtname": suffix,
    }
    for key, value in known.items():
        text = re.sub(rf"\{{\{{\s*{key}\s*\}}\}}", value.replace("\\", r"\\"), text)
    text = re.sub(
        r"\{\{['\"]?\s*\$(\w+)\s*:\s*(\S*?)\s*['\"]?\}\}",
        lambda match: os.environ.get(match[1], match[2]),
        text,
    )
    return re.sub(r"\{\{\s*_base_\.([\w.]+)\s*\}\}", r'"\1"', text)


def _read_data(path: str, text: str) -> Reach:
    content = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    if not isinstance(content, dict):
        raise UserError(f"model config {path}: it is not a mapping of keys to values")
    custom = content.get("custom_imports") or {}
    names = custom.get("imports", []) if isinstance(custom, dict) else []
    names = [names] if isinstance(names, str) else names
    bases = _paths(path, content.get("_base_", []), "its value")
    return Reach(bases, list(_split(names)))


def _inherited(path: str, tree: ast.Module) -> Iterator[str]:
    """``Config._get_base_files`` and ``Config._parse_lazy_import`` of mmengine 0.10.7."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_base_":
            yield from _paths(path, evaluate(path, node.value), ast.unparse(node.value))
            break
    folder = os.path.dirname(path)
    for block in _base_blocks(tree):
        for node in block.body:
            if not isinstance(node, ast.ImportFrom) or not node.module:
                raise UserError(
                    f"model config {path}: {ast.unparse(node)!r} in read_base(); mmengine takes only "
                    "`from module import names` there"
                )
            parts = node.module.split(".")
            if node.level:
                yield os.path.normpath(
                    os.path.join(folder, *[".."] * (node.level - 1), *parts[:-1], f"{parts[-1]}.py")
                )
            else:
                yield from (file for root in _roots() for file in _locate(root, tuple(parts))[-1:])


def _base_blocks(tree: ast.Module) -> list[ast.With]:
    def is_base(block: ast.With) -> bool:
        call = block.items[0].context_expr
        return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "read_base"

    return [node for node in tree.body if isinstance(node, ast.With) and is_base(node)]


def _paths(path: str, value: Any, text: str) -> list[str]:
    bases = value if isinstance(value, list) else [value]
    if not all(isinstance(base, str) for base in bases):
        raise UserError(f"model config {path}: _base_ = {text}: mmengine takes a text or a list of texts")
    folder = os.path.dirname(path)
    return [os.path.normpath(os.path.join(folder, base)) for base in bases if "::" not in base]


def _imports(node: ast.AST) -> Iterator[tuple[int, tuple[str, ...]]]:
    if isinstance(node, ast.Import):
        yield from ((0, tuple(alias.name.split("."))) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = tuple(node.module.split(".")) if node.module else ()
        yield from ((node.level, (*parts, alias.name)) for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        texts = (part.value for part in node.args[:1] if isinstance(part, ast.Constant))
        yield from _split(text for text in texts if isinstance(text, str))
    elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "custom_imports":
        texts = (n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant))
        yield from _split(text for text in texts if isinstance(text, str))


def _split(modules: Iterable[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Dotted names, with leading dots for relative ones, from ``Reach.imports``."""
    for module in modules:
        name = module.lstrip(".")
        yield len(module) - len(name), tuple(name.split("."))


def _named(nodes: Iterable[ast.AST]) -> Iterator[str]:
    texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return (os.path.normpath(text) for text in texts if text.endswith(OPENED) and os.path.isfile(text))
