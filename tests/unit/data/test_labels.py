"""Labels and categories. That AP is mmdet's for any order: tests/reference/test_label_mapping.py."""

import numpy as np
import pytest
from datasets import make_manifest

from cutpoint.data.annotations import CleanAnnotations
from cutpoint.data.labels import label_map, scored_categories
from cutpoint.errors import UserError
from cutpoint.records.manifest import Category
from cutpoint.records.truth import LeftOut

MANIFEST = make_manifest((), [Category(7, "vehicle"), Category(2, "person")], "instances.json")


def manifest(*names):
    """Categories 10, 20, ... in this order."""
    categories = [Category(10 * number, name) for number, name in enumerate(names, start=1)]
    return make_manifest((), categories, "instances.json")


def test_by_name_in_channel_order():
    assert label_map(["vehicle", "bird", "person"], None, MANIFEST) == [7, None, 2]


def test_many_to_one_and_dropped():
    mapping = {"bus": "vehicle", "car": "vehicle"}
    assert label_map(["car", "person", "bus"], mapping, MANIFEST) == [7, None, 7]


def test_no_class_that_is_a_category_is_refused():
    with pytest.raises(
        UserError,
        match=r"no class for any category of instances\.json .*'vehicle'.* did you mean 'vehicles'\?$",
    ):
        label_map(["vehicles", "persons"], None, MANIFEST)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"buss": "vehicle"}, r"model has no class 'buss'; did you mean 'bus'"),
        ({"bus": "vehicel"}, r"has no category 'vehicel'; did you mean 'vehicle'"),
        ({"bus": "zzz"}, r"has no category 'zzz'$"),
    ],
)
def test_names_that_do_not_exist(mapping, message):
    with pytest.raises(UserError, match=message):
        label_map(["car", "bus"], mapping, MANIFEST)


def test_without_annotations():
    without = make_manifest(())
    assert label_map(["a", "b"], None, without) == [1, 2]
    with pytest.raises(UserError, match="only for a data set with annotations"):
        label_map(["a", "b"], {"a": "person"}, without)


def test_labels_that_are_ids_have_numbers_without_a_class():
    classes = ["", "person", "", "", "vehicle"]
    assert label_map(classes, None, MANIFEST, fixed=True) == [None, 2, None, None, 7]
    assert label_map(classes, {"vehicle": "person"}, MANIFEST) == [None, None, None, None, 2]
    assert label_map(classes, None, make_manifest(())) == [None, 1, None, None, 4]
    with pytest.raises(UserError, match="file numbers labels by the file, and this model's are ids"):
        label_map(classes, None, MANIFEST, order="file")


def test_a_model_without_mmdet_goes_by_the_names():
    assert label_map(["person", "vehicle"], None, MANIFEST, fixed=True) == [2, 7]
    assert label_map(["person", "vehicle"], None, MANIFEST, order="file", fixed=True) == [7, 2]
    with pytest.raises(UserError, match="mmdet numbers labels by the file"):
        label_map(["person", "vehicle"], None, MANIFEST)


def test_a_class_name_that_is_there_twice_is_refused():
    with pytest.raises(UserError, match=r"datasets\.street\.classes: the model has several classes 'person'"):
        label_map(["person", "vehicle", "person"], None, MANIFEST)


def test_another_order_is_refused_until_the_config_says_which_holds():
    content, classes = manifest("a", "b", "root", "c"), ["a", "c", "x", "b"]
    with pytest.raises(UserError) as error:
        label_map(classes, None, content)
    assert str(error.value) == (
        "datasets.street.label_order: instances.json lists the categories in the order 'a', 'b', 'c', and "
        "the model its classes in the order 'a', 'c', 'b'. mmdet numbers labels by the file. Set it to names "
        "(label 1 is 'c', as the model's classes say) or to file (label 1 is 'b', as in mmdet's own test)"
    )
    assert label_map(classes, None, content, order="names") == [10, 40, None, 20]
    assert label_map(classes, None, content, order="file") == [10, 20, 40, None]
    with pytest.raises(UserError, match=r"'a', 'c', 'b'; the training annotations have 'b', 'a'\. mmdet"):
        label_map(classes, None, content, trained_order=["b", "a"])


