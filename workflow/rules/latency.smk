rule time_variants:
    """Latency samples of all variants of a model on a data set. They are timed in turn, on the whole machine."""
    input:
        files=get_model_files,
        exports=get_timed_exports,
        accepted=get_accepted,
        spec=get_specs,
        manifest="results/manifests/{dataset}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/latency/{dataset}/{model}/samples.parquet",
    log:
        "logs/time_variants/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/time_variants/{dataset}/{model}.tsv"
    threads: get_all_cores
    resources:
        gpu=get_gpu_count,
    params:
        code=get_timing_code,
        sources=get_model_digests,
        settings=get_latency_settings,
        jobs=get_timed,
        # Snakemake does not compare a namespace with the last run's: another recipe must not open a session.
        # The tables name the recipe that was timed.
        recipes=get_timed_recipes,
    script:
        "../scripts/latency/time_variants.py"


rule latency:
    """Percentiles of each stage of a variant (ms), and the difference from the reference."""
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
    params:
        code=get_code("cutpoint.latency.statistics"),
        reference=get_reference_name,
    script:
        "../scripts/latency/latency.py"
