rule evaluate_gate:
    """Every variant that the config's gate names, held to its bounds."""
    input:
        "results/tables/summary.csv",
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
    """What came of the gate; fails where it failed. Without an output, so that it says so at every call."""
    input:
        get_gate,
    log:
        "logs/gate.log",
    localrule: True
    script:
        "../scripts/gate/gate.py"
