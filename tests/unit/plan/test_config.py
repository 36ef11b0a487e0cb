"""A config is completed with the schema's defaults, or refused with one readable line."""

import copy
import importlib.util
from pathlib import Path

import pytest
import yaml

from cutpoint.errors import UserError
from cutpoint.plan.config import check_unique_keys, complete_config
from cutpoint.plan.sources import read_sources

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
LEAST = {
    "models": {"m": {"config": "m.py", "checkpoint": "m.pth"}},
    "datasets": {"d": {"images": "d", "annotations": None}},
    "variants": {"v": {"runtime": "pytorch", "cut": "e2e"}},
    "evaluations": [{"model": "m", "dataset": "d", "variants": ["v"]}],
}


def changed(keys, value):
    config = copy.deepcopy(LEAST)
    *path, last = keys
    node = config
    for key in path:
        node = node[key]
    node[last] = value
    return config


def test_defaults_fill_every_level():
    config = complete_config(LEAST, SCHEMA)
    assert config["device"] == "auto"
    assert config["models"]["m"]["candidate_floor"] is None
    assert config["models"]["m"]["class_names"] is None
    assert config["models"]["m"]["classes"] is None
    assert config["datasets"]["d"] == {
        "images": "d",
        "annotations": None,
        "format": "coco",
        "classes": None,
        "label_order": None,
        "categories_without_class": None,
        "invalid_boxes": None,
        "slices": None,
        "limit": None,
        "on_bad_image": "fail",
        "shards": 1,
    }
    assert config["variants"]["v"] == {
        "category_ids": None,
        "image_ids": None,
        "runtime": "pytorch",
        "cut": "e2e",
        "provider": None,
        "tf32": False,
        "precision": "fp32",
        "calibration": None,
        "shape": "dynamic",
        "batch": 1,
        "opset": 20,
        "exporter": "dynamo",
        "input": "own",
        "scores": "class",
        "clip": "image",
        "count": "fixed",
        "topk_limit": None,
        "onnx": None,
        "layout": None,
        "constants": None,
        "outputs": None,
        "recipe": None,
    }
    assert (config["imports"], config["verify"]) == ([], "note")
    assert config["evaluations"][0]["ladder"] == []
    assert config["latency"] == {
        "images": 32,
        "min_seconds": 5,
        "min_runs": 50,
        "threads": None,
        "batch": 1,
        "throughput": False,
    }
    assert config["samples"] == {"images": 24, "megabytes": 4, "score_thr": 0.3}
    assert config["report"] == {"public": None}
    assert config["recipes"] == {}
    assert config["gate"] == []
    assert "device" not in LEAST


def test_defaults_fill_a_calibration():
    config = complete_config(changed(["variants", "v", "calibration"], {"dataset": "d"}), SCHEMA)
    assert config["variants"]["v"]["calibration"] == {"dataset": "d", "images": 32}


def test_defaults_fill_the_description_of_an_external_file():
    outputs = {"box": {"tensor": "b"}, "score": {"tensor": "s", "activated": True}}
    filled = complete_config(changed(["variants", "v", "outputs"], outputs), SCHEMA)["variants"]["v"][
        "outputs"
    ]
    # what the layout of a model without mmdet may say as well
    assert (filled["layout"], filled["frame"]) == (None, None)
    assert filled["box"] == {"tensor": "b", "format": "xyxy", "normalised": False}
    assert filled["score"] == {**outputs["score"], "activation": "none", "background": None}


def test_defaults_fill_a_rule_of_the_gate():
    config = complete_config(changed(["gate"], [{"variants": "all", "AP": {"min": 0.5}}]), SCHEMA)
    assert config["gate"] == [{"variants": "all", "AP": {"min": 0.5}, "model": None, "dataset": None}]


