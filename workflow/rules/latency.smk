rule write_latency_jobs:
    """What is timed of a model on a data set, for the workers."""
    output:
        "results/latency/{dataset}/{model}/jobs.json",
    log:
        "logs/write_latency_jobs/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/write_latency_jobs/{dataset}/{model}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.files"),
        jobs=lambda wildcards: latency_jobs(
            get_evaluation(wildcards), CONFIG["imports"]
        ),
    script:
        "../scripts/write_latency_jobs.py"


rule time_variants:
    """Latency samples of all variants of a model on a data set, timed in turn with the machine to themselves."""
    input:
        # A recipe on candidates is read from here: rescoring with another one shall not open a session.
        # The tables then name the recipe that was timed.
        jobs=ancient("results/latency/{dataset}/{model}/jobs.json"),
        files=get_model_files,
        exports=lambda wildcards: row_files(
            latency_jobs(get_evaluation(wildcards), []), "model"
        ),
        accepted=get_accepted,
        spec="results/models/{model}/spec.json",
        manifest="results/manifests/{dataset}.json",
    output:
        "results/latency/{dataset}/{model}/samples.parquet",
    log:
        "logs/time_variants/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/time_variants/{dataset}/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: get_all_cores
    resources:
        gpu=get_gpu_count,
    params:
        code=get_code("cutpoint.latency"),
        settings=CONFIG["latency"],
        timed=get_timed,
    script:
        "../scripts/time_variants.py"


rule latency:
    """Percentiles of each stage of a variant, ms, and its difference to the reference."""
    input:
        "results/latency/{dataset}/{model}/samples.parquet",
    output:
        "results/latency/{dataset}/{model}/{variant}.json",
    log:
        "logs/latency/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/latency/{dataset}/{model}/{variant}.tsv"
    wildcard_constraints:
        variant=get_variants(),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.latency_statistics"),
        reference=lambda wildcards: get_evaluation(wildcards).reference.name,
    script:
        "../scripts/latency.py"
