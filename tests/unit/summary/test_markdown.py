from report_fixtures import summary_row

from cutpoint.summary.markdown import as_markdown


def cells_of(text):
    """The cells of each line of the only table, a bar inside a cell as it is."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.replace("\\|", "BAR").strip("|").split("|")] for line in lines]


def test_a_bar_does_not_end_a_cell_and_what_is_missing_is_empty():
    rows = [summary_row(AP=0.5, notes="failed: |x| > 1"), summary_row(AP50=0.5)]
    head, _, row, _ = cells_of(as_markdown(rows))
    shown = dict(zip(head, row, strict=True))
    assert (shown["AP"], shown["AP50"], shown["notes"]) == ("0.5000", "", "failed: BARxBAR > 1")


def test_a_column_that_is_empty_everywhere_is_left_out():
    head, *_ = cells_of(as_markdown([summary_row(runtime=None, AP=0.5)]))
    assert head == ["variant", "AP"]


def test_numbers_stand_to_the_right_and_text_to_the_left():
    head, rule, _ = cells_of(as_markdown([summary_row(delta_AP=-0.25, delta_AP_lo=-0.5, delta_AP_hi=0.0)]))
    sides = {name: line.endswith(":") for name, line in zip(head, rule, strict=True)}
    assert (sides["delta AP"], sides["95 % interval"], sides["variant"]) == (True, False, False)


def test_each_evaluation_has_a_table_below_its_warnings():
    rows = [summary_row(doubtful=("2 of 4 images",)), summary_row(dataset="lot", images=7)]
    text = as_markdown(rows)
    assert "## street, det: 4 images\n\nraw is doubtful: 2 of 4 images.\n\n| variant" in text
    assert "## lot, det: 7 images\n\n| variant" in text
