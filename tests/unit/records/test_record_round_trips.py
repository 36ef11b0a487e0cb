"""Whatever a record holds, it is the same after it was written and read."""

import importlib
import inspect
import json
import pkgutil
import typing
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from made_up import FLOATS, INTEGERS, JSON, Plain, records, values

import cutpoint.records
from cutpoint.errors import UserError
from cutpoint.records import npz_file
from cutpoint.records.classes import Classes
from cutpoint.records.detections import (
    Refused,
    Results,
    as_lines,
    read_results,
    refusal,
    write_lines,
    write_refusal,
)
from cutpoint.records.json_file import as_content
from cutpoint.records.model import read_spec, read_trained_order, write_spec
from cutpoint.records.packed import ImageHashes, pack_images, pack_results, unpack_images, unpack_results
from cutpoint.records.preflight import (
    DatasetFindings,
    Findings,
    ModelFindings,
    read_dataset_findings,
    read_findings,
    read_model_findings,
    write_findings,
)
from cutpoint.records.resamples import Resamples, read_resamples, write_resamples
from cutpoint.records.slice_samples import SliceSamples, read_slice_samples, write_slice_samples
from cutpoint.records.slices import Slice, list_slices, write_slices
from cutpoint.records.timing import Timing, read_samples, write_samples
from cutpoint.records.truth import GroundTruth, LeftOut, TruthImage, read_truth, write_truth

# the ways that records share, and records that a test below writes
SHARED = {"write_record", "write_rows", "write_arrays"}
OWN = {
    *("write_refusal", "write_spec", "write_findings", "write_resamples", "write_slice_samples"),
    *("write_slices", "write_samples", "write_truth", "write_lines"),
}
# CSV has no null beside the empty text, and a list is one cell
CELLS = Plain(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=1, max_size=8),
)
TABLES = {"write_summary", "write_per_class", "write_per_slice"}


def writers() -> dict[str, Callable[..., None]]:
    """Every function of the package that writes a record."""
    found = {}
    for module in pkgutil.iter_modules(cutpoint.records.__path__):
        content = importlib.import_module(f"cutpoint.records.{module.name}")
        for name, function in inspect.getmembers(content, inspect.isfunction):
            if name.startswith("write_") and function.__module__ == content.__name__:
                found[name] = function
    return {name: function for name, function in found.items() if name not in SHARED}


WRITERS = writers()


def test_every_record_is_here():
    assert set(WRITERS) >= OWN | TABLES
    assert len(WRITERS) > 30


def same(first: Any, second: Any) -> bool:
    """Equality of records whose fields may be arrays; NaN is NaN."""
    if isinstance(first, np.ndarray):
        nan = first.dtype.kind == "f"
        return first.dtype == second.dtype and np.array_equal(first, second, equal_nan=nan)
    if not is_dataclass(first):
        return first == second
    return all(same(value, getattr(second, name)) for name, value in vars(first).items())


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("records") / "file"


@pytest.mark.parametrize("name", sorted(set(WRITERS) - OWN))
@given(data=st.data())
def test_a_record_of_plain_values(name, path, data):
    module = importlib.import_module(WRITERS[name].__module__)
    hint = list(typing.get_type_hints(WRITERS[name]).values())[1]
    parts = typing.get_args(hint)
    plain = CELLS if name in TABLES else JSON
    if parts:  # several records, as a list or any iterable
        wanted = data.draw(st.lists(records(parts[0], plain), max_size=3))
    else:
        wanted = data.draw(values(hint, plain))
    WRITERS[name](path, wanted)
    found = getattr(module, name.replace("write_", "read_"))(path)
    assert (list(found) if parts else found) == wanted


@given(
    kind=st.sampled_from(["", "dataset", "model"]),
    texts=st.lists(JSON.texts, max_size=2).map(tuple),
    classes=st.none() | records(Classes).map(lambda found: json.loads(json.dumps(as_content(found)))),
)
def test_findings(path, kind, texts, classes):
    wanted, read = {
        "": (Findings(texts, texts[:1]), read_findings),
        "dataset": (DatasetFindings(texts, texts[:1], None), read_dataset_findings),
        "model": (
            ModelFindings(texts, texts[:1], classes, {"spec.json": classes} if classes else {}),
            read_model_findings,
        ),
    }[kind]
    write_findings(path, wanted)
    assert read(path) == wanted


HEADS = [
    *(tiny.atss_head(), tiny.yolox_head(), tiny.yolov3_head(), tiny.sabl_head(), tiny.external_head()),
    *(tiny.roi_head(), tiny.query_head(), tiny.guided_head(), tiny.peaks_head()),
]


@given(
    head=st.sampled_from(HEADS),
    classes=st.lists(JSON.texts, max_size=3).map(tuple),
    order=st.none() | st.lists(JSON.texts, min_size=1, max_size=2),
)
def test_a_specification(path, head, classes, order):
    wanted = tiny.model_spec(head, classes)
    write_spec(path, wanted, order)
    assert (read_spec(path), read_trained_order(path)) == (wanted, order)


@given(reason=JSON.texts)
def test_a_refusal(path, reason):
    write_refusal(path, reason)
    assert refusal(path) == reason
    with pytest.raises(Refused) as refused:
        read_results(path)
    assert refused.value.reason == reason


