import pytest

from cutpoint.records.manifest import Image
from cutpoint.records.samples import Hidden
from cutpoint.report.sample_choice import choose, keep_public


@pytest.mark.parametrize(
    ("rankings", "count", "chosen"),
    [
        ([{1: 2, 2: 5, 3: 1}], 2, [2, 1]),
        # a tie goes to the lower id; no points, no place
        ([{4: 1, 2: 1, 3: 0}], 9, [2, 4, 1, 3]),
        # each ranking has its turn, though the first has more points everywhere
        ([{1: 90, 2: 80, 3: 70}, {4: 1}], 2, [1, 4]),
        # an image that is chosen already counts as the second's turn
        ([{1: 9, 2: 8}, {1: 3, 3: 2}], 3, [1, 2, 3]),
        ([], 2, [1, 2]),
    ],
)
def test_each_ranking_has_its_turn(rankings, count, chosen):
    assert choose(rankings, (1, 2, 3, 4), count) == chosen


def test_only_images_with_a_listed_licence_are_shown_and_the_others_counted():
    images = [Image(i, "", "", 1, 1, licence) for i, licence in enumerate([4, None, 1, 4, None, 7, 1])]
    shown, hidden = keep_public(images, [4, 7])
    assert [image.id for image in shown] == [0, 3, 5]
    assert hidden == Hidden(licence=2, without=2)
    assert keep_public(images, None) == (images, None)
    assert keep_public(images, []) == ([], Hidden(licence=5, without=2))
