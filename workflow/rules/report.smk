rule plot:
    """The figures of a data set and model: each as SVG, as its data, and as its Vega-Lite description."""
    input:
        get_plotted_files,
        summary="results/tables/summary.csv",
        per_class="results/tables/per_class.csv",
    output:
        report(
            directory("results/figures/{dataset}/{model}"),
            patterns=["{figure}.svg"],
            caption="../report/figures.rst",
            category="Figures",
            subcategory="{dataset}, {model}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/plot/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/plot/{dataset}/{model}.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.charts.draw"),
        settings=get_plot_settings,
    script:
        "../scripts/report/plot.py"


rule plot_ladder:
    """The cost of each step of the ladders in AP."""
    input:
        get_drawn_ladders,
    output:
        report(
            "results/figures/ladder.svg",
            caption="../report/ladder.rst",
            category="Figures",
            labels={"figure": "ladder"},
        ),
    log:
        "logs/plot_ladder.log",
    benchmark:
        "logs/benchmarks/plot_ladder.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.plots"),
        settings=get_ladder_plot_settings,
    script:
        "../scripts/report/plot_ladder.py"


rule plot_operating_points:
    """Precision and recall of each variant at every score threshold."""
    input:
        get_drawn_points,
    output:
        report(
            "results/figures/operating_points.svg",
            caption="../report/operating_points.rst",
            category="Figures",
            labels={"figure": "operating points"},
        ),
    log:
        "logs/plot_operating_points.log",
    benchmark:
        "logs/benchmarks/plot_operating_points.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.operating_plots"),
        settings=get_point_plot_settings,
    script:
        "../scripts/report/plot_operating_points.py"


rule plot_calibration:
    """The calibration of the scores, and their drift from the reference."""
    input:
        get_drawn_points,
    output:
        report(
            "results/figures/calibration.svg",
            caption="../report/calibration.rst",
            category="Figures",
            labels={"figure": "calibration"},
        ),
    log:
        "logs/plot_calibration.log",
    benchmark:
        "logs/benchmarks/plot_calibration.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.operating_plots"),
        settings=get_point_plot_settings,
    script:
        "../scripts/report/plot_calibration.py"


rule plot_latency:
    """Latency of each variant, from the image file to the detections."""
    input:
        "results/tables/summary.csv",
    output:
        report(
            "results/figures/latency.svg",
            caption="../report/latency.rst",
            category="Figures",
            labels={"figure": "latency"},
        ),
    log:
        "logs/plot_latency.log",
    benchmark:
        "logs/benchmarks/plot_latency.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.plots"),
    script:
        "../scripts/report/plot_latency.py"


rule plot_stages:
    """The time of each stage, for every variant."""
    input:
        get_drawn_latencies,
    output:
        report(
            "results/figures/stages.svg",
            caption="../report/stages.rst",
            category="Figures",
            labels={"figure": "stages of the latency"},
        ),
    log:
        "logs/plot_stages.log",
    benchmark:
        "logs/benchmarks/plot_stages.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.plots"),
        settings=get_stage_plot_settings,
    script:
        "../scripts/report/plot_stages.py"


rule draw_samples:
    """The gallery: the images where variants differ most from the reference, and the boxes on them."""
    input:
        unpack(get_truth),
        unpack(get_sample_files),
        unpack(get_slices_record),
        labels="results/labels/{dataset}/{model}.json",
        manifest="results/manifests/{dataset}.json",
    output:
        report(
            directory("results/samples/{dataset}/{model}"),
            patterns=["side_by_side/{image}.jpg"],
            caption="../report/samples.rst",
            category="Samples",
            subcategory="{dataset}, {model}",
            labels={"image": "{image}"},
        ),
    log:
        "logs/draw_samples/{dataset}/{model}.log",
    benchmark:
        "logs/benchmarks/draw_samples/{dataset}/{model}.tsv"
    params:
        code=get_code("cutpoint.report.samples"),
        settings=get_sample_settings,
    script:
        "../scripts/report/draw_samples.py"


rule render_report:
    """One page with all tables, figures and sample pictures. It opens offline."""
    input:
        unpack(get_page_files),
        summary="results/tables/summary.csv",
        per_class="results/tables/per_class.csv",
    output:
        report(
            "results/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"page": "report"},
        ),
    log:
        "logs/render_report.log",
    benchmark:
        "logs/benchmarks/render_report.tsv"
    localrule: True
    params:
        code=get_code("cutpoint.report.page"),
        settings=get_page_settings,
    script:
        "../scripts/report/render_report.py"