SHIPPED = ("config.yaml", "coco.yaml", "zoo.yaml", "study.yaml", "ladder.yaml", "external.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_are_valid(name):
    assert complete_config(yaml.safe_load((ROOT / "config" / name).read_text()), SCHEMA)


def test_traffic_block_of_coco_is_valid_when_uncommented():
    lines = (ROOT / "config/coco.yaml").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("device"))
    text = "\n".join(lines[:start] + [line.replace("# ", "", 1) for line in lines[start:]])
    config = complete_config(yaml.safe_load(text.replace("# null if", "null if", 0)), SCHEMA)
    assert [entry["dataset"] for entry in config["evaluations"]] == ["val2017", "traffic"]
    assert len(config["datasets"]["traffic"]["classes"]) == 4


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (changed(["modles"], {}), "unknown key 'modles'; did you mean 'models'?"),
        (changed(["device"], "gpu"), "device: 'gpu' is not allowed; did you mean 'cpu'?"),
        (changed(["models", "m"], {"config": "m.py", "chekpoint": "m.pth"}), "did you mean 'checkpoint'?"),
        (changed(["models", "m"], {"config": "m.py"}), "models.m: the key 'checkpoint' is missing"),
        (changed(["models", "m"], {"checkpoint": "m.pth"}), "the key 'config' is missing, which checkpoint"),
        (changed(["models", "m"], {"class_names": "config"}), "'config' is missing, which class_names needs"),
        (
            changed(["models", "m"], {"classes": {-1: "a"}}),
            "models.m.classes: -1 is less than the minimum",
        ),
        (changed(["models", "m"], {"classes": {"x": "a"}}), "models.m.classes: 'x' must be an integer"),
        (changed(["models", "m"], {"classes": ["a", 2]}), "models.m.classes[1]: 2 must be text"),
        (
            changed(["models", "m"], {"classes": True}),
            "models.m.classes: True is not allowed. The class",
        ),
        (changed(["models", "a b"], LEAST["models"]["m"]), "the name 'a b' may have letters"),
        (changed(["models", 1], LEAST["models"]["m"]), "models: the name 1 must be text"),
        (changed(["models", True], {}), "the name True must be text; put it in quotes (YAML reads on, off,"),
        (changed(["models"], None), "models: null must be a mapping"),
        (changed(["datasets", "d", "limit"], "ten"), "datasets.d.limit: 'ten' must be an integer or null"),
        (
            changed(["variants", "v", "recipe"], {"base": "mmdet3", "score_th": 0.3}),
            "did you mean 'score_thr'?",
        ),
        (
            changed(["variants", "v", "recipe"], {"score_thr": 0.3}),
            "variants.v.recipe: the key 'base' is missing",
        ),
        (changed(["variants", "v", "shape"], "608"), "variants.v.shape: '608' is not allowed"),
        (changed(["variants", "v", "precision"], "fp8"), "variants.v.precision: 'fp8' is not allowed"),
        (changed(["variants", "v", "calibration"], {"images": 3}), "the key 'dataset' is missing"),
        (changed(["variants", "v"], {"cut": "raw"}), "variants.v: the key 'runtime' is missing"),
        (
            changed(["variants", "v", "input"], "strech"),
            "v.input: 'strech' is not allowed; did you mean",
        ),
        (
            changed(["variants", "v", "input"], {"plce": "corner"}),
            "v.input: unknown key 'plce'; did you",
        ),
        (changed(["variants", "v", "input"], {"size": 640}), "variants.v.input.size: 640 must be a list"),
        (
            changed(["variants", "v", "input"], {"place": "left"}),
            "v.input.place: 'left' is not allowed",
        ),
        (
            changed(["variants", "v", "input"], {"mean": [1, 2]}),
            "variants.v.input.mean: [1, 2] has too few entries; write at least 3",
        ),
        (changed(["variants", "v", "constants"], {"x": "wh"}), "variants.v.constants.x: 'wh' is not allowed"),
        (
            changed(["variants", "v"], {"results": "x.json", "cut": "raw"}),
            "variants.v: results is a finished file, which has only category_ids and image_ids beside it; "
            "remove 'cut'",
        ),
        (
            changed(
                ["variants", "v", "recipe"], {"steps": [{"step": "max_per_img", "k": 1}], "base": "mmdet3"}
            ),
            "variants.v.recipe: steps are a whole recipe and stand alone",
        ),
        (changed(["variants", "v", "recipe"], {"steps": [{"k": 1}]}), "the key 'step' is missing"),
        (
            changed(["recipes"], {"mmdeploy": {"base": "mmdet3"}}),
            "recipes: 'mmdeploy' is a name of Cutpoint's own",
        ),
        (changed(["imports"], ["my heads"]), "imports[0]: 'my heads' is not a dotted module name"),
        (
            changed(["evaluations", 0, "variants"], ["v", "v"]),
            "evaluations[0].variants: a name appears twice",
        ),
        (changed(["gate"], [{"variants": "all", "APs": {"min": 0}}]), "gate[0]: unknown key 'APs'; did you"),
        (
            changed(["gate"], [{"variants": "all", "AP": {"max": 1}}]),
            "gate[0].AP: unknown key 'max'; known: min",
        ),
        (
            changed(["gate"], [{"variants": "all", "model_mb": {"max": 0}}]),
            "gate[0].model_mb.max: 0 is less than or equal to the minimum of 0",
        ),
        (changed(["gate"], [{"variants": "al", "AP": {"min": 0}}]), "gate[0].variants: 'al' is not allowed."),
        (changed(["gate"], [{"AP": {"min": 0}}]), "gate[0]: the key 'variants' is missing"),
        (changed(["latency"], {"image": 3}), "latency: unknown key 'image'; did you mean 'images'?"),
    ],
)
def test_refused_with_one_line(config, message):
    with pytest.raises(UserError) as caught:
        complete_config(config, SCHEMA)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "model", [{}, {"classes": {1: "a", 90: "b"}}, {"classes": ["a"]}, {"classes": "coco80"}]
)
@pytest.mark.parametrize(
    "variant", [{"onnx": "a.onnx"}, {"onnx": "a.onnx", "layout": "x", "constants": {"a": 1, "b": [1, 2]}}]
)
def test_a_model_without_mmdet_needs_only_a_file(model, variant):
    config = changed(["models", "m"], model)
    config["variants"]["v"] = variant
    complete = complete_config(config, SCHEMA)
    assert complete["models"]["m"]["classes"] == model.get("classes")
    assert "config" not in complete["models"]["m"]
    # ids are numbers nowhere else
    with pytest.raises(UserError, match=r"variants\.v: the name 1 must be text"):
        complete_config(changed(["variants", "v"], {1: "a"}), SCHEMA)


