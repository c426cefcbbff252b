"""What holds of combining whatever the images hold."""

from unittest import mock

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom import combine as combine_module
from darkroom import combined_noise as combined_noise_module
from darkroom.combine import combine_images
from darkroom.noise import FrameNoise

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
    return combine_images(list(stack), settings).data


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
    np.testing.assert_array_equal(combine([image] * number, settings), image)


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


# Wide enough that no efficiency has to be simulated, which would be done for each number of values anew.
NOISY_SETTINGS = st.builds(
    lambda method, reject: {"method": method} | reject,
    st.sampled_from(["mean", "median"]),
    st.sampled_from([{"reject": "sigma", "sigma": 5.0}, {"reject": "minmax", "low": 1, "high": 1}, {"reject": "none"}]),
)
NOISES = st.builds(
    FrameNoise,
    read_variance=st.floats(0, 1e4),
    gain=st.floats(0.01, 100) | st.just(float("inf")),
    scale=st.floats(1e-5, 10),
    level=st.floats(-1e4, 1e4),
)


@st.composite
def noisy_stacks(draw, values=VALUES):
    stack = draw(stacks(values))
    alike = draw(st.booleans())
    noises = [draw(NOISES)] * len(stack) if alike else [draw(NOISES) for _ in stack]
    dark = draw(st.none() | hnp.arrays(np.float32, stack.shape[1:], elements=st.floats(-10, 1e4, width=32)))
    return stack, [FrameNoise(each.read_variance, each.gain, each.scale, each.level, dark) for each in noises]


@given(noisy_stacks(), NOISY_SETTINGS)
def test_there_is_a_variance_where_there_is_a_value(frames, settings):
    stack, noises = frames
    combined = combine_images(list(stack), settings, noises)
    empty = np.isnan(stack).all(axis=0)
    for plane in (combined.data, combined.variance):
        np.testing.assert_array_equal(np.isnan(plane), empty)
        assert not np.isinf(plane).any()
    assert (combined.variance[~empty] >= 0).all()
    finite = np.isfinite(stack).sum(axis=0)
    dropped = (
        2 * (finite > 2) if settings["reject"] == "minmax" else finite // 2 if settings["reject"] == "sigma" else 0
    )
    assert (combined.count >= finite - dropped).all()
    assert (combined.count <= finite).all()


@given(noisy_stacks(), NOISY_SETTINGS, st.integers(1, 4))
def test_bands_of_rows_make_no_difference(frames, settings, rows):
    stack, noises = frames
    whole = combine_images(list(stack), settings, noises)
    with mock.patch.object(combine_module, "BAND_PIXELS", rows * stack.shape[2]):
        cut = combine_images(list(stack), settings, noises)
    for name in ("data", "variance", "count"):
        assert getattr(cut, name).tobytes() == getattr(whole, name).tobytes()


@given(noisy_stacks(), NOISY_SETTINGS, st.randoms())
def test_order_of_noisy_images_plays_no_part(frames, settings, random):
    stack, noises = frames
    order = list(range(len(stack)))
    random.shuffle(order)
    first = combine_images(list(stack), settings, noises)
    second = combine_images([stack[index] for index in order], settings, [noises[index] for index in order])
    np.testing.assert_array_equal(second.count, first.count)
    np.testing.assert_allclose(second.variance, first.variance, rtol=1e-5)


@given(stacks(COUNTS), NOISY_SETTINGS, st.floats(0.1, 10), st.floats(0.1, 10))
def test_variance_goes_with_the_square_of_the_scale(stack, settings, gain, scale):
    if settings["method"] == "median":
        stack = stack + np.linspace(0, 0.37, len(stack))[:, None, None]  # not whole ADU apart
    stack = stack.astype(np.float64)
    plain = combine_images(list(stack), settings, [FrameNoise(30.0, gain)] * len(stack))
    scaled = combine_images(list(stack * scale), settings, [FrameNoise(30.0, gain, scale)] * len(stack))
    # a value on the very limit may fall on either side, which tells on its neighbours as well
    assume((plain.count == scaled.count).all())
    np.testing.assert_allclose(scaled.variance, plain.variance * scale**2, rtol=1e-4)


@given(noisy_stacks(), st.sampled_from(["mean", "median"]), st.sampled_from([2.0, 3.0, 5.0]) | st.none())
def test_the_short_way_for_quiet_pixels_makes_no_difference(frames, method, sigma):
    """Where nothing can be rejected all values are combined; all pixels may be treated as if something could."""
    stack, noises = frames
    settings = {"method": method, "reject": "sigma", "sigma": sigma} if sigma else {"method": method, "reject": "none"}

    def find_none_quiet(band, settings):
        return np.zeros(band.images[0].shape, np.float32), np.zeros(band.images[0].shape, bool)

    efficiency = mock.patch.object(combined_noise_module, "measure_rejection", return_value=(1.0, 1.0))
    with efficiency:
        short = combine_images(list(stack), settings, noises)
        with mock.patch.object(combine_module, "_combine_quiet", find_none_quiet):
            long = combine_images(list(stack), settings, noises)
    np.testing.assert_array_equal(short.count, long.count)
    level = np.abs(stack[np.isfinite(stack)]).max(initial=1.0)
    np.testing.assert_allclose(short.data, long.data, rtol=1e-6, atol=1e-6 * level)
    np.testing.assert_allclose(short.variance, long.variance, rtol=1e-3, atol=1e-6 * max(level, 1))
