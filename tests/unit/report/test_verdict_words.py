"""The verdict in sentences."""

from report_fixtures import summary_row

from cutpoint.report.verdict import verdict


def test_limits_that_variants_share_are_said_once():
    text = "scores from 0.25, the reference from 0.001"
    rows = [summary_row(variant="pt", is_reference=True, AP=0.5)]
    rows += [summary_row(variant=name, AP=0.5, kept_otherwise=(text,)) for name in ("a", "b")]
    rows.append(
        summary_row(variant="c", AP=0.5, kept_otherwise=("at most 9 boxes an image, the reference 30",))
    )
    said = verdict(rows)
    assert f"a and b have {text}." in said
    assert "c has at most 9 boxes an image, the reference 30." in said
