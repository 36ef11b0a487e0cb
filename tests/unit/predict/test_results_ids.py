"""Ids in the results of other tools become those of the data set, or are refused."""

import pytest
from datasets import make_image, make_manifest

from cutpoint.errors import UserError
from cutpoint.predict.results_ids import find_categories, find_images
from cutpoint.records.labels import Labels
from cutpoint.records.manifest import Category

CAR, BUS = Category(3, "car"), Category(6, "bus")
LABELS = Labels(("bus", "tram", "car"), (6, None, 3))


def files(*pairs, left_out=()):
    images = [make_image(identity, path) for identity, path in pairs]
    return make_manifest(images, categories=[CAR, BUS], annotations="truth.json", left_out=left_out)


def images_of(entries, manifest, choice=None):
    """``entries``: image ids, or pairs of image id and file name."""
    pairs = [entry if isinstance(entry, tuple) else (entry, None) for entry in entries]
    made = [{"image_id": value} | ({"file_name": name} if name else {}) for value, name in pairs]
    return find_images(made, manifest, choice, "variants.pt.results")


def test_text_is_the_stem_of_a_file_and_a_number_may_have_lost_its_zeros():
    manifest = files((11, "in/000007.jpg"), (12, "in/street 1.png"))
    found = images_of([7, "street 1", "000007"], manifest)
    assert found.ids == {7: 11, "street 1": 12, "000007": 11}
    assert not found.plain


def test_ids_of_the_data_set_are_plain_and_with_file_names_they_are_not():
    manifest = files((1, "a.jpg"), (2, "b.jpg"), left_out=[5])
    assert images_of([1, 2, 5], manifest).ids == {1: 1, 2: 2, 5: 5}
    assert images_of([1, 2], manifest).plain
    assert not images_of([(1, "a.jpg"), 2], manifest).plain
    assert images_of([], manifest).plain


def test_images_beyond_the_limit_are_known_by_their_stems():
    assert images_of(["a", "5"], files((1, "a.jpg"), left_out=[5])).ids == {"a": 1, "5": 5}


def test_numbers_that_are_ids_and_stems_of_the_same_images_are_plain():
    assert images_of([139], files((139, "000000000139.jpg"))).plain


def test_two_readings_that_differ_are_refused_until_one_is_chosen():
    manifest = files((0, "1.jpg"), (1, "0.jpg"))
    with pytest.raises(UserError, match=r"image_id 0 is the id of 1.jpg .* also the file name of 0.jpg; say"):
        images_of([0], manifest)
    assert images_of([0], manifest, "dataset").ids == {0: 0}
    assert images_of([0], manifest, "stem").ids == {0: 1}
    # a file name in the file decides
    assert images_of([(0, "0.png")], manifest).ids == {0: 1}
    assert images_of([(0, "1.png")], manifest).ids == {0: 0}


def test_numbers_in_quotes_may_be_ids_and_may_be_stems():
    """A tool that writes every id in quotes must not get the image whose file has that number."""
    manifest = files((1, "2.jpg"), (2, "1.jpg"), (3, "x.jpg"))
    with pytest.raises(UserError, match=r"image_id 1 is the id of 2.jpg .* also the file name of 1.jpg; say"):
        images_of(["1"], manifest)
    assert images_of(["1"], manifest, "dataset").ids == {"1": 1}
    assert images_of(["1"], manifest, "stem").ids == {"1": 2}
    assert images_of(["1", "3"], manifest).ids == {"1": 1, "3": 3}
    # who writes text is no COCO results file, and may number categories otherwise
    assert not images_of(["3"], manifest).plain


