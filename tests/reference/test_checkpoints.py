"""Configs and checkpoints: what loads, what is refused, and with which message."""

import datetime
import io
import pickle
import re
import warnings
import zipfile
from collections import Counter, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer, MessageHub
from models import SMALL_ATSS
from torch import nn

from cutpoint.detector import checkpoint_file
from cutpoint.detector.build import build_detector, load_config
from cutpoint.detector.checkpoint import load_weights
from cutpoint.detector.checkpoint_file import read_checkpoint
from cutpoint.detector.describe import describe_model
from cutpoint.detector.heads import describe_head
from cutpoint.errors import UserError
from cutpoint.records.head import Floor


def save(path, content):
    torch.save(content, path)
    return str(path)


def torch_bytes(content, zipped):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@pytest.fixture
def layer():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_a_runners_message_hub_loads_without_running_code(tmp_path):
    hub = MessageHub("cutpoint-test")
    for value in (1.0, 2.0, 4.0):
        hub.update_scalar("loss", value)
    hub.update_info("iter", np.int64(3))
    content = {"state_dict": {"w": torch.ones(2)}, "message_hub": hub.state_dict(), "meta": {"epoch": 1}}
    found = read_checkpoint(save(tmp_path / "runner.pth", content))
    assert found["meta"] == {"epoch": 1}
    assert found["state_dict"]["w"].tolist() == [1, 1]
    assert found["message_hub"]["log_scalars"]["loss"].mean() == pytest.approx(7 / 3)


class Payload:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path):
    import os

    touched = tmp_path / "touched"
    for number, payload in enumerate(
        (
            Payload(os.system, f"touch {touched}"),
            Payload(getattr, HistoryBuffer, "__subclasses__"),
            Payload(getattr, np.ndarray, "tofile"),
        )
    ):
        path = save(tmp_path / f"{number}.pth", {"state_dict": {"w": torch.ones(2)}, "meta": payload})
        with pytest.raises(
            UserError, match=rf"checkpoint .*{number}\.pth: cannot be read as weights"
        ) as error:
            read_checkpoint(path)
        assert "\n" not in str(error.value)
        assert not touched.exists()


def test_files_that_are_no_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"absent\.pth: no such file"):
        read_checkpoint(str(tmp_path / "absent.pth"))
    with pytest.raises(UserError, match="expected a dict of tensors, found list"):
        read_checkpoint(save(tmp_path / "list.pth", [torch.ones(1)]))


WHOLE = torch_bytes({"state_dict": {"w": torch.ones(1000)}}, True)
OLD = torch_bytes({"state_dict": {"w": torch.ones(1000)}}, False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty; copy or download it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n",
            "it is a Git LFS pointer.*pull",
        ),
        (b"<html>404</html>", "it is a web page"),
        (b"\n <!DOCTYPE html>", "it is a web page"),
        (b'{"error": "not found"}', "it is text, not a checkpoint"),
        (pickle.dumps({"state_dict": {}})[:-4], r"it is a pickle that torch\.save did not write; .*run code"),
        (b"\x08\x08\x12\x07pytorch" + bytes(100), "it is an ONNX file, not a checkpoint; write it as `onnx`"),
        (b"\x40" + bytes(7) + b'{"w":{"dtype":"F32"}}', "it is a safetensors file"),
        (bytes(1000), r".*not written by torch\.save, or is damaged; copy"),
        (b"\x00\x01\x02\x03" * 100, r".*not written by torch\.save, or is damaged"),
        (WHOLE[:2000], "cannot be read as weights: the file is incomplete; copy or download it again"),
        (OLD[:-100], "cannot be read as weights: the file is incomplete"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, content, message):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError, match=rf"checkpoint .*w\.pth: {message}") as error:
        read_checkpoint(str(tmp_path / "w.pth"))
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)


def test_a_folder_and_other_archives_are_named(tmp_path):
    with pytest.raises(UserError, match="it is a folder; name the file"):
        read_checkpoint(str(tmp_path))
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pt")
    with pytest.raises(UserError, match="it is a TorchScript file, which is code"):
        read_checkpoint(str(tmp_path / "script.pt"))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(UserError, match=r"a zip archive that torch\.save did not write"):
        read_checkpoint(str(tmp_path / "other.zip"))


def _claim(pickled):
    """The number of elements is 2**44 and not 1000."""
    claimed = pickled.replace(b"M\xe8\x03", b"\x8a\x06\x00\x00\x00\x00\x00\x10")
    assert claimed != pickled
    return claimed


def _claim_old(path):
    path.write_bytes(_claim(OLD))


