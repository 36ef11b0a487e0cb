"""Boxes of proposals and queries are followed by where they come from, not by their rank."""

from dataclasses import replace

import numpy as np
import pytest
from datasets import make_image, save_labels, save_manifest
from tiny import (
    candidates,
    detr_head,
    geometry,
    model_spec,
    query_head,
    query_outputs,
    recipe_of,
    roi_head,
    roi_outputs,
    run_metadata,
)

from cutpoint.compare.autopsy import Side, autopsy
from cutpoint.compare.follow import Followed
from cutpoint.compare.missing import why_missing
from cutpoint.decode.candidates import from_raw
from cutpoint.files import write_json
from cutpoint.predict.postprocess import postprocess
from cutpoint.records.autopsy import read_autopsy
from cutpoint.records.head import Floor
from cutpoint.records.manifest import Category
from cutpoint.records.predictions import PredictionWriter

BOX, FAR, NEAR = (0, 0, 20, 20), (22, 0, 30, 30), (0, 0, 20, 19.5)


@pytest.fixture
def compare(tmp_path):
    """The rows of an autopsy of two sets of candidates of one image, both with the head's own recipe."""
    ids = [1, 2, 3]
    manifest = save_manifest(
        tmp_path / "manifest.json",
        [make_image(7)],
        categories=[
            Category(number, name) for number, name in zip(ids, ("car", "bus", "person"), strict=True)
        ],
    )
    labels, spec_file = str(tmp_path / "labels.json"), str(tmp_path / "spec.json")
    save_labels(labels, ids)

    def run(head, *sides):
        spec = model_spec(head)
        write_json(spec_file, spec.to_dict())
        made = []
        for number, rows in enumerate(sides):
            files = [str(tmp_path / f"{number}.{end}") for end in ("parquet", "images.parquet", "json")]
            with PredictionWriter(*files[:2], candidates=True, metadata=run_metadata(spec)) as writer:
                writer.add(7, geometry(), rows)
            postprocess(
                predictions=files[:1],
                images=files[1:2],
                spec=spec_file,
                labels=labels,
                cut="raw",
                recipe="mmdet3",
                out=files[2],
            )
            made.append(Side(files[2], (files[0],), (files[1],), spec_file, "mmdet3"))
        out = str(tmp_path / "cases.parquet")
        autopsy(reference=made[0], variant=made[1], manifest=manifest, labels=labels, out=out)
        return list(read_autopsy(out))

    return run


def shuffled(outputs, swap):
    """The same rows in another order: another rank of each proposal or query."""
    moved = {}
    for name, value in outputs.items():
        moved[name] = value if value.ndim == 1 else value[:, swap]
    return moved


def test_another_rank_is_the_same_box(compare):
    head = roi_head()
    outputs = roi_outputs(head, seed=1)
    rows = from_raw(outputs, head), from_raw(shuffled(outputs, [2, 0, 1, 3]), head)
    assert len(rows[0]) > 5
    assert compare(head, *rows) == []
    head = query_head()
    outputs = query_outputs(head, seed=1)
    rows = (from_raw(one, head, clip=(32, 40)) for one in (outputs, shuffled(outputs, [4, 2, 0, 1, 3])))
    assert compare(head, *rows) == []


def test_a_proposal_that_is_not_chosen_is_followed_by_overlap(compare):
    head = roi_head()
    ours = candidates((0, 40, 0, 0.9, 1, BOX), (0, 71, 1, 0.8, 1, FAR))
    # the other network chose the neighbour of anchor 40, with less score: the NMS keeps its box
    theirs = candidates((0, 41, 0, 0.7, 1, (0, 0, 20, 14)), (0, 71, 1, 0.8, 1, FAR))
    forward, backward = compare(head, ours, theirs)
    assert (forward.step, forward.followed_by, forward.prior) == ("drifted", "overlap", 41)
    assert (backward.step, backward.prior) == ("drifted", 40)
    # nothing near it: the network lacks it, and how far its score fell is not known
    (row,) = compare(head, ours, candidates((0, 71, 1, 0.8, 1, FAR)))
    assert (row.step, row.value, row.margin, row.prior) == ("no_candidate", pytest.approx(0.9), None, None)


