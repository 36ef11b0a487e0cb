from cutpoint.plan.ladder import ladder_files, rungs
from cutpoint.plan.paths import (
    autopsy_files,
    comparison_files,
    fingerprint_files,
    operating_files,
    run_files,
    samples_file,
    variant_spec,
)
from cutpoint.plan.recipe_choices import autopsy_recipe, check_one_store, known_recipe


def get_compared_files(wildcards):
    return comparison_files(get_evaluation(wildcards), get_variant(wildcards))


def get_autopsy_files(wildcards):
    return autopsy_files(get_evaluation(wildcards), get_variant(wildcards))


def get_ladder_files(wildcards):
    return ladder_files(get_evaluation(wildcards))


def get_recipe_pair(wildcards):
    """Two variants whose recipes read the same candidates."""
    evaluation = get_evaluation(wildcards)
    pair = [evaluation.variant(name) for name in (wildcards.first, wildcards.second)]
    check_one_store(*pair)
    return evaluation, pair


def get_diff_files(wildcards):
    evaluation, pair = get_recipe_pair(wildcards)
    return {
        **run_files(evaluation, pair[0].run),
        "spec": variant_spec(evaluation, pair[0]),
    }


def get_diff_settings(wildcards):
    first, second = get_recipe_pair(wildcards)[1]
    return {"first": first.recipe.definition, "second": second.recipe.definition}


def get_autopsy_settings(wildcards):
    evaluation = get_evaluation(wildcards)
    return {
        "reference": autopsy_recipe(evaluation.reference),
        "variant": autopsy_recipe(get_variant(wildcards)),
    }


def get_mistake_files(wildcards):
    return fingerprint_files(get_evaluation(wildcards))


def get_mistake_settings(wildcards):
    evaluation = get_evaluation(wildcards)
    return {
        "provider": evaluation.fingerprint_run.provider,
        **CONFIG["fingerprints"],
    }


def get_operating_files(wildcards):
    return operating_files(get_evaluation(wildcards), get_variant(wildcards))


def get_comparison_settings(wildcards):
    reference = get_evaluation(wildcards).reference
    return {
        "reference_name": reference.name,
        "recipes": [known_recipe(v) for v in (reference, get_variant(wildcards))],
        **CONFIG["comparison"],
    }


def get_ladder_settings(wildcards):
    evaluation = get_evaluation(wildcards)
    reference = evaluation.reference
    return {
        "rungs": place(rungs(evaluation)),
        "reference": {
            "variant": reference.name,
            "samples": place(samples_file(evaluation, reference)),
        },
        "published_ap": evaluation.published_ap,
    }
