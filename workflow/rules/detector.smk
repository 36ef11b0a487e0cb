rule inspect_model:
    """What is wrong in an mmdet model: its config, its checkpoint, and what Cutpoint cannot reproduce."""
    input:
        get_model_files,
    output:
        "results/preflight/models/{model}.json",
    log:
        "logs/inspect_model/{model}.log",
    benchmark:
        "logs/benchmarks/inspect_model/{model}.tsv"
    wildcard_constraints:
        model=get_mmdet_models(),
    priority: 2
    params:
        code=get_code("cutpoint.detector.inspection"),
        sources=get_model_digests,
        imports=get_imports,
        settings=get_model_inspection,
    script:
        "../scripts/detector/inspect_model.py"


rule describe_model:
    """What post-processing needs to know about a model: classes, head, input recipe."""
    input:
        get_model_files,
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/spec.json",
    log:
        "logs/describe_model/{model}.log",
    benchmark:
        "logs/benchmarks/describe_model/{model}.tsv"
    wildcard_constraints:
        model=get_mmdet_models(),
    params:
        code=get_code("cutpoint.detector.describe"),
        sources=get_model_digests,
        imports=get_imports,
        settings=get_description_settings,
    script:
        "../scripts/detector/describe_model.py"


rule trace_model:
    """One graph with the outputs of all cuts, from which the exports are made."""
    input:
        files=get_model_files,
        spec="results/models/{model}/spec.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/{trace}.onnx",
    log:
        "logs/trace_model/{model}/{trace}.log",
    benchmark:
        "logs/benchmarks/trace_model/{model}/{trace}.tsv"
    wildcard_constraints:
        model=get_mmdet_models(),
        trace=r"trace-fp32[A-Za-z0-9_-]*",
    params:
        code=get_code("cutpoint.detector.trace"),
        sources=get_model_digests,
        imports=get_imports,
        settings=get_trace_settings,
    script:
        "../scripts/detector/trace_model.py"


rule verify_export:
    """The tensors of an export compared with PyTorch's on a few images. Out of tolerance gives only a note."""
    input:
        export="results/models/{model}/{export}.onnx",
        files=get_model_files,
        spec="results/models/{model}/spec.json",
        manifest=get_verify_manifest,
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/{export}.verify.json",
    log:
        "logs/verify_export/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/verify_export/{model}/{export}.tsv"
    wildcard_constraints:
        model=get_mmdet_models(),
    params:
        code=get_code("cutpoint.detector.verify"),
        sources=get_model_digests,
        imports=get_imports,
        settings=get_verify_settings,
    script:
        "../scripts/detector/verify_export.py"


rule predict_pytorch:
    """The PyTorch model over one shard: candidates from its head, or mmdet's own detections."""
    input:
        unpack(get_scorable),
        files=get_model_files,
        spec="results/models/{model}/spec.json",
        manifest="results/manifests/{dataset}.json",
        labels=ancient("results/labels/{dataset}/{model}.json"),
        preflight=ancient("results/preflight/findings.json"),
    output:
        predictions="results/predictions/{dataset}/{model}/{run}/{shard}.parquet",
        images="results/predictions/{dataset}/{model}/{run}/{shard}.images.parquet",
    log:
        "logs/predict/{dataset}/{model}/{run}/{shard}.log",
    benchmark:
        "logs/benchmarks/predict/{dataset}/{model}/{run}/{shard}.tsv"
    wildcard_constraints:
        model=get_mmdet_models(),
        run=r"pytorch-[A-Za-z0-9_-]+",
    threads: get_pytorch_threads
    resources:
        gpu=get_gpu_count,
    params:
        code=get_code("cutpoint.detector.reference"),
        sources=get_model_digests,
        imports=get_imports,
        settings=get_pytorch_settings,
    script:
        "../scripts/detector/predict_pytorch.py"
