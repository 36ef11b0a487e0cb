"""External detections are checked against the data set."""

import json

import pytest
from datasets import make_image, save_labels, save_manifest

from cutpoint.errors import UserError, UserErrors
from cutpoint.predict.results_file import import_results
from cutpoint.records.manifest import Category

GOOD = {"image_id": 1, "category_id": 7, "bbox": [1, 2.5, 3, 4], "score": 0.123456789012345}


def take(folder, entries, labelled=True):
    categories = [Category(7, "car")] if labelled else []
    annotations = "truth.json" if labelled else None
    save_manifest(
        folder / "manifest.json",
        [make_image(1)],
        categories=categories,
        annotations=annotations,
        left_out=[2],
    )
    text = entries if isinstance(entries, str) else json.dumps(entries)
    (folder / "theirs.json").write_text(text)
    import_results(
        variant="theirs",
        results=str(folder / "theirs.json"),
        manifest=str(folder / "manifest.json"),
        labels=save_labels(folder / "labels.json", [7, None] if labelled else [1, 2], ["car", "bus"]),
        out=str(folder / "out.json"),
    )
    return json.loads((folder / "out.json").read_text())


def test_what_is_kept_is_exact(tmp_path):
    assert take(tmp_path, [GOOD | {"area": 12}, GOOD | {"score": 1}]) == [GOOD, GOOD | {"score": 1}]
    assert take(tmp_path, []) == []


def test_images_beyond_the_limit_are_dropped(tmp_path):
    assert take(tmp_path, [GOOD, GOOD | {"image_id": 2}]) == [GOOD]


def test_without_annotations_categories_are_label_plus_one(tmp_path):
    bus = GOOD | {"category_id": 2}
    assert take(tmp_path, [bus], labelled=False) == [bus]
    with pytest.raises(UserError, match="has category_id 3, which data set street does not have"):
        take(tmp_path, [GOOD | {"category_id": 3}], labelled=False)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("{", "ends in the middle"),
        ("{x", "not JSON"),
        ("{}\n{}", "more than one JSON value"),
        ({"annotations": []}, "not a list"),
        ([GOOD, {"image_id": 1}], r"entry 1 \(counted from 0\) needs the keys image_id, category_id"),
        ([GOOD | {"image_id": 9}], r"entry 0 .* has image_id 9, which data set street does not have"),
        (
            [GOOD | {"image_id": "b"}],
            "has image_id 'b', which data set street does not have as the stem of a file name",
        ),
        ([GOOD | {"image_id": 1.5}], "has image_id 1.5; a whole number, or the stem"),
        ([GOOD, GOOD | {"image_id": 1.0}], "has image_id 1.0; a whole number, or the stem"),
        ([GOOD | {"category_id": "07"}], "has category_id '07'; a whole number"),
        ([GOOD, GOOD | {"category_id": "7"}], "has category_id '7'; a whole number"),
        ([GOOD | {"bbox": [1, 2, 3, 1e300]}], r"has bbox \[1, 2, 3, 1e\+300\]; no image has 1e\+15 pixels"),
        ([GOOD | {"image_id": True}], "has image_id True"),
        ([GOOD | {"category_id": 8}], "has category_id 8"),
        ([GOOD | {"bbox": [1, 2, 3]}], r"has bbox \[1, 2, 3\]; four finite numbers"),
        ([GOOD | {"bbox": [1, 2, 3, float("nan")]}], "four finite numbers"),
        ([GOOD | {"bbox": [1, 2, 3, "4"]}], "four finite numbers"),
        ([GOOD | {"score": float("inf")}], "has score inf; a finite number"),
        ([GOOD | {"score": float("nan")}], "has score nan; a finite number"),
        ([GOOD | {"score": True}], "has score True"),
        ([GOOD | {"score": 10**400}], "has score 1000"),
        ("", "it is empty"),
        ("version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer"),
    ],
)
def test_refused(tmp_path, entries, message):
    with pytest.raises(UserError, match=message) as caught:
        take(tmp_path, entries)
    assert str(caught.value).startswith("variants.theirs.results ")
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([GOOD, GOOD], "every one of 1 entries is there twice, first image 1 category 7 score 0.1235"),
        ([GOOD | {"score": 97.5}], "1 of 1 entries have a score outside 0 to 1, first image 1 category 7"),
        ([GOOD | {"bbox": [0.1, 0.2, 0.3, 0.4]}], "1 of 1 boxes have no number above 1.5"),
    ],
)
def test_what_is_likely_a_slip_is_said_at_once_and_kept(tmp_path, capsys, entries, said):
    assert take(tmp_path, entries) == entries
    printed = capsys.readouterr().err
    assert printed.startswith("cutpoint: variants.theirs.results ")
    assert said in printed
    take(tmp_path, [GOOD])
    assert capsys.readouterr().err == ""


