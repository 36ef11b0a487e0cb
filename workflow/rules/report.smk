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


rule show_oddities:
    """What is odd in the annotations of a data set: counts, and pictures of the worst. The preflight tells it."""
    input:
        unpack(get_dataset_files),
        # New findings repeat nothing: only the data decide what is odd.
        findings=ancient("results/preflight/datasets/{dataset}.json"),
    output:
        directory("results/preflight/odd/{dataset}"),
    log:
        "logs/show_oddities/{dataset}.log",
    benchmark:
        "logs/benchmarks/show_oddities/{dataset}.tsv"
    wildcard_constraints:
        dataset=get_labelled_datasets(),
    priority: 2
    params:
        code=get_code("cutpoint.report.oddities"),
        content=get_images_digest,
        annotations=get_annotations_digest,
        settings=get_odd_settings,
    script:
        "../scripts/report/show_oddities.py"


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
