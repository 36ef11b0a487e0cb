from cutpoint.plan.inspections import odd_settings
from cutpoint.plan.paths import GATE_FILE, RECOMMENDATIONS_FILE, REPORT_FILE
from cutpoint.plan.paths import sample_files
from cutpoint.plan.tables import row_files

# the kinds of files that figures are drawn from
PLOTTED = (
    *("comparisons", "points", "latencies", "timings"),
    *("ladders", "recommendations"),
)


def get_plotted(wildcards):
    """What the figures of a data set and model are drawn from, by kind."""
    pair = (wildcards.dataset, wildcards.model)
    return {
        kind: [
            entry
            for entry in ENTRIES[kind]
            if (entry["dataset"], entry["model"]) == pair
        ]
        for kind in PLOTTED
    }


def get_plotted_files(wildcards):
    return [
        path
        for entries in get_plotted(wildcards).values()
        for path in row_files(entries, "path")
    ]


def get_plot_settings(wildcards):
    return {
        "dataset": wildcards.dataset,
        "model": wildcards.model,
        "entries": place(get_plotted(wildcards)),
    }


def get_labelled_datasets():
    """Matches the data sets with annotations."""
    return match_any(d.name for d in PLAN.datasets if d.annotations)


def get_odd_settings(wildcards):
    return place(odd_settings(PLAN.dataset(wildcards.dataset), CONFIG))


def get_sample_files(wildcards):
    """Detections of all variants, and autopsies of all but the reference."""
    found = sample_files(get_evaluation(wildcards))
    return {kind: list(paths.values()) for kind, paths in found.items()}


def get_sample_settings(wildcards):
    return {
        **place(sample_files(get_evaluation(wildcards))),
        "reference": get_reference_name(wildcards),
        "public": CONFIG["report"]["public"],
        **CONFIG["samples"],
    }


def get_page_files(wildcards):
    """Everything that the page shows besides the tables, by kind."""
    return {
        **{kind: row_files(entries, "path") for kind, entries in ENTRIES.items()},
        "gate": [GATE_FILE] if GATE else [],
    }


def get_page_settings(wildcards):
    return {
        "entries": place(ENTRIES),
        "gate": place(GATE_FILE) if GATE else None,
        "config": {**CONFIG, "device": PLAN.device},
    }


MEND = "Mend what stands under `failed`, and start again: jobs that are done are not repeated."


def get_closing_lines():
    """Where the report is and its three main lines, if this run made it. A storage has only the first."""
    # Only the end of a run needs it.
    from cutpoint.summary.short import main_lines

    for job in workflow.dag.finished_jobs:
        if place(REPORT_FILE) in job.output:
            if STORED:
                return [f"report: {job.output[0].storage_object.query}"]
            try:
                lines = main_lines(
                    summary=job.input.summary,
                    recommendations=place(RECOMMENDATIONS_FILE),
                    gate=place(GATE_FILE) if GATE else None,
                )
            except UserError as error:
                # A run that succeeded does not fail because of its last words.
                lines = [str(error)]
            return [f"report: {place(REPORT_FILE)}", *lines]
    return []
