import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import atss_head, candidates, geometry, model_spec, run_metadata

from cutpoint.errors import UserError
from cutpoint.records import predictions
from cutpoint.records.candidates import Candidates
from cutpoint.records.detections import Detections
from cutpoint.records.predictions import PredictionWriter, find_refusal, read_metadata, read_predictions

BOX = (0.1, 0.2, 30.3, 40.4)

SPEC = model_spec(atss_head())
METADATA = run_metadata(SPEC)


def some_candidates(seed, count):
    rng = np.random.default_rng(seed)
    return candidates(
        *[
            (i % 5, i * 7, i % 80, rng.random(), rng.random(), tuple(rng.normal(0, 300, 4)))
            for i in range(count)
        ]
    )


def write(folder, images, as_candidates=True, metadata=None, name="0"):
    paths = str(folder / f"{name}.parquet"), str(folder / f"{name}.images.parquet")
    with PredictionWriter(*paths, candidates=as_candidates, metadata=metadata or METADATA) as writer:
        for image_id, rows in images:
            writer.add(image_id, geometry(height=image_id % 1000, scale_x=image_id / 3), rows)
    return paths


def group_sizes(path):
    metadata = pq.read_metadata(path)
    return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def assert_same(a, b):
    assert type(a) is type(b)
    for name, value in vars(a).items():
        assert value.dtype == getattr(b, name).dtype, name
        np.testing.assert_array_equal(value, getattr(b, name), err_msg=name)


@pytest.mark.parametrize("group_rows", [1, 31, 10**6])
def test_candidates_come_back_in_any_number_of_row_groups(tmp_path, monkeypatch, group_rows):
    monkeypatch.setattr(predictions, "GROUP_ROWS", group_rows)
    # ids not in order, images without candidates at the beginning, in the middle and at the end
    sizes = {9: 0, 2: 30, 2**40: 1, 5: 0, 3: 25, 7: 0}
    images = {i: some_candidates(n, size) for n, (i, size) in enumerate(sizes.items())}
    path, image_path = write(tmp_path, images.items())
    back = list(read_predictions([path], [image_path]))
    assert [image_id for image_id, _, _ in back] == list(sizes)
    for image_id, found, rows in back:
        assert found == geometry(height=image_id % 1000, scale_x=image_id / 3)
        assert_same(rows, images[image_id])
    # an image counts as one row more; a group holds the same images in both files
    expected = {1: ([0, 30, 1, 0, 25, 0], [1] * 6), 31: ([30, 26], [2, 4]), 10**6: ([56], [6])}
    assert (group_sizes(path), group_sizes(image_path)) == expected[group_rows]


def test_detections_come_back(tmp_path):
    rows = Detections(np.float32([BOX, BOX]), np.float32([0.5, 0.25]), np.int64([3, 1]))
    none = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    paths = write(tmp_path, [(1, rows), (2, none)], as_candidates=False)
    back = {image_id: found for image_id, _, found in read_predictions(*[[p] for p in paths])}
    assert_same(back[1], rows)
    assert_same(back[2], none)


def test_a_shard_without_any_row(tmp_path):
    paths = write(tmp_path, [(4, candidates())])
    ((image_id, _, rows),) = read_predictions(*[[p] for p in paths])
    assert image_id == 4
    assert isinstance(rows, Candidates)
    assert len(rows) == 0


def test_a_shard_without_any_image(tmp_path):
    paths = write(tmp_path, [])
    assert list(read_predictions(*[[p] for p in paths])) == []


def test_shards_are_read_one_after_the_other(tmp_path):
    first = write(tmp_path, [(1, some_candidates(0, 3)), (3, some_candidates(1, 2))], name="0")
    second = write(tmp_path, [(2, some_candidates(2, 4))], name="1")
    back = list(read_predictions([first[0], second[0]], [first[1], second[1]]))
    assert [(i, len(rows)) for i, _, rows in back] == [(1, 3), (3, 2), (2, 4)]


