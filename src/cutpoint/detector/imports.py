"""The user's own modules, which put their classes into mmdet's registries when they are imported."""

import importlib
import os
import sys
from collections.abc import Iterable

from cutpoint.errors import UserError


def import_modules(modules: Iterable[str]) -> None:
    """Import modules below the working directory, or installed ones.

    Args:
        modules: dotted names, the config's ``imports``.

    Raises:
        UserError: one that is not found or fails.
    """
    modules = list(modules)
    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # the user's file is Python: anything can go wrong in it
            reason = f"{type(error).__name__}: {error}"
            raise UserError(f"imports: module {module!r} cannot be imported ({reason})") from error
