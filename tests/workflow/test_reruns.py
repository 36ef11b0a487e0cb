"""What runs again after a change: the tables of docs/reruns.md are held true, row by row.

The project's outputs are all there. Its source is a copy, so that the code may be changed as well.
"""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import pytest
from changes import by_a_link, by_an_older_copy, by_an_older_file, in_place, longer, without_the_last_box
from external_project import NAMES, write_small_model
from snake import ROOT

from cutpoint.data.selection import list_images, select

pytestmark = pytest.mark.slow

Change = Callable[[Path], None]
RULES = {
    rule
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for rule in re.findall(r"^rule (\w+):", path.read_text(), re.M)
}
# repeated whenever what they read changes; nothing follows them
PREFLIGHT = {"inspect_dataset", "inspect_model", "inspect_external"}
PREFLIGHT |= {"show_oddities", "gather_findings", "check_inputs"}
REPORT = {"summarize", "capsule", "plot", "evaluate_gate", "render_report"}


def chosen_images(folder: Path) -> list[str]:
    return select(list_images(str(folder / "street/images")), 12)


def boxes(way: Callable[[Path, bytes], None]) -> Change:
    def change(folder: Path) -> None:
        path = folder / "street/instances.json"
        way(path, without_the_last_box(path))

    return change


def image(way: Callable[[Path, bytes], None]) -> Change:
    def change(folder: Path) -> None:
        path = folder / "street/images" / chosen_images(folder)[3]
        way(path, longer(path))

    return change


def name_of_a_category(folder: Path) -> None:
    path = folder / "street/instances.json"
    content = json.loads(path.read_text())
    content["categories"][0]["name"] = "walker"
    path.write_text(json.dumps(content))


def calibration_image(folder: Path) -> None:
    path = min((folder / "calibration/images").iterdir())
    in_place(path, longer(path))


def grow(name: str, way: Callable[[Path, bytes], None], folder: Path) -> None:
    way(folder / name, longer(folder / name))


def external_graph(folder: Path) -> None:
    path = folder / "theirs/model.onnx"
    model = onnx.load(path, load_external_data=False)
    model.doc_string = "made again"
    by_an_older_file(path, model.SerializeToString())


def external_tensors(folder: Path) -> None:
    path = folder / "theirs/model.onnx.data"
    in_place(path, bytes(path.stat().st_size))


def small_model(*, seed: int = 0, names: tuple[str, ...] = NAMES) -> Change:
    """The file of the model without mmdet, made again."""

    def change(folder: Path) -> None:
        path = folder / "theirs/other.onnx"
        write_small_model(path, seed, names)
        by_an_older_file(folder / "theirs/small.onnx", path.read_bytes())

    return change


def results_file(folder: Path) -> None:
    by_a_link(folder / "theirs/detections.json", b"[ ]")


def slices(folder: Path) -> None:
    in_place(folder / "street/slices.csv", b"image,name,value\n1,time,day\n2,time,dusk\n")


