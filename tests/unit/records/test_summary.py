import re
import typing
from pathlib import Path

import pytest
import yaml
from report_fixtures import summary_row

from cutpoint.errors import UserError
from cutpoint.plan.gate_rules import SCOPE
from cutpoint.records.gate import AGAINST_BASELINE
from cutpoint.records.summary import (
    COLUMNS,
    OF_DETECTIONS,
    OF_TIMES,
    SummaryRow,
    VariantRecords,
    by_evaluation,
    read_summary,
    shown_columns,
    write_summary,
)
from cutpoint.summary.flags import FLAGS, said

ROOT = Path(__file__).parents[3]
SCHEMA, DOCUMENT = ROOT / "workflow/schemas/config.schema.yaml", ROOT / "docs/files.md"
# as it was before the flags were columns
OLD = """\
dataset,model,variant,runtime,cut,precision,provider,input,recipe,images,images_without_detections,\
categories_left_out,boxes_left_out,AP,AP50,AP75,delta_AP,delta_AP_lo,delta_AP_hi,verdict,agreement,\
latency_p50_ms,latency_p99_ms,images_per_s,model_mb,shape,batch,tf32,notes
street,det,pytorch,pytorch,e2e,fp32,cpu,mmdet,mmdet3,64,0,,,0.5,0.7,0.6,,,,,,42.5,85.0,,,,1,,{}
street,det,raw,onnxruntime,raw,fp32,cpu,mmdet,mmdet3,64,0,,,0.5,0.7,0.6,-0.001,,,different,1.0,1e-05,3.0,,4.3,\
dynamic,2,,{}
"""


def read_old(folder, notes, of_reference=""):
    path = folder / "summary.csv"
    path.write_text(OLD.format(of_reference, f'"{notes}"'))
    return read_summary(path)


def test_rows_come_back_in_full_precision(tmp_path):
    row = summary_row(
        variant="none",
        AP=0.1 + 0.2,
        verdict='odd, "quoted"',
        batch=0,
        disturbed=False,
        suspicious=True,
        doubtful=("2 of 4 images", "one"),
        notes="a; b",
    )
    write_summary(tmp_path / "summary.csv", [row, summary_row()])
    assert read_summary(tmp_path / "summary.csv") == [row, summary_row()]
    head, first, _ = (tmp_path / "summary.csv").read_text().splitlines()
    assert head.split(",") == list(COLUMNS)
    assert ",0.30000000000000004," in first
    assert ",2 of 4 images; one," in first


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"images": "many"}, "summary.csv: line 2: images: expected int, got 'many'"),
        ({"images": ""}, "summary.csv: line 2: images: expected int, got ''"),
        ({"AP": "0,5"}, "summary.csv: line 2: AP: expected float, got '0,5'"),
        ({"is_reference": "yes"}, "summary.csv: line 2: is_reference: expected bool, got 'yes'"),
        ({"is_reference": None}, "summary.csv: line 2: column images is missing"),
    ],
)
def test_another_cell_is_refused_by_line_and_column(tmp_path, cell, message):
    path = tmp_path / "summary.csv"
    write_summary(path, [summary_row()])
    head, line = (text.split(",") for text in path.read_text().splitlines())
    cells = dict(zip(head, line, strict=True)) | {"AP": "0.5"} | cell
    if None in cells.values():
        del cells["images"]
        cells["is_reference"] = "True"
    quoted = [f'"{value}"' if "," in value else value for value in cells.values()]
    path.write_text(f"{','.join(cells)}\n{','.join(quoted)}\n")
    with pytest.raises(UserError) as caught:
        read_summary(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("note", "flags"),
    [
        ("", {}),
        ("opset 19", {}),
        ("refused: NaN in boxes on image id 3", {"refused": "NaN in boxes on image id 3"}),
        ("reference refused", {"reference_refused": True}),
        ("weak reference", {"weak_reference": "weak reference"}),
        ("baseline off", {"baseline_off": True}),
        ("suspicious: better than the reference", {"suspicious": True}),
        ("doubtful: 2 of 4; doubtful: 3 of 9", {"doubtful": ("2 of 4", "3 of 9")}),
        ("about 1200 images would decide", {"images_to_decide": 1200}),
        (
            "failed: cls_0, max abs 3; failed: reg",
            {"export_failed": True, "export_failures": ("cls_0, max abs 3", "reg")},
        ),
        ("without compiled NMS", {"without_compiled_nms": True}),
        ("warm-up not steady at 8x8, 9x8", {"unsteady": ("8x8", "9x8")}),
        ("disturbed (other processes kept 0.6 cores busy)", {"disturbed": True, "foreign_cores": 0.6}),
        ("disturbed (GPU: hot, slow)", {"disturbed": True, "throttled": ("hot", "slow")}),
        ("disturbed: load 3.1", {"disturbed": True}),
        ("latency at batch 1", {"timed_batch": 1}),
        (
            "latency of recipe mmdet3+k=1 (time again: --forcerun time_variants)",
            {"timed_recipe": "mmdet3+k=1"},
        ),
    ],
)
def test_an_older_file_says_its_flags_in_notes(tmp_path, note, flags):
    reference, row = read_old(tmp_path, note)
    assert (reference.is_reference, row.is_reference) == (True, False)
    unset = summary_row()
    unset = {
        name: getattr(unset, name)
        for name in (*FLAGS, "export_failures", "images_to_decide", "foreign_cores")
    }
    unset |= dict.fromkeys(("baseline_off", "suspicious", "export_failed", "without_compiled_nms"), False)
    expected = unset | {"disturbed": False, "throttled": ()} | flags
    assert {name: getattr(row, name) for name in expected} == expected
    assert row.notes == (note or None)
    # and they say it again
    if set(flags) & set(FLAGS) and note != "disturbed: load 3.1":
        assert said(row, FLAGS) == note.split("; ")


