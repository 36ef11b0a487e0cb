"""Where the files of a plan lie."""

from cutpoint.plan.evaluations import Evaluation
from cutpoint.plan.variants import Run, Variant


def onnx_file(model: str, run: Run) -> str | None:
    """The ONNX file of a run; null for PyTorch."""
    return f"results/models/{model}/{run.export.name}.onnx" if run.export else None


def precision_report(model: str, run: Run) -> str | None:
    """What the reduced precision did to a run's export; null in fp32 and for a file made elsewhere."""
    if not run.export or run.export.foreign or run.precision == "fp32":
        return None
    return f"results/models/{model}/{run.export.trace.name}.precision.json"


def detections_file(evaluation: Evaluation, variant: Variant) -> str:
    """A variant's detections."""
    return f"results/detections/{evaluation.dataset.name}/{evaluation.model.name}/{variant.name}.json"


def samples_file(evaluation: Evaluation, variant: Variant) -> str | None:
    """AP of a variant on resamples of its data set; null without annotations."""
    if not evaluation.dataset.annotations:
        return None
    return f"results/resamples/{evaluation.dataset.name}/{evaluation.model.name}/{variant.name}.npz"


def shard_files(evaluation: Evaluation, run: Run, ending: str) -> list[str]:
    """The files of a run's shards that end alike: ``parquet`` or ``images.parquet``."""
    folder = f"results/predictions/{evaluation.dataset.name}/{evaluation.model.name}/{run.name}"
    return [f"{folder}/{shard}.{ending}" for shard in range(evaluation.dataset.shards)]


def comparison_files(evaluation: Evaluation, variant: Variant) -> dict[str, str]:
    """What ``compare`` reads of both sides; the resamples only where there are annotations."""
    sides = {"reference": evaluation.reference, "variant": variant}
    files = {side: detections_file(evaluation, chosen) for side, chosen in sides.items()}
    if evaluation.dataset.annotations:
        files |= {f"{side}_samples": samples_file(evaluation, chosen) for side, chosen in sides.items()}
    return files


def autopsy_files(evaluation: Evaluation, variant: Variant) -> dict[str, str | list[str]]:
    """What ``autopsy`` reads of both sides: detections, and the shards with candidates."""
    files: dict[str, str | list[str]] = {}
    for side, chosen in {"reference": evaluation.reference, "variant": variant}.items():
        run = chosen.run and chosen.run.candidates
        files[side] = detections_file(evaluation, chosen)
        for kind, ending in {"predictions": "parquet", "images": "images.parquet"}.items():
            files[f"{side}_{kind}"] = shard_files(evaluation, run, ending) if run else []
    return files
