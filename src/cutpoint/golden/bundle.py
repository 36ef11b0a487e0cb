"""Make the one file ``check.py`` from the modules of ``golden.checker``."""

import ast
import importlib.util
from pathlib import Path

# in the order of their imports
PARTS = (
    "cutpoint.golden.checker.rows",
    "cutpoint.golden.checker.steps",
    "cutpoint.golden.checker.tensors",
    "cutpoint.golden.checker.outputs",
    "cutpoint.golden.checker.ranked",
    "cutpoint.golden.checker.port",
    "cutpoint.golden.checker.stage",
    "cutpoint.golden.checker.guesses",
    "cutpoint.golden.checker.explain",
    "cutpoint.golden.checker.main",
)
HEAD = '''#!/usr/bin/env python3
"""Check a port of a detector against this golden pack: one file that needs only Python 3.9 and numpy.

    python check.py PACK PORT [--precision fp32|fp16|int8]

PACK is the folder of this file. PORT is what your port computes: a folder of .npz or .npy files, or one
.json. README.md says what to give. Exit code: 0 the port agrees, 1 it differs, 2 something is unreadable.
Made by Cutpoint. Do not edit it: change the parts of Cutpoint that it is made of.
"""
'''


def bundle() -> str:
    """The text of ``check.py``: the modules one after the other, without the imports of each other.

    Raises:
        ValueError: two modules define one name, or one imports a module that is not before it.
    """
    imports: set[str] = set()
    bodies: list[str] = []
    defined: set[str] = set()
    for number, name in enumerate(PARTS):
        text = _source(name)
        lines = text.splitlines()
        tree = ast.parse(text)
        body = []
        for node in tree.body[1:]:  # the first is the docstring
            if isinstance(node, ast.Import | ast.ImportFrom):
                if not _is_part(node, PARTS[:number]):
                    imports.add(ast.unparse(node))
                continue
            twice = defined & _names(node)
            if twice:
                raise ValueError(f"{name}: {', '.join(sorted(twice))} is defined in another part too")
            defined |= _names(node)
            body.append(_text(node, lines))
        title = ast.get_docstring(tree) or name
        bodies.append(f"\n# --- {title.splitlines()[0]} ---\n" + "\n".join(body))
    future = "from __future__ import annotations"
    rest = sorted(imports - {future}, key=lambda line: (line.endswith("as np"), line.split()[1], line))
    return "\n".join([HEAD, future, "", *rest, *bodies]) + "\n"


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"no module {name}")
    return Path(spec.origin).read_text(encoding="utf-8")


def _is_part(node: ast.Import | ast.ImportFrom, before: tuple[str, ...]) -> bool:
    if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cutpoint"):
        if node.module not in before:
            raise ValueError(f"{node.module} is imported and is no part before this one")
        return True
    return False


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {
        inner.id for target in targets if target for inner in ast.walk(target) if isinstance(inner, ast.Name)
    }


def _text(node: ast.stmt, lines: list[str]) -> str:
    """The source of a statement, with its decorators and the comment above it."""
    start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
    while start and lines[start - 1].startswith("#"):
        start -= 1
    gap = "\n\n" if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.If) else ""
    return gap + "\n".join(lines[start : node.end_lineno])
