rule convert_annotations:
    """Annotations of another format as COCO JSON. It succeeds, and its record has what is wrong."""
    input:
        get_converted_sources,
    output:
        annotations="results/annotations/{dataset}.json",
        record="results/annotations/{dataset}.conversion.json",
    log:
        "logs/convert_annotations/{dataset}.log",
    benchmark:
        "logs/benchmarks/convert_annotations/{dataset}.tsv"
    wildcard_constraints:
        dataset=get_converted_datasets(),
    priority: 2
    params:
        code=get_code("cutpoint.formats.convert"),
        source=get_converted_digest,
        # sizes are read from the images
        content=get_images_digest,
        settings=get_conversion_settings,
    script:
        "../scripts/formats/convert_annotations.py"
