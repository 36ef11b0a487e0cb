rule fetch:
    """A file of data/sources.tsv, checked against its sha256."""
    output:
        beside_storage("{source}"),
    log:
        "logs/fetch/{source}.log",
    benchmark:
        "logs/benchmarks/fetch/{source}.tsv"
    wildcard_constraints:
        source=get_source_pattern(is_folder=False),
    localrule: True
    params:
        places=get_source_places,
        settings=get_source_settings,
    script:
        "../scripts/data/fetch.py"


rule fetch_folder:
    """A folder of an archive in data/sources.tsv, checked in the same way."""
    output:
        beside_storage(directory("{source}")),
    log:
        "logs/fetch/{source}.log",
    benchmark:
        "logs/benchmarks/fetch/{source}.tsv"
    wildcard_constraints:
        source=get_source_pattern(is_folder=True),
    localrule: True
    params:
        places=get_source_places,
        settings=get_source_settings,
    script:
        "../scripts/data/fetch.py"


rule build_manifest:
    """The checked list of a data set's images and categories. Every image is decoded once."""
    input:
        unpack(get_dataset_files),
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/manifests/{dataset}.json",
    log:
        "logs/build_manifest/{dataset}.log",
    benchmark:
        "logs/benchmarks/build_manifest/{dataset}.tsv"
    priority: 1
    threads: 4
    params:
        code=get_code("cutpoint.data.manifest"),
        content=get_images_digest,
        # The manifest has no boxes: prediction does not depend on them.
        listing=get_listing_digest,
        settings=get_manifest_settings,
    script:
        "../scripts/data/build_manifest.py"


rule map_labels:
    """The category of each class of a model."""
    input:
        manifest="results/manifests/{dataset}.json",
        spec=get_classes,
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/labels/{dataset}/{model}.json",
    log:
        "logs/map_labels/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/map_labels/{dataset}/{model}.tsv"
    priority: 1
    localrule: True
    params:
        code=get_code("cutpoint.data.truth"),
        settings=get_label_settings,
    script:
        "../scripts/data/map_labels.py"


rule build_truth:
    """The ground truth that a model's detections are scored on, checked and completed."""
    input:
        get_annotations,
        manifest="results/manifests/{dataset}.json",
        labels="results/labels/{dataset}/{model}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/truth/{dataset}/{model}.json",
    log:
        "logs/build_truth/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/build_truth/{dataset}/{model}.tsv"
    # Mistakes in the data are reported before the network runs.
    priority: 1
    localrule: True
    params:
        code=get_code("cutpoint.data.truth"),
        annotations=get_annotations_digest,
        settings=get_truth_settings,
    script:
        "../scripts/data/build_truth.py"


rule build_slices:
    """The images of each slice of a data set, checked."""
    input:
        get_slices,
        manifest="results/manifests/{dataset}.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/slices/{dataset}.json",
    log:
        "logs/build_slices/{dataset}.log",
    benchmark:
        "logs/benchmarks/build_slices/{dataset}.tsv"
    wildcard_constraints:
        dataset=get_sliced_datasets(),
    # Mistakes in the file are reported before the network runs.
    priority: 1
    localrule: True
    params:
        code=get_code("cutpoint.data.slices"),
        content=get_slices_digest,
        settings=get_slices_settings,
    script:
        "../scripts/data/build_slices.py"