def _claim_zipped(path):
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as whole, zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            archive.writestr(name, _claim(content) if name.endswith("data.pkl") else content)


def test_a_small_file_that_asks_for_much_memory_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    # storages that a file claims and does not have
    for write in (_claim_old, _claim_zipped):
        write(path)
        with pytest.raises(UserError, match="cannot be read as weights: ") as error:
            read_checkpoint(str(path))
        assert "\n" not in str(error.value)
    # a file that unpacks to much more than it has
    monkeypatch.setattr(checkpoint_file, "LARGEST_UNPACKED", 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"")
        archive.writestr("w/data/0", bytes(2**22))
    with pytest.raises(UserError, match=r"0\.0 MiB that unpack to 0\.0 GiB.*refused"):
        read_checkpoint(str(path))
    # values that a few bytes describe
    for value in (Payload(range, 10**12), Payload(Fraction, "1e99999999"), Payload(list, range(10**12))):
        with pytest.raises(UserError, match=r"the checkpoint has .*, which is refused"):
            read_checkpoint(save(path, {"state_dict": {"w": torch.ones(2)}, "meta": value}))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({1: torch.ones(1)}, "key 1 of its state_dict is no text"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "'w' is a tensor of complex numbers"),
        ({"w": torch.ones(2, 2).to_sparse()}, "'w' is a sparse tensor"),
        ({"w": torch.ones(2, device="meta")}, "'w' is a tensor without values"),
    ],
)
def test_tensors_that_cannot_be_weights_are_named(tmp_path, state, message):
    with pytest.raises(UserError, match=message):
        read_checkpoint(save(tmp_path / "w.pth", {"state_dict": state}))


def test_torchs_advice_to_read_unsafely_is_never_shown(tmp_path, capfd):
    path = save(tmp_path / "w.pth", {"state_dict": {"w": torch.ones(1)}, "meta": Own()})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError) as error:
            read_checkpoint(path)
    assert "weights_only" not in str(error.value) + "".join(capfd.readouterr())
    assert "such code could do anything, so it is refused" in str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_data_in_meta_loads(tmp_path, zipped):
    day = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    meta = {
        "time": [day, day.date(), day.timetz(), datetime.timedelta(3)],
        "path": [PurePosixPath("/a/b"), PureWindowsPath("c")],
        "set": [{1, 2}, frozenset([3]), Counter(a=2), 1j, Decimal("1.5"), range(3)],
        "numpy": [np.float32(3), np.str_("a"), np.bool_(True), np.datetime64("2020-01-01")],
        "config": ConfigDict(lr=1),
    }
    content = {
        "state_dict": {"w": torch.ones(2)},
        "meta": meta
        | {
            "here": Path("/a"),
            "default": defaultdict(list, a=[1]),
            "queue": deque([1, 2], maxlen=2),
            "names": np.array(["car", "bus"]),
            "objects": np.array(["car", None], dtype=object),
        },
    }
    (tmp_path / "w.pth").write_bytes(torch_bytes(content, zipped))
    found = read_checkpoint(str(tmp_path / "w.pth"))["meta"]
    assert {key: found[key] for key in meta} == meta
    assert (found["here"], found["default"], found["queue"]) == (PurePosixPath("/a"), {"a": [1]}, [1, 2])
    assert (found["names"].tolist(), found["objects"].tolist()) == (["car", "bus"], ["car", None])


class Own:
    pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"meta": {"x": Own()}},
            r"holds test_checkpoints\.Own, an object that only code .*with plain values",
        ),
        (
            {"model": nn.Linear(2, 2)},
            r"holds torch\.nn\.modules\.linear\.Linear, a whole model.*state_dict\(\)",
        ),
        ({"x": re.compile("a")}, r"holds re\._compile, an object that only code"),
        ({"state_dict": None}, "its state_dict is NoneType, not a dict of tensors"),
        ({"state_dict": {}}, r"has no tensors under 'state_dict' or at its top \(keys: none\)$"),
        (
            {"model": {"w": torch.ones(1)}, "ema": {"w": torch.ones(1)}, "epoch": 3},
            r"\(keys: 'model', 'ema', 'epoch'\); 'model' and 'ema' may be: save it as 'state_dict'",
        ),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_not_weights_and_plain_data_is_named(tmp_path, content, message, zipped):
    (tmp_path / "w.pth").write_bytes(torch_bytes(content, zipped))
    with pytest.raises(UserError, match=rf"checkpoint .*w\.pth: .*{message}") as error:
        read_checkpoint(str(tmp_path / "w.pth"))
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("meta", [None, "text", 3])
def test_meta_that_is_no_dict_is_none(tmp_path, meta):
    path = save(tmp_path / "w.pth", {"state_dict": {"w": torch.ones(2)}, "meta": meta})
    assert read_checkpoint(path)["meta"] == {}