@pytest.mark.parametrize(
    ("entries", "pairs", "message"),
    [
        (["a"], [(1, "x/a.jpg"), (2, "y/a.jpg")], "image_id 'a', and that is the stem of a.jpg and a.jpg"),
        ([7], [(1, "7.jpg"), (2, "007.jpg")], "image_id 7, and that is the stem of 007.jpg and 7.jpg"),
        (["a", "c"], [(1, "a.jpg"), (2, "b.jpg")], r"entry 1 \(counted from 0\) has image_id 'c', which"),
        # an id of the data set among stems
        (["a", 2], [(1, "a.jpg"), (2, "b.jpg")], r"entry 1 \(counted from 0\) has image_id 2, which"),
        ([(1, "b.jpg")], [(1, "a.jpg")], r"image_id 1 and file_name 'b.jpg', but that image .* is a.jpg"),
        ([(1, 5)], [(1, "a.jpg")], "image_id 1 and file_name 5"),
    ],
)
def test_images_that_are_not_one_image_are_refused(entries, pairs, message):
    with pytest.raises(UserError, match=message) as caught:
        images_of(entries, files(*pairs))
    assert str(caught.value).startswith("variants.pt.results: ")


def test_a_shared_stem_does_not_matter_where_the_ids_are_the_data_sets():
    assert images_of([1], files((1, "x/1.jpg"), (2, "y/1.jpg"))).plain


def categories_of(values, choice=None, plain=True, manifest=None):
    entries = [{"category_id": value} for value in values]
    manifest = manifest or files((1, "a.jpg"))
    return find_categories(entries, manifest, LABELS, choice, plain, "variants.pt.results")


def test_a_plain_file_has_the_data_sets_categories():
    assert categories_of([3, 6]) == {3: 3, 6: 6}
    assert categories_of([3], "dataset", plain=False) == {3: 3}


def test_labels_become_categories_by_their_class_and_dropped_classes_none():
    assert categories_of([0, 1, 2], "label", plain=False) == {0: 6, 1: None, 2: 3}
    assert categories_of([1, 2, 3], "label_plus_one") == {1: 6, 2: None, 3: 3}


def test_a_number_without_a_class_is_unknown():
    # classes given as {id: name}: the label is the id, and not every id has a name
    labels = Labels(("", "bus", "", "car"), (None, 6, None, 3))
    entries = [{"category_id": 3}, {"category_id": 2}]
    with pytest.raises(UserError, match="category_id 2, which the model with its 2 classes does not have"):
        find_categories(entries, files((1, "a.jpg")), labels, "label", False, "x")
    assert find_categories(entries[:1], files((1, "a.jpg")), labels, "label", False, "x") == {3: 3}


def test_a_file_that_is_not_plain_is_refused_with_what_each_numbering_would_mean():
    with pytest.raises(UserError) as caught:
        categories_of([2, 2, 2, 3], plain=False)
    text = str(caught.value)
    assert text.startswith("variants.pt.results: its image_id or file_name is not as in a COCO results file")
    assert "dataset (the data set's own ids; 1 of 4 entries fit, 2 would be nothing)" in text
    assert "label (classes from 0; 3 of 4 entries fit, 2 would be 'car')" in text
    assert "label_plus_one (classes from 1; 4 of 4 entries fit, 2 would be 'tram')" in text


def test_it_is_refused_even_where_only_one_numbering_fits():
    with pytest.raises(UserError, match=r"label .classes from 0; 2 of 2 entries fit, 2 would be 'car'"):
        categories_of([0, 2], plain=False)


@pytest.mark.parametrize(
    ("values", "choice", "message"),
    [
        (
            [4],
            None,
            "has category_id 4, which data set street does not have .every one would be known with -1",
        ),
        ([3, 4], "dataset", r"entry 1 \(counted from 0\) has category_id 4, which data set street"),
        ([3], "label", "has category_id 3, which the model with its 3 classes does not have; say"),
        ([0], "label_plus_one", "has category_id 0, which the model with its 3 classes"),
        ([-1], "label", "has category_id -1, which"),
    ],
)
def test_unknown_categories_are_refused(values, choice, message):
    with pytest.raises(UserError, match=message):
        categories_of(values, choice)


def test_without_annotations_the_data_sets_categories_are_label_plus_one():
    manifest = make_manifest([make_image(1)])
    entries = [{"category_id": 2}]
    labels = Labels(("bus", "car"), (1, 2))
    assert find_categories(entries, manifest, labels, None, True, "x") == {2: 2}
    with pytest.raises(
        UserError, match=r"dataset .the data set's own ids; 1 of 1 entries fit, 2 would be 'car'"
    ):
        find_categories(entries, manifest, labels, None, False, "x")