def test_a_chosen_proposal_whose_class_fell_is_followed_at_its_place(compare):
    ours = candidates((0, 40, 0, 0.9, 1, BOX), (0, 40, 1, 0.8, 1, FAR))
    (row,) = compare(roi_head(), ours, candidates((0, 40, 1, 0.8, 1, FAR)))
    assert (row.step, row.followed_by, row.prior) == ("no_candidate", "location", 40)
    assert row.margin == pytest.approx(0.85)


def test_a_proposal_that_the_other_side_suppresses(compare):
    ours = candidates((0, 40, 0, 0.9, 1, BOX))
    theirs = candidates((0, 40, 0, 0.8, 1, (0, 0, 20, 13)), (0, 41, 0, 0.9, 1, (0, 3, 20, 15)))
    rows = {row.side: row for row in compare(roi_head(), ours, theirs)}
    assert (rows["reference"].step, rows["reference"].by_prior) == ("nms", 41)


FLOOR = Floor("class", 0.0, False, 2)


def missing(head, key, value, *rows, **changes):
    head = replace(head, floor=FLOOR, **changes)
    followed = Followed(recipe_of(*head.recipe), candidates(*rows), geometry(), model_spec(head))
    return why_missing(key, value, followed, head.floor)


TWO = [(0, 3, 0, 0.9, 1, BOX), (0, 5, 1, 0.5, 1, FAR)]


def test_a_pair_that_is_not_among_the_best_fell_or_was_never_among_them():
    fell = missing(query_head(), (3, 1), 0.7, *TWO)
    assert (fell.step, fell.margin) == ("no_candidate", pytest.approx(0.2))
    outranked = missing(query_head(), (3, 1), 0.4, *TWO)
    assert (outranked.step, outranked.number, outranked.margin) == ("max_per_img", 1, pytest.approx(0.1))
    # fewer pairs than the floor's number: all pairs with a score are candidates
    alone = missing(query_head(), (5, 1), 0.4, TWO[0])
    assert (alone.step, alone.margin) == ("no_candidate", pytest.approx(0.4))


def test_a_class_that_is_not_the_best_of_its_query():
    other = missing(detr_head(), (3, 1), 0.7, *TWO)
    assert (other.step, other.number, other.margin) == ("best_class", 1, None)
    assert (other.by.prior, other.by.label, other.by.score) == (3, 0, pytest.approx(0.9))
    # of another query, which is not among the best: the best pair of each counts
    rows = [*TWO, (0, 3, 2, 0.8, 1, BOX)]
    fell = missing(detr_head(), (8, 1), 0.7, *rows)
    assert (fell.step, fell.margin) == ("no_candidate", pytest.approx(0.2))
    outranked = missing(detr_head(), (8, 1), 0.3, *rows)
    assert (outranked.step, outranked.number, outranked.margin) == ("max_per_img", 4, pytest.approx(0.2))


def test_another_best_class_of_a_query_is_a_changed_label(compare):
    ours, theirs = candidates((0, 3, 0, 0.9, 1, BOX)), candidates((0, 3, 2, 0.7, 1, NEAR))
    rows = compare(detr_head(), ours, theirs)
    assert [row.step for row in rows] == ["label_changed"] * 2
    assert [(row.prior, row.by_label, row.by_otherwise) for row in rows] == [
        (3, 2, "no_candidate"),
        (3, 0, "no_candidate"),
    ]


def test_every_box_of_queries_has_a_cause(compare):
    steps, head = set(), query_head(queries=40, floor=Floor("class", 0.0, False, 12))
    head = replace(head, recipe=({**head.recipe[0], "k": 12}, *head.recipe[1:]))
    for seed in range(4):
        outputs = query_outputs(head, seed=seed)
        random = np.random.default_rng(100 + seed)
        other = outputs | {
            "logits": outputs["logits"] + random.normal(0, 0.5, outputs["logits"].shape).astype(np.float32),
            "cxcywh": outputs["cxcywh"] + random.normal(0, 0.01, (1, 40, 4)).astype(np.float32),
        }
        other["priors"] = np.where(np.arange(40) < 35, outputs["priors"], outputs["priors"] + 1000)
        rows = compare(head, *(from_raw(one, head, clip=(32, 40)) for one in (outputs, other)))
        assert rows
        for row in rows:
            assert row.margin is None or row.margin >= -1e-6, row
        steps |= {row.step for row in rows}
    assert {"max_per_img", "drifted"} <= steps
    assert not {"graph", "not_followed"} & steps
