import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from report_fixtures import TABLES, write_results

from cutpoint.files import read_json, write_json
from cutpoint.report import plots
from cutpoint.summary.build import summarize


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots")
    result = write_results(folder)
    outs = {f"out_{key}": str(folder / key) for key in TABLES}
    summarize(rows=result["rows"], **outs)
    return result | {"summary": outs["out_csv"]}


def draw(name, made, out):
    if name == "stages":
        plots.plot_stages(rows=made["rows"], out=str(out))
    elif name == "ladder":
        plots.plot_ladder(ladders=made["ladders"], out=str(out))
    else:
        getattr(plots, f"plot_{name}")(summary=made["summary"], out=str(out))
    return out.read_text()


def texts(svg: str) -> list[str]:
    """What the figure says: matplotlib writes every text as a comment beside its outlines."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", svg, re.S)]


@pytest.mark.parametrize("name", ["ap", "ladder", "latency", "stages"])
def test_the_same_numbers_give_the_same_bytes_and_no_date(name, made, tmp_path):
    first = draw(name, made, tmp_path / "a.svg")
    assert first == draw(name, made, tmp_path / "b.svg")
    assert "<metadata" not in first
    assert "<date" not in first
    ElementTree.fromstring(first)


@pytest.mark.parametrize("name", ["ap", "latency", "stages"])
def test_each_set_has_a_panel_that_names_every_variant(name, made, tmp_path):
    said = texts(draw(name, made, tmp_path / "a.svg"))
    for title in ("street, det", "coco_like, det"):
        assert title in said
    assert sum("raw-int8" in text for text in said) == 3
    assert said.count("raw") == 3 + (name != "stages")  # once more in the legend of cuts


def test_ap_shows_numbers_or_agreement_where_there_is_no_ground_truth(made, tmp_path):
    said = texts(draw("ap", made, tmp_path / "a.svg"))
    assert said.count("-0.0213") == 2
    assert said.count("0.5587") == 2
    assert "unlabelled, det (no ground truth)" in said
    assert "0.9100" in said
    assert "pytorch (reference)" in said
    assert "failed" in said
    assert "baseline off, failed" in said


def test_ap_draws_the_interval_of_each_variant(made, tmp_path, monkeypatch):
    drawn, plot = [], plots.Axes.plot
    monkeypatch.setattr(
        plots.Axes, "plot", lambda self, x, y, **k: drawn.append((list(x), y)) or plot(self, x, y, **k)
    )
    draw("ap", made, tmp_path / "a.svg")
    assert drawn.count(([-0.03, -0.012], [3, 3])) == 2
    assert drawn.count(([-0.0007, 0.0003], [2, 2])) == 2


def test_the_ladders_steps_hang_on_each_other(made, tmp_path, monkeypatch):
    bars, lines, plot = [], [], plots.Axes.plot
    monkeypatch.setattr(plots.Axes, "barh", lambda self, y, width, **k: bars.append((y, k["left"], width)))
    monkeypatch.setattr(
        plots.Axes, "plot", lambda self, x, y, **k: lines.append(list(x)) or plot(self, x, y, **k)
    )
    said = texts(draw("ladder", made, tmp_path / "a.svg"))
    street = bars[:4]
    assert [y for y, _, _ in street] == [0, 1, 2, 3]
    for (_, left, width), (_, following, _) in itertools.pairwise(street):
        assert following == pytest.approx(left + width)
    assert street[3][1] + street[3][2] == pytest.approx(-0.0213)
    # the interval of a step stands where its bar starts from
    assert pytest.approx([-0.0223, -0.0203]) in lines
    assert "pytorch (reference)" in said
    assert sum("precision fp32 → int8" in text for text in said) == 3
    assert "coco_like, det (published AP 0.5700)" in said
    assert "unlabelled, det (no ground truth)" in said
    assert "AP of the rung - AP of the first (fraction)" in said
    assert said.count("-0.0211") == 2
    assert "0.9100" in said


def test_a_single_step_of_a_recipe_is_named(made, tmp_path):
    ladder = read_json(made["ladders"][0]["path"])
    ladder["rungs"][1] |= {"changes": ["recipe a → b"], "recipe_steps": ["max_per_img k 2 → 3"]}
    write_json(tmp_path / "ladder.json", ladder)
    entry = made["ladders"][0] | {"path": str(tmp_path / "ladder.json")}
    said = texts(draw("ladder", made | {"ladders": [entry]}, tmp_path / "a.svg"))
    assert "max_per_img k 2 → 3" in said
    assert "recipe a → b" not in said


def test_latency_axes_have_units_and_pytorch_its_caveat(made, tmp_path):
    said = texts(draw("latency", made, tmp_path / "a.svg"))
    assert said.count("latency, file to detections [ms]") == 3
    assert said.count("21.45") == 3
    assert sum("without compiled NMS" in text for text in said) == 3


def test_a_disturbed_time_is_called_so_in_its_figures(made, tmp_path):
    row = made["rows"][1]
    timing = read_json(row["latency"]) | {"disturbed": True}
    write_json(tmp_path / "latency.json", timing)
    rows = [made["rows"][0], row | {"latency": str(tmp_path / "latency.json")}]
    outs = {f"out_{key}": str(tmp_path / key) for key in TABLES}
    summarize(rows=rows, **outs)
    for name in ("latency", "stages"):
        said = texts(draw(name, made | {"rows": rows, "summary": outs["out_csv"]}, tmp_path / f"{name}.svg"))
        assert said.count("disturbed") == 1


def test_stages_draw_four_bars_a_variant_as_long_as_their_medians(made, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots.Axes, "barh", lambda self, y, width, **k: drawn.append((y, width)))
    said = texts(draw("stages", made, tmp_path / "a.svg"))
    assert len(drawn) == 3 * 4 * 4
    assert [width for y, width in drawn if y == 3][:4] == pytest.approx([3.6, 2.4, 14.25, 1.2])
    assert "median of each stage [ms]" in said
    assert "inference" in said
    assert "host to device" not in said


def test_detections_made_elsewhere_are_drawn_without_a_latency(made, tmp_path):
    theirs = dict(made["rows"][1], variant="theirs")
    theirs |= dict.fromkeys(["runtime", "cut", "precision", "provider", "latency", "verify", "onnx", "batch"])
    outs = {f"out_{key}": str(tmp_path / key) for key in TABLES}
    summarize(rows=[made["rows"][0], theirs], **outs)
    found = made | {"summary": outs["out_csv"]}
    assert "theirs" in texts(draw("ap", found, tmp_path / "ap.svg"))
    said = texts(draw("latency", found, tmp_path / "latency.svg"))
    assert not any("theirs" in text for text in said)
    assert any("pytorch" in text for text in said)


def test_figures_of_nothing_that_was_timed(made, tmp_path):
    plots.plot_stages(rows=[], out=str(tmp_path / "stages.svg"))
    ElementTree.fromstring((tmp_path / "stages.svg").read_text())
