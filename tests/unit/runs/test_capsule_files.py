"""A capsule: the same content gives the same bytes, and reading trusts nothing in it."""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from run_files import BOX, CATEGORIES, SCORES, write_run
from scoring import truth_of

from cutpoint.errors import UserError
from cutpoint.records.detections import make_results
from cutpoint.records.packed import ImageHashes, pack_results, unpack_results
from cutpoint.runs import facts, reading
from cutpoint.runs.boxes import compare_boxes, share_images
from cutpoint.runs.reading import open_capsule


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run") / "a")


@pytest.fixture
def changed(run, tmp_path):
    """The capsule with some members replaced (null: left out), or added."""

    def change(members):
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(run) as old, zipfile.ZipFile(path, "w") as new:
            for name in dict.fromkeys([*old.namelist(), *members]):
                content = members.get(name, old.read(name) if name in old.namelist() else None)
                if content is not None:
                    new.writestr(name, content)
        return str(path)

    return change


def read_all(path):
    with open_capsule(path) as capsule:
        for kind in (capsule.results, capsule.resamples, capsule.latency):
            kind(("street", "det", "raw"))
        return capsule.samples("street", "det"), capsule.rows


def message(path):
    with pytest.raises(UserError) as caught:
        read_all(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert "cutpoint-capsule-" not in text
    return text.removeprefix(f"{path}: ")


def test_the_same_content_gives_the_same_bytes(run):
    first = Path(run).read_bytes()
    for path in Path(run).parent.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert Path(write_run(Path(run).parent)).read_bytes() == first
    with zipfile.ZipFile(run) as archive:
        names = archive.namelist()
        assert names[0] == "capsule.json"
        assert names[1:] == sorted(names[1:])
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_is_inside(run):
    with zipfile.ZipFile(run) as archive:
        content = json.loads(archive.read("capsule.json"))
        assert set(archive.namelist()) == {
            "capsule.json",
            "images/street.parquet",
            "samples/street/det.parquet",
            "tables/summary.csv",
            "tables/per_class.csv",
            *(f"detections/street/det/{variant}.parquet" for variant in ("pytorch", "raw")),
            *(f"resamples/street/det/{variant}.npz" for variant in ("pytorch", "raw")),
            *(f"latency/street/det/{variant}.json" for variant in ("pytorch", "raw")),
        }
    assert content["format"] == 2
    assert content["config"]["recipes"]["low"]["score_thr"] == 0.3
    # the sha256 of b"weights", by another program
    assert content["files"][0]["sha256"].startswith("9a129038")
    assert content["machine"]["processor"]
    assert "load_1min" not in content["machine"]
    assert content["libraries"]["numpy"] == np.__version__
    with open_capsule(run) as capsule:
        found = capsule.results(("street", "det", "raw"))
        assert found.score.tolist() == SCORES
        assert found.bbox.tolist() == [BOX] * 12


def test_numbers_are_packed_exactly(tmp_path):
    boxes = np.random.default_rng(0).normal(100, 50, (300, 4))
    rows = [
        {"image_id": n // 7, "category_id": n % 80, "bbox": box, "score": box[0] / 1000}
        for n, box in enumerate(boxes.tolist())
    ]
    results = make_results(rows)
    pack_results(tmp_path / "d.parquet", results)
    assert unpack_results(tmp_path / "d.parquet").is_same_as(results)
    pack_results(tmp_path / "d.parquet", make_results([]))
    assert len(unpack_results(tmp_path / "d.parquet")) == 0


def test_other_files_are_refused_in_one_line(run, tmp_path):
    other = tmp_path / "other"
    assert message(str(other)).startswith("cannot be read (No such file")
    for content, said in (
        (b"", "it is empty"),
        (b"<!doctype html><p>Sign in", "it is a web page"),
        (b"\x00\x01\x02" * 50, "not a capsule of Cutpoint (File is not a zip file)"),
        (Path(run).read_bytes()[:-100], "a damaged capsule"),
        (Path(run).read_bytes()[:5000], "a damaged capsule"),
        (b"PK\x03\x04" + bytes(40), "a damaged zip"),
    ):
        other.write_bytes(content)
        assert message(str(other)).startswith(said), said
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert message(str(other)).startswith(
        "a zip, but not a capsule of Cutpoint (it has no capsule.json); give the"
    )


def test_a_flipped_byte_is_noticed(run, tmp_path):
    content = bytearray(Path(run).read_bytes())
    with zipfile.ZipFile(run) as archive:
        member = archive.getinfo("detections/street/det/raw.parquet")
    content[member.header_offset + 150] ^= 1
    path = tmp_path / "flipped.zip"
    path.write_bytes(content)
    assert message(str(path)).startswith("a damaged capsule (Bad CRC-32")


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "tables/../../evil.csv", "a\\..\\b"])
def test_a_name_that_leads_elsewhere_is_refused(changed, tmp_path, name):
    assert message(changed({name: b"x"})).startswith("not a capsule: it has a file named")
    assert not list(tmp_path.rglob("evil*"))


