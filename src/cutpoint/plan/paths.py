"""The paths of a plan's files: the only module that writes a path with parts that the plan knows."""

from cutpoint.errors import UserError
from cutpoint.plan.dataset import Dataset
from cutpoint.plan.evaluations import Evaluation, Model
from cutpoint.plan.variants import Export, ResultsVariant, Run, RunVariant, Trace, Variant

# The folders that the workflow writes to.
WRITTEN = ("results/", "logs/")
FINDINGS_FILE = "results/preflight/findings.json"
GATE_FILE = "results/gate.json"
RECOMMENDATIONS_FILE = "results/tables/recommendations.json"
REPORT_FILE = "results/report.html"
CAPSULE_FILE = "results/capsule.zip"
# this run compared with the gate's baseline
GATE_RUNS_FILE = "results/runs/gate.json"


def figures_folder(evaluation: Evaluation) -> str:
    """The figures of a model on a data set."""
    return f"results/figures/{evaluation.dataset.name}/{evaluation.model.name}"


def manifest_file(dataset: Dataset) -> str:
    """The images and categories of a data set."""
    return f"results/manifests/{dataset.name}.json"


def converted_file(dataset: str) -> str:
    """The annotations of a data set as COCO JSON, converted from another format."""
    return f"results/annotations/{dataset}.json"


def conversion_file(dataset: Dataset) -> str | None:
    """What was converted, and what was lost; null if the annotations are used as they are."""
    return f"results/annotations/{dataset.name}.conversion.json" if dataset.converted_from else None


def dataset_findings(dataset: Dataset) -> str:
    """What the preflight finds in a data set."""
    return f"results/preflight/datasets/{dataset.name}.json"


def odd_folder(dataset: Dataset) -> str | None:
    """What is odd in the annotations of a data set, with pictures; null without annotations."""
    return f"results/preflight/odd/{dataset.name}" if dataset.annotations else None


def model_findings(model: Model) -> str:
    """What the preflight finds in a model."""
    return f"results/preflight/models/{model.name}.json"


def spec_file(model: str, export: Export | None = None) -> str:
    """What post-processing needs to know about a model; an imported file of one without mmdet has its own."""
    if export is None or export.external is None or export.external.layout is None:
        return f"results/models/{model}/spec.json"
    return f"results/models/{model}/{export.imported.name}.spec.json"


def classes_file(model: Model) -> str:
    """The class names of a model: with all else in the specification of an mmdet model, or alone."""
    return f"results/models/{model.name}/classes.json" if model.is_external else spec_file(model.name)


def trace_file(model: str, trace: Trace) -> str:
    """The graph that exports are made from."""
    return f"results/models/{model}/{trace.name}.onnx"


def export_file(model: str, export: Export) -> str:
    """The ONNX file of an export."""
    return f"results/models/{model}/{export.name}.onnx"


def onnx_file(model: str, run: Run) -> str | None:
    """The ONNX file of a run; null for PyTorch."""
    return export_file(model, run.export) if run.export else None


def verify_file(model: str, export: Export) -> str:
    """The tensors of an export compared with PyTorch's, or of a model without mmdet with what can be true."""
    return f"results/models/{model}/{export.name}.verify.json"


def accepted_file(model: str, export: Export) -> str:
    """The mark that a strict verification has passed."""
    return f"results/models/{model}/{export.name}.accepted"


def precision_report(model: str, run: Run) -> str | None:
    """What Cutpoint's reduction of the precision did to a run's export; null if there was none."""
    export = run.export
    if not export or run.precision == "fp32" or (export.external and not export.is_converted):
        return None
    name = export.name if export.external else export.trace.name
    return f"results/models/{model}/{name}.precision.json"


def pair_file(kind: str, evaluation: Evaluation) -> str:
    """The file of a kind (``truth``, ``ladders``) for a model on a data set."""
    return f"results/{kind}/{evaluation.dataset.name}/{evaluation.model.name}.json"


def truth_file(evaluation: Evaluation) -> str | None:
    """The ground truth; null without annotations."""
    return pair_file("truth", evaluation) if evaluation.dataset.annotations else None


def variant_file(kind: str, evaluation: Evaluation, variant: Variant, ending: str = ".json") -> str:
    """The file of a kind (``metrics``, ``comparisons``, ...) for a variant."""
    return f"results/{kind}/{evaluation.dataset.name}/{evaluation.model.name}/{variant.name}{ending}"


def latency_samples_file(evaluation: Evaluation) -> str:
    """The latency of every run of the variants that are timed in turn."""
    return f"results/latency/{evaluation.dataset.name}/{evaluation.model.name}/samples.parquet"


def detections_file(evaluation: Evaluation, variant: Variant) -> str:
    """A variant's detections."""
    return variant_file("detections", evaluation, variant)


def samples_folder(evaluation: Evaluation) -> str:
    """The gallery of a model on a data set."""
    return f"results/samples/{evaluation.dataset.name}/{evaluation.model.name}"


def sample_files(evaluation: Evaluation) -> dict[str, dict[str, str]]:
    """What the gallery is drawn from, by variant: all detections, and the autopsies."""
    others = [variant for variant in evaluation.variants if variant != evaluation.reference]
    return {
        "detections": {v.name: detections_file(evaluation, v) for v in (evaluation.reference, *others)},
        "autopsies": {v.name: variant_file("autopsies", evaluation, v, ".parquet") for v in others},
    }


