rule evaluate_gate:
    """Check every variant in the config's gate against its bounds."""
    input:
        unpack(get_gate_files),
        summary="results/tables/summary.csv",
    output:
        json="results/gate.json",
        xml="results/gate.xml",
    log:
        "logs/evaluate_gate.log",
    benchmark:
        "logs/benchmarks/evaluate_gate.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.gate.check"),
        settings=get_gate_settings,
    script:
        "../scripts/gate/evaluate_gate.py"


rule gate:
    """Print the gate's result, and fail if the gate failed. It has no output, so it runs at every call."""
    input:
        get_gate,
    log:
        "logs/gate.log",
    retries: 0
    localrule: True
    script:
        "../scripts/gate/gate.py"
