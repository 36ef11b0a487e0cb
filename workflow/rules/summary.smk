rule summarize:
    """One row per variant: AP, delta AP, agreement, latency, size."""
    input:
        get_summarized_files,
    output:
        csv=report(
            "results/tables/summary.csv",
            caption="../report/summary.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
        md="results/tables/summary.md",
        recommendations="results/tables/recommendations.json",
        per_class=report(
            "results/tables/per_class.csv",
            caption="../report/per_class.rst",
            category="Tables",
            labels={"table": "AP per class"},
        ),
        per_slice=report(
            "results/tables/per_slice.csv",
            caption="../report/per_slice.rst",
            category="Tables",
            labels={"table": "AP per slice"},
        ),
    log:
        "logs/summarize.log",
    benchmark:
        "logs/benchmarks/summarize.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.summary.build"),
        odd=get_code("cutpoint.data.oddities"),
        settings=get_table_settings,
    script:
        "../scripts/summary/summarize.py"
