rule golden_pack:
    """A few images with all that a variant computes of them, stage by stage, and a checker for ports."""
    input:
        onnx=get_golden_export,
        accepted=get_golden_accepted,
        manifest="results/manifests/{dataset}.json",
        labels="results/labels/{dataset}/{model}.json",
        detections="results/detections/{dataset}/{model}/{variant}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        directory("results/golden/{dataset}/{model}/{variant}"),
    log:
        "logs/golden_pack/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/golden_pack/{dataset}/{model}/{variant}.tsv"
    threads: 1
    resources:
        gpu=get_golden_gpu_count,
    params:
        code=get_code("cutpoint.golden.pack"),
        settings=get_golden_settings,
    script:
        "../scripts/golden/golden_pack.py"
