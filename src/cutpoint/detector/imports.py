"""The user's own modules: importing them adds their classes to mmdet's registries."""

import importlib
import os
import sys
from collections.abc import Collection, Iterable

from cutpoint.errors import UserError

# What a head does with its tensors. A user's own class may change only what comes before them.
BEHIND_THE_TENSORS = ("predict", "predict_by_feat", "_predict_by_feat_single", "_bbox_post_process")


def import_modules(modules: Iterable[str]) -> None:
    """Import modules below the working directory, or installed ones.

    Args:
        modules: dotted names, the config's ``imports``.

    Raises:
        UserError: a module is missing or fails.
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


def head_name(kind: type, known: Collection[str]) -> str:
    """The name by which a head's class is read: its own, or the name of the mmdet class that it extends.

    Args:
        kind: the class of a built head.
        known: names of mmdet's classes that Cutpoint reads.

    Raises:
        UserError: the class extends none of them, or changes what is done with the tensors.
    """
    own = kind
    while kind.__name__ not in known and not kind.__module__.startswith("mmdet.") and kind.__bases__:
        kind = kind.__bases__[0]
    if kind.__name__ not in known:
        raise UserError(
            f"head {own.__name__}: not supported; supported mmdet heads: {', '.join(sorted(known))}"
        )
    changed = [
        name for name in BEHIND_THE_TENSORS if getattr(own, name, None) is not getattr(kind, name, None)
    ]
    if changed:
        raise UserError(
            f"head {own.__name__}: it changes {kind.__name__}.{changed[0]}, which Cutpoint cannot reproduce; "
            "change only what comes before the head's tensors"
        )
    return kind.__name__
