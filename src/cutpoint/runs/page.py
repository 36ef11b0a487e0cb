"""The comparison of two runs as a page that opens offline."""

from cutpoint.files import write_text
from cutpoint.records.run_comparison import read_run_comparison
from cutpoint.report.assets import styles
from cutpoint.report.environment import open_templates
from cutpoint.runs import words
from cutpoint.summary.words import fixed, interval, signed

# lines of one part that stand at the top
FIRST = 4


def render_comparison(*, comparison: str, out: str) -> None:
    """Write ``results/runs/comparison.html``.

    Args:
        comparison: JSON of ``compare.compare_runs``.
        out: path of the HTML file.
    """
    compared = read_run_comparison(comparison)
    environment = open_templates()
    environment.filters |= {"fixed4": fixed(4), "fixed2": fixed(2), "fixed3": fixed(3), "signed": signed}
    environment.filters["interval"] = lambda limits: interval(*(limits or (None, None)))
    environment.filters |= {"milliseconds": words.milliseconds, "claim": words.claim_text}
    environment.filters["absent"] = words.absent
    page = environment.get_template("runs.html.j2").render(
        styles=styles(),
        compared=compared,
        short={
            "Inputs": words.input_lines(compared),
            "Detections": words.detection_lines(compared),
            "AP": words.ap_lines(compared),
            # its other lines are the table below
            "Latency": words.latency_lines(compared)[:1],
        },
        first=FIRST,
        changed=[variant for variant in compared.variants if words.is_changed(variant)],
        same=[variant for variant in compared.variants if not words.is_changed(variant)],
        nothing=words.NOTHING,
        count=words.variants,
        parts={
            "Config": compared.inputs.config,
            "Versions": compared.inputs.versions,
            "Machine": compared.inputs.machine,
            "Files, images and ground truth": compared.inputs.files,
        },
        facts=list(dict.fromkeys(f for v in compared.variants if v.latency for f in v.latency.facts)),
        sided=words.sided,
    )
    write_text(out, page)
