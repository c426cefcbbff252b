"""What holds of combining whatever the images hold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.combine import combine_images

REJECTS = st.one_of(
    st.builds(lambda sigma: {"reject": "sigma", "sigma": sigma}, st.floats(1.0, 10.0)),
    st.builds(lambda low, high: {"reject": "minmax", "low": low, "high": high}, st.integers(0, 3), st.integers(0, 3)),
    st.just({"reject": "none"}),
)
SETTINGS = st.builds(lambda method, reject: {"method": method} | reject, st.sampled_from(["mean", "median"]), REJECTS)
SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(1, 4))
COUNTS = st.integers(0, 65535).map(float)
VALUES = COUNTS | st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))


def stacks(values):
    return hnp.arrays(np.float32, SHAPES, elements=values)


def combine(stack, settings):
    return combine_images(list(stack), settings)


@given(stacks(VALUES), SETTINGS)
def test_result_lies_between_the_lowest_and_the_highest_value(stack, settings):
    combined = combine(stack, settings)
    empty = np.isnan(stack).all(axis=0)
    np.testing.assert_array_equal(np.isnan(combined), empty)
    low, high = (
        np.where(empty, 0, extreme(np.where(np.isnan(stack), fill, stack), axis=0))
        for extreme, fill in ((np.min, np.inf), (np.max, -np.inf))
    )
    within = (combined >= low - 1e-6 * np.abs(low)) & (combined <= high + 1e-6 * np.abs(high))
    assert (within | empty).all()


@given(stacks(VALUES), SETTINGS, st.randoms())
def test_order_of_images_plays_no_part(stack, settings, random):
    order = list(range(len(stack)))
    random.shuffle(order)
    np.testing.assert_allclose(combine(stack[order], settings), combine(stack, settings), rtol=1e-6)


@given(stacks(VALUES), SETTINGS)
def test_each_pixel_is_combined_by_itself(stack, settings):
    combined = combine(stack, settings)
    np.testing.assert_array_equal(combine(stack[:, ::-1, ::-1], settings), combined[::-1, ::-1])
    np.testing.assert_array_equal(combine(stack[:, :1, :1], settings), combined[:1, :1])


@given(hnp.arrays(np.float32, (3, 4), elements=VALUES), st.integers(1, 6), SETTINGS)
def test_copies_of_one_image_combine_to_it(image, number, settings):
    np.testing.assert_array_equal(combine_images([image] * number, settings), image)


@given(stacks(COUNTS), SETTINGS, st.integers(-1000, 1000))
def test_a_pedestal_is_carried_through(stack, settings, pedestal):
    raised = combine((stack + pedestal).astype(np.float32), settings)
    np.testing.assert_allclose(raised, combine(stack, settings) + pedestal, atol=0.02)


@given(hnp.arrays(np.int16, st.tuples(st.integers(5, 9), st.just(2), st.just(2)), elements=st.integers(995, 1005)))
def test_the_clipped_mean_with_a_hit_lies_among_the_other_values(stack):
    stack = stack.astype(np.float32)
    hit = stack.copy()
    hit[0] = 60000
    combined = combine(hit, {"method": "mean", "reject": "sigma", "sigma": 5.0})
    assert (combined <= 1005).all()
    assert (combined >= 995).all()
