from dataclasses import replace

import pytest
from comparing import BOXES, COMPARISON

from cutpoint.errors import UserError
from cutpoint.files import read_json, write_json
from cutpoint.records.comparison import BoxDrift, ScoreDrift, SizeDelta, ThresholdAgreement, write_comparison
from cutpoint.report.boxes import autopsy_table
from cutpoint.report.comparisons import agreement_table, size_table


def entries(folder, *comparisons):
    made = []
    for number, comparison in enumerate(comparisons):
        path = folder / f"{number}.json"
        write_comparison(path, comparison)
        made.append({"variant": f"v{number}", "path": str(path)})
    return made


def size(name, delta, limits, different):
    return SizeDelta(name, delta, limits, None, different, None, 20)


def test_agreement_missing_extra_and_drift(tmp_path):
    table = agreement_table(entries(tmp_path, replace(COMPARISON, boxes=None), COMPARISON))
    assert [row.variant for row in table.rows] == ["v1"]
    assert dict(zip(table.heads, table.rows[0].cells, strict=True)) == {
        "IoU 0.5": "0.9700",
        "IoU 0.99": "0.9200",
        "missing": "5 of 100",
        "extra": "1 of 96",
        "score p50": "1.0e-07",
        "score p99": "2.5e-04",
        "score max": "1.0e-02",
        "px p50": "0.00012",
        "px p99": "1.5",
        "px max": "22",
        "best F1": "1.0000",
        "from score": "0.3",
    }


def test_without_pairs_there_is_no_drift(tmp_path):
    score, box = ScoreDrift(*[None] * 5), BoxDrift(*[None] * 4)
    bare = replace(BOXES, score_drift=score, box_drift_px=box, f1=(ThresholdAgreement(0.5, 0, 0, None),))
    table = agreement_table(entries(tmp_path, replace(COMPARISON, boxes=bare)))
    assert table.rows[0].cells[4:] == [""] * 8
    assert agreement_table([]) is None
    assert agreement_table(entries(tmp_path, replace(COMPARISON, boxes=None))) is None


def test_sizes_have_intervals_and_a_mark_where_they_differ(tmp_path):
    sizes = (
        size("small", -0.02, (-0.03, -0.01), True),
        size("medium", 0.001, None, None),
        size("large", None, None, None),
    )
    table = size_table(entries(tmp_path, replace(COMPARISON, per_size=sizes), COMPARISON))
    assert table.heads == ["small", "medium", "large"]
    assert [row.variant for row in table.rows] == ["v0"]
    assert table.rows[0].cells == ["-0.0200 (-0.0300 to -0.0100) ≠", "+0.0010", ""]
    assert size_table(entries(tmp_path, COMPARISON)) is None
    better = replace(COMPARISON, per_size=(size("small", 0.02, (0.01, 0.03), True),))
    cell = size_table(entries(tmp_path, better)).rows[0].cells[0]
    assert cell == "+0.0200 (+0.0100 to +0.0300) ≠ suspicious"


def test_a_file_of_format_1_is_read_with_the_new_names_of_steps(tmp_path):
    (entry,) = entries(tmp_path, COMPARISON)
    content = read_json(entry["path"]) | {"autopsy": {"reference": {"cap": 2, "nms": 1}, "variant": {}}}
    del content["format"]
    write_json(entry["path"], content)
    table = autopsy_table([entry])
    assert table.heads == ["in all", "over the limit of the image", "suppressed"]
    assert table.rows[0].cells == ["3 / 0", "2 / 0", "1 / 0"]


def test_another_file_is_refused_with_path_and_key(tmp_path):
    (entry,) = entries(tmp_path, COMPARISON)
    content = read_json(entry["path"])
    content["boxes"]["shares"][1]["share"] = "0.92"
    write_json(entry["path"], content)
    with pytest.raises(UserError, match=r"0\.json: boxes\.shares\[1\]\.share: expected float, got str"):
        agreement_table([entry])
