"""Training: what goes into mmdet's losses, and that a seed decides the weights."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cutpoint.detector.train import Example, collate, draw_examples, train_demo  # noqa: E402

CONFIG = "config/demo/atss_traffic.py"
EXAMPLE = Example(
    image=np.arange(2 * 10 * 3, dtype=np.uint8).reshape(2, 10, 3),
    boxes=np.array([[1, 0, 4, 2], [5, 0, 9, 2]], np.float32),
    labels=np.array([3, 0]),
    crowd=np.array([False, True]),
)


def test_mirroring_moves_boxes_with_their_pixels():
    rng = np.random.default_rng(0)
    seen = {}
    while len(seen) < 2:
        data = collate([EXAMPLE], rng)
        pixels, sample = data["inputs"][0], data["data_samples"][0]
        x1, y1, x2, y2 = sample.gt_instances.bboxes[0].int().tolist()
        seen[x1] = pixels[:, y1:y2, x1:x2]
    assert sorted(seen) == [1, 6]
    torch.testing.assert_close(seen[6], seen[1].flip(2))


def test_crowds_are_ignored_and_no_object():
    sample = collate([EXAMPLE], np.random.default_rng(0))["data_samples"][0]
    assert sample.gt_instances.labels.tolist() == [3]
    assert len(sample.ignored_instances.bboxes) == 1


def test_a_scene_without_objects_can_be_trained_on():
    empty = replace(EXAMPLE, boxes=EXAMPLE.boxes[:0], labels=EXAMPLE.labels[:0], crowd=EXAMPLE.crowd[:0])
    sample = collate([empty], np.random.default_rng(0))["data_samples"][0]
    assert sample.gt_instances.bboxes.shape == (0, 4)


def test_examples_have_the_network_size_and_boxes_inside():
    examples = draw_examples(2026, "coco", 4, 320)
    assert all(max(example.image.shape[:2]) == 320 for example in examples)
    assert sum(len(example.boxes) for example in examples) > 0
    for example in examples:
        height, width = example.image.shape[:2]
        assert (example.boxes >= 0).all()
        assert (example.boxes <= np.array([width, height, width, height]) + 0.1).all()
        assert ((example.labels >= 0) & (example.labels < 80)).all()


def test_the_seed_decides_the_weights(tmp_path):
    states = []
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        out = tmp_path / f"{name}.pth"
        train_demo(
            config=CONFIG,
            style="traffic",
            seed=seed,
            scenes=4,
            iterations=2,
            batch=2,
            learning_rate=1e-3,
            threads=1,
            out=str(out),
        )
        states.append(torch.load(out, weights_only=True))
    first, again, other = (state["state_dict"] for state in states)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    classes = states[0]["meta"]["dataset_meta"]["classes"]
    assert classes == ["pedestrian", "non-motor-vehicle", "motor-vehicle", "other"]