def test_files_of_a_later_version_are_left_alone(changed):
    with open_capsule(changed({"later/street.bin": b"x"})) as capsule:
        assert not (capsule.folder / "later").exists()


def test_a_newer_format_is_named(changed, run):
    with zipfile.ZipFile(run) as archive:
        content = json.loads(archive.read("capsule.json"))
    text = message(changed({"capsule.json": json.dumps(content | {"format": 3}), "new/x": b"y"}))
    assert text.startswith("capsule.json: format: 3, and this version of Cutpoint reads up to 2; install the")
    assert message(changed({"capsule.json": b"{"})).startswith("capsule.json is damaged")
    assert message(changed({"capsule.json": b'{"format": 2}'})).startswith("capsule.json: object missing")
    content["variants"][1]["variant"] = "../raw"
    text = message(changed({"capsule.json": json.dumps(content)}))
    assert text.startswith("capsule.json: '../raw' is no name of a variant")


@pytest.mark.parametrize(
    "member",
    [
        *("detections/street/det/raw.parquet", "resamples/street/det/raw.npz"),
        *("latency/street/det/raw.json", "samples/street/det.parquet", "tables/summary.csv"),
    ],
)
def test_a_damaged_or_missing_member_is_named(changed, member):
    assert message(changed({member: b"PAR1 nonsense"})).startswith(f"{member} ")
    assert message(changed({member: None})).startswith(f"{member} is missing in it")


def test_a_table_of_other_columns_is_no_list_of_detections(changed):
    table = io.BytesIO()
    pq.write_table(pa.table({"image_id": ["a"], "score": [None]}), table)
    text = message(changed({"detections/street/det/raw.parquet": table.getvalue()}))
    assert text.startswith("detections/street/det/raw.parquet cannot be read (")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def arrays(**changes):
    """The arrays of a resamples file of one class, some of them replaced."""
    sound = {"images": np.arange(2), "categories": np.arange(1), "ap": np.zeros((1, 4, 1))}
    file = io.BytesIO()
    np.savez(file, **sound | {"images_with": np.zeros((4, 2), int)} | changes)
    return file.getvalue()


