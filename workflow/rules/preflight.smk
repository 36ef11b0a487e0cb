# What is wrong in the inputs is told before a heavy job, and all of it at once. The inspections keep the problems
# that they find, and always succeed. So the file with all findings is always there, and rules that do more than
# read a file have it as an `ancient` input: they stop if it has a problem, and new findings repeat nothing.


rule inspect_dataset:
    """What is wrong in a data set, by the headers of its images, its annotations and its slices."""
    input:
        unpack(get_dataset_files),
        unpack(get_conversion),
        unpack(get_slices_source),
    output:
        "results/preflight/datasets/{dataset}.json",
    log:
        "logs/inspect_dataset/{dataset}.log",
    benchmark:
        "logs/benchmarks/inspect_dataset/{dataset}.tsv"
    priority: 2
    params:
        code=get_code("cutpoint.preflight.datasets"),
        content=get_images_digest,
        sources=get_dataset_digests,
        settings=get_dataset_inspection,
    script:
        "../scripts/preflight/inspect_dataset.py"


rule inspect_external:
    """What is wrong in a model without mmdet: its class names and its ONNX files."""
    input:
        unpack(get_external_sources),
        datasets=get_naming_findings,
    output:
        "results/preflight/models/{model}.json",
    log:
        "logs/inspect_external/{model}.log",
    benchmark:
        "logs/benchmarks/inspect_external/{model}.tsv"
    wildcard_constraints:
        model=get_external_models(),
    priority: 2
    params:
        code=get_code("cutpoint.preflight.models"),
        sources=get_external_model_digests,
        settings=get_external_inspection,
    script:
        "../scripts/preflight/inspect_external.py"


rule gather_findings:
    """All that is found in all inputs, alone and together."""
    input:
        unpack(get_findings),
        scored=get_scored_sources,
    output:
        # It is there while it is made again. Otherwise a run that is killed would repeat what waits for it.
        update("results/preflight/findings.json"),
    log:
        "logs/gather_findings.log",
    benchmark:
        "logs/benchmarks/gather_findings.tsv"
    priority: 2
    localrule: True
    params:
        code=get_code("cutpoint.preflight.gather"),
        sources=get_scored_digests,
        settings=get_gathered,
    script:
        "../scripts/preflight/gather_findings.py"


rule check_inputs:
    """Tell all problems, and fail if there is one."""
    input:
        "results/preflight/findings.json",
    output:
        "results/preflight/passed.json",
    log:
        "logs/check_inputs.log",
    # Alone, and before the jobs that wait for the findings: the problems are told once.
    priority: 2
    retries: 0
    localrule: True
    threads: get_all_cores
    params:
        code=get_code("cutpoint.preflight.passed"),
    script:
        "../scripts/preflight/check_inputs.py"


rule preflight:
    """Print what check_inputs remarks. It has no output, so it runs at every call."""
    input:
        "results/preflight/passed.json",
    log:
        "logs/preflight.log",
    localrule: True
    script:
        "../scripts/preflight/preflight.py"