def test_a_mapping_by_hand_needs_no_order_and_excludes_that_of_the_file():
    content, pairs = manifest("a", "b"), {"b": "b", "a": "a"}
    assert label_map(["b", "a"], pairs, content) == [20, 10]
    assert label_map(["b", "a"], pairs, content, order="names", trained_order=["a", "b"]) == [20, 10]
    with pytest.raises(UserError, match=r"^datasets\.street\.label_order: file .* remove one$"):
        label_map(["b", "a"], pairs, content, order="file")


def test_another_order_of_the_training_annotations_is_refused_too():
    # by name and by the file it is the same; mmdet numbered the labels by another file
    content, trained = manifest("a", "b"), ["b", "other", "a"]
    with pytest.raises(UserError) as error:
        label_map(["a", "b"], None, content, trained_order=trained)
    assert str(error.value) == (
        "datasets.street.label_order: the training annotations list the categories in the order 'b', 'a', "
        "and the model its classes in the order 'a', 'b'. mmdet numbers labels by the file. Set it to names "
        "if label 0 is 'a', as the model's classes say; if it is 'b', write which class is which category in "
        "datasets.street.classes"
    )
    for order in ("names", "file"):
        assert label_map(["a", "b"], None, content, order=order, trained_order=trained) == [10, 20]
    assert label_map(["a", "b"], None, content, trained_order=["a", "other", "b"]) == [10, 20]


def test_of_long_orders_the_part_that_differs_is_shown():
    names = [f"n{number}" for number in range(80)]
    other = [*names[:50], names[51], names[50], *names[52:]]
    with pytest.raises(UserError) as error:
        label_map(other, None, manifest(*names))
    shown = str(error.value)
    assert "order (50 more), 'n50', 'n51', 'n52', " in shown
    assert "order (50 more), 'n51', 'n50', 'n52', " in shown
    assert "'n61', (18 more)" in shown


WHERE = "datasets.street.categories_without_class"


def truth():
    """Boxes: 3 of a, 2 and a crowd of b, a crowd of c, none of root."""
    rows = [(10, 0)] * 3 + [(20, 0)] * 2 + [(20, 1), (30, 1)]
    category_id, iscrowd = np.array(rows).T
    none = np.zeros(len(rows))
    categories = manifest("a", "b", "c", "root").categories
    return CleanAnnotations((), categories, none, category_id, none, none, iscrowd.astype(bool), ())


def ids(scored):
    categories, left_out = scored
    return [category.id for category in categories], left_out


NOTHING = LeftOut(0, 0, ())


@pytest.mark.parametrize("choice", [None, "leave_out", "count"])
def test_categories_without_boxes_need_no_class(choice):
    assert ids(scored_categories(truth(), [20, 10, None], choice, WHERE)) == ([10, 20], NOTHING)
    assert ids(scored_categories(truth(), [40, 10, 20], choice, WHERE)) == ([10, 20, 40], NOTHING)


def test_categories_with_boxes_and_no_class_are_refused_left_out_or_counted():
    with pytest.raises(UserError) as error:
        scored_categories(truth(), [None, 10], None, WHERE, ["bb", "a"])
    assert str(error.value) == (
        "datasets.street.categories_without_class: 1 of 4 categories have boxes (2) and no model class: 'b'; "
        "set it to leave_out (not scored, as in mmdet) or count (scored, AP 0), or map classes to them; did "
        "you mean 'bb'?"
    )
    left = LeftOut(1, 2, ("b",))
    assert ids(scored_categories(truth(), [None, 10], "leave_out", WHERE)) == ([10], left)
    assert ids(scored_categories(truth(), [None, 10], "count", WHERE)) == ([10, 20], NOTHING)
