"""Every kind of head at every cut against mmdet's own ``predict``: the same detections, or a tie.

``make heads`` runs all with narrow backbones and writes ``docs/heads.md``, ``make zoo`` with the zoo's.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from models import make_model
from parity import judge
from zoo_bench import Bench, compare_outputs, infer, places_of
from zoo_cases import CASES
from zoo_models import SIZES, noise_images

from cutpoint.detector.reference import MmdetPipeline
from cutpoint.predict.pipeline import OnnxPipeline
from cutpoint.predict.runtime import Session
from cutpoint.predict.validity import read_valid
from cutpoint.recipes.apply import apply_recipe
from cutpoint.recipes.steps import STEPS
from cutpoint.recipes.steps.overlaps import ScoreVoting

NUMPY_SCORE = 1e-5
BATCHES = [1, len(SIZES)]


@pytest.fixture(scope="session")
def bench(request, tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp(request.param)
    case = CASES[request.param]
    paths = noise_images(folder)
    narrow = request.config.getoption("--backbone", "narrow") == "narrow"
    config, checkpoint = case.build(request.param, narrow, paths, folder)
    model = make_model(folder, config, checkpoint)
    pipeline = MmdetPipeline(model.detector, model.pipeline, model.spec, "cpu")
    built = Bench(request.param, case, model, pipeline, paths[: len(SIZES)])
    yield built
    record = request.config.getoption("--record", None)
    if record:
        Path(record).mkdir(parents=True, exist_ok=True)
        head = {"head": built.name, "kind": built.head.kind}
        rows = [head | {"cut": cut, **row} for cut, row in built.rows.items()]
        (Path(record) / f"{built.name}.json").write_text(json.dumps(rows, indent=1))
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def exports(bench) -> dict[str, OnnxPipeline]:
    """A pipeline a cut, all from one dynamic trace."""
    start = time.perf_counter()
    trace = bench.model.trace()
    files = {cut: bench.model.export(trace, cut) for cut in ("raw", "decoded")}
    # score voting cannot be built into a graph
    voting = bench.recipe.get(ScoreVoting) is not None
    recipe = {"base": "mmdet3", "score_voting": False} if voting else "mmdet3"
    # a graph that scales boxes back knows no padding before the image
    clip = "image" if bench.model.spec.input.place == "corner" else "tensor"
    files["e2e"] = bench.model.export(trace, "e2e", clip=clip, recipe=recipe)
    bench.rows["trace"] = {"seconds": time.perf_counter() - start}
    return {cut: OnnxPipeline(Session(path, "cpu", 1)) for cut, path in files.items()}


@pytest.mark.test_bed
def test_the_weights_give_every_step_work(bench):
    """Else equality would prove less than it says: without any one step, the judge finds the difference."""
    bench.case.check(bench)
    steps = {step.name for step in bench.recipe.steps} - {"threshold"}
    missed = set()
    for image in bench.images(1):
        for step in steps - missed:
            other = bench.numpy(image, bench.recipe.without(STEPS[step]))
            sides = image.candidates, image.candidates
            verdict = judge(image.detections, other, *sides, bench.recipe, image.geometry, bench.model.spec)
            if verdict.unexplained:
                missed.add(step)
    assert steps - missed <= set(bench.case.idle)


@pytest.mark.parametrize("batch", BATCHES)
def test_numpy_recipe_equals_predict(bench, batch):
    start = time.perf_counter()
    images = bench.images(batch)
    found = [bench.numpy(image, bench.recipe) for image in images]
    theirs = [image.candidates for image in images], [image.places for image in images]
    row = bench.judge(row_name("numpy", batch), images, found, *theirs, start)
    assert row["unexplained"] == []
    assert len(row["ties"]) <= 0.01 * row["detections"]
    assert row["score"] <= NUMPY_SCORE


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("cut", ["raw", "decoded"])
def test_onnx_candidates_equal_predict(bench, exports, cut, batch):
    if batch > 1 and not bench.head.takes_sizes:
        pytest.skip("the outputs of a dense head do not depend on the other images")
    start = time.perf_counter()
    images, found, candidates, places = bench.images(batch), [], [], []
    worst: dict[str, float] = {}
    for first in range(0, len(images), batch):
        chosen = images[first : first + batch]
        outputs, geometries = infer(exports[cut], chosen)
        for i, (image, geometry) in enumerate(zip(chosen, geometries, strict=True)):
            for name, value in compare_outputs(outputs, image, i, bench.head).items():
                worst[name] = max(worst.get(name, 0.0), value)
            candidates.append(read_valid(exports[cut], outputs, geometry, i))
            places.append(places_of(outputs, i))
            found.append(apply_recipe(bench.recipe, candidates[-1], geometry, bench.model.spec))
    measured = {"tensor": max(worst.values())} | {k: v for k, v in worst.items() if k == "logits"}
    row = bench.judge(row_name(cut, batch), images, found, candidates, places, start, **measured)
    hold(row, bench)


@pytest.mark.parametrize("batch", BATCHES)
def test_onnx_e2e_equals_predict(bench, exports, batch):
    start = time.perf_counter()
    images = bench.images(batch)
    found, candidates, places = [], [], []
    for first in range(0, len(images), batch):
        chosen = images[first : first + batch]
        for cut, results in (("e2e", found), ("decoded", candidates)):
            outputs, geometries = infer(exports[cut], chosen)
            results += [read_valid(exports[cut], outputs, size, i) for i, size in enumerate(geometries)]
        places += [places_of(outputs, i) for i in range(len(chosen))]
    hold(bench.judge(row_name("e2e", batch), images, found, candidates, places, start), bench)


def test_torch_moves_itself_where_files_need_not_be_traced(bench):
    """An allowance for untraced detections is for models that do not match themselves."""
    if bench.case.limits.traced:
        pytest.skip("each detection of this model's files is traced")
    moved = bench.moved()
    assert 0.9 <= moved.matched < 1
    assert moved.tensors["logits"] > 1e-2


def row_name(cut: str, batch: int) -> str:
    return cut if batch == 1 else f"{cut}, batch {batch}"


def hold(row: dict, bench: Bench) -> None:
    """Fail if a row of an ONNX file is out of the limits."""
    limits = bench.case.limits
    if limits.traced:
        assert row["unexplained"] == []
    assert row["share"] >= limits.matched
    assert row["score"] <= limits.score
    assert limits.corner is None or row["box"] <= limits.corner
    assert limits.logit is None or row.get("logits", 0.0) <= limits.logit
