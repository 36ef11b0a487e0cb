import pytest
from report_fixtures import summary_row

from cutpoint.latency.paired import PairedTimes
from cutpoint.records.summary import COLUMNS, OF_DETECTIONS, OF_TIMES, by_evaluation
from cutpoint.report.variant_table import variant_table
from cutpoint.summary.flags import FLAGS, doubts
from cutpoint.summary.markdown import as_markdown
from cutpoint.summary.recommend import recommend


def markdown(rows):
    return as_markdown(rows, [recommend(own, PairedTimes({})) for own in by_evaluation(rows)])


def reference(**cells):
    return summary_row(**{"variant": "pt", "is_reference": True} | cells)


def cells_of(text):
    """The cells of each line of the only table, a bar inside a cell as it is."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.replace("\\|", "BAR").strip("|").split("|")] for line in lines]


def test_a_column_that_is_empty_everywhere_is_left_out():
    head, *_ = cells_of(markdown([reference(runtime=None, AP=0.5)]))
    assert head == ["variant", "AP"]


def test_who_computed_ap_stands_beside_it_where_it_is_not_pycocotools():
    usual, other = (reference(AP=0.5, evaluator=name) for name in ("pycocotools", "cutpoint"))
    assert "AP by" not in markdown([usual])
    assert "AP by" not in str(variant_table([usual]))
    heads, _, values, *_ = [line.split("|") for line in markdown([other]).splitlines() if "|" in line]
    place = [head.strip() for head in heads].index("AP by")
    assert heads[place - 1].strip() == "AP"
    assert values[place].strip() == "cutpoint"
    assert "AP by" in str(variant_table([other]))


def test_numbers_stand_to_the_right_and_text_to_the_left():
    rows = [reference(AP=0.5), summary_row(AP=0.25, delta_AP=-0.25, delta_AP_lo=-0.5, delta_AP_hi=0.0)]
    head, rule, first, second = cells_of(markdown(rows))
    sides = {name: line.endswith(":") for name, line in zip(head, rule, strict=True)}
    assert (sides["ΔAP"], sides["95 % interval"], sides["variant"]) == (True, False, False)
    assert first == ["pt (reference)", "0.5000", "", ""]
    assert second == ["raw", "0.2500", "-0.2500", "-0.5000 to 0.0000"]


def test_each_evaluation_has_its_answer_and_its_warnings_above_its_table():
    rows = [
        reference(AP=0.5),
        summary_row(AP=0.5, doubtful=("2 of 4 images",)),
        reference(dataset="lot", AP=0.5),
    ]
    text = markdown(rows)
    assert "## street, det: 4 images\n\n**Use pt: the only variant to choose from.**\n\n" in text
    assert "- raw is doubtful: 2 of 4 images.\n\n| variant" in text
    assert "## lot, det: 4 images\n\n**Use pt" in text


def test_bars_and_elements_in_words_are_escaped():
    text = markdown([reference(AP=0.5), summary_row(refused="|x| > <b>")])
    assert "raw is refused: \\|x\\| > \\<b>." in text


def test_lines_fit_a_terminal():
    rows = [reference(AP=0.5, latency_p50_ms=4.0), summary_row(AP=0.5, doubtful=("word " * 60,))]
    assert max(len(line) for line in markdown(rows).splitlines()) <= 118


VALUES = {"doubtful": ("x",), "unsteady": ("8x8",), "timed_batch": 4, "timed_recipe": "other"}


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_stands_in_the_row_of_the_numbers_that_it_makes_doubtful(flag):
    cells = {flag: VALUES.get(flag, "why" if flag in ("refused", "weak_reference") else True)}
    row = summary_row(AP=0.5, delta_AP=0.1, agreement=0.9, latency_p50_ms=4.0, verdict="different", **cells)
    (word,) = doubts(row, (*OF_DETECTIONS, *OF_TIMES))
    head, _, first, second = cells_of(markdown([reference(AP=0.4), row]))
    assert (first[head.index("doubtful")], second[head.index("doubtful")]) == ("", word)
    assert any(flag in column.doubted_by for column in COLUMNS.values() if column.markdown)


def test_what_the_annotations_lost_stands_below_the_table():
    rows = [reference(dataset="street")]
    advice = [recommend(own, PairedTimes({})) for own in by_evaluation(rows)]
    told = ["from yolo: polygon: 3, the box around it is used", "odd: crowd: 2 of 9 annotations"]
    text = as_markdown(rows, advice, [told])
    assert text.index("| variant") < text.index("Annotations of street:")
    assert "\n- from yolo: polygon: 3, the box around it is used\n- odd: crowd: 2 of 9 annotations\n" in text
    assert as_markdown(rows, advice, [[]]) == as_markdown(rows, advice)
