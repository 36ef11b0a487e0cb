"""The process that ``latency`` times: one variant, a request a line on stdin, an answer a line on stdout."""

import json
import os
import sys
import time
from dataclasses import replace
from typing import Any

from cutpoint.errors import UserError
from cutpoint.files import read_json
from cutpoint.headspec import ModelSpec
from cutpoint.image import named_input
from cutpoint.names import UNCOMPILED
from cutpoint.pipeline import READERS, Pipeline, detect
from cutpoint.recipes import Recipe, floor_of, resolve_recipe

# Every distinct input shape is met at least this often before the first sample.
WARM_UP_ROUNDS = 2


def open_variant(job: dict[str, Any]) -> tuple[Pipeline, Recipe | None]:
    """Open the pipeline and recipe of a variant; the recipe's own threshold becomes the floor.

    Args:
        job: see ``latency.time_variants``, with ``threads``.
    """
    if job["runtime"] == "pytorch":
        from cutpoint.detector.imports import import_modules
        from cutpoint.detector.reference import open_pytorch

        spec = ModelSpec.from_dict(read_json(job["spec"]))
        import_modules(job["imports"])
        arguments = job["config"], job["checkpoint"], spec, job["cut"], job["provider"], job["threads"]
        pipeline: Pipeline = open_pytorch(*arguments, job["input"])
        scores = "class"
    else:
        from cutpoint.pipeline import OnnxPipeline
        from cutpoint.runtime import Session

        session = Session(job["model"], job["provider"], job["threads"])
        pipeline = OnnxPipeline(session, job["input"])
        scores = session.scores or "class"
    if pipeline.cut not in READERS:
        return pipeline, None
    recipe = resolve_recipe(job["recipe"], pipeline.spec.head, scores)
    spec = pipeline.spec.with_floor(floor_of(recipe))
    # what boxes are clipped to belongs to the input recipe of the run
    pipeline.spec = replace(spec, input=named_input(job["input"], spec.input, None))
    return pipeline, recipe


def time_image(pipeline: Pipeline, recipe: Recipe | None, path: str) -> dict[str, float]:
    """Run one image file to final boxes; milliseconds of each stage."""
    start = time.perf_counter_ns()
    image = pipeline.decode(path)
    decoded = time.perf_counter_ns()
    tensor, geometry = pipeline.prepare(image)
    prepared = time.perf_counter_ns()
    outputs = pipeline.infer(tensor, geometry)
    inferred = time.perf_counter_ns()
    detect(pipeline.read(outputs, geometry), recipe, geometry, pipeline.spec)
    end = time.perf_counter_ns()
    return {
        "decode": (decoded - start) / 1e6,
        "preprocess": (prepared - decoded) / 1e6,
        "inference": (inferred - prepared) / 1e6,
        "postprocess": (end - inferred) / 1e6,
        "total": (end - start) / 1e6,
    }


def serve(job: dict[str, Any], requests: Any, answers: Any) -> None:
    """Answer requests until the input ends: ``{"warm_up": images}`` and ``{"time": images}``."""
    began = time.perf_counter()
    pipeline, recipe = open_variant(job)
    notes = []
    if job["runtime"] == "pytorch" and job["cut"] == "e2e":
        from cutpoint.detector.mmcv_ops import has_compiled_ops

        if not has_compiled_ops():
            notes.append(UNCOMPILED)
    facts = {
        "provider_got": pipeline.provider,
        "notes": notes,
        "start_seconds": round(time.perf_counter() - began, 3),
    }
    _answer(answers, facts)
    for line in requests:
        request = json.loads(line)
        if "warm_up" in request:
            began, count = time.perf_counter(), 0
            for _ in range(WARM_UP_ROUNDS):
                for image in request["warm_up"]:
                    time_image(pipeline, recipe, image["path"])
                    count += 1
            _answer(answers, {"runs": count, "seconds": round(time.perf_counter() - began, 3)})
        else:
            rows = [
                {"image_id": image["id"], **time_image(pipeline, recipe, image["path"])}
                for image in request["time"]
            ]
            _answer(answers, {"samples": rows})


def _answer(answers: Any, value: dict[str, Any]) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def main() -> None:
    """Serve on stdin and stdout; what libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        serve(json.loads(sys.argv[1]), sys.stdin, answers)
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
