"""Bad inputs: mmdet configs and checkpoints."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bad_input import ROOT, BadInput, Change, edit, edit_config, write

CONFIG, WEIGHTS = "detector/atss_traffic.py", "detector/atss_traffic.pth"
WHOLE = (ROOT / "data/demo/atss_traffic.pth").read_bytes()


class Payload:
    """What a pickle calls when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


SYSTEM = Payload(os.system, "touch cutpoint-was-here")


def save(content: Any, **settings: Any) -> Change:
    """Save another checkpoint."""
    return lambda folder: torch.save(content, folder / WEIGHTS, **settings)


def change_weights(mutate: Callable[[dict[str, Any]], object]) -> Change:
    """Change the sound checkpoint's weights."""

    def change(folder: Path) -> None:
        content = torch.load(io.BytesIO(WHOLE), weights_only=True)
        mutate(content["state_dict"])
        torch.save(content, folder / WEIGHTS)

    return change


def _bomb(folder: Path) -> None:
    """A file of some hundred bytes that says that it unpacks to 64 GiB."""
    with zipfile.ZipFile(folder / WEIGHTS, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"")
        archive.writestr("w/data/0", bytes(10**5))
        archive.filelist[-1].file_size = 2**36


def _claim(folder: Path) -> None:
    """A storage of 2**44 numbers in a file of some hundred bytes."""
    buffer = io.BytesIO()
    torch.save({"state_dict": {"w": torch.ones(1000)}}, buffer, _use_new_zipfile_serialization=False)
    claimed = buffer.getvalue().replace(b"M\xe8\x03", b"\x8a\x06\x00\x00\x00\x00\x00\x10")
    (folder / WEIGHTS).write_bytes(claimed)


