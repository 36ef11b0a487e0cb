import hashlib
import json
import os
import shutil

import pytest

from cutpoint.plan import digests
from cutpoint.plan.digests import Digests


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Every file counts as old enough to be remembered."""
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**18))


@pytest.fixture
def read(monkeypatch):
    """Paths of the files that were hashed."""
    paths = []

    def spy(path, plain=digests._hash):
        paths.append(path)
        return plain(path)

    monkeypatch.setattr(digests, "_hash", spy)
    return paths


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache.json"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(b"one")
    return str(path)


def again(cache, source):
    """The digest at the next plan."""
    new = Digests(cache)
    digest = new.of_file(source)
    new.save()
    return digest


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(cache, source, read):
    assert [again(cache, source) for _ in range(3)] == [sha256(b"one")] * 3
    assert read == [source]


def test_a_file_written_over_with_its_old_size_and_time_is_noticed(cache, source):
    before, times = again(cache, source), os.stat(source)
    with open(source, "r+b") as file:
        file.write(b"two")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(source).st_mtime_ns == times.st_mtime_ns
    assert before == sha256(b"one")
    assert again(cache, source) == sha256(b"two")


@pytest.mark.parametrize("bring", [os.replace, shutil.copy2])
def test_an_older_file_moved_or_copied_over_it_with_its_times_is_noticed(cache, source, tmp_path, bring):
    older = tmp_path / "older.bin"
    older.write_bytes(b"two")
    os.utime(older, (1_000_000_000, 1_000_000_000))
    again(cache, source)
    bring(older, source)
    assert os.stat(source).st_mtime == 1_000_000_000
    assert again(cache, source) == sha256(b"two")


def test_a_link_led_elsewhere_is_noticed(cache, source, tmp_path):
    link, other = tmp_path / "link", tmp_path / "other.bin"
    other.write_bytes(b"two")
    link.symlink_to(source)
    assert again(cache, str(link)) == sha256(b"one")
    link.unlink()
    link.symlink_to(other)
    assert again(cache, str(link)) == sha256(b"two")


def test_a_touched_file_is_read_again_and_has_its_old_digest(cache, source, read):
    before = again(cache, source)
    os.utime(source)
    assert again(cache, source) == before
    assert read == [source, source]


def test_a_file_that_has_just_changed_is_not_trusted(cache, source, read, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED_NS", 10**12)
    assert again(cache, source) == again(cache, source)
    assert read == [source, source]
    one_plan = Digests(cache)
    assert one_plan.of_file(source) == one_plan.of_file(source)
    assert len(read) == 3


def test_the_cache_lies_where_the_plan_was_made(source, read, tmp_path, monkeypatch):
    """Snakemake leaves the folder of --directory before the cache is written."""
    for number in (1, 2):
        monkeypatch.chdir(tmp_path)
        plan = Digests("cache.json")
        plan.of_file(source)
        monkeypatch.chdir("/")
        plan.save()
        assert len(read) == 1, number


def test_many_files_are_hashed_each_to_its_own_digest(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "AT_ONCE", 3)
    paths = [str(tmp_path / f"{n}.bin") for n in range(10)]
    for path in paths:
        with open(path, "w") as file:
            file.write(path)
    expected = {path: hashlib.sha256(path.encode()).hexdigest() for path in paths}
    assert Digests(cache).of_files(paths) == expected


def test_a_broken_cache_is_no_cache(cache, source):
    for text in ("", "[1, 2]", '{"file'):
        cache.write_text(text)
        assert again(cache, source) == sha256(b"one")


def test_a_missing_file_that_can_be_fetched_keeps_its_last_digest(cache, source):
    first = Digests(cache)
    os.rename(source, source + ".away")
    assert first.last_known(source, fetched=True) is None
    with pytest.raises(FileNotFoundError):
        first.last_known(source, fetched=False)
    os.rename(source + ".away", source)
    digest = again(cache, source)
    os.unlink(source)
    assert Digests(cache).last_known(source, fetched=True) == digest


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(bytes([number]))
    (folder / "notes.txt").write_text("no image")
    entries = [{"id": n, "file_name": f"{n}.jpg", "height": 1, "width": 1} for n in range(4)]
    boxes = [{"id": 1, "image_id": 0, "category_id": 7, "bbox": [0, 0, 1, 1]}]
    annotations = tmp_path / "annotations.json"
    content = {"images": entries, "annotations": boxes, "categories": [{"id": 7, "name": "car"}]}
    annotations.write_text(json.dumps(content))
    return folder, annotations, content


def test_images_are_told_by_name_and_content(cache, images):
    folder, annotations, _ = images
    one = Digests(cache).of_images(str(folder), str(annotations), None)
    assert one == Digests(cache).of_images(str(folder), None, None)
    (folder / "notes.txt").write_text("changed")
    assert Digests(cache).of_images(str(folder), None, None) == one
    (folder / "2.jpg").write_bytes(b"x")
    two = Digests(cache).of_images(str(folder), str(annotations), None)
    (folder / "3.jpg").unlink()
    three = Digests(cache).of_images(str(folder), str(annotations), None)
    assert len({one, two, three}) == 3


def test_images_that_the_limit_leaves_out_do_not_count(cache, images):
    folder, annotations, _ = images
    before = Digests(cache).of_images(str(folder), str(annotations), 1)
    changed = []
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(b"other")
        after = Digests(cache).of_images(str(folder), str(annotations), 1)
        changed.append(after != before)
        before = after
    assert sorted(changed) == [False, False, False, True]


def test_a_listing_does_not_depend_on_boxes(cache, images):
    _, annotations, content = images
    before = Digests(cache).of_listing(str(annotations))
    assert before.file_names == ("0.jpg", "1.jpg", "2.jpg", "3.jpg")
    annotations.write_text(json.dumps({**content, "annotations": [], "info": {"year": 2026}}))
    assert Digests(cache).of_listing(str(annotations)) == before
    annotations.write_text(json.dumps({**content, "categories": [{"id": 7, "name": "bus"}]}))
    assert Digests(cache).of_listing(str(annotations)) != before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": [1], "categories": []}', '{"images": 3}'])
def test_a_listing_of_something_else_is_told_by_its_bytes(cache, images, text):
    annotations = images[1]
    annotations.write_text(text)
    assert Digests(cache).of_listing(str(annotations)).digest == sha256(text.encode())


def test_known_images_are_not_read_again(cache, tmp_path, read):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:05}.jpg").write_bytes(number.to_bytes(2, "big"))
    first = Digests(cache)
    digest = first.of_images(str(folder), None, None)
    first.save()
    assert len(read) == 300
    assert Digests(cache).of_images(str(folder), None, None) == digest
    assert len(read) == 300


@pytest.mark.parametrize("name", ["../a.jpg", "a\n.jpg", "\ud800"])
def test_images_that_lead_elsewhere_are_not_looked_for(cache, images, name):
    folder, annotations, content = images
    content["images"][0]["file_name"] = name
    annotations.write_text(json.dumps(content))
    assert Digests(cache).of_listing(str(annotations)).file_names == ()
    Digests(cache).of_images(str(folder), str(annotations), 1)
