import os
import time

from cutpoint.clock import bring_back

DAY = 86400


def make(folder, ages):
    now = time.time()
    for name, age in ages.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        os.utime(path, (now, now - age))


def order(folder, names):
    return sorted(names, key=lambda name: (folder / name).stat().st_mtime_ns)


def test_files_from_the_future_keep_their_order(tmp_path):
    ages = {"a/old": DAY, "a/new": 2, "b/first": -DAY, "a/second": -DAY - 0.5, "b/third": -3 * DAY}
    make(tmp_path, ages)
    assert bring_back([tmp_path / "a", tmp_path / "b"]) == 3
    assert order(tmp_path, sorted(ages)) == list(ages)
    now = time.time()
    stamps = [(tmp_path / name).stat().st_mtime for name in ages]
    assert max(stamps) <= now
    # strictly: what is later makes other files out of date
    assert len(set(stamps)) == len(stamps)
    assert abs(stamps[0] - (now - DAY)) < 60


def test_files_of_one_time_stay_equal(tmp_path):
    now = time.time()
    for name in ("x", "y"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now, now + DAY))
    assert bring_back([tmp_path]) == 2
    assert (tmp_path / "x").stat().st_mtime_ns == (tmp_path / "y").stat().st_mtime_ns


def test_nothing_happens_without_them(tmp_path):
    make(tmp_path, {"a": 5})
    before = (tmp_path / "a").stat().st_mtime_ns
    assert bring_back([tmp_path]) == 0
    assert bring_back([tmp_path / "none"]) == 0
    assert (tmp_path / "a").stat().st_mtime_ns == before
