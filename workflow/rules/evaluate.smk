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
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.evaluate.coco"),
    script:
        "../scripts/evaluate.py"


rule resample:
    """AP of a variant on its data set and on resamples of the images, the same for all variants."""
    input:
        truth="results/truth/{dataset}/{model}.json",
        detections="results/detections/{dataset}/{model}/{variant}.json",
    output:
        "results/resamples/{dataset}/{model}/{variant}.npz",
    log:
        "logs/resample/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/resample/{dataset}/{model}/{variant}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    params:
        code=get_code("cutpoint.compare.bootstrap"),
    script:
        "../scripts/resample.py"
