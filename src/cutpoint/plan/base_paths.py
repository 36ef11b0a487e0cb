"""The paths in an mmdet config's ``_base_``. The expression is read, and no code runs."""

import ast
import itertools
import os
from collections.abc import Callable
from typing import Any

from cutpoint.errors import UserError

# What an expression may call, by its name in the config; ``osp`` is a name that mmengine 0.10.7 knows too.
PATH_FUNCTIONS: dict[str, Callable[..., Any]] = {
    f"{module}.{name}": getattr(os.path, name)
    for module in ("os.path", "osp")
    for name in ("join", "dirname", "basename", "abspath", "normpath")
}
LONGEST = 10_000  # paths, or characters of one


class _Unknown(Exception):
    """A part of an expression that is not read."""


def evaluate(path: str, expression: ast.expr) -> Any:
    """The value of a ``_base_``: texts and lists of them, also made by ``+``, f-strings, ``format``,
    functions of ``os.path``, or one list comprehension.

    mmengine 0.10.7 evaluates any Python there (``Config._get_base_files``).

    Args:
        path: of the config, for messages.
        expression: the right side of the assignment.

    Raises:
        UserError: it needs more of Python.
    """
    try:
        return _value(expression, {})
    except (_Unknown, TypeError, ValueError, LookupError, RecursionError) as error:
        raise UserError(
            f"model config {path}: _base_ = {ast.unparse(expression)} cannot be read without running it "
            f"({type(error).__name__.lstrip('_')}: {error}); write the paths out"
        ) from error


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.List() | ast.Tuple():
            values = [_value(item, names) for item in node.elts]
            return values if isinstance(node, ast.List) else tuple(values)
        case ast.Name() if node.id in names:
            return names[node.id]
        case ast.BinOp(op=ast.Add()):
            return _short(_value(node.left, names) + _value(node.right, names))
        case ast.JoinedStr():
            return _short("".join(str(_value(part, names)) for part in node.values))
        case ast.FormattedValue(conversion=-1, format_spec=None):
            return _value(node.value, names)
        case ast.Call(keywords=[]):
            return _short(_call(node, names))
        case ast.ListComp(generators=[ast.comprehension(target=ast.Name() as target, ifs=[]) as loop]) if (
            not names
        ):
            values = _short(_value(loop.iter, names))
            return [_value(node.elt, names | {target.id: value}) for value in values]
    raise _Unknown(ast.unparse(node))


def _call(node: ast.Call, names: dict[str, Any]) -> Any:
    arguments = [_value(argument, names) for argument in node.args]
    called = PATH_FUNCTIONS.get(ast.unparse(node.func))
    if called:
        return called(*arguments)
    if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        text = _value(node.func.value, names)
        # only empty braces: others can pad a text to any length, or reach into what is formatted
        if isinstance(text, str) and text.count("{}") == text.count("{") == text.count("}") == len(arguments):
            pieces = itertools.zip_longest(text.split("{}"), map(str, arguments), fillvalue="")
            return "".join(itertools.chain.from_iterable(pieces))
    raise _Unknown(ast.unparse(node))


def _short(value: Any) -> Any:
    if len(value) > LONGEST:
        raise _Unknown(f"more than {LONGEST} characters or paths")
    return value