def test_columns_and_types_are_the_contract(tmp_path):
    path, image_path = write(tmp_path, [(1, some_candidates(0, 3))])
    columns = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert columns == {
        "image_id": "int64",
        "level": "int8",
        "prior": "int32",
        "label": "int16",
        "score": "float",
        "factor": "float",
        **dict.fromkeys(("x1", "y1", "x2", "y2"), "float"),
    }
    sizes = [f"{when}{side}" for when in ("", "resized_", "padded_") for side in ("height", "width")]
    assert {field.name: str(field.type) for field in pq.read_schema(image_path)} == {
        "image_id": "int64",
        **dict.fromkeys((*sizes, "left", "top"), "int32"),
        **dict.fromkeys(("scale_x", "scale_y", "gain"), "double"),
    }
    rows = Detections(np.float32([BOX]), np.float32([0.5]), np.int64([3]))
    path, _ = write(tmp_path, [(1, rows)], as_candidates=False, name="1")
    assert pq.read_schema(path).names == ["image_id", "label", "score", "x1", "y1", "x2", "y2"]


def test_metadata_is_in_both_files(tmp_path):
    metadata = run_metadata(SPEC, scores="fused", onnx_sha256="ab", provider="cuda")
    for path in write(tmp_path, [(1, candidates())], metadata=metadata):
        assert read_metadata(path) == metadata
        content = json.loads(pq.read_schema(path).metadata[predictions.METADATA])
        assert (content["format"], content["floor"]) == (
            2,
            {"quantity": "class", "value": 0.05, "inclusive": False, "pairs": None},
        )


def test_a_file_that_is_none_of_predictions_is_refused(tmp_path):
    path = tmp_path / "0.parquet"
    for content in (b"", b"PAR1", b"{}"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"0\.parquet: not a file of predictions .*; remove it"):
            read_metadata(path)
        with pytest.raises(UserError, match="not a file of predictions"):
            next(read_predictions([str(path)], [str(path)]))
        with pytest.raises(UserError, match="not a file of predictions"):
            find_refusal([str(path)])
    with pytest.raises(UserError, match="not a file of predictions"):
        read_metadata(tmp_path / "none.parquet")
    pq.write_table(pa.table({"image_id": [1]}), path)
    with pytest.raises(UserError, match="it does not say how it was made"):
        read_metadata(path)
    table = pa.table({"image_id": [1]}).replace_schema_metadata({predictions.METADATA: b'{"cut": 5}'})
    pq.write_table(table, path)
    with pytest.raises(UserError, match=r"0\.parquet: "):
        read_metadata(path)


def test_an_exception_leaves_nothing(tmp_path):
    def fail_half_way():
        with PredictionWriter(
            str(tmp_path / "0.parquet"),
            str(tmp_path / "0.images.parquet"),
            candidates=True,
            metadata=METADATA,
        ) as writer:
            writer.add(1, geometry(), some_candidates(0, 3))
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail_half_way()
    assert os.listdir(tmp_path) == []


def test_padding_before_the_image_and_the_one_factor_come_back(tmp_path):
    """Also an unknown factor, and a run on a file of fixed shape."""
    paths = str(tmp_path / "0.parquet"), str(tmp_path / "0.images.parquet")
    sizes = [geometry(left=3, top=5, gain=0.1 + 0.2), geometry(gain=None), geometry(left=0, top=7)]
    metadata = run_metadata(SPEC, shape=(64, 96), input={"base": "own", "size": [32, 48]})
    with PredictionWriter(*paths, candidates=True, metadata=metadata) as writer:
        for number, size in enumerate(sizes):
            writer.add(number, size, some_candidates(0, 1))
    assert [size for _, size, _ in read_predictions(*([path] for path in paths))] == sizes
    assert read_metadata(paths[0]) == metadata
