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
        sources=get_model_digests,
        imports=CONFIG["imports"],
        settings=lambda wildcards: {
            **get_model_settings(wildcards),
            "candidate_floor": PLAN.model(wildcards.model).candidate_floor,
            "class_names": PLAN.model(wildcards.model).class_names,
        },
    script:
        "../scripts/describe_model.py"


rule trace_model:
    """One graph with the outputs of all cuts, from which the exports are made."""
    input:
        files=get_model_files,
        spec="results/models/{model}/spec.json",
    output:
        "results/models/{model}/{trace}.onnx",
    log:
        "logs/trace_model/{model}/{trace}.log",
    benchmark:
        "logs/benchmarks/trace_model/{model}/{trace}.tsv"
    wildcard_constraints:
        trace=r"trace-fp32[A-Za-z0-9_-]*",
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.detector.trace"),
        sources=get_model_digests,
        imports=CONFIG["imports"],
        settings=lambda wildcards: {
            **get_model_settings(wildcards),
            **get_trace_settings(wildcards),
        },
    script:
        "../scripts/trace_model.py"


rule to_fp16:
    """The same graph in half precision, and what that did to its tensors."""
    input:
        trace=get_full_trace,
        spec="results/models/{model}/spec.json",
        manifest=get_verify_manifest,
    output:
        trace="results/models/{model}/{trace}.onnx",
        report="results/models/{model}/{trace}.precision.json",
    log:
        "logs/to_fp16/{model}/{trace}.log",
    benchmark:
        "logs/benchmarks/to_fp16/{model}/{trace}.tsv"
    wildcard_constraints:
        trace=r"trace-fp16[A-Za-z0-9_-]*",
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.export.precision"),
        sources=get_model_digests,
    script:
        "../scripts/to_fp16.py"


rule to_int8:
    """The same graph with 8-bit weights and tensors, ranges taken from the calibration's images."""
    input:
        trace=get_full_trace,
        spec="results/models/{model}/spec.json",
        manifest=lambda wildcards: f"results/manifests/{get_calibration(wildcards).dataset.name}.json",
    output:
        trace="results/models/{model}/{trace}.onnx",
        report="results/models/{model}/{trace}.precision.json",
    log:
        "logs/to_int8/{model}/{trace}.log",
    benchmark:
        "logs/benchmarks/to_int8/{model}/{trace}.tsv"
    wildcard_constraints:
        trace=r"trace-int8[A-Za-z0-9_-]*",
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.export.precision"),
        sources=get_model_digests,
        settings=lambda wildcards: {"images": get_calibration(wildcards).images},
    script:
        "../scripts/to_int8.py"


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
    wildcard_constraints:
        export=r"(raw|decoded|e2e)-(fp32|fp16|int8)[A-Za-z0-9_-]*",
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.export.cut"),
        sources=get_model_digests,
        settings=get_export_settings,
    script:
        "../scripts/export_onnx.py"


rule import_onnx:
    """An ONNX file made elsewhere, copied with the metadata that Cutpoint's own exports have."""
    input:
        onnx=lambda wildcards: as_source(get_export(wildcards).foreign.path),
        spec="results/models/{model}/spec.json",
    output:
        "results/models/{model}/{export}.onnx",
    log:
        "logs/import_onnx/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/import_onnx/{model}/{export}.tsv"
    wildcard_constraints:
        export=r"(raw|decoded|e2e)-foreign-[A-Za-z0-9_-]+",
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.export.foreign"),
        sources=get_foreign_digests,
        settings=get_import_settings,
    script:
        "../scripts/import_onnx.py"


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
        sources=get_model_digests,
        imports=CONFIG["imports"],
        settings=lambda wildcards: {**get_model_settings(wildcards), "images": 3},
    script:
        "../scripts/verify_export.py"


rule accept_export:
    """Stop at an export whose tensors are out of tolerance; only with `verify: strict`."""
    input:
        "results/models/{model}/{export}.verify.json",
    output:
        touch("results/models/{model}/{export}.accepted"),
    log:
        "logs/accept_export/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/accept_export/{model}/{export}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.export.acceptance"),
    script:
        "../scripts/accept_export.py"