def numbers(*shape: int, kind: type = np.int64, **limits: Any):
    elements = INTEGERS if kind is np.int64 else st.floats(width=64, **limits)
    return arrays.arrays(kind, shape, elements=elements)


@given(data=st.data(), count=st.integers(0, 4))
def test_detections(path, data, count):
    finite = {"kind": np.float64, "allow_nan": False, "allow_infinity": False}
    columns = (count,), (count,), (count, 4), (count,)
    wanted = Results(*(data.draw(numbers(*s, **(finite if n > 1 else {}))) for n, s in enumerate(columns)))
    write_lines(path, as_lines(wanted))
    assert read_results(path).is_same_as(wanted)
    assert json.loads(path.read_text()) == wanted.to_coco()


@given(data=st.data(), images=st.integers(0, 4), classes=st.integers(0, 3), resamples=st.integers(0, 3))
def test_resamples(path, data, images, classes, resamples):
    wanted = Resamples(
        data.draw(numbers(images)),
        data.draw(numbers(classes)),
        data.draw(numbers(1 + resamples, 4, classes, kind=np.float64)),
        data.draw(numbers(4, classes + 1)),
    )
    write_resamples(path, wanted)
    assert same(wanted, read_resamples(path))


@given(data=st.data(), slices=st.integers(0, 3), resamples=st.integers(0, 3))
def test_slice_samples(path, data, slices, resamples):
    # numpy's texts end at the first NUL from the right
    texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
    names = [np.array(data.draw(st.lists(texts, min_size=slices, max_size=slices)), str) for _ in range(2)]
    counts = [data.draw(numbers(slices)) for _ in range(3)]
    ap = data.draw(numbers(slices, 1 + resamples, kind=np.float64))
    wanted = SliceSamples(*names, *counts, ap, *(data.draw(numbers(slices, kind=np.float64)) for _ in "ab"))
    write_slice_samples(path, wanted)
    assert same(wanted, read_slice_samples(path))


@given(slices=st.lists(records(Slice), max_size=3).map(tuple), dataset=JSON.texts, source=JSON.texts)
def test_slices(path, slices, dataset, source):
    write_slices(path, dataset, source, slices)
    assert list_slices(path) == slices


@given(timing=records(Timing), rows=st.integers(0, 3), value=FLOATS)
def test_samples(path, timing, rows, value):
    table = [{"variant": "raw", "round": row, "image_id": 1, "total": value} for row in range(rows)]
    write_samples(path, table, timing)
    found, read = read_samples(path)
    assert read == timing
    assert found.to_dict("records") == table


@given(data=st.data(), rows=st.integers(0, 4))
def test_results(path, data, rows):
    wanted = results(data, rows)
    pack_results(path, wanted)
    assert same(wanted, unpack_results(path))


def results(data: Any, rows: int) -> Results:
    finite = {"allow_nan": False, "allow_infinity": False}
    ids = [data.draw(numbers(rows)) for _ in range(2)]
    return Results(*ids, data.draw(numbers(rows, 4, kind=np.float64, **finite)), data.draw(score(rows)))


def score(rows: int):
    return numbers(rows, kind=np.float64, allow_nan=False, allow_infinity=False)


@given(data=st.data(), names=st.lists(JSON.texts, max_size=3), digest=st.binary(min_size=32, max_size=32))
def test_hashes_of_images(path, data, names, digest):
    wanted = ImageHashes(data.draw(numbers(len(names))), names, [digest.hex()] * len(names))
    pack_images(path, wanted)
    assert same(wanted, unpack_images(path))


@given(
    data=st.data(),
    images=st.lists(records(TruthImage), min_size=1, max_size=3, unique_by=lambda image: image.id),
    rows=st.integers(0, 4),
    texts=st.lists(JSON.texts, min_size=2, max_size=2),
    left_out=records(LeftOut),
)
def test_ground_truth(path, data, images, rows, texts, left_out):
    found = results(data, rows)
    known = st.sampled_from([image.id for image in images])
    wanted = GroundTruth(
        images=tuple(images),
        categories=(),
        id=np.arange(1, rows + 1),
        image_id=np.array([data.draw(known) for _ in range(rows)], dtype=np.int64),
        category_id=found.category_id,
        bbox=found.bbox,
        area=found.score,
        iscrowd=np.array([data.draw(st.booleans()) for _ in range(rows)], dtype=bool),
        dataset=texts[0],
        source=texts[1],
        notes=tuple(texts),
        left_out=left_out,
    )
    write_truth(path, wanted)
    assert same(wanted, read_truth(path))
    if rows:
        write_truth(path, replace(wanted, image_id=wanted.image_id * 0 + 2**54))
        with pytest.raises(UserError, match="is not among the images"):
            read_truth(path)


@given(cut=st.integers(0, 400), flip=st.integers(0, 400))
def test_damaged_arrays_are_refused_in_one_line(path, cut, flip):
    write_resamples(path, Resamples(np.arange(3), np.arange(2), np.ones((2, 4, 2)), np.ones((4, 3))))
    content = bytearray(path.read_bytes())
    content[flip % len(content)] ^= 0x5A
    path.write_bytes(content[: len(content) - cut])
    said = []
    try:
        npz_file.read_arrays(path, Resamples)
    except UserError as error:
        said.append(str(error))
    assert not any("\n" in message for message in said)