def _script(folder: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(folder / WEIGHTS)


def _folder(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).mkdir()


def _rename(state: dict[str, Any]) -> None:
    state["head.strange"] = state.pop(next(iter(state)))


def _reshape(state: dict[str, Any]) -> None:
    state["bbox_head.atss_cls.weight"] = state["bbox_head.atss_cls.weight"][:2]


ROWS = [
    BadInput(
        "checkpoint of text",
        "checkpoint: a file of text",
        write(WEIGHTS, "weights"),
        "checkpoint detector/atss_traffic.pth: it is text, not a checkpoint; name the file with "
        "the weights in it",
    ),
    BadInput(
        "empty checkpoint",
        "checkpoint: no bytes",
        write(WEIGHTS, b""),
        "checkpoint detector/atss_traffic.pth: it is empty; copy or download it again",
    ),
    BadInput(
        "checkpoint page",
        "checkpoint: a web page",
        write(WEIGHTS, "<html><body>404</body></html>"),
        "checkpoint detector/atss_traffic.pth: it is a web page (HTML or XML), not the file "
        "itself; download it again from its own address",
    ),
    BadInput(
        "checkpoint pointer",
        "checkpoint: a Git LFS pointer",
        write(WEIGHTS, "version https://git-lfs.github.com/spec/v1\n"),
        "checkpoint detector/atss_traffic.pth: it is a Git LFS pointer, not the file itself; run "
        "`git lfs pull`",
    ),
    BadInput(
        "half a checkpoint",
        "checkpoint: its first half",
        write(WEIGHTS, WHOLE[: len(WHOLE) // 2]),
        "checkpoint detector/atss_traffic.pth: cannot be read as weights: the file is "
        "incomplete; copy or download it again",
    ),
    BadInput(
        "checkpoint folder",
        "checkpoint: a folder",
        _folder,
        "models.demo.checkpoint: detector/atss_traffic.pth is not a file",
    ),
    BadInput(
        "checkpoint of onnx",
        "checkpoint: an ONNX file",
        write(WEIGHTS, b"\x08\x08\x12\x07pytorch" + bytes(99)),
        "checkpoint detector/atss_traffic.pth: it is an ONNX file, not a checkpoint; write it as "
        "`onnx` of a variant",
    ),
    BadInput(
        "checkpoint of safetensors",
        "checkpoint: a safetensors file",
        write(WEIGHTS, b"\x40" + bytes(7) + b'{"w":{"dtype":"F32"}}'),
        "checkpoint detector/atss_traffic.pth: it is a safetensors file; read it with "
        "safetensors.torch.load_file, and save it by torch.save({'state_dict': ..., 'meta': "
        "...}, file)",
    ),
    BadInput(
        "running checkpoint",
        "checkpoint: it would run `os.system` when it is read",
        save({"state_dict": {"w": torch.ones(1)}, "meta": SYSTEM}),
        "checkpoint detector/atss_traffic.pth: cannot be read as weights: it holds posix.system, "
        "an object that only code can restore; such code could do anything, so it is refused; "
        "save it again with plain values in its place, as torch.save({'state_dict': ..., 'meta': "
        "...}, file)",
    ),
    BadInput(
        "old running checkpoint",
        "checkpoint of PyTorch before 1.6: it would run `os.system`",
        save({"state_dict": {"w": torch.ones(1)}, "meta": SYSTEM}, _use_new_zipfile_serialization=False),
        "checkpoint detector/atss_traffic.pth: cannot be read as weights: it holds posix.system, "
        "an object that only code can restore; such code could do anything, so it is refused; "
        "save it again with plain values in its place, as torch.save({'state_dict': ..., 'meta': "
        "...}, file)",
    ),
    BadInput(
        "running pickle",
        "checkpoint: a pickle that would run `os.system`",
        write(WEIGHTS, pickle.dumps(SYSTEM)),
        "checkpoint detector/atss_traffic.pth: it is a pickle that torch.save did not write; "
        "reading it could run code, so it is refused; read it where you trust it, and save its "
        "tensors by torch.save({'state_dict': ..., 'meta': ...}, file)",
    ),
    BadInput(
        "whole model",
        "checkpoint: a whole model, pickled",
        save(torch.nn.Linear(2, 2)),
        "checkpoint detector/atss_traffic.pth: cannot be read as weights: it holds "
        "torch.nn.modules.linear.Linear, a whole model, not its weights; save its state_dict(), "
        "as torch.save({'state_dict': ..., 'meta': ...}, file)",
    ),
    BadInput(
        "scripted model",
        "checkpoint: TorchScript",
        _script,
        "checkpoint detector/atss_traffic.pth: it is a TorchScript file, which is code; save the "
        "model's state_dict() by torch.save({'state_dict': ..., 'meta': ...}, file)",
    ),
    BadInput(
        "list of weights",
        "checkpoint: a list",
        save([torch.ones(1)]),
        "checkpoint detector/atss_traffic.pth: expected a dict of tensors, found list",
    ),
    BadInput(
        "no weights",
        "checkpoint: no tensors",
        save({"state_dict": {}}),
        "checkpoint detector/atss_traffic.pth: it has no tensors under 'state_dict' or at its "
        "top (keys: none)",
    ),
    BadInput(
        "weights elsewhere",
        "checkpoint: weights under another key",
        save({"model": {"w": torch.ones(1)}}),
        "checkpoint detector/atss_traffic.pth: it has no tensors under 'state_dict' or at its "
        "top (keys: 'model'); 'model' may be: save it as 'state_dict'",
    ),
    BadInput(
        "numbers for keys",
        "checkpoint: keys that are numbers",
        save({"state_dict": {1: torch.ones(1)}}),
        "checkpoint detector/atss_traffic.pth: key 1 of its state_dict is no text; save a "
        "model's state_dict()",
    ),
    BadInput(
        "sparse weights",
        "checkpoint: a sparse tensor",
        save({"state_dict": {"w": torch.ones(2, 2).to_sparse()}}),
        "checkpoint detector/atss_traffic.pth: 'w' is a sparse tensor, which is not read; save "
        "the model with dense tensors of real numbers",
    ),
    BadInput(
        "zip bomb",
        "checkpoint: a zip of some hundred bytes that unpacks to 64 GiB",
        _bomb,
        "checkpoint detector/atss_traffic.pth: 0.0 MiB that unpack to 64.0 GiB, which torch.save "
        "does not write; it is refused",
    ),
    BadInput(
        "claimed storage",
        "checkpoint: 1 kB that claims 2^44 numbers",
        _claim,
        "checkpoint detector/atss_traffic.pth: cannot be read as weights: it asks for more "
        "memory than this machine has",
    ),
    BadInput(
        "endless range",
        "checkpoint: a range of 10^12 numbers among its records",
        save({"state_dict": {"w": torch.ones(1)}, "meta": Payload(range, 10**12)}),
        "checkpoint detector/atss_traffic.pth: cannot be read as weights: the checkpoint has "
        "range(0, 1000000000000), which is refused: it has more than 1000000 numbers",
    ),
    BadInput(
        "missing weights",
        "checkpoint: a key is missing, another is strange",
        change_weights(_rename),
        "checkpoint detector/atss_traffic.pth: its weights do not fit the config: 1 missing "
        "(first: backbone.conv1.weight), 1 unexpected (first: head.strange); check that config "
        "and checkpoint belong together",
    ),
    BadInput(
        "other shape",
        "checkpoint: a tensor of another shape",
        change_weights(_reshape),
        "checkpoint detector/atss_traffic.pth: its weights do not fit the config: "
        "bbox_head.atss_cls.weight has the shape [2, 64, 3, 3], and the config's is [4, 64, 3, "
        "3]; check that config and checkpoint belong together",
    ),
    BadInput(
        "config with a syntax error",
        "mmdet config: a syntax error",
        write(CONFIG, "model = dict(\n"),
        "model config detector/atss_traffic.py: cannot be read as Python ('(' was never closed "
        "(<unknown>, line 1))",
    ),
    BadInput(
        "config without a model",
        "mmdet config: no `model`",
        write(CONFIG, "x = 1\n"),
        "model config 'detector/atss_traffic.py': it needs `model` and `test_dataloader`",
    ),
    BadInput(
        "config of an unknown class",
        "mmdet config: a class that mmdet does not have",
        edit("detector/atss_small.py", 'type="ATSSHead"', 'type="ATSHead"'),
        "model ATSS: mmdet has no class 'ATSHead' (a class of your own is known when "
        "`imports` names its module); did you mean 'ATSSHead'?",
    ),
    BadInput(
        "config without its base",
        "mmdet config: `_base_` is missing",
        write(CONFIG, "_base_ = './gone.py'\n"),
        "model config detector/atss_traffic.py: it inherits from detector/gone.py, which does not exist",
    ),
    BadInput(
        "config that computes its base",
        "mmdet config: `_base_` calls a function",
        write(CONFIG, "_base_ = open('base.txt').read()\n"),
        "model config detector/atss_traffic.py: _base_ = open('base.txt').read() cannot be read "
        "without running it (Unknown: open('base.txt').read()); write the paths out",
    ),
    BadInput(
        "config that cannot import",
        "mmdet config: `custom_imports` of a module that is not there",
        edit(CONFIG, "data_root = ", 'custom_imports = dict(imports=["no_such_module"])\n\ndata_root = '),
        "model config 'detector/atss_traffic.py': ImportError: Failed to import custom modules "
        "from {'imports': ['no_such_module']}",
    ),
    BadInput(
        "config that raises",
        "mmdet config: an error in its code",
        edit(CONFIG, "_base_ = ", "scale = 1 / 0\n\n_base_ = "),
        "model config 'detector/atss_traffic.py': ZeroDivisionError: division by zero",
    ),
    BadInput(
        "unknown shipped config",
        "mmdet config: a shipped one, misspelt",
        edit_config("detector/atss_traffic.py", "mmdet::atss/atss_r50_fpn_1x_cocoo.py"),
        "models.demo.config: the installed mmdet has no config 'atss/atss_r50_fpn_1x_cocoo.py'; "
        "did you mean 'atss/atss_r50_fpn_1x_coco.py'?",
    ),
    BadInput(
        "config of data",
        "mmdet config: another kind of file",
        edit_config("detector/atss_traffic.py", "detector/atss_traffic.pth"),
        "model config detector/atss_traffic.pth: mmengine reads .py, .json, .yaml and .yml files",
    ),
]