def config(old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / "config/config.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def top(key: str) -> Change:
    """A key at the config's top level."""
    return config("device: cpu", f"device: cpu\n{key}")


def code(module: str) -> Change:
    """One more line that runs when the module is imported."""

    def change(folder: Path) -> None:
        path = folder / "src/cutpoint" / module
        path.write_text(path.read_text() + ("\n" if path.suffix == ".j2" else "\n_ADDED = 1\n"))

    return change


CONFIGURED = ("weights/atss.pth", "config/mine/base.py", "config/demo/atss_small.py", "mine/hooks.py")
INPUTS: dict[str, list[Change]] = {
    "boxes in the annotations": [boxes(in_place), boxes(by_an_older_file)],
    "an image": [image(by_an_older_copy), image(by_a_link)],
    "the list of images or categories in the annotations": [name_of_a_category],
    "the checkpoint, the model's config, what it inherits from or imports, a module under `imports`": [
        partial(grow, name, way)
        for name, way in zip(
            CONFIGURED, (by_an_older_file, in_place, by_an_older_copy, by_a_link), strict=True
        )
    ],
    "an external ONNX file, or the file with its tensors": [external_graph, external_tensors],
    "the ONNX file of a model without mmdet": [small_model(seed=1)],
    "the class names in such a file": [small_model(names=("a", "b", "c", "d"))],
    "a results file": [results_file],
    "the file of `slices`": [slices],
    "a calibration image": [calibration_image],
}
KEYS: dict[str, list[Change]] = {
    "`score_thr` of a variant's recipe": [
        config("score_thr: 0.3", "score_thr: 0.4"),
        config("score_thr: 0.3", "score_thr: 0.3, iou_threshold: 0.5"),
    ],
    "the recipe of a variant whose cut is `e2e`": [
        config("  e2e: {runtime: onnxruntime,", "  e2e: {recipe: class-agnostic, runtime: onnxruntime,")
    ],
    "`candidate_floor` of a model": [config("atss.pth}", "atss.pth, candidate_floor: 0.04}")],
    "`classes` of a model without mmdet": [config("alone: {}", "alone: {classes: [a, b, c, d]}")],
    "`input` of a variant": [config("small: {onnx", "small: {input: {place: corner}, onnx")],
    "`limit` of a data set": [config("limit: 12", "limit: 10")],
    "`comparison`": [top("comparison: {margin: 0.01}")],
    "`latency`": [top("latency: {min_runs: 7}")],
    "`samples`": [top("samples: {images: 2}"), top("samples: {megabytes: 1}")],
    "`report`": [top("report: {public: [4]}")],
    "`downloads`": [top("downloads: {folder: other}")],
    "`gate`": [config("min: 0.9", "min: 0.8")],
    "`ladder` of an evaluation": [config("[raw, decoded]", "[raw, decoded, e2e]")],
    "`variants` of an evaluation, by one more": [config("[pytorch, e2e]", "[pytorch, e2e, raw]")],
}
MODULES = (
    *("detector/trace.py", "export/cut.py", "export/ingraph.py", "predict/pipeline.py"),
    *("recipes/nms.py", "evaluate/as_coco.py", "matching.py", "latency/coordinator.py"),
    *("latency/statistics.py", "gate/check.py", "report/charts/ap.py", "report/page.py"),
    *("report/templates/report.html.j2", "layouts/table.py", "layouts/classes.py"),
    "predict/check_external.py",
)
CHANGES = INPUTS | KEYS | {f"`{module}`": [code(module)] for module in MODULES}


def documented() -> dict[str, list[str]]:
    """The first cell of each row, and the others: what repeats first, and what does not repeat."""
    lines = (ROOT / "docs/reruns.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]
    return {cells[0].strip(): cells[1:] for cells in rows if len(cells) == 4 and "---" not in cells[0]}


def named(cell: str) -> set[str]:
    """The rules that a cell names; a word that is none is a mistake."""
    names = set(re.findall(r"`(\w+)`", cell))
    assert names, cell
    assert names <= RULES, cell
    return names


def test_every_row_of_the_tables_is_tried():
    assert set(documented()) - {"you change"} == set(CHANGES)


@pytest.mark.parametrize(
    ("row", "change"),
    [(row, change) for row, changes in CHANGES.items() for change in changes],
    ids=[f"{row}-{n}" for row, changes in CHANGES.items() for n in range(len(changes))],
)
def test_a_change_repeats_what_the_tables_say(plan, row, change):
    first, stays, _ = documented()[row]
    result = plan(change)
    assert result.triggered - PREFLIGHT == named(first)
    if stays == "all else":
        assert set(result.jobs) - PREFLIGHT == named(first)
    else:
        assert not named(stays) & set(result.jobs)


def test_nothing_is_to_be_done(plan):
    assert "Nothing to be done" in plan(lambda folder: None).text


def test_the_preflight_is_repeated_alone(plan):
    """A data set that is inspected in another way is no other data set."""
    result = plan(code("preflight/datasets.py"))
    assert result.triggered == {"inspect_dataset"}
    assert set(result.jobs) == {"inspect_dataset", "gather_findings", "check_inputs"}


def test_findings_that_a_killed_run_did_not_finish_repeat_nothing_else(plan):
    result = plan(lambda folder: (folder / "results/preflight/passed.json").unlink())
    assert set(result.jobs) == {"check_inputs"}


def test_comments_and_docstrings_repeat_nothing(plan):
    def change(folder):
        paths = list((folder / "src/cutpoint").rglob("*.py"))
        assert len(paths) > 100
        for path in paths:
            text = path.read_text()
            path.write_text(text.replace('"""', '"""Changed. ', 1) + "\n# a remark\n")

    assert plan(change).jobs == {}


def test_files_that_are_touched_or_written_anew_repeat_nothing(plan):
    def change(folder):
        for path in ("street/instances.json", "weights/atss.pth", "theirs/detections.json"):
            (folder / path).write_bytes((folder / path).read_bytes())
        for path in [*(folder / "street/images").iterdir(), *(folder / "src").rglob("*.py")]:
            path.touch()

    assert plan(change).jobs == {}


def test_an_image_beyond_the_limit_is_nobodys(plan):
    def change(folder):
        others = {path.name for path in (folder / "street/images").iterdir()} - set(chosen_images(folder))
        path = folder / "street/images" / min(others)
        path.write_bytes(longer(path))

    assert plan(change).jobs == {}


def test_another_nms_runs_no_network_and_makes_no_file_of_one(plan):
    result = plan(code("recipes/nms.py"))
    never = {"predict", "predict_pytorch", "describe_model", "trace_model", "export_onnx", "import_onnx"}
    assert not never & set(result.jobs)
    # timed is only what has NMS behind its graph, with all that it is timed beside
    timed = [path for path in result.outputs if path.endswith("samples.parquet")]
    pairs = ("traffic/demo", "unlabelled/alone")
    assert sorted(timed) == [f"results/latency/{pair}/samples.parquet" for pair in pairs]


def test_a_recipe_repeats_the_jobs_of_its_variant_alone(plan):
    result = plan(KEYS["`score_thr` of a variant's recipe"][0])
    for rule in ("postprocess", "evaluate", "resample", "compare", "autopsy", "measure_operating_points"):
        assert result.jobs[rule] == 1
    assert "results/detections/traffic/demo/raw_thr.json" in result.outputs


def test_an_external_file_repeats_the_jobs_of_its_variant_alone(plan):
    result = plan(external_tensors)
    for rule in ("import_onnx", "predict", "verify_export", "postprocess", "evaluate"):
        assert result.jobs[rule] == 1


def test_a_rule_that_is_forced_repeats_what_reads_it(plan):
    result = plan(lambda folder: None, "--forcerun", "evaluate")
    assert result.jobs["evaluate"] == 8
    assert set(result.jobs) == REPORT | {"evaluate", "ladder"}


def test_another_device_repeats_what_touches_it(plan):
    # planned for a cluster, where nothing is checked here
    result = plan(config("device: cpu", "device: cuda"), "--jobs", "1", "--cores", "1")
    assert {"predict", "predict_pytorch", "time_variants"} <= result.triggered
    assert not {"export_onnx", "build_manifest", "describe_model"} & set(result.jobs)
