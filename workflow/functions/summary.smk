from cutpoint.plan.tables import row_files

SUMMARIZED = (
    "manifest",
    "detections",
    "truth",
    "metrics",
    "latency",
    "latency_samples",
    "slices",
    "slice_samples",
)
SUMMARIZED += ("comparison", "verify", "onnx", "precision_report")


def get_summarized_files(wildcards):
    # counts of odd things count by the data and the code: pictures that are drawn again repeat nothing
    odd = [ancient(path) for path in row_files(ROWS, "odd")]
    return row_files(ROWS, *SUMMARIZED) + odd


def get_table_settings(wildcards):
    return {"rows": place(ROWS)}
