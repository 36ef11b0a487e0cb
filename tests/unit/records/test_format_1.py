"""Files of format 1 are still read, and their older words are today's in the records.

The files in ``format_1`` are results of the demo and of YOLOX-nano before files had a format number, cut
down to a few images, and without the name of the machine.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tiny import write_one_node

from cutpoint.predict.runtime import Session
from cutpoint.predict.store import open_run
from cutpoint.recipes.recipe import resolve_recipe
from cutpoint.recipes.steps.overlaps import Nms
from cutpoint.records.autopsy import read_autopsy, write_autopsy
from cutpoint.records.comparison import read_comparison, write_comparison
from cutpoint.records.detections import Refused, read_results
from cutpoint.records.diagnosis import read_diagnosis, write_diagnosis
from cutpoint.records.fingerprints import read_fingerprints, write_fingerprints
from cutpoint.records.gate import read_gate, write_gate
from cutpoint.records.labels import read_labels, write_labels
from cutpoint.records.ladder import read_ladder, write_ladder
from cutpoint.records.latency import read_latency, write_latency
from cutpoint.records.manifest import read_manifest, write_manifest
from cutpoint.records.metrics import read_metrics
from cutpoint.records.model import read_spec, write_spec
from cutpoint.records.operating_points import read_operating_points, write_operating_points
from cutpoint.records.per_class import read_per_class
from cutpoint.records.precision import read_precision, write_precision
from cutpoint.records.predictions import PredictionWriter, find_refusal, read_metadata, read_predictions
from cutpoint.records.recipe_diff import read_recipe_diff, write_recipe_diff
from cutpoint.records.resamples import read_resamples
from cutpoint.records.summary import read_summary
from cutpoint.records.timing import read_samples
from cutpoint.records.truth import read_truth, write_truth
from cutpoint.records.verification import read_verification, write_verification

FOLDER = Path(__file__).parent / "format_1"
RUNS = ("onnxruntime-raw-fp32", "onnxruntime-decoded-fp32", "onnxruntime-e2e-fp32", "pytorch-e2e")


def read_autopsies(path: Path) -> list[Any]:
    return list(read_autopsy(path))


def read_refused(path: Path) -> str:
    with pytest.raises(Refused) as refused:
        read_results(path)
    return refused.value.reason


def read_run(path: Path) -> list[Any]:
    assert find_refusal([str(path)]) is None
    images = [str(path).replace(".parquet", ".images.parquet")]
    return [read_metadata(path), *read_predictions([str(path)], images)]


def read_onnx(path: Path) -> Any:
    """The text that an exported file carries; the file itself is large."""
    return json.loads(path.read_text())


# Every file of the folder, and what reads it.
FILES: dict[str, Callable[[Path], Any]] = {
    "autopsy.parquet": read_autopsies,
    "comparison.json": read_comparison,
    "comparison_unlabelled.json": read_comparison,
    "detections.json": read_results,
    "diagnosis.json": read_diagnosis,
    "fingerprints.json": read_fingerprints,
    "gate.json": read_gate,
    "labels.json": read_labels,
    "ladder.json": read_ladder,
    "latency_pytorch.json": read_latency,
    "latency_raw.json": read_latency,
    "manifest.json": read_manifest,
    "manifest_unlabelled.json": read_manifest,
    "metrics.json": read_metrics,
    "onnx_decoded-fp32.json": read_onnx,
    "onnx_e2e-fp32-clip-tensor.json": read_onnx,
    "onnx_e2e-fp32-own.json": read_onnx,
    "onnx_raw-fp32.json": read_onnx,
    "operating_points.json": read_operating_points,
    "operating_points_reference.json": read_operating_points,
    "operating_points_unlabelled.json": read_operating_points,
    "per_class.csv": read_per_class,
    "precision_fp16.json": read_precision,
    "precision_int8.json": read_precision,
    "recipe_diff.json": read_recipe_diff,
    "refused.json": read_refused,
    "resamples.npz": read_resamples,
    "samples.parquet": read_samples,
    "spec_demo_coco.json": read_spec,
    "spec_demo_traffic.json": read_spec,
    "spec_yolox_nano.json": read_spec,
    "summary.csv": read_summary,
    "truth.json": read_truth,
    "verify_e2e-fp32-clip-tensor.json": read_verification,
    "verify_e2e-fp32.json": read_verification,
    "verify_raw-fp32.json": read_verification,
    **{f"{run}.parquet": read_run for run in RUNS},
    **{f"{run}.images.parquet": read_metadata for run in RUNS},
}
# Of those that are JSON with a format number today: what writes them.
WRITERS: dict[str, Callable[[Path, Any], None]] = {
    "comparison": write_comparison,
    "diagnosis": write_diagnosis,
    "fingerprints": write_fingerprints,
    "gate": write_gate,
    "labels": write_labels,
    "ladder": write_ladder,
    "latency": write_latency,
    "manifest": write_manifest,
    "operating": write_operating_points,
    "precision": write_precision,
    "recipe": write_recipe_diff,
    "spec": write_spec,
    "truth": write_truth,
    "verify": write_verification,
}
RENAMED = {
    "on": "quantity",
    "cap": "max_per_img",
    "per_class_cap": "max_per_class",
    "place": "localization",
    "census": "node_placement",
    "same": "match_rate",
}
# Words of format 1 as keys or values of JSON.
OLD_WORDS = re.compile(r'"(on|cap|per_class_cap|place|census|same)"')


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_read(name):
    assert FILES[name](FOLDER / name)


def test_no_file_is_forgotten_and_none_has_a_format_number():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(FILES)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 200_000
    for path in FOLDER.glob("*.json"):
        content = json.loads(path.read_text())
        assert isinstance(content, list) or "format" not in content


WRITTEN = {name: WRITERS[kind] for name in FILES for kind in WRITERS if name.startswith(kind)}


@pytest.mark.parametrize("name", [name for name in WRITTEN if name.endswith(".json")])
def test_each_is_written_in_todays_format_and_words_and_comes_back(name, tmp_path):
    record = FILES[name](FOLDER / name)
    WRITTEN[name](tmp_path / name, record)
    text = (tmp_path / name).read_text()
    assert json.loads(text)["format"] == 2
    again = FILES[name](tmp_path / name)
    assert as_plain(again) == as_plain(record)
    if name != "recipe_diff.json":  # where `same` counts detections, as it does today
        assert OLD_WORDS.findall(text) == []


def as_plain(record: Any) -> Any:
    if is_dataclass(record):
        fields = vars(record).items()
        record = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in fields}
    return msgspec.to_builtins(record)


@pytest.mark.parametrize("name", [name for name in WRITTEN if name.endswith(".json")])
def test_no_key_is_lost(name, tmp_path):
    WRITTEN[name](tmp_path / name, FILES[name](FOLDER / name))
    today = set(key_paths(json.loads((tmp_path / name).read_text())))
    assert set(key_paths(json.loads((FOLDER / name).read_text()))) - today == set()


def key_paths(content: Any, above: str = "") -> Iterator[str]:
    """The keys of a file, in today's words."""
    if isinstance(content, dict):
        for key, value in content.items():
            path = f"{above}.{RENAMED.get(key, key)}"
            yield path
            yield from key_paths(value, path)
    elif isinstance(content, list):
        for value in content:
            yield from key_paths(value, above)