def test_a_key_twice_is_refused_with_its_line(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("variants:\n  raw: {cut: raw}\n  e2e: {cut: e2e}\n  raw: {cut: e2e}\n")
    with pytest.raises(UserError, match="line 4: the key 'raw' appears twice"):
        check_unique_keys(path)
    path.write_text("a: {raw: 1}\nb: {raw: 1}\n")
    check_unique_keys(path)


def test_zoo_quotes_mmdets_own_model_index():
    """Published AP and the address of the weights, from the metafiles that mmdet ships."""
    config = yaml.safe_load((ROOT / "config/zoo.yaml").read_text())
    published = {entry["model"]: entry["published_ap"] for entry in config["evaluations"]}
    assert set(published) == set(config["models"])
    sources = read_sources(ROOT / "data/sources.tsv")
    shipped = Path(importlib.util.find_spec("mmdet").origin).parent / ".mim/configs"
    for name, model in config["models"].items():
        relative = model["config"].removeprefix("mmdet::")
        metafile = yaml.safe_load((shipped / relative).with_name("metafile.yml").read_text())
        entry = next(m for m in metafile["Models"] if m["Config"] == f"configs/{relative}")
        box_ap = entry["Results"][0]["Metrics"]["box AP"]
        assert published[name] == pytest.approx(box_ap / 100), name
        source = sources[model["checkpoint"]]
        assert source.urls == (entry["Weights"],), name
        assert source.urls[0].endswith(f"-{source.sha256}.pth"), name


def test_zoo_has_every_head_that_is_supported():
    """Of each kind of head at least one model; mmdet's configs name the kinds."""
    config = yaml.safe_load((ROOT / "config/zoo.yaml").read_text())
    folders = {model["config"].removeprefix("mmdet::").split("/")[0] for model in config["models"].values()}
    dense = "atss retinanet free_anchor fsaf gfl ld paa fcos autoassign foveabox yolox rtmdet ssd yolo yolof"
    dense += " sabl vfnet tood ddod reppoints nas_fcos pisa guided_anchoring lad centernet"
    rois = "faster_rcnn cascade_rcnn mask_rcnn sparse_rcnn"
    queries = "detr conditional_detr dab_detr deformable_detr dino"
    assert folders == {*dense.split(), *rois.split(), *queries.split()}


@pytest.mark.parametrize("kind", ["models", "datasets", "variants"])
@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\n", ".", "..", "", "a b", "a\x00", "é", "x" * 101, "a\u202eb"]
)
def test_no_name_leaves_the_results_folder(kind, name):
    config = copy.deepcopy(LEAST)
    config[kind] = {name: next(iter(config[kind].values()))}
    with pytest.raises(UserError, match="may have letters, digits, _ and - only, at most 100") as error:
        complete_config(config, SCHEMA)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", ["x" * 100, "-", "_", "A-9_z"])
def test_names_of_letters_digits_and_dashes_are_taken(name):
    config = copy.deepcopy(LEAST)
    config["datasets"][name] = config["datasets"].pop("d")
    assert name in complete_config(config, SCHEMA)["datasets"]


@pytest.mark.parametrize("name", ["os\n", "os;x", "..os", "a-b", ""])
def test_an_import_is_a_dotted_name(name):
    with pytest.raises(UserError, match="is not a dotted module name"):
        complete_config(LEAST | {"imports": [name]}, SCHEMA)
