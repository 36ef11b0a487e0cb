"""Build a detector in eval mode from mmdet's config and checkpoint."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmdet
from mmdet.models.detectors import LAD, KnowledgeDistillationSingleStageDetector
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config, ConfigDict
from mmengine.utils import get_installed_path

from cutpoint.detector import patches
from cutpoint.detector.checkpoint import load_weights
from cutpoint.detector.mmdet_types import Detector
from cutpoint.detector.typenames import find_type, type_name
from cutpoint.errors import UserError, did_you_mean

# mmdet's detectors that hold a teacher beside the student, which alone detects.
DISTILLED = (KnowledgeDistillationSingleStageDetector, LAD)
OF_THE_TEACHER = ("teacher", "eval_teacher")


FETCHING = ("Pretrained", "PretrainedInit")


def load_config(name: str) -> Config:
    """Read an mmdet config.

    Args:
        name: a path to a ``.py`` file, or ``mmdet::folder/file.py`` for a config that mmdet ships.

    Raises:
        UserError: no such file, or not a detector's config.
    """
    if "::" in name:
        package, _, relative = name.partition("::")
        configs = Path(get_installed_path("mmdet")) / ".mim" / "configs"
        if package != "mmdet" or not (configs / relative).is_file():
            known = (f"mmdet::{path.relative_to(configs)}" for path in configs.glob("*/*.py"))
            hint = did_you_mean(name, known)
            raise UserError(f"model config {name!r}: mmdet {mmdet.__version__} has none{hint}")
        # mmengine's get_config does no more, and refuses folders such as gn+ws
        config = Config.fromfile(str(configs / relative))
    else:
        if not Path(name).is_file():
            raise UserError(f"model config {name!r}: no such file")
        try:
            config = Config.fromfile(name)
        except Exception as error:  # the file is Python: anything can go wrong in it
            raise UserError(f"model config {name!r}: {_one_line(error)}") from error
    if "model" not in config or "test_dataloader" not in config:
        raise UserError(f"model config {name!r}: it needs `model` and `test_dataloader`")
    return config


def build_detector(config: Config, checkpoint: str | None) -> Detector:
    """Build the detector in eval mode on the CPU, without gradients.

    Args:
        config: an mmdet config.
        checkpoint: a file of weights; null gives random weights (torch's generator decides which).

    Raises:
        UserError: mmdet cannot build the model, or the checkpoint cannot be read or does not fit it.
    """
    register_all_modules(init_default_scope=True)
    try:
        model = MODELS.build(in_one_process(without_downloads(only_student(model_config(config)))))
    except Exception as error:  # the config is the user's: anything can go wrong in it
        raise UserError(f"model {type_name(config.model.get('type'))}: {_reason(error)}") from error
    patches.apply(model)
    if checkpoint is None:
        model.init_weights()
    else:
        load_weights(model, checkpoint)
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def _reason(error: Exception) -> str:
    unknown = re.search(r"'(\S+) is not in the \S+ registry", str(error))
    if unknown:
        return (
            f"mmdet has no class {unknown[1]!r} (a class of your own is known when `imports` names its "
            f"module){did_you_mean(unknown[1], MODELS.module_dict)}"
        )
    return f"mmdet cannot build it ({_one_line(error)})"


def _one_line(error: Exception) -> str:
    """The kind and the first line of an error, without the search path that mmengine lists."""
    text = str(error).partition(", the current sys.path")[0]
    return f"{type(error).__name__}: {next(iter(text.splitlines()), '')}"


def model_config(config: Config) -> ConfigDict:
    """The config's ``model``, with the data preprocessor, which may be a separate key.

    Source:
        ``Runner.__init__``, mmengine/runner/runner.py, mmengine 0.10.7.
    """
    model = copy.deepcopy(config.model)
    if config.get("data_preprocessor") is not None:
        model.setdefault("data_preprocessor", config.data_preprocessor)
    return model


def only_student(model: ConfigDict) -> ConfigDict:
    """A copy without the teacher of a distillation; other detectors stay as they are.

    While it is built, the teacher loads its weights, from the network as a rule. Its weights are not in the
    checkpoint of the student: the detectors hide them from ``state_dict``.

    Source:
        ``KnowledgeDistillationSingleStageDetector`` and ``LAD``, mmdet/models/detectors/kd_one_stage.py and
        lad.py, mmdet 3.3.0.
    """
    model = copy.deepcopy(model)
    if find_type(model.get("type"), MODELS) in DISTILLED:
        model.type = "mmdet.SingleStageDetector"
        for key in [key for key in model if key.startswith(OF_THE_TEACHER)]:
            del model[key]
    return model


def without_downloads(model: ConfigDict) -> ConfigDict:
    """A copy that does not download pretrained weights while it is built."""
    model = copy.deepcopy(model)

    for node in _dicts(model):
        if "init_cfg" in node:
            node["init_cfg"] = _kept(node["init_cfg"])
        if "pretrained" in node:
            node["pretrained"] = None
    return model


def in_one_process(model: ConfigDict) -> ConfigDict:
    """A copy whose normalisation can be built outside distributed training.

    ``MMSyncBN`` asks for the other processes when it is built. At inference it is ``BN`` with the same
    weights: ``SyncBatchNorm``, mmcv/ops/sync_bn.py, mmcv 2.1.0.
    """
    model = copy.deepcopy(model)

    for node in _dicts(model):
        if type_name(node.get("type")) == "MMSyncBN":
            node["type"] = "BN"
    return model


def _dicts(node: Any) -> Iterator[dict[str, Any]]:
    """Every dict of a config's part, the outer one first; each may be changed while it is at hand."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _dicts(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _dicts(value)


def _kept(init: Any) -> Any:
    """An ``init_cfg``, a dict or a list of them, without the parts that download weights."""
    if isinstance(init, list | tuple):
        return [one for one in init if _kept(one) is not None]
    # the older transformers name a checkpoint without a type
    fetches = isinstance(init, dict) and type_name(init.get("type", "Pretrained")) in FETCHING
    return None if fetches else init
