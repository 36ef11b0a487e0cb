rule fetch:
    """A file of data/sources.tsv, checked against its sha256."""
    output:
        "{source}",
    log:
        "logs/fetch/{source}.log",
    benchmark:
        "logs/benchmarks/fetch/{source}.tsv"
    wildcard_constraints:
        source=get_source_pattern(is_folder=False),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=get_source_settings,
    script:
        "../scripts/fetch.py"


rule fetch_folder:
    """A folder of an archive of data/sources.tsv, checked likewise."""
    output:
        directory("{source}"),
    log:
        "logs/fetch/{source}.log",
    benchmark:
        "logs/benchmarks/fetch/{source}.tsv"
    wildcard_constraints:
        source=get_source_pattern(is_folder=True),
    localrule: True
    conda:
        "../../environment.yml"
    params:
        settings=get_source_settings,
    script:
        "../scripts/fetch.py"


rule build_manifest:
    """The checked list of a data set's images and categories."""
    input:
        unpack(get_dataset_files),
    output:
        "results/manifests/{dataset}.json",
    log:
        "logs/build_manifest/{dataset}.log",
    benchmark:
        "logs/benchmarks/build_manifest/{dataset}.tsv"
    conda:
        "../../environment.yml"
    params:
        code=get_code("cutpoint.data.manifest"),
        settings=lambda wildcards: {
            "images": PLAN.dataset(wildcards.dataset).images,
            "annotations": PLAN.dataset(wildcards.dataset).annotations,
            "limit": PLAN.dataset(wildcards.dataset).limit,
        },
    script:
        "../scripts/build_manifest.py"