def claiming(shape):
    """Arrays of which one says that it has this shape, and has no numbers."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    file = io.BytesIO(arrays())
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("ap.npy", header.getvalue())
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_arrays_of_others_run_nothing_and_claim_nothing(changed, tmp_path):
    member = "resamples/street/det/raw.npz"
    touched = tmp_path / "touched"
    spoilt = [
        arrays(ap=np.array([Payload(touched)], dtype=object)),
        claiming((10**12, 4, 1)),
        claiming((2**62, 2**62)),
        arrays(ap=np.zeros((1, 4, 7))),
        arrays(ap=np.array(["a"])),
        arrays(images=np.array(3)),
        arrays(images_with=np.zeros((4, 2))),
    ]
    for content in spoilt:
        assert message(changed({member: content})).startswith(f"{member} cannot be read (")
    assert not touched.exists()


def test_a_link_in_a_capsule_is_a_file(changed, run, tmp_path):
    path = changed({})
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("tables/link.csv")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with open_capsule(path) as capsule:
        assert not (capsule.folder / "tables/link.csv").is_symlink()


def test_sizes_are_bounded(changed, monkeypatch):
    path = changed({})
    with open_capsule(path):
        pass
    monkeypatch.setattr(reading, "LARGEST_CONTENT", 100)
    assert "capsule.json has more than" in message(path)
    monkeypatch.setattr(reading, "LARGEST", 1000)
    assert message(path).startswith("not a capsule: unpacked it has more than")
    monkeypatch.setattr(reading, "MOST_MEMBERS", 3)
    assert "files that no capsule has" in message(path)


def test_a_table_that_grows_when_it_is_read_is_refused(changed, monkeypatch):
    # a few bytes on disk, 8 MB in memory
    table = io.BytesIO()
    pq.write_table(pa.table({"image_id": np.zeros(10**6, np.int64)}), table, use_dictionary=False)
    path = changed({"detections/street/det/raw.parquet": table.getvalue()})
    monkeypatch.setattr(reading, "LARGEST", 2 * 10**6)
    assert "raw.parquet says that it has" in message(path)


def images(*contents, first=1):
    ids = np.arange(first, first + len(contents))
    return ImageHashes(ids, [f"{i}.jpg" for i in ids], list(contents))


def test_images_are_paired_by_content():
    shared = share_images(images("a", "b", "c"), images("c", "a", "d", first=11))
    assert shared.baseline.tolist() == [3, 1]
    assert shared.run.tolist() == [11, 12]
    assert (shared.alone, shared.in_order) == (2, False)
    # copies pair in their order
    shared = share_images(images("a", "a"), images("a", "b", "a"))
    assert (shared.baseline.tolist(), shared.run.tolist()) == ([1, 2], [1, 3])
    assert share_images(images("a", "b"), images("a", "b", first=5)).in_order


def test_detections_get_the_number_of_their_image():
    shared = share_images(images("a", "b", "c"), images("c", "a", "d", first=11))
    rows = [{"image_id": i, "category_id": 1, "bbox": BOX, "score": i / 100} for i in (3, 2, 1, 3)]
    found = shared.number(shared.baseline, make_results(rows))
    assert found.image_id.tolist() == [0, 1, 0]
    assert found.score.tolist() == [0.03, 0.01, 0.03]
    assert len(shared.number(shared.run, make_results([]))) == 0


def test_boxes_are_compared_as_a_multiset():
    def of(*rows):
        return make_results([{"image_id": i, "category_id": c, "bbox": BOX, "score": s} for i, c, s in rows])

    found = compare_boxes(of((0, 1, 0.5), (0, 1, 0.5), (1, 1, 0.4)), of((1, 1, 0.4), (0, 1, 0.5)), 3)
    assert (found.images_changed, found.only_baseline, found.only_run) == (1, 1, 0)
    assert found.agreement == pytest.approx(4 / 5)
    # another class is another box
    found = compare_boxes(of((0, 1, 0.5), (2, 1, 0.5)), of((0, 2, 0.5), (2, 1, 0.5)), 3)
    assert (found.images_changed, found.only_baseline, found.only_run) == (1, 1, 1)
    found = compare_boxes(of(), of(), 3)
    assert (found.images_changed, found.agreement) == (0, 1.0)
    zero = make_results([{"image_id": 0, "category_id": 1, "bbox": [0.0, 0, 1, 1], "score": 0.5}])
    minus = make_results([{"image_id": 0, "category_id": 1, "bbox": [-0.0, 0, 1, 1], "score": 0.5}])
    assert compare_boxes(zero, minus, 1).images_changed == 0


def test_truths_are_equal_by_their_boxes():
    def of(order, name):
        boxes = [
            {"id": n, "image_id": i, "category_id": 1, "bbox": BOX, "area": 1.0, "iscrowd": 0}
            for n, i in enumerate(order, start=1)
        ]
        listed = [{"id": i, "file_name": name.format(i)} for i in (1, 2)]
        categories = [{"id": category.id, "name": category.name} for category in CATEGORIES]
        truth = truth_of({"images": listed, "annotations": boxes, "categories": categories})
        return facts.describe_truth("street", "det", truth, images("a", "b")).sha256

    assert of([1, 2], "{}.jpg") == of([2, 1], "other-{}.jpg")
    assert of([1, 2], "{}.jpg") != of([1, 1], "{}.jpg")


def test_the_commit_of_a_clone(monkeypatch):
    said = {"rev-parse": "abc", "ls-files": "facts.py", "status": ""}
    monkeypatch.setattr(facts, "_git", lambda folder, command, *_: said[command])
    assert facts.commit() == "abc"
    said["status"] = " M src/cutpoint/runs/facts.py"
    assert facts.commit() == "abc+changes"
    said["ls-files"] = ""
    assert facts.commit() is None


@pytest.mark.skipif(not shutil.which("git"), reason="no git")
def test_asking_for_the_commit_writes_nothing_into_the_clone(tmp_path, monkeypatch):
    source = tmp_path / "src/cutpoint/runs/facts.py"
    source.parent.mkdir(parents=True)
    source.write_text("")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", "-C", tmp_path, *command], check=True, capture_output=True)
    # the index is out of date about this file: plain `git status` writes it anew
    os.utime(source, (1, 1))
    index = tmp_path / ".git/index"
    before = index.read_bytes()
    monkeypatch.setattr(facts, "__file__", str(source))
    assert re.fullmatch("[0-9a-f]{12}", facts.commit())
    assert index.read_bytes() == before