def test_all_kinds_of_faults_are_told_at_once(tmp_path):
    entries = [
        7,
        GOOD | {"image_id": None},
        {},
        GOOD | {"bbox": None, "score": "1"},
        GOOD,
        GOOD | {"score": []},
    ]
    with pytest.raises(UserErrors) as caught:
        take(tmp_path, entries)
    start = f"variants.theirs.results {tmp_path / 'theirs.json'}: "
    assert [message.removeprefix(start) for message in caught.value.messages] == [
        "entry 0 (counted from 0) needs the keys image_id, category_id, bbox, score (2 of 6 entries are so)",
        "entry 1 (counted from 0) has image_id None; a whole number, or the stem of a file name, is needed",
        "entry 3 (counted from 0) has bbox None; four finite numbers x, y, width, height are needed",
        "entry 3 (counted from 0) has score '1'; a finite number is needed (2 of 6 entries are so)",
    ]
    with pytest.raises(UserErrors) as caught:
        take(tmp_path, [GOOD | {"image_id": 9, "category_id": 8}])
    assert ["has image_id 9" in caught.value.messages[0], "category_id 8" in caught.value.messages[1]] == [
        True
    ] * 2


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"image_id": 1.0}, "image_id written as fractions, first 1.0: read as whole numbers"),
        ({"category_id": 7.0}, "category_id written as fractions, first 7.0: read as whole numbers"),
        ({"category_id": "7"}, "category_id written in quotes, first '7': read as whole numbers"),
    ],
)
def test_ids_in_another_writing_mean_the_same_and_are_said(tmp_path, capsys, change, note):
    entries = [GOOD, GOOD | {"score": 0.5}]
    assert take(tmp_path, [entry | change for entry in entries]) == entries
    assert note in capsys.readouterr().err


DEEP = json.loads("[" * 800 + "]" * 800)


@pytest.mark.parametrize("value", [DEEP, {"a": DEEP}, 10**4000, "x\n" * 10**6, [0] * 10**5, {}])
@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "score"])
def test_odd_values_give_short_messages(tmp_path, key, value):
    with pytest.raises(UserError) as caught:
        take(tmp_path, [GOOD, GOOD | {key: value}])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 900


def test_ids_that_are_one_off_are_said_to_be(tmp_path):
    with pytest.raises(UserError, match=r"has image_id 0.*every one would be known with \+1"):
        take(tmp_path, [GOOD | {"image_id": 0}, GOOD])
    with pytest.raises(UserError, match=r"has category_id 8.*every one would be known with -1"):
        take(tmp_path, [GOOD | {"category_id": 8}])
    with pytest.raises(UserError, match=r"as an id or the stem of a file name$"):
        take(tmp_path, [GOOD | {"image_id": 9}, GOOD])


def test_the_results_of_another_tool_become_coco_results_of_the_data_set(tmp_path):
    # as Ultralytics 8.4 writes them for a data set of its own
    save_manifest(
        tmp_path / "manifest.json",
        [make_image(1, "in/left.jpg"), make_image(2, "in/000007.jpg")],
        categories=[Category(7, "car"), Category(4, "bus")],
        annotations="truth.json",
        left_out=[3],
    )
    common = {"bbox": [1.5, 2, 3, 4], "score": 0.87654}
    theirs = [
        {"image_id": "left", "file_name": "left.jpg", "category_id": 1, **common},
        {"image_id": 7, "file_name": "000007.jpg", "category_id": 3, **common},
        {"image_id": 7, "file_name": "000007.jpg", "category_id": 2, **common},  # a class that is dropped
        {"image_id": 3, "file_name": "3.jpg", "category_id": 1, **common},  # beyond the limit
    ]
    (tmp_path / "predictions.json").write_text(json.dumps(theirs))

    def run(**choices):
        import_results(
            variant="pt",
            results=str(tmp_path / "predictions.json"),
            manifest=str(tmp_path / "manifest.json"),
            labels=save_labels(tmp_path / "labels.json", [7, None, 4], ["car", "tram", "bus"]),
            out=str(tmp_path / "out.json"),
            **choices,
        )

    with pytest.raises(UserError, match="say what category_id is with category_ids: dataset"):
        run()
    run(category_ids="label_plus_one")
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {"image_id": 1, "category_id": 7, **common},
        {"image_id": 2, "category_id": 4, **common},
    ]
