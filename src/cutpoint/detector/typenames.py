"""The ``type`` of an mmdet config: a name, a name with its scope, or the class itself."""

from typing import Any

from mmdet.utils import register_all_modules
from mmengine.registry import Registry

OPENMMLAB = ("mmengine", "mmcv", "mmdet")


def find_type(value: Any, registry: Registry) -> type | None:
    """The class that a config's ``type`` means; null if the registry does not know it.

    Args:
        value: for example ``"Resize"``, ``"mmcv.Resize"``, or the class itself in pure-Python configs.
        registry: where a name is looked up, in mmdet's scope.
    """
    kind: type | None = value
    if isinstance(value, str):
        register_all_modules(init_default_scope=True)
        kind = registry.get(value)
    return kind


def type_name(value: Any) -> str:
    """A config's ``type`` as a word: without scope or module."""
    return value.rpartition(".")[2] if isinstance(value, str) else getattr(value, "__name__", str(value))


def own_name(value: Any, registry: Registry) -> str | None:
    """The name of a class of mmdet, mmcv or mmengine; null for any other class.

    A class of the user or of another scope may have the same name as mmdet's and do something else.
    """
    found = find_type(value, registry)
    if found is None or found.__module__.partition(".")[0] not in OPENMMLAB:
        return None
    return found.__name__


def full_name(value: Any, registry: Registry) -> str:
    """A config's ``type`` for a message: mmdet's classes by name, others with their module."""
    found = find_type(value, registry)
    if found is None:
        return f"{value} (which mmdet does not know)"
    return own_name(value, registry) or f"{found.__module__}.{found.__name__}"
