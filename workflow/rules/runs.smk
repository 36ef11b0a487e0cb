rule capsule:
    """All that another run needs to be compared with this one, in one file."""
    input:
        unpack(get_capsule_files),
        summary="results/tables/summary.csv",
        per_class="results/tables/per_class.csv",
        per_slice="results/tables/per_slice.csv",
    output:
        "results/capsule.zip",
    log:
        "logs/capsule.log",
    benchmark:
        "logs/benchmarks/capsule.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.runs.capsule"),
        settings=get_capsule_settings,
        sources=get_capsule_digests,
    script:
        "../scripts/runs/make_capsule.py"


rule hold_against:
    """This run compared with an earlier one, or with another machine's: inputs, detections, AP, latency."""
    input:
        baseline=get_baseline_source,
        capsule="results/capsule.zip",
    output:
        "results/runs/{comparison}.json",
    log:
        "logs/hold_against/{comparison}.log",
    benchmark:
        "logs/benchmarks/hold_against/{comparison}.tsv"
    wildcard_constraints:
        comparison="comparison|gate",
    localrule: True
    params:
        code=get_code("cutpoint.runs.compare"),
        baseline=get_baseline_digest,
    script:
        "../scripts/runs/hold_against.py"


rule render_comparison:
    """The comparison of two runs as a page that opens offline."""
    input:
        "results/runs/comparison.json",
    output:
        "results/runs/comparison.html",
    log:
        "logs/render_comparison.log",
    benchmark:
        "logs/benchmarks/render_comparison.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.runs.page"),
    script:
        "../scripts/runs/render_comparison.py"


rule compare_runs:
    """Print what changed since the baseline. It has no output, so it prints at every call."""
    input:
        json="results/runs/comparison.json",
        page="results/runs/comparison.html",
    log:
        "logs/compare_runs.log",
    localrule: True
    script:
        "../scripts/runs/compare_runs.py"
