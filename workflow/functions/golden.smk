from cutpoint.errors import UserError
from cutpoint.plan.paths import golden_folders, onnx_file


def get_golden_packs(wildcards):
    packs = [path for e in PLAN.evaluations for path in golden_folders(e)]
    if not packs:
        stop(
            UserError(
                "golden: no variant is an ONNX file; add one, for example a `decoded` one"
            )
        )
    return packs


def get_golden_export(wildcards):
    return onnx_file(wildcards.model, get_variant(wildcards).run)


def get_golden_accepted(wildcards):
    """The verification of the export, if verifications are strict."""
    strict = CONFIG["verify"] == "strict"
    export = get_variant(wildcards).run.export
    return [accepted_file(wildcards.model, export)] if strict else []


def get_golden_gpu_count(wildcards):
    return get_variant(wildcards).run.gpus


def get_golden_settings(wildcards):
    variant = get_variant(wildcards)
    return {
        "provider": variant.run.provider,
        "input": variant.run.input.definition,
        "tf32": variant.run.tf32,
        "recipe": variant.recipe.definition,
        **CONFIG["golden"],
    }
