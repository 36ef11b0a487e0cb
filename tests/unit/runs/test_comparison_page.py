"""The page of two runs: what it says, and that it shows users' words as they are."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from cutpoint.records.run_comparison import (
    ApChange,
    Change,
    DetectionChange,
    Inputs,
    LatencyChange,
    RunComparison,
    VariantChange,
    write_run_comparison,
)
from cutpoint.runs.page import render_comparison
from cutpoint.runs.words import as_lines

HOSTILE = '<img src=x onerror="alert(1)">'
SAME = DetectionChange(
    images=12, images_changed=0, baseline=40, run=40, only_baseline=0, only_run=0, agreement=1.0
)
EQUAL = ApChange(
    baseline=0.5,
    run=0.5,
    delta_AP=0.0,
    delta_AP_ci95=(0.0, 0.0),
    delta_AP_ci90=(0.0, 0.0),
    verdict="lossless",
    not_paired=None,
)
LATENCY = LatencyChange(
    baseline_ms=10.0,
    run_ms=12.5,
    difference_ms=2.5,
    difference_ci95=(2.25, 2.75),
    ratio=1.25,
    ratio_ci95=(1.2, 1.3),
    facts=(Change("processor", "A", HOSTILE),),
    doubts_baseline=("disturbed",),
    doubts_run=("disturbed", "without compiled NMS"),
    claim=None,
)
RAW = VariantChange(
    dataset="street",
    model="det",
    variant="raw",
    detections=SAME,
    not_compared=None,
    ap=EQUAL,
    latency=LATENCY,
    doubts_baseline=(),
    doubts_run=(),
)
LOW = replace(
    RAW,
    variant="low",
    detections=replace(SAME, images_changed=3, only_baseline=4, only_run=2),
    ap=replace(EQUAL, run=0.48, delta_AP=-0.02, delta_AP_ci95=(-0.03, -0.01), verdict="different"),
    latency=None,
    doubts_run=("doubtful",),
)
GONE = replace(
    RAW, variant="gone", detections=None, ap=None, latency=None, not_compared=f"refused: {HOSTILE}"
)
COMPARED = RunComparison(
    baseline=f"/tmp/{HOSTILE}/capsule.zip",
    baseline_code="Cutpoint 1",
    run_code="Cutpoint 2, commit abc",
    inputs=Inputs(
        (Change("recipes.low.score_thr", "0.3", "0.4"), Change("models.det.config", '"a"', '"b"', True)),
        (),
        (),
        (),
    ),
    only_baseline=("street, det, old",),
    only_run=(),
    variants=(RAW, LOW, GONE),
)


class Text(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page):
        super().__init__()
        self.words, self.tags = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture
def page(tmp_path):
    def render(compared):
        write_run_comparison(tmp_path / "c.json", compared)
        render_comparison(comparison=str(tmp_path / "c.json"), out=str(tmp_path / "c.html"))
        return Text((tmp_path / "c.html").read_text())

    return render


def test_the_page_says_what_changed(page):
    shown = page(COMPARED)
    assert "recipes.low.score_thr 0.3 0.4" in shown.text
    assert 'models.det.config "a" "b" the same' in shown.text
    assert "Only in the baseline street, det, old" in shown.text
    assert "low street, det 3 of 12 4 of 40 2 of 40 1.0000 0.5000 0.4800 -0.0200" in shown.text
    assert "different this run: doubtful" in shown.text
    assert "1 variant in which nothing changed" in shown.text


def test_no_latency_stands_without_its_flags(page):
    text = page(COMPARED).text
    assert "processor A" in text
    assert (
        "10.00 12.50 +2.50 +2.25 to +2.75 1.250 1.200 to 1.300 not claimed (processor differs; "
        "both runs: disturbed; this run: without compiled NMS)"
    ) in text
    claimed = replace(LATENCY, facts=(), doubts_baseline=(), doubts_run=(), claim="slower")
    assert "1.200 to 1.300 slower" in page(replace(COMPARED, variants=(replace(RAW, latency=claimed),))).text


def test_words_of_users_are_text(page):
    shown = page(COMPARED)
    assert not {"img", "script"} & set(shown.tags)
    assert f"/tmp/{HOSTILE}/capsule.zip" in shown.text
    assert f"not compared: refused: {HOSTILE}" in shown.text


def test_equal_runs(page):
    none = replace(COMPARED, inputs=Inputs((), (), (), ()), only_baseline=(), variants=(RAW,))
    text = page(none).text
    assert text.count("Nothing changed.") == 5
    assert "Inputs nothing changed Detections nothing changed (1 variant) AP nothing changed" in text


def test_runs_without_a_common_variant(page):
    none = replace(COMPARED, variants=())
    assert "No variant is in both runs." in page(none).text
    lines = as_lines(none)
    assert "detections: no variant is in both runs" in lines
    assert "latency: not timed in both runs" in lines


def test_many_changes_are_cut_short_in_a_terminal():
    many = tuple(Change(f"key{number}", "1", "2") for number in range(40))
    lines = as_lines(replace(COMPARED, inputs=Inputs(many, (), (), ()), only_baseline=()))
    assert "  key29: 1 -> 2" in lines
    assert "  ... and 10 more" in lines
    assert not any("key30" in line for line in lines)
