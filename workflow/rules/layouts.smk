rule name_classes:
    """The class names of a model without mmdet: from the config, its ONNX files, or its data sets."""
    input:
        unpack(get_class_files),
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/classes.json",
    log:
        "logs/name_classes/{model}.log",
    benchmark:
        "logs/benchmarks/name_classes/{model}.tsv"
    wildcard_constraints:
        model=get_external_models(),
    priority: 1
    localrule: True
    params:
        code=get_code("cutpoint.layouts.naming"),
        sources=get_class_digests,
        settings=get_class_settings,
    script:
        "../scripts/layouts/name_classes.py"
