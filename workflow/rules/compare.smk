rule resample:
    """AP of a variant on its data set and on resamples of the images, which are the same for all variants."""
    input:
        truth="results/truth/{dataset}/{model}.json",
        detections="results/detections/{dataset}/{model}/{variant}.json",
    output:
        "results/resamples/{dataset}/{model}/{variant}.npz",
    log:
        "logs/resample/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/resample/{dataset}/{model}/{variant}.tsv"
    threads: 1
    params:
        code=get_code("cutpoint.compare.bootstrap"),
    script:
        "../scripts/compare/resample.py"


rule resample_slices:
    """A variant on each slice of its data set, and on the slice's images in the same resamples."""
    input:
        truth="results/truth/{dataset}/{model}.json",
        detections="results/detections/{dataset}/{model}/{variant}.json",
        slices="results/slices/{dataset}.json",
    output:
        "results/slice_samples/{dataset}/{model}/{variant}.npz",
    log:
        "logs/resample_slices/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/resample_slices/{dataset}/{model}/{variant}.tsv"
    threads: 1
    params:
        code=get_code("cutpoint.compare.slices"),
    script:
        "../scripts/compare/resample_slices.py"


rule compare:
    """A variant compared with the reference: delta AP with its interval, verdict, agreement of detections."""
    input:
        unpack(get_compared_files),
        manifest="results/manifests/{dataset}.json",
        autopsy="results/autopsies/{dataset}/{model}/{variant}.parquet",
    output:
        "results/comparisons/{dataset}/{model}/{variant}.json",
    log:
        "logs/compare/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/compare/{dataset}/{model}/{variant}.tsv"
    params:
        code=get_code("cutpoint.compare.comparison"),
        settings=get_comparison_settings,
    script:
        "../scripts/compare/compare.py"


rule autopsy:
    """Every box that the variant or the reference lacks, with the step that removed it."""
    input:
        unpack(get_autopsy_files),
        labels="results/labels/{dataset}/{model}.json",
        manifest="results/manifests/{dataset}.json",
    output:
        "results/autopsies/{dataset}/{model}/{variant}.parquet",
    log:
        "logs/autopsy/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/autopsy/{dataset}/{model}/{variant}.tsv"
    params:
        code=get_code("cutpoint.compare.autopsy"),
        settings=get_autopsy_settings,
    script:
        "../scripts/compare/autopsy.py"


rule measure_operating_points:
    """A variant at each score threshold, its errors against ground truth, the drift of its scores."""
    input:
        unpack(get_operating_files),
        unpack(get_truth),
    output:
        "results/operating_points/{dataset}/{model}/{variant}.json",
    log:
        "logs/measure_operating_points/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/measure_operating_points/{dataset}/{model}/{variant}.tsv"
    params:
        code=get_code("cutpoint.compare.operating_points"),
    script:
        "../scripts/compare/measure_operating_points.py"


rule fingerprint:
    """The signature of each typical mistake, on a subsample."""
    input:
        unpack(get_mistake_files),
        unpack(get_truth),
        accepted=get_accepted,
        labels="results/labels/{dataset}/{model}.json",
        manifest="results/manifests/{dataset}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/fingerprints/{dataset}/{model}.json",
    log:
        "logs/fingerprint/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/fingerprint/{dataset}/{model}.tsv"
    threads: 1
    resources:
        gpu=get_gpu_count,
    params:
        code=get_code("cutpoint.compare.fingerprints"),
        settings=get_mistake_settings,
    script:
        "../scripts/compare/fingerprint.py"


rule diagnose:
    """The mistakes that a variant looks like, on other images than the fingerprints."""
    input:
        unpack(get_mistake_files),
        unpack(get_truth),
        accepted=get_accepted,
        fingerprints="results/fingerprints/{dataset}/{model}.json",
        variant="results/detections/{dataset}/{model}/{variant}.json",
        labels="results/labels/{dataset}/{model}.json",
        manifest="results/manifests/{dataset}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/diagnoses/{dataset}/{model}/{variant}.json",
    log:
        "logs/diagnose/{dataset}/{model}/{variant}.log",
    benchmark:
        "logs/benchmarks/diagnose/{dataset}/{model}/{variant}.tsv"
    threads: 1
    resources:
        gpu=get_gpu_count,
    params:
        code=get_code("cutpoint.compare.diagnosis"),
        settings=get_mistake_settings,
    script:
        "../scripts/compare/diagnose.py"


rule ladder:
    """The config's ladder: the cost of each single difference between neighbours."""
    input:
        get_ladder_files,
    output:
        "results/ladders/{dataset}/{model}.json",
    log:
        "logs/ladder/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/ladder/{dataset}/{model}.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.compare.ladder"),
        settings=get_ladder_settings,
    script:
        "../scripts/compare/ladder.py"


rule recipe_diff:
    """Two recipes on the same candidates, box by box, with the step that separates them. Not part of `all`."""
    input:
        unpack(get_diff_files),
    output:
        "results/recipe_diffs/{dataset}/{model}/{first}--{second}.json",
    log:
        "logs/recipe_diff/{dataset}/{model}/{first}--{second}.log",
    benchmark:
        "logs/benchmarks/recipe_diff/{dataset}/{model}/{first}--{second}.tsv"
    wildcard_constraints:
        first=get_variants(),
        second=get_variants(),
    params:
        code=get_code("cutpoint.compare.recipe_diff"),
        settings=get_diff_settings,
    script:
        "../scripts/compare/recipe_diff.py"
