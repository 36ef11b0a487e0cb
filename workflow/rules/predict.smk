rule check_external:
    """What a file without an mmdet model gives on a few images: whether its layout's reading can be true."""
    input:
        export="results/models/{model}/{export}.onnx",
        spec=get_export_spec,
        manifest=get_verify_manifest,
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/{export}.verify.json",
    log:
        "logs/check_external/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/check_external/{model}/{export}.tsv"
    wildcard_constraints:
        model=get_external_models(),
    params:
        code=get_code("cutpoint.predict.check_external"),
        settings=get_check_settings,
    script:
        "../scripts/predict/check_external.py"


rule predict:
    """An export over one shard of a data set: candidates for raw and decoded, detections for e2e."""
    input:
        unpack(get_scorable),
        model=get_run_export,
        accepted=get_accepted,
        spec=get_specs,
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
        run=r"onnxruntime-[A-Za-z0-9_-]+",
    threads: get_predict_threads
    resources:
        gpu=get_gpu_count,
    params:
        code=get_code("cutpoint.predict.shard"),
        settings=get_run_settings,
    script:
        "../scripts/predict/predict.py"


rule import_results:
    """An external results file, checked against the data set."""
    input:
        results=get_results_file,
        manifest="results/manifests/{dataset}.json",
        labels="results/labels/{dataset}/{model}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/detections/{dataset}/{model}/{variant}.json",
    log:
        "logs/import_results/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/import_results/{dataset}/{model}/{variant}.tsv"
    wildcard_constraints:
        variant=get_results_variants(),
    # A file that is numbered in another way is refused before the network runs.
    priority: 1
    localrule: True
    params:
        code=get_code("cutpoint.predict.results_file"),
        sources=get_results_digest,
        settings=get_results_settings,
    script:
        "../scripts/predict/import_results.py"


rule postprocess:
    """A variant's detections in COCO results format: the predictions of its run after its recipe."""
    input:
        unpack(get_predictions),
        labels="results/labels/{dataset}/{model}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/detections/{dataset}/{model}/{variant}.json",
    log:
        "logs/postprocess/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/postprocess/{dataset}/{model}/{variant}.tsv"
    wildcard_constraints:
        dataset=get_whole_datasets(),
        variant=rf"(?!(?:{get_results_variants()})\.)[A-Za-z0-9_-]+",
    params:
        code=get_code("cutpoint.predict.postprocess"),
        settings=get_recipe_settings,
    script:
        "../scripts/predict/postprocess.py"


rule postprocess_shard:
    """The same for the images of one shard, where a data set has several. `merge_detections` joins them."""
    input:
        unpack(get_shard),
        labels="results/labels/{dataset}/{model}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        temp("results/detections/{dataset}/{model}/{variant}/{shard}.json"),
    log:
        "logs/postprocess/{dataset}/{model}/{variant}/{shard}.log",
    benchmark:
        "logs/benchmarks/postprocess/{dataset}/{model}/{variant}/{shard}.tsv"
    wildcard_constraints:
        dataset=get_sharded_datasets(),
    params:
        code=get_code("cutpoint.predict.postprocess"),
        settings=get_part_settings,
    script:
        "../scripts/predict/postprocess.py"


rule merge_detections:
    """A variant's detections from those of its shards: the bytes that one shard gives."""
    input:
        get_parts,
    output:
        "results/detections/{dataset}/{model}/{variant}.json",
    log:
        "logs/merge_detections/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/merge_detections/{dataset}/{model}/{variant}.tsv"
    wildcard_constraints:
        dataset=get_sharded_datasets(),
        variant=rf"(?!(?:{get_results_variants()})\.)[A-Za-z0-9_-]+",
    params:
        code=get_code("cutpoint.predict.merge"),
    script:
        "../scripts/predict/merge_detections.py"