def test_weights_load_with_the_keys_of_training_beside_them(tmp_path, layer):
    wanted = {key: torch.randn_like(value.float()) for key, value in layer.state_dict().items()}
    del wanted["1.num_batches_tracked"]  # files of old PyTorch lack it
    state = {f"module.{key}": value for key, value in wanted.items()} | {"ema_0_weight": torch.ones(1)}
    load_weights(layer, save(tmp_path / "w.pth", {"state_dict": state}))
    for key, value in wanted.items():
        torch.testing.assert_close(layer.state_dict()[key], value)
    # without a `state_dict` around them
    other = {key: value + 1 for key, value in wanted.items()}
    load_weights(layer, save(tmp_path / "bare.pth", other))
    torch.testing.assert_close(layer.state_dict()["0.bias"], other["0.bias"])


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_of_wrapped_models_and_in_half_precision_load(tmp_path, layer, prefix, kind):
    wanted = {key: value.to(kind) for key, value in layer.state_dict().items()}
    other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = {prefix + key: value for key, value in wanted.items()}
    load_weights(other, save(tmp_path / "w.pth", {"state_dict": state}))
    for key, value in other.state_dict().items():
        assert value.dtype == layer.state_dict()[key].dtype
        torch.testing.assert_close(value, wanted[key].to(value.dtype), rtol=0, atol=0)


def test_weights_of_a_pair_of_models_say_where_they_are(tmp_path, layer):
    state = {f"{name}.{key}": v for name in ("teacher", "student") for key, v in layer.state_dict().items()}
    with pytest.raises(
        UserError, match=r"below 'teacher\.', 'student\.': save those of one of these without"
    ):
        load_weights(layer, save(tmp_path / "w.pth", {"state_dict": state}))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_said(tmp_path, layer, value, capsys):
    state = layer.state_dict()
    state["0.weight"][0, 0] = value
    state["1.running_var"][:2] = value
    load_weights(layer, save(tmp_path / "w.pth", {"state_dict": state}))
    message = "w.pth: 3 weights in 2 tensors are NaN or infinite (first: 0.weight, 1 of 6)"
    assert message in capsys.readouterr().out
    # what the detector does not use may be anything
    state = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    load_weights(
        layer, save(tmp_path / "ema.pth", {"state_dict": state | {"ema_0": torch.full((2,), value)}})
    )
    assert capsys.readouterr().out == ""


def test_weights_that_do_not_fit_are_named(tmp_path, layer):
    state = layer.state_dict()
    del state["0.weight"]
    state["head.extra"] = torch.ones(1)
    message = r"w\.pth: .*1 missing \(first: 0\.weight\), 1 unexpected \(first: head\.extra\)"
    with pytest.raises(UserError, match=message):
        load_weights(layer, save(tmp_path / "w.pth", {"state_dict": state}))


def test_weights_of_another_size_are_one_message(tmp_path, layer):
    # the usual mistake: a checkpoint with another number of classes
    state = layer.state_dict() | {"0.weight": torch.ones(80, 2)}
    with pytest.raises(UserError, match=r"w\.pth: .*0\.weight.*config and checkpoint belong together"):
        load_weights(layer, save(tmp_path / "w.pth", {"state_dict": state}))


def test_an_unknown_shipped_config_gets_a_suggestion():
    with pytest.raises(UserError, match=r"did you mean 'mmdet::yolox/yolox_nano_8xb8-300e_coco\.py"):
        load_config("mmdet::yolox/yolox_nano_8x8_300e_coco.py")
    with pytest.raises(UserError, match=r"has none$"):
        load_config("mmdet::qqqqqqqq")
    with pytest.raises(UserError, match="mmseg::"):
        load_config("mmseg::fcn/fcn.py")


def test_a_config_file_must_exist_and_describe_a_detector(tmp_path):
    with pytest.raises(UserError, match=r"absent\.py': no such file"):
        load_config(str(tmp_path / "absent.py"))
    (tmp_path / "part.py").write_text("lr = 0.1\n")
    with pytest.raises(UserError, match=r"part\.py': it needs `model` and `test_dataloader`"):
        load_config(str(tmp_path / "part.py"))


@pytest.mark.parametrize("text", ["model = dict(\n", "import no_such_module_here\n"])
def test_a_broken_config_file_is_one_message(tmp_path, text):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(UserError, match=r"broken\.py"):
        load_config(str(tmp_path / "broken.py"))


