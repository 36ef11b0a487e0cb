import pytest

from cutpoint.data.labels import label_map
from cutpoint.errors import UserError

MANIFEST = {
    "dataset": "street",
    "annotations": "instances.json",
    "categories": [{"id": 7, "name": "vehicle"}, {"id": 2, "name": "person"}],
}


def test_label_map_by_name_in_channel_order():
    assert label_map(["person", "bird", "vehicle"], None, MANIFEST) == [2, None, 7]


def test_label_map_many_to_one_and_dropped():
    mapping = {"bus": "vehicle", "car": "vehicle"}
    assert label_map(["car", "person", "bus"], mapping, MANIFEST) == [7, None, 7]


def test_label_map_by_name_refuses_a_category_without_a_class():
    with pytest.raises(UserError, match=r"no class 'vehicle' \(1 categories of instances\.json .*'vehicles'"):
        label_map(["person", "vehicles"], None, MANIFEST)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"buss": "vehicle"}, r"model has no class 'buss'; did you mean 'bus'"),
        ({"bus": "vehicel"}, r"has no category 'vehicel'; did you mean 'vehicle'"),
        ({"bus": "zzz"}, r"has no category 'zzz'$"),
    ],
)
def test_label_map_names_what_does_not_exist(mapping, message):
    with pytest.raises(UserError, match=message):
        label_map(["car", "bus"], mapping, MANIFEST)


def test_label_map_without_annotations():
    manifest = MANIFEST | {"annotations": None, "categories": []}
    assert label_map(["a", "b"], None, manifest) == [1, 2]
    with pytest.raises(UserError, match="only for a data set with annotations"):
        label_map(["a", "b"], {"a": "person"}, manifest)
