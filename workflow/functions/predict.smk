from cutpoint.plan.paths import (
    detection_parts,
    onnx_file,
    prediction_files,
    variant_spec,
)


def get_predict_threads(wildcards):
    """One long run takes all cores; many short ones run side by side. With a GPU the threads decode images.

    As many jobs as there are GPUs fit on the cores. On a cluster the plan and the job must tell the same, and
    only a job sees its node.
    """
    if not workflow.local_exec or workflow.remote_exec:
        return 8 if get_gpu_count(wildcards) else 1
    if get_gpu_count(wildcards):
        return max(1, min(workflow.cores // (get_gpu_limit() or 1), 8))
    jobs = sum(len(e.runs) * e.dataset.shards for e in PLAN.evaluations)
    return max(1, workflow.cores // jobs)


def get_check_settings(wildcards):
    return {"images": VERIFIED_IMAGES}


def get_run_export(wildcards):
    return onnx_file(wildcards.model, get_run(wildcards))


def get_run_settings(wildcards):
    run = get_run(wildcards)
    return {
        "provider": run.provider,
        "shards": get_evaluation(wildcards).dataset.shards,
        "input": run.input.definition,
        "batch": run.batch,
        "tf32": run.tf32,
    }


def get_results_variants():
    """Matches the variants that are external results files; matches nothing if there is none."""
    return match_any({v.name for e in PLAN.evaluations for v in e.results_variants})


def get_results_file(wildcards):
    return as_source(get_variant(wildcards).results)


def get_results_settings(wildcards):
    variant = get_variant(wildcards)
    return {"category_ids": variant.category_ids, "image_ids": variant.image_ids}


def get_results_digest(wildcards):
    return get_digests([get_variant(wildcards).results])


def get_whole_datasets():
    """Matches the data sets of one shard."""
    return match_any(d.name for d in PLAN.datasets if d.shards == 1)


def get_sharded_datasets():
    """Matches the data sets of several shards."""
    return match_any(d.name for d in PLAN.datasets if d.shards > 1)


def get_predictions(wildcards):
    evaluation, variant = get_evaluation(wildcards), get_variant(wildcards)
    files = prediction_files(evaluation, variant)
    return {**files, "spec": variant_spec(evaluation, variant)}


def get_shard(wildcards):
    """What `get_predictions` gives, of one shard."""
    files = get_predictions(wildcards)
    chosen = slice(int(wildcards.shard), int(wildcards.shard) + 1)
    return {
        name: paths[chosen] if isinstance(paths, list) else paths
        for name, paths in files.items()
    }


def get_parts(wildcards):
    return detection_parts(get_evaluation(wildcards), get_variant(wildcards))


def get_recipe_settings(wildcards):
    variant = get_variant(wildcards)
    return {
        "cut": variant.run.cut,
        "recipe": variant.recipe.definition,
    }


def get_part_settings(wildcards):
    return {**get_recipe_settings(wildcards), "part": True}
