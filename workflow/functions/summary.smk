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
    return row_files(ROWS, *SUMMARIZED)


def get_table_settings(wildcards):
    return {"rows": place(ROWS)}
