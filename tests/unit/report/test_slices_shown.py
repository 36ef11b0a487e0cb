"""What the page and the figure say about slices."""

from dataclasses import replace

import pytest
from comparing import COMPARISON
from report_fixtures import summary_row

from cutpoint.records.comparison import SliceDelta, write_comparison
from cutpoint.records.slices import Slice, write_slices
from cutpoint.report.charts import slices
from cutpoint.report.charts.theme import COLOURS
from cutpoint.report.group import Group
from cutpoint.report.slices import slice_table

NIGHT = SliceDelta(
    name="time",
    value="<b>night</b>",
    images=40,
    images_with_objects=38,
    objects=90,
    AP=0.4,
    delta_AP=-0.02,
    delta_AP_ci95=(-0.03, -0.01),
    p=0.001,
    different=True,
    suspicious=False,
    agreement=0.9,
)
FEW = SliceDelta("camera", "3", 4, 4, 8, 0.5, 0.01, agreement=1.0)
NO_OBJECT = SliceDelta("camera", "4", 12, 0, 0, agreement=1.0)


@pytest.fixture
def group(tmp_path):
    def make(labelled=True, **variants):
        rows = [summary_row(variant="pytorch", is_reference=True, AP=0.5 if labelled else None)]
        entries = {"comparisons": []}
        for name, parts in variants.items():
            rows.append(summary_row(variant=name, AP=0.5 if labelled else None, suspicious=name == "odd"))
            write_comparison(tmp_path / name, replace(COMPARISON, per_slice=tuple(parts)))
            entries["comparisons"].append({"variant": name, "path": str(tmp_path / name)})
        return Group(rows, [], entries)

    return make


def table(group):
    return slice_table(group.entries["comparisons"])


def test_the_lines_of_a_slice_stand_together(group):
    lines = table(group(a=[NIGHT, FEW], b=[NIGHT, FEW])).lines
    assert [(line.part.title, line.variant) for line in lines] == [
        *(("time=<b>night</b>", name) for name in "ab"),
        *(("camera=3", name) for name in "ab"),
    ]


def test_a_slice_without_an_interval_says_why(group):
    lines = table(group(a=[NIGHT, FEW, NO_OBJECT])).lines
    assert [line.interval for line in lines] == [
        "-0.0300 to -0.0100",
        "fewer than 10 images",
        "no objects",
    ]
    assert [line.different for line in lines] == ["yes", "", ""]
    (line,) = table(group(a=[replace(NIGHT, suspicious=True)])).lines
    assert line.different == "yes, better: suspicious"


def test_without_slices_there_is_neither_table_nor_figure(group):
    assert table(group(a=[], b=[])) is None
    assert slices.build(group(a=[], b=[])) is None


def test_the_figure_draws_what_differs_and_names_n_and_doubts(group):
    same = [replace(NIGHT, delta_AP=0.00004), replace(FEW, delta_AP=0.0)]
    figure = slices.build(group(same=same, odd=[NIGHT, FEW, NO_OBJECT]))
    assert [(row["slice"], row["variant"]) for row in figure.rows] == [
        ("time=<b>night</b>", "odd"),
        ("camera=3", "odd"),
    ]
    assert [row["label"] for row in figure.rows] == ["time = <b>night</b>, n = 40", "camera = 3, n = 4"]
    assert {row["who"] for row in figure.rows} == {"odd (suspicious)"}
    assert (figure.rows[0]["low"], figure.rows[1]["low"]) == (-0.03, None)
    assert figure.pick == ("slice", "variant")
    assert "are left out" in figure.caption
    assert "&lt;b&gt;night" in figure.svg
    assert "<b>" not in figure.svg


def test_the_figure_has_a_colour_for_each_variant_that_it_draws(group):
    many = {f"v{n}": [replace(NIGHT, delta_AP=-n / 100)] for n in range(1, len(COLOURS) + 3)}
    figure = slices.build(group(**many))
    assert [row["variant"] for row in figure.rows] == list(many)[2:]
    assert "largest differences" in figure.caption


def test_without_ground_truth_the_figure_is_about_agreement(group):
    parts = [SliceDelta("time", "night", 40, agreement=0.9), SliceDelta("time", "day", 9, agreement=1.0)]
    made = group(labelled=False, a=parts)
    assert not table(made).labelled
    figure = slices.build(made)
    assert [row["value"] for row in figure.rows] == [0.9, 1.0]
    assert figure.title == "Agreement by slice"
    assert "0.9" in figure.svg


def test_a_group_knows_the_slices_of_an_image(tmp_path):
    write_slices(tmp_path / "s.json", "street", "s.csv", (Slice("time", "night", (3, 5)),))
    entries = {"slices": [{"path": str(tmp_path / "s.json")}]}
    assert Group([], [], entries).image_slices == {3: {"time": "night"}, 5: {"time": "night"}}
    assert Group([], [], {}).image_slices == {}
