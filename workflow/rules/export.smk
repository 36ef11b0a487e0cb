rule describe_model:
    """What post-processing needs to know of a model: classes, head, input recipe."""
    input:
        get_model_files,
    output:
        "results/models/{model}/spec.json",
    log:
        "logs/describe_model/{model}.log",
    benchmark:
        "logs/benchmarks/describe_model/{model}.tsv"
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.detector.describe"),
        settings=lambda wildcards: {
            **get_model_settings(wildcards),
            "candidate_floor": PLAN.model(wildcards.model).candidate_floor,
        },
    script:
        "../scripts/describe_model.py"


rule trace_model:
    """One graph with the outputs of all cuts, from which the exports are made."""
    input:
        files=get_model_files,
        spec="results/models/{model}/spec.json",
    output:
        temp("results/models/{model}/trace-{shape}.onnx"),
    log:
        "logs/trace_model/{model}/{shape}.log",
    benchmark:
        "logs/benchmarks/trace_model/{model}/{shape}.tsv"
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.detector.trace"),
        settings=lambda wildcards: {
            **get_model_settings(wildcards),
            "shape": shape_value(wildcards.shape),
        },
    script:
        "../scripts/trace_model.py"


rule export_onnx:
    """The ONNX file of one cut; its metadata hold what post-processing needs."""
    input:
        trace=get_trace,
        spec="results/models/{model}/spec.json",
    output:
        "results/models/{model}/{export}.onnx",
    log:
        "logs/export_onnx/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/export_onnx/{model}/{export}.tsv"
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.detector.export"),
        settings=get_export_settings,
    script:
        "../scripts/export_onnx.py"


rule verify_export:
    """The tensors of an export beside PyTorch's on a few images; out of tolerance is a note, not a stop."""
    input:
        export="results/models/{model}/{export}.onnx",
        files=get_model_files,
        spec="results/models/{model}/spec.json",
        manifest=get_verify_manifest,
    output:
        "results/models/{model}/{export}.verify.json",
    log:
        "logs/verify_export/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/verify_export/{model}/{export}.tsv"
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.detector.verify"),
        settings=lambda wildcards: {**get_model_settings(wildcards), "images": 3},
    script:
        "../scripts/verify_export.py"