def test_building_fetches_nothing():
    config = load_config("mmdet::atss/atss_r50_fpn_1x_coco.py")
    assert config.model.backbone.init_cfg.type == "Pretrained"
    config.model.backbone.depth = 18
    config.model.neck.in_channels = [64, 128, 256, 512]
    detector = build_detector(config, None)
    assert "Pretrained" not in str(detector.backbone.init_cfg)
    assert config.model.backbone.init_cfg.type == "Pretrained"
    assert not detector.training
    assert not any(parameter.requires_grad for parameter in detector.parameters())


def describe(tmp_path, text, floor=None):
    (tmp_path / "c.py").write_text(text)
    describe_model(
        model="street",
        config=str(tmp_path / "c.py"),
        checkpoint=None,
        candidate_floor=floor,
        out=str(tmp_path / "spec.json"),
    )


def test_a_floor_above_the_models_own_threshold_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"candidate_floor 0\.1 lies above .* score_thr 0\.05"):
        describe(tmp_path, SMALL_ATSS, floor=0.1)
    describe(tmp_path, SMALL_ATSS, floor=0.01)
    assert '"value": 0.01' in (tmp_path / "spec.json").read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"nms", iou_threshold=0.6',
            '"soft_nms", iou_threshold=0.6',
            "street: NMS soft_nms is not supported",
        ),
        ("iou_threshold=0.6", "iou_threshold=0.6, max_num=5", r"test_cfg\.nms\.max_num 5"),
        ('dict(type="LoadAnnotations", with_bbox=True)', 'dict(type="RandomFlip", prob=0.5)', "RandomFlip"),
    ],
)
def test_a_setting_that_cannot_be_reproduced_is_refused_by_name(tmp_path, old, new, message):
    assert old in SMALL_ATSS
    with pytest.raises(UserError, match=message):
        describe(tmp_path, SMALL_ATSS.replace(old, new))


def test_an_unknown_head_is_refused_by_name():
    class SketchHead(nn.Module):
        pass

    with pytest.raises(
        UserError, match=r"head SketchHead: not supported; supported mmdet heads: ATSSHead, .*, YOLOXHead"
    ):
        describe_head(SketchHead(), None)


def test_a_detector_without_a_dense_head_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("cutpoint.detector.describe.build_detector", lambda *_: nn.Module())
    with pytest.raises(UserError, match="model street: Module has no bbox_head; README"):
        describe(tmp_path, SMALL_ATSS)


def test_the_atss_specification(atss):
    head, spec = atss.spec.head, atss.spec
    assert spec.classes == ("car", "bus", "person")
    assert (head.head, head.num_classes, head.factor.tensor) == ("ATSSHead", 3, "centerness")
    assert head.strides == ((8, 8), (16, 16), (32, 32), (64, 64), (128, 128))
    assert head.anchors == tuple(
        ((-s / 2, -s / 2, s / 2, s / 2),) for s in (64.0, 128.0, 256.0, 512.0, 1024.0)
    )
    assert head.coder["stds"] == [0.1, 0.1, 0.2, 0.2]
    assert head.coder["max_ratio"] == pytest.approx(4.135166556742356)
    assert head.floor == Floor("class", 0.05, False)
    assert [step["step"] for step in head.recipe] == [
        "threshold", "top_k", "clip", "rescale", "multiply_factor", "min_size", "nms", "max_per_img",
    ]  # fmt: skip
    assert [step["k"] for step in head.recipe if "k" in step] == [200, 100]


def test_the_yolox_specification(yolox):
    head = yolox.spec.head
    assert (head.head, head.num_classes, head.factor.tensor, head.anchors) == (
        "YOLOXHead",
        80,
        "objectness",
        None,
    )
    assert head.strides == ((8, 8), (16, 16), (32, 32))
    assert head.point_offset == 0
    assert head.floor == Floor("product", 0.01, True)
    assert [step["step"] for step in head.recipe] == [
        "best_class", "threshold", "rescale", "multiply_factor", "nms",
    ]  # fmt: skip
    assert head.recipe[-1]["iou_threshold"] == 0.65
    assert yolox.spec.input.divisor == 32


def test_min_size_is_left_out_where_the_config_has_none(tmp_path, atss):
    config = Config.fromfile(atss.config_name)
    config.model.test_cfg.pop("min_bbox_size")
    head = build_detector(config, None).bbox_head
    steps = [step["step"] for step in describe_head(head, None).recipe]
    assert "min_size" not in steps
    assert "nms" in steps