def test_an_older_reference_says_how_far_it_is_off(tmp_path):
    row, _ = read_old(tmp_path, "baseline off", '"baseline off: AP 0.5000, published 0.5700"')
    assert (row.baseline_off, row.published_ap) == (True, 0.57)
    assert said(row, ["baseline_off"]) == ["baseline off: AP 0.5000, published 0.5700"]
    row, _ = read_old(tmp_path, "weak reference", "weak reference: AP 0.0021 is under 0.01")
    assert row.weak_reference == "AP 0.0021 is under 0.01"


def test_notes_of_todays_files_are_no_flags(tmp_path):
    row = summary_row(notes="refused: NaN; disturbed (GPU: hot)")
    write_summary(tmp_path / "summary.csv", [row])
    assert read_summary(tmp_path / "summary.csv") == [row]


def type_at(source):
    """The type of a value by the hints of the records that lead to it."""
    kind = VariantRecords
    for part in source.split("."):
        parts = typing.get_args(kind)
        kind = next((p for p in parts if p is not type(None)), kind) if type(None) in parts else kind
        if part.isdigit():
            kind = typing.get_args(kind)[int(part)]
        elif isinstance(getattr(kind, part, None), property):
            kind = typing.get_type_hints(getattr(kind, part).fget)["return"]
        else:
            kind = typing.get_type_hints(kind)[part]
    return kind


def named(kind):
    return set(typing.get_args(kind) or (kind,)) - {type(None), Ellipsis}


@pytest.mark.parametrize("column", [c for c in COLUMNS.values() if c.source], ids=lambda c: c.name)
def test_a_source_leads_to_a_value_of_the_columns_type(column):
    assert named(type_at(column.source)) == named(typing.get_type_hints(SummaryRow)[column.name])


def test_flags_are_columns_and_have_words():
    assert set(FLAGS) == {*OF_DETECTIONS, *OF_TIMES}
    assert set(FLAGS) < set(COLUMNS)
    for column in COLUMNS.values():
        assert set(column.doubted_by) <= set(FLAGS)
        assert not column.marked or column.doubted_by


def test_the_gate_bounds_what_the_table_says():
    schema = yaml.safe_load(SCHEMA.read_text())
    rules = schema["$defs"]["gate_rule"]["properties"]
    bounds = {
        name: next(iter(schema["$defs"][rule["$ref"].rpartition("/")[2]]["properties"]))
        for name, rule in rules.items()
        if name not in SCOPE
    }
    of_columns = {column.name: column.bound for column in COLUMNS.values() if column.bound}
    assert {name: bound for name, bound in bounds.items() if name not in AGAINST_BASELINE} == of_columns
    assert set(bounds) - set(of_columns) == set(AGAINST_BASELINE)


def test_tables_for_people_have_their_own_order():
    heads = [column.page for column in shown_columns("page")]
    assert heads[:10] == [
        "runtime",
        "provider",
        "cut",
        "layout",
        "precision",
        "input",
        "recipe",
        "shape",
        "batch",
        "tf32",
    ]
    heads = [column.markdown for column in shown_columns("markdown")]
    assert heads[:4] == ["variant", "images skipped", "categories left out", "boxes left out"]
    assert heads[4:] == ["AP", "AP by", "ΔAP", "95 % interval", "verdict", "agreement", "p50 [ms]"]


def test_rows_of_an_evaluation_stand_together():
    rows = [summary_row(variant=name, dataset=dataset) for name, dataset in ("ax", "by", "cx")]
    assert [[row.variant for row in group] for group in by_evaluation(rows)] == [["a", "c"], ["b"]]


def test_every_column_is_documented():
    table = DOCUMENT.read_text().split("### Columns of summary.csv")[1].split("###")[0]
    named = [
        name
        for line in table.splitlines()
        if line.startswith("|")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert named == list(COLUMNS)


def test_a_file_from_before_a_column_came_is_read(tmp_path):
    path = tmp_path / "summary.csv"
    write_summary(path, [summary_row(latency_samples=32, AP=0.5)])
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place = lines[0].index("latency_samples")
    path.write_text("".join(",".join(line[:place] + line[place + 1 :]) + "\n" for line in lines))
    assert read_summary(path) == [summary_row(AP=0.5)]
