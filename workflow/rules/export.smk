rule to_fp16:
    """The graph in half precision, and what this does to its tensors."""
    input:
        trace=get_fp32_trace,
        spec="results/models/{model}/spec.json",
        manifest=get_verify_manifest,
        preflight=ancient("results/preflight/findings.json"),
    output:
        trace="results/models/{model}/{trace}.onnx",
        report="results/models/{model}/{trace}.precision.json",
    log:
        "logs/to_fp16/{model}/{trace}.log",
    benchmark:
        "logs/benchmarks/to_fp16/{model}/{trace}.tsv"
    wildcard_constraints:
        trace=r"trace-fp16[A-Za-z0-9_-]*",
    params:
        code=get_code("cutpoint.export.precision"),
        sources=get_model_digests,
    script:
        "../scripts/export/to_fp16.py"


rule to_int8:
    """The graph with 8-bit weights and tensors. The ranges come from the calibration images."""
    input:
        trace=get_fp32_trace,
        spec="results/models/{model}/spec.json",
        manifest=get_calibration_manifest,
        preflight=ancient("results/preflight/findings.json"),
    output:
        trace="results/models/{model}/{trace}.onnx",
        report="results/models/{model}/{trace}.precision.json",
    log:
        "logs/to_int8/{model}/{trace}.log",
    benchmark:
        "logs/benchmarks/to_int8/{model}/{trace}.tsv"
    wildcard_constraints:
        trace=r"trace-int8[A-Za-z0-9_-]*",
    params:
        code=get_code("cutpoint.export.precision"),
        sources=get_model_digests,
        settings=get_calibration_settings,
    script:
        "../scripts/export/to_int8.py"


rule export_onnx:
    """The ONNX file of one cut. Its metadata has what post-processing needs."""
    input:
        trace=get_trace,
        spec="results/models/{model}/spec.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/{export}.onnx",
    log:
        "logs/export_onnx/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/export_onnx/{model}/{export}.tsv"
    wildcard_constraints:
        export=r"(raw|decoded|e2e)-(fp32|fp16|int8)[A-Za-z0-9_-]*",
    params:
        code=get_export_code,
        sources=get_model_digests,
        settings=get_export_settings,
    script:
        "../scripts/export/export_onnx.py"


rule import_onnx:
    """An external ONNX file, copied with the metadata that Cutpoint's own exports have."""
    input:
        onnx=get_external_file,
        spec="results/models/{model}/spec.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        "results/models/{model}/{export}.onnx",
    log:
        "logs/import_onnx/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/import_onnx/{model}/{export}.tsv"
    wildcard_constraints:
        model=get_mmdet_models(),
        export=r"(raw|decoded|e2e)-external-[A-Za-z0-9_-]+",
    params:
        code=get_code("cutpoint.export.external"),
        sources=get_external_digests,
        settings=get_import_settings,
    script:
        "../scripts/export/import_onnx.py"


rule import_external:
    """An ONNX file of a model without mmdet as an export, with the specification that its layout gives."""
    input:
        onnx=get_external_file,
        classes="results/models/{model}/classes.json",
        preflight=ancient("results/preflight/findings.json"),
    output:
        onnx="results/models/{model}/{export}.onnx",
        spec="results/models/{model}/{export}.spec.json",
    log:
        "logs/import_external/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/import_external/{model}/{export}.tsv"
    wildcard_constraints:
        model=get_external_models(),
        export=get_imported_exports(),
    params:
        code=get_code("cutpoint.export.import_external"),
        sources=get_external_digests,
        settings=get_layout_settings,
    script:
        "../scripts/export/import_external.py"


rule to_fp16_external:
    """An external file of a model without mmdet in half precision. Its decoding and NMS stay float32."""
    input:
        trace=get_imported_file,
        spec=get_export_spec,
        manifest=get_verify_manifest,
        preflight=ancient("results/preflight/findings.json"),
    output:
        trace="results/models/{model}/{export}.onnx",
        report="results/models/{model}/{export}.precision.json",
    log:
        "logs/to_fp16_external/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/to_fp16_external/{model}/{export}.tsv"
    wildcard_constraints:
        model=get_external_models(),
        export=get_converted_exports("fp16"),
    params:
        code=get_code("cutpoint.export.precision"),
        sources=get_external_digests,
    script:
        "../scripts/export/to_fp16.py"


rule to_int8_external:
    """An external file of a model without mmdet with 8-bit weights and tensors."""
    input:
        trace=get_imported_file,
        spec=get_export_spec,
        manifest=get_export_calibration_manifest,
        preflight=ancient("results/preflight/findings.json"),
    output:
        trace="results/models/{model}/{export}.onnx",
        report="results/models/{model}/{export}.precision.json",
    log:
        "logs/to_int8_external/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/to_int8_external/{model}/{export}.tsv"
    wildcard_constraints:
        model=get_external_models(),
        export=get_converted_exports("int8"),
    params:
        code=get_code("cutpoint.export.precision"),
        sources=get_external_digests,
        settings=get_export_calibration_settings,
    script:
        "../scripts/export/to_int8.py"


rule accept_export:
    """Stop if the tensors of an export are out of tolerance. Only with `verify: strict`."""
    input:
        "results/models/{model}/{export}.verify.json",
    output:
        touch("results/models/{model}/{export}.accepted"),
    log:
        "logs/accept_export/{model}/{export}.log",
    benchmark:
        "logs/benchmarks/accept_export/{model}/{export}.tsv"
    retries: 0
    localrule: True
    params:
        code=get_code("cutpoint.export.acceptance"),
    script:
        "../scripts/export/accept_export.py"
