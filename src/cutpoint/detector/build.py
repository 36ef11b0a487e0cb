"""mmdet's own config and checkpoint in, a detector in eval mode out."""

import copy
import difflib
from pathlib import Path
from typing import Any

import mmdet
import torch
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.logging import HistoryBuffer
from mmengine.utils import get_installed_path
from torch import nn

from cutpoint.detector import patches
from cutpoint.detector.testset import test_dataset
from cutpoint.detector.typenames import find_type, type_name
from cutpoint.errors import UserError


def load_config(name: str) -> Config:
    """Read an mmdet config.

    Args:
        name: a path to a ``.py`` file, or ``mmdet::folder/file.py``, one shipped with mmdet.

    Raises:
        UserError: no such file, or not a detector's config.
    """
    if "::" in name:
        package, _, relative = name.partition("::")
        configs = Path(get_installed_path("mmdet")) / ".mim" / "configs"
        if package != "mmdet" or not (configs / relative).is_file():
            near = difflib.get_close_matches(
                relative, [str(p.relative_to(configs)) for p in configs.glob("*/*.py")], 1
            )
            hint = f"; did you mean mmdet::{near[0]}" if near else ""
            raise UserError(f"model config {name!r}: mmdet {mmdet.__version__} has none{hint}")
        config = get_config(name)
    else:
        if not Path(name).is_file():
            raise UserError(f"model config {name!r}: no such file")
        try:
            config = Config.fromfile(name)
        except Exception as error:  # the file is Python: anything can go wrong in it
            raise UserError(f"model config {name!r}: {type(error).__name__}: {error}") from error
    if "model" not in config or "test_dataloader" not in config:
        raise UserError(f"model config {name!r}: it needs `model` and `test_dataloader`")
    return config


def build_detector(config: Config, checkpoint: str | None) -> nn.Module:
    """Build the detector in eval mode on the CPU, gradients off.

    Args:
        config: an mmdet config.
        checkpoint: a file of weights; null gives random weights (torch's generator decides which).

    Raises:
        UserError: the checkpoint cannot be read or does not fit the config.
    """
    register_all_modules(init_default_scope=True)
    try:
        model = MODELS.build(without_downloads(model_config(config)))
    except Exception as error:  # the config is the user's: anything can go wrong in it
        name, reason = type_name(config.model.get("type")), f"{type(error).__name__}: {error}"
        raise UserError(f"model {name}: mmdet cannot build it ({reason})") from error
    patches.apply(model)
    if checkpoint is None:
        model.init_weights()
    else:
        load_weights(model, checkpoint)
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def model_config(config: Config) -> ConfigDict:
    """The config's ``model``, with the data preprocessor that may stand beside it.

    Source:
        ``Runner.__init__``, mmengine/runner/runner.py, mmengine 0.10.7.
    """
    model = copy.deepcopy(config.model)
    if config.get("data_preprocessor") is not None:
        model.setdefault("data_preprocessor", config.data_preprocessor)
    return model


def load_weights(model: nn.Module, checkpoint: str) -> None:
    """Load a checkpoint strictly; keys of the training alone (EMA copies, counters) may be extra."""
    state = read_checkpoint(checkpoint)["state_dict"]
    state = {key.removeprefix("module."): value for key, value in state.items()}
    mend = "check that config and checkpoint belong together"
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # tensors of another size
        first = str(error).splitlines()[1].strip()
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the config: {first} {mend}"
        ) from error
    missing = [key for key in result.missing_keys if not key.endswith("num_batches_tracked")]
    unexpected = [key for key in result.unexpected_keys if not key.startswith("ema_")]
    if missing or unexpected:
        what = [
            f"{len(keys)} {word} (first: {keys[0]})"
            for keys, word in ((missing, "missing"), (unexpected, "unexpected"))
            if keys
        ]
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the config: {', '.join(what)}; {mend}"
        )


def read_checkpoint(path: str) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Returns:
        a dict with at least ``state_dict``; ``meta`` where the file has it.

    Raises:
        UserError: no such file, or it holds objects that are not plain weights and training records.
    """
    if not Path(path).is_file():
        raise UserError(f"checkpoint {path}: no such file")
    try:
        with torch.serialization.safe_globals(_safe_globals()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen unrelated types for a bad file
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"checkpoint {path}: cannot be read as weights ({reason})") from error
    if not isinstance(content, dict):
        raise UserError(f"checkpoint {path}: expected a dict of tensors")
    return content if "state_dict" in content else {"state_dict": content}


def class_names(config: Config, checkpoint: str | None) -> list[str]:
    """Class names in channel order: the checkpoint's own, else the config's metainfo, else COCO's."""
    register_all_modules(init_default_scope=True)
    meta = read_checkpoint(checkpoint).get("meta", {}) if checkpoint else {}
    dataset_meta = meta.get("dataset_meta") or {}
    classes = dataset_meta.get("classes") or dataset_meta.get("CLASSES") or meta.get("CLASSES")
    if classes is None:
        dataset = test_dataset(config)
        classes = (dataset.get("metainfo") or {}).get("classes")
        if classes is None:
            from mmdet.registry import DATASETS

            classes = find_type(dataset.type, DATASETS).METAINFO["classes"]
    return [classes] if isinstance(classes, str) else list(classes)


def without_downloads(model: ConfigDict) -> ConfigDict:
    """A copy that never fetches pretrained weights while it is built."""
    model = copy.deepcopy(model)

    def clear(node: Any) -> None:
        if isinstance(node, dict):
            if "init_cfg" in node:
                node["init_cfg"] = _kept(node["init_cfg"])
            if "pretrained" in node:
                node["pretrained"] = None
            for value in node.values():
                clear(value)
        elif isinstance(node, list | tuple):
            for value in node:
                clear(value)

    clear(model)
    return model


def _kept(init: Any) -> Any:
    """An ``init_cfg``, a dict or a list of them, without what fetches weights."""
    if isinstance(init, list | tuple):
        return [one for one in init if _kept(one) is not None]
    fetches = isinstance(init, dict) and type_name(init.get("type")) in ("Pretrained", "PretrainedInit")
    return None if fetches else init


def _safe_globals() -> list[Any]:
    """What mmengine's runner writes into a checkpoint beside tensors (its message hub)."""
    import numpy as np

    multiarray = np._core.multiarray
    dtypes = [type(np.dtype(kind)) for kind in ("f8", "f4", "f2", "i8", "i4", "u1", "b1")]
    functions = [
        (getattr(multiarray, name), f"{module}.multiarray.{name}")
        for name in ("scalar", "_reconstruct")
        for module in ("numpy.core", "numpy._core")
    ]
    return [
        HistoryBuffer,
        np.dtype,
        np.ndarray,
        *dtypes,
        *functions,
        (_statistics_method, "builtins.getattr"),
    ]


def _statistics_method(owner: Any, name: str) -> Any:
    """The only ``getattr`` a checkpoint may ask for: HistoryBuffer pickles its methods through it."""
    if owner is HistoryBuffer and name in ("min", "max", "mean", "current"):
        return getattr(HistoryBuffer, name)
    raise UserError(f"the checkpoint asks for {owner!r}.{name}, which is refused")
