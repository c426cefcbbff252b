"""The noise model, against sums by hand, closed forms of the literature, and simulated frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.combined_noise import average_variance, cut_noises, find_least_variance
from darkroom.efficiency import find_plain_efficiency, measure_rejection
from darkroom.noise import FrameNoise, find_read_variance, round_median
from darkroom.prepared_images import prepare_image

NONE = {"reject": "none"}
MINMAX = {"reject": "minmax", "low": 1, "high": 1}


def sigma(limit):
    return {"reject": "sigma", "sigma": limit}


def test_variance_is_that_of_the_pedestal_and_of_the_electrons():
    noise = FrameNoise(read_variance=25.0, gain=2.0)
    assert noise.variance(np.array([[0.0, 100, 1000]])).tolist() == [[25.0, 75.0, 525.0]]


def test_scaled_frame_has_scaled_variance():
    # 900 ADU of light on 100 ADU of bias, of which 50 ADU of dark were taken off, divided by 500
    dark = np.array([[50.0]], np.float32)
    noise = FrameNoise(read_variance=25.0, gain=2.0, scale=1 / 500, level=100.0, dark=dark)
    assert noise.variance(np.array([[950 / 500]])) == pytest.approx((25 + 900 / 2) / 500**2)


def test_a_pixel_without_a_value_or_below_nothing_has_the_noise_of_the_pedestal():
    image = np.array([[np.nan, np.inf, -np.inf, -40.0, 0.0]], np.float32)
    assert FrameNoise(9.0, 1.5).variance(image).tolist() == [[9.0] * 5]
    dark = np.array([[np.nan, np.inf, -6.0, 6.0, 9.0]], np.float32)
    assert FrameNoise(9.0, 1.5, dark=dark).variance(np.array([[3.0] * 5])).tolist() == [[9.0, 9.0, 9.0, 15.0, 17.0]]


def test_a_frame_without_electrons_has_an_infinite_gain():
    assert FrameNoise(9.0, np.inf).variance(np.array([[0.0, 1000.0]])).tolist() == [[9.0, 9.0]]


def test_rows_of_an_image_have_the_dark_of_their_rows():
    rng = np.random.default_rng(1)
    image, dark = rng.uniform(0, 100, (2, 9, 4)).astype(np.float32)
    noise = FrameNoise(9.0, 1.5, 0.1, 2.0, dark)
    whole = noise.variance(image)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(cut_noises([noise], slice(3, 7))[0].variance(image[3:7]), whole[3:7])


def simulate_overscan(read_noise, settings, shape, frames, kept):
    """Return the mean variance of the level that is taken off ``kept`` of raw frames of whole ADU, ADU^2."""
    rng = np.random.default_rng(7)
    pixels, squares = np.prod(kept), []
    for _ in range(frames):
        truth = rng.uniform(1000, 1001)  # somewhere between two whole ADU
        raw = np.rint(rng.normal(truth, read_noise, shape)).astype(np.float32)
        image = prepare_image(raw, settings)[:]
        # where the frame's own noise is averaged out, the noise of the level is left
        axis = 1 if settings["section"].endswith(f"1:{shape[0]}]") else 0
        level = image.mean(axis=axis, dtype=np.float64)
        squares.append(np.mean(level**2))
    return np.mean(squares) - (read_noise**2 + 1 / 12) * max(kept) / pixels


@pytest.mark.parametrize(
    ("read_noise", "method", "across", "order"),
    [
        (5.0, "mean", 8, 0),
        (5.0, "median", 8, 0),
        (5.0, "median", 9, 0),
        (1.5, "median", 25, 0),
        (5.0, "polynomial", 8, 3),
        (5.0, "spline", 8, 5),
    ],
)
def test_overscan_adds_the_noise_of_its_level(read_noise, method, across, order):
    settings = {"section": f"[1:{across},1:200]", "trim": f"[{across + 1}:{across + 60},1:200]"}
    settings |= {"method": method, "order": order, "sigma": 4.0}
    shape = 200, across + 60
    found = find_read_variance(read_noise, settings, shape)
    added = simulate_overscan(read_noise, settings, shape, 300 if order else 40, (200, 60))
    assert found - read_noise**2 - 1 / 12 == pytest.approx(added, rel=0.08)


def test_overscan_below_the_image_gives_each_column_its_level():
    settings = {"section": "[1:60,1:8]", "trim": "[1:60,9:208]", "method": "mean", "order": 3, "sigma": 3.0}
    assert find_read_variance(6.0, settings, (208, 60)) == pytest.approx((36 + 1 / 12) * (1 + 1 / 8))
    settings["method"] = "polynomial"  # four coefficients from sixty columns
    assert find_read_variance(6.0, settings, (208, 60)) == pytest.approx((36 + 1 / 12) * (1 + 1 / 8 * 4 / 60))


def test_without_overscan_the_noise_is_that_of_reading_and_rounding():
    assert find_read_variance(6.0, None, (100, 100)) == pytest.approx(36 + 1 / 12)
    trim = {"section": None, "trim": "[1:50,1:50]", "method": "median"}
    assert find_read_variance(6.0, trim, (100, 100)) == pytest.approx(36 + 1 / 12)


def test_untrimmed_frame_has_an_overscan_of_all_its_rows():
    settings = {"section": "[1:8,1:100]", "trim": None, "method": "polynomial", "order": 1, "sigma": 3.0}
    assert find_read_variance(6.0, settings, (100, 50)) == pytest.approx((36 + 1 / 12) * (1 + 2 / 100 / 8))


@pytest.mark.parametrize("number", [1, 2, 3, 50])
@pytest.mark.parametrize("settings", [NONE, sigma(5.0)])
def test_a_mean_that_drops_nothing_has_an_efficiency_of_one(number, settings):
    assert measure_rejection(number, settings | {"method": "mean"})[0] == 1.0


@pytest.mark.parametrize(
    ("number", "variance"),
    # of three 1 - sqrt(3) / pi; of five: Teichroew (1956, Ann. Math. Stat. 27, 410)
    [(1, 1.0), (2, 0.5), (3, 1 - 3**0.5 / np.pi), (5, 0.286834), (10001, np.pi / 2 / 10001 * (1 - 0.57 / 10001))],
)
def test_median_has_the_variance_of_the_literature(number, variance):
    assert find_plain_efficiency(number, "median") == pytest.approx(number * variance, rel=1e-4)


def combine_plainly(values, settings):
    """Combine rows of normal values step by step; where a value is rejected, it is NaN."""
    values = np.sort(values, axis=1)
    if settings["reject"] == "minmax":
        values = values[:, settings["low"] : values.shape[1] - settings["high"]]
    if settings["reject"] == "sigma":
        distance = abs(values - np.median(values, axis=1, keepdims=True))
        mad = np.median(distance, axis=1, keepdims=True)
        deviation = np.maximum(1.482602218505602 * mad / (1 + 20 / values.shape[1]), 1)
        values = np.where(distance > np.maximum(settings["sigma"] * deviation, mad), np.nan, values)
    return np.nanmedian(values, axis=1) if settings["method"] == "median" else np.nanmean(values, axis=1)


@pytest.mark.parametrize("number", [4, 11])
@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize(
    "reject", [NONE, sigma(2.0), sigma(3.0), sigma(4.99), MINMAX, MINMAX | {"low": 0}, MINMAX | {"high": 2}], ids=str
)
def test_efficiency_is_what_simulated_combinations_have(reject, method, number):
    settings = reject | {"method": method}
    values = np.random.default_rng(99).normal(size=(150_000, number))
    combined = combine_plainly(values, settings)
    # what all combinations share with the mean is known, so that fewer have to be drawn
    rest = combined - values.mean(axis=1)
    found = 1 + number * rest.var()
    assert measure_rejection(number, settings)[0] == pytest.approx(found, rel=0.01)


def test_simulated_efficiencies_meet_exact_ones():
    # the mean of three or four without their extremes is their median
    for number in (3, 4):
        exact = find_plain_efficiency(number, "median")
        assert measure_rejection(number, MINMAX | {"method": "mean"})[0] == pytest.approx(exact, rel=0.003)
        assert measure_rejection(number, MINMAX | {"method": "median"})[0] == pytest.approx(exact, rel=0.003)


@pytest.mark.parametrize("number", [2, 3, 4, 9, 10, 50, 51])
@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_median_of_whole_counts_is_rounded(number, noise):
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 1, 40_000)
    values = truth + rng.normal(0, noise, (number, truth.size))
    exact, rounded = (np.median(each, axis=0) - truth for each in (values, np.rint(values)))
    assert rounded.var() - exact.var() == pytest.approx(round_median(np.array(noise), np.array(number)), abs=0.006)


@st.composite
def noisy_frames(draw):
    """Frames of a stack, some of which share their dark, and a signal of their common size."""
    shape = (3, 4)
    planes = hnp.arrays(np.float32, shape, elements=st.floats(-50, 1e4, width=32))
    darks = [None, draw(planes), draw(planes)]
    noises = [
        FrameNoise(
            draw(st.floats(0.1, 1e3)),
            draw(st.sampled_from([0.5, 1.5, np.inf])),
            draw(st.sampled_from([1.0, 1.0, 0.9, 1e-4])),
            draw(st.sampled_from([0.0, 0.0, 1000.0])),
            draw(st.sampled_from(darks)),
            draw(st.sampled_from([1.0, 2.5])),
        )
        for _ in range(draw(st.integers(1, 5)))
    ]
    noises += noises[: draw(st.integers(0, 3))]
    return noises, draw(planes) * np.float32(draw(st.sampled_from([1.0, 1e-4])))


@given(noisy_frames())
def test_noise_of_many_frames_is_that_of_each(frames):
    noises, signal = frames
    each = np.stack([noise.variance(signal.astype(np.float64)) for noise in noises])
    scale = each.max(axis=0)
    np.testing.assert_allclose(average_variance(noises, signal), each.mean(axis=0), rtol=1e-5, atol=1e-6 * scale.max())
    assert (find_least_variance(noises, signal) <= each.min(axis=0) + 1e-5 * scale).all()


def test_least_variance_of_frames_that_differ_a_little_is_hardly_less_than_theirs():
    dark = np.random.default_rng(1).normal(0, 3, (5, 6)).astype(np.float32)
    noises = [FrameNoise(25.0, 1.5, 1 / level, 0.0, dark) for level in (29000.0, 30000.0, 31000.0)]
    signal = np.full((5, 6), 0.98, np.float32)
    least = np.min([noise.variance(signal) for noise in noises], axis=0)
    np.testing.assert_allclose(find_least_variance(noises, signal), least, rtol=0.01)
