import pytest

from cutpoint.data.licences import Origin, read_licences, read_origins
from cutpoint.records.manifest import Licence


def test_licences_and_origins_are_those_of_the_annotations():
    # as in a copy of COCO's annotations, with slashes that are escaped twice
    url = "http:\\/\\/creativecommons.org\\/licenses\\/by\\/2.0\\/"
    content = {
        "licenses": [{"id": 4, "name": "Attribution License", "url": url}],
        "images": [
            {"id": 1, "license": 4, "flickr_url": "http://f.org/1", "coco_url": "http://c.org/1"},
            {"id": 2, "license": 9, "coco_url": "https://c.org/2"},
            {"id": 3},
        ],
    }
    assert read_licences(content) == (
        Licence(4, "Attribution License", "http://creativecommons.org/licenses/by/2.0/"),
    )
    assert read_origins(content) == (
        Origin(4, "http://f.org/1"),
        Origin(9, "https://c.org/2"),
        Origin(None, None),
    )


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"licenses": None},
        {"licenses": "none"},
        {"licenses": [7, {"name": "without an id"}, {"id": True}, {"id": "by"}]},
    ],
)
def test_odd_lists_of_licences_are_empty(content):
    assert read_licences(content) == ()


@pytest.mark.parametrize("licence", [None, "CC BY", True, 1.5, [4], 10**30])
@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "data:text/html,x", "/etc", "", 7, "http://[", None),
        *("http://a/\n", "http://\ud800"),
    ],
)
def test_odd_origins_are_unknown_and_no_links(licence, address):
    image = {"id": 1, "license": licence, "flickr_url": address}
    assert read_origins({"images": [image]}) == (Origin(None, None),)
