"""The candidate store gives back exactly what was put in, image by image, over any groups and shards."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import records
from tiny import atss_head, model_spec, run_metadata

from cutpoint.predict.shard import shard_images
from cutpoint.records import predictions
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.image import Geometry
from cutpoint.records.predictions import (
    PredictionWriter,
    RunMetadata,
    find_refusal,
    read_metadata,
    read_predictions,
)

SIDES = st.integers(0, 2**31 - 1)
GEOMETRIES = st.builds(Geometry, *[SIDES] * 6, *[st.floats(allow_nan=False)] * 2, SIDES, SIDES)
ANY = st.floats(width=32, allow_nan=False)


def whole(bits):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@st.composite
def rows(draw, candidates):
    count = draw(st.integers(0, 4))

    def column(elements, kind):
        return np.array(draw(st.lists(elements, min_size=count, max_size=count)), dtype=kind)

    boxes = np.stack([column(ANY, np.float32) for _ in range(4)], axis=1)
    if not candidates:
        return Detections(boxes, column(ANY, np.float32), column(whole(16), np.int64))
    return Candidates(
        column(whole(8), np.int8),
        column(whole(32), np.int32),
        column(whole(16), np.int16),
        column(ANY, np.float32),
        column(ANY, np.float32),
        boxes,
    )


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr(predictions, "GROUP_ROWS", 5)


@given(data=st.data(), candidates=st.booleans(), metadata=records(RunMetadata), cut=st.integers(0, 6))
def test_what_is_put_in_comes_out(small_groups, tmp_path, data, candidates, metadata, cut):
    ids = data.draw(st.lists(whole(64), max_size=6, unique=True))
    images = [(image, data.draw(GEOMETRIES), data.draw(rows(candidates))) for image in ids]
    shards = [images[:cut], images[cut:]]
    files = [[str(tmp_path / f"{number}.{kind}") for number in (0, 1)] for kind in ("rows", "images")]
    for part, out, out_images in zip(shards, *files, strict=True):
        with PredictionWriter(out, out_images, candidates=candidates, metadata=metadata) as writer:
            for entry in part:
                writer.add(*entry)
        assert find_refusal([out]) is None
        assert read_metadata(out) == metadata
        assert pq.ParquetFile(out_images).metadata.num_rows == len(part)
    found = list(read_predictions(*files))
    assert [entry[:2] for entry in found] == [entry[:2] for entry in images]
    for (_, _, expected), (_, _, got) in zip(images, found, strict=True):
        for name, value in vars(expected).items():
            other = getattr(got, name)
            assert (value.dtype, value.tolist()) == (other.dtype, other.tolist())


@given(images=st.integers(0, 40), shards=st.integers(1, 9), batch=st.integers(1, 7))
def test_all_shards_in_order_are_all_images_in_whole_batches(images, shards, batch):
    parts = [shard_images(range(images), shard, shards, batch) for shard in range(shards)]
    assert [image for part in parts for image in part] == list(range(images))
    assert all(part[0] % batch == 0 for part in parts if len(part))


@given(reason=st.text(st.characters(codec="utf-8")))
def test_a_refusal_is_kept_word_by_word(tmp_path, reason):
    out, metadata = str(tmp_path / "rows"), run_metadata(model_spec(atss_head()))
    with PredictionWriter(out, f"{out}.images", candidates=True, metadata=metadata) as writer:
        writer.refuse(reason)
    assert find_refusal([out]) == reason
