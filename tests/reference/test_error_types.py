"""Our error types against tidecv's counts."""

from collections import Counter

from scoring import truth_of
from test_pycocotools import detect, make_truth

from cutpoint.evaluate.error_types import count_errors, judge
from cutpoint.records.detections import make_results

# what tidecv 1.0.1 counts on ten of those scenes without crowds, which it ignores by a rule of its own
TIDECV = {"class": 119, "localization": 77, "both": 28, "duplicate": 193, "background": 115, "missed": 124}


def test_the_counts_are_tidecvs():
    total = Counter()
    for seed in range(10):
        truth = make_truth(seed)
        results = detect(truth, seed + 100)
        truth["annotations"] = [a for a in truth["annotations"] if not a["iscrowd"]]
        total += Counter(count_errors(judge(truth_of(truth), make_results(results)), 0))
    assert {kind: total[kind] for kind in TIDECV} == TIDECV