def test_older_words_are_in_the_files():
    """Else the test above would hold of files that have nothing to rename."""
    words = {word for path in FOLDER.glob("*.json") for word in OLD_WORDS.findall(path.read_text())}
    assert words == {"on", "cap", "per_class_cap", "place", "census", "same"}


def test_steps_and_floor_of_a_specification():
    spec = read_spec(FOLDER / "spec_demo_traffic.json")
    assert (spec.head.floor.quantity, spec.head.kind) == ("class", "dense")
    assert [step["step"] for step in spec.head.recipe][::6] == ["threshold", "nms"]
    assert spec.head.recipe[-1] == {"step": "max_per_img", "k": 100}
    assert read_spec(FOLDER / "spec_yolox_nano.json").head.floor.quantity == "product"


@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_opened_beside_the_specification_of_its_time(run, tmp_path):
    spec, made = open_run([str(FOLDER / f"{run}.parquet")], str(FOLDER / "spec_demo_traffic.json"))
    assert (made.input, made.floor) == ("mmdet", spec.head.floor)
    assert (made.onnx_sha256 is None) == (run == "pytorch-e2e")
    # written again, it is of today's format, and so is the specification
    files = [str(tmp_path / f"0.{ending}") for ending in ("parquet", "images.parquet")]
    metadata, *images = read_run(FOLDER / f"{run}.parquet")
    with PredictionWriter(*files, candidates=made.cut != "e2e", metadata=metadata) as writer:
        for image in images:
            writer.add(*image)
    assert read_metadata(files[0]) == metadata
    assert [image for image, _, _ in read_run(Path(files[0]))[1:]] == [image for image, _, _ in images]


def test_autopsies_and_their_counts():
    steps = {row.step for row in read_autopsies(FOLDER / "autopsy.parquet")}
    assert {"max_per_img", "nms", "threshold"} <= steps
    assert "cap" not in steps
    assert read_comparison(FOLDER / "comparison.json").autopsy.reference["max_per_img"] > 0


def test_an_autopsy_is_written_in_todays_format(tmp_path):
    rows = read_autopsies(FOLDER / "autopsy.parquet")
    write_autopsy(tmp_path / "autopsy.parquet", rows)
    assert list(read_autopsy(tmp_path / "autopsy.parquet")) == rows


def test_errors_of_place_are_errors_of_localization():
    points = read_operating_points(FOLDER / "operating_points.json")
    assert "localization" in points.errors
    assert "place" not in points.errors


def test_the_census_is_the_node_placement():
    assert read_latency(FOLDER / "latency_raw.json").node_placement.nodes == {"CPUExecutionProvider": 292}
    _, timing = read_samples(FOLDER / "samples.parquet")
    assert timing.variants["raw"].node_placement.parts == 1
    assert timing.variants["pytorch"].node_placement is None


def test_flags_of_a_summary_come_out_of_its_notes():
    rows = {(row.dataset, row.variant): row for row in read_summary(FOLDER / "summary.csv")}
    assert rows["traffic", "pytorch"].without_compiled_nms
    assert not rows["traffic", "raw"].without_compiled_nms


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("onnx_")])
def test_an_exported_file_carries_what_it_did(name, tmp_path):
    metadata = read_onnx(FOLDER / name)
    session = Session(write_one_node(tmp_path / "m.onnx", [2, 2], metadata), "cpu", threads=1)
    assert session.cut == metadata["cut"]
    assert session.spec == read_spec(FOLDER / "spec_demo_traffic.json")
    if session.cut == "e2e":
        recipe = resolve_recipe(session.recipe, session.spec.head)
        assert (recipe.steps[-1].name, recipe.steps[-1].k) == ("max_per_img", 100)
    if name == "onnx_e2e-fp32-own.json":
        assert (recipe.steps[0].quantity, recipe.get(Nms).max_per_class) == ("class", 50)