def golden_folders(evaluation: Evaluation) -> list[str]:
    """The golden packs of the variants that are ONNX files."""
    variants = [variant for variant in evaluation.run_variants if variant.run.export]
    return [variant_file("golden", evaluation, variant, "") for variant in variants]


def samples_file(evaluation: Evaluation, variant: Variant) -> str | None:
    """AP of a variant on resamples of its data set; null without annotations."""
    labelled = evaluation.dataset.annotations
    return variant_file("resamples", evaluation, variant, ".npz") if labelled else None


def slices_file(dataset: Dataset) -> str | None:
    """The images of each slice; null without slices."""
    return f"results/slices/{dataset.name}.json" if dataset.slices else None


def slice_samples_file(evaluation: Evaluation, variant: Variant) -> str | None:
    """A variant on the slices of its data set; null without slices or annotations."""
    dataset = evaluation.dataset
    labelled = dataset.slices and dataset.annotations
    return variant_file("slice_samples", evaluation, variant, ".npz") if labelled else None


def shard_files(evaluation: Evaluation, run: Run, ending: str) -> list[str]:
    """The files of a run's shards with one ending: ``parquet`` or ``images.parquet``."""
    folder = f"results/predictions/{evaluation.dataset.name}/{evaluation.model.name}/{run.name}"
    return [f"{folder}/{shard}.{ending}" for shard in range(evaluation.dataset.shards)]


def run_files(evaluation: Evaluation, run: Run) -> dict[str, list[str]]:
    """The files that a run writes."""
    return {
        "predictions": shard_files(evaluation, run, "parquet"),
        "images": shard_files(evaluation, run, "images.parquet"),
    }


def prediction_files(evaluation: Evaluation, variant: RunVariant) -> dict[str, list[str]]:
    """A variant's shards; for an ONNX file with post-processing also the shards of its raw tensors."""
    run = variant.run
    hidden = run.candidates if run.export and not run.keeps_candidates else None
    candidates = shard_files(evaluation, hidden, "parquet") if hidden else []
    return {**run_files(evaluation, run), "candidates": candidates}


def detection_parts(evaluation: Evaluation, variant: RunVariant) -> list[str]:
    """The detections of each shard, which are merged into those of a variant."""
    folder = variant_file("detections", evaluation, variant, "")
    return [f"{folder}/{shard}.json" for shard in range(evaluation.dataset.shards)]


def fingerprint_files(evaluation: Evaluation) -> dict[str, str]:
    """The file that mistakes are made with, and the detections that they are compared with.

    Raises:
        UserError: no variant is diagnosed.
    """
    run = evaluation.fingerprint_run
    model = onnx_file(evaluation.model.name, run) if run else None
    if model is None:
        pair = f"{evaluation.model.name} on {evaluation.dataset.name}"
        raise UserError(f"no variant of {pair} is diagnosed; name one under `diagnose` in its evaluation")
    return {"model": model, "reference": detections_file(evaluation, evaluation.reference)}


def variant_spec(evaluation: Evaluation, variant: Variant) -> str | None:
    """The specification that a variant's recipe is for; null for a results file."""
    if isinstance(variant, ResultsVariant):
        return None
    return spec_file(evaluation.model.name, variant.run.export)


def side_specs(evaluation: Evaluation, variant: Variant) -> dict[str, str]:
    """The specifications of the reference and of a variant; without those of results files."""
    sides = {"reference_spec": evaluation.reference, "variant_spec": variant}
    specs = {name: variant_spec(evaluation, chosen) for name, chosen in sides.items()}
    return {name: path for name, path in specs.items() if path}


def operating_files(evaluation: Evaluation, variant: Variant) -> dict[str, str]:
    """A variant's detections, and the reference's."""
    files = {"variant": detections_file(evaluation, variant)}
    if variant != evaluation.reference:
        files["reference"] = detections_file(evaluation, evaluation.reference)
    return files


def comparison_files(evaluation: Evaluation, variant: Variant) -> dict[str, str]:
    """What ``compare`` reads from both sides; resamples only with annotations, slices likewise."""
    sides = {"reference": evaluation.reference, "variant": variant}
    files = {side: detections_file(evaluation, chosen) for side, chosen in sides.items()}
    others = {"slices": slices_file(evaluation.dataset)}
    others |= {f"{side}_samples": samples_file(evaluation, chosen) for side, chosen in sides.items()}
    others |= {f"{side}_slices": slice_samples_file(evaluation, chosen) for side, chosen in sides.items()}
    known = {name: path for name, path in others.items() if path}
    return files | known | side_specs(evaluation, variant)


def autopsy_files(evaluation: Evaluation, variant: Variant) -> dict[str, str | list[str]]:
    """What ``autopsy`` reads from both sides: detections, specifications, and the shards with candidates."""
    files: dict[str, str | list[str]] = {**side_specs(evaluation, variant)}
    for side, chosen in {"reference": evaluation.reference, "variant": variant}.items():
        run = None if isinstance(chosen, ResultsVariant) else chosen.run.candidates
        files[side] = detections_file(evaluation, chosen)
        for kind, ending in {"predictions": "parquet", "images": "images.parquet"}.items():
            files[f"{side}_{kind}"] = shard_files(evaluation, run, ending) if run else []
    return files
