rule evaluate:
    """COCO's twelve numbers and AP per class of a variant, by pycocotools."""
    input:
        truth="results/truth/{dataset}/{model}.json",
        detections="results/detections/{dataset}/{model}/{variant}.json",
    output:
        "results/metrics/{dataset}/{model}/{variant}.json",
    log:
        "logs/evaluate/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/evaluate/{dataset}/{model}/{variant}.tsv"
    params:
        code=get_code("cutpoint.evaluate.coco"),
    script:
        "../scripts/evaluate/evaluate.py"
