"""Combining, against plain loops over pixels in double precision."""

import statistics

import numpy as np
import pytest

from darkroom import combine as combine_module
from darkroom.combine import combine_images, find_outliers

SIGMA = {"method": "mean", "reject": "sigma", "sigma": 3.0}
MINMAX = {"method": "mean", "reject": "minmax", "low": 1, "high": 1}
NONE = {"method": "mean", "reject": "none"}
METHODS = [(method, reject | {"method": method}) for method in ("mean", "median") for reject in (SIGMA, MINMAX, NONE)]
IDS = [f"{method}-{settings['reject']}" for method, settings in METHODS]


def combine_pixel(values, settings, quantum=1.0):
    """What the values of one pixel combine to, step by step."""
    values = sorted(float(value) for value in values if np.isfinite(value))
    if not values:
        return float("nan")
    if settings["reject"] == "minmax" and settings["low"] + settings["high"] < len(values):
        values = values[settings["low"] : len(values) - settings["high"]]
    if settings["reject"] == "sigma":
        middle = statistics.median(values)
        deviation = 1.482602218505602 * statistics.median(abs(value - middle) for value in values)
        limit = settings["sigma"] * max(deviation, quantum / 12**0.5)
        values = [value for value in values if abs(value - middle) <= limit]
    return statistics.median(values) if settings["method"] == "median" else statistics.fmean(values)


def combine_loop(images, settings, quantum=1.0):
    rows, columns = images[0].shape
    return np.array(
        [[combine_pixel([im[y, x] for im in images], settings, quantum) for x in range(columns)] for y in range(rows)]
    )


def agree(images, settings, quanta=None, quantum=1.0):
    combined = combine_images(images, settings, quanta)
    assert combined.dtype == np.float32
    np.testing.assert_allclose(combined, combine_loop(images, settings, quantum), rtol=1e-6, atol=0)


def simulate(number, seed=1, shape=(7, 5)):
    """Noisy images with a cosmic ray hit and a dead pixel in some."""
    rng = np.random.default_rng([seed, number])
    images = [rng.normal(1000, 10, shape).astype(np.float32) for _ in range(number)]
    for image in images[::2]:
        image[rng.integers(shape[0]), rng.integers(shape[1])] += 5000
    images[-1][3, 3] = 0
    return images


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_images_combine_as_in_a_plain_loop(method, settings, number):
    agree(simulate(number), settings)


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_pixels_without_a_value_take_no_part(method, settings, number):
    images = simulate(number)
    rng = np.random.default_rng(number)
    for image in images:
        for value in (np.nan, np.nan, np.inf, -np.inf):
            image[rng.integers(7), rng.integers(5)] = value
        image[0, 0] = np.nan  # in all of them
    assert np.isnan(combine_images(images, settings)[0, 0])
    agree(images, settings)


@pytest.mark.parametrize("number", range(1, 10))
@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_whole_counts_of_which_most_agree(method, settings, number):
    # a quiet camera: the MAD is zero in most pixels, yet a count more or less is no outlier
    rng = np.random.default_rng(number)
    images = [rng.choice([999, 1000, 1000, 1000, 1000, 1001], (7, 5)).astype(np.uint16) for _ in range(number)]
    images[0][2, 2] = 1500
    agree([image.astype(np.float32) for image in images], settings)


def test_one_count_is_kept_and_two_are_dropped_where_all_others_agree():
    # the rounding noise is 0.289 ADU; with sigma 5 values within 1.443 ADU stay
    images = [np.full((1, 2), value, np.float32) for value in (1000, 1000, 1000, 1000, 1000)]
    images[0][0] = 1001, 1002
    combined = combine_images(images, SIGMA | {"sigma": 5.0})
    assert combined.tolist() == [[pytest.approx(1000.2), 1000.0]]


def test_rounding_noise_follows_the_scale_of_the_images():
    # counts divided by 60 s: a count is 1/60 ADU/s, and so is the step that must not be rejected
    images = [np.full((1, 2), 10.0, np.float32) for _ in range(5)]
    images[0][0] = 10 + 1 / 60, 10 + 10 / 60
    agree(images, SIGMA | {"sigma": 5.0}, quanta=[1 / 60] * 5, quantum=1 / 60)
    combined = combine_images(images, SIGMA | {"sigma": 5.0}, quanta=[1 / 60] * 5)
    assert combined[0, 0] == pytest.approx(10 + 1 / 300, rel=1e-6)
    assert combined[0, 1] == 10.0


def test_an_outlier_does_not_hide_behind_the_spread_it_makes_itself():
    values = [100, 101, 99, 100, 102, 98, 100, 101, 60000]
    images = [np.full((1, 1), value, np.float32) for value in values]
    assert combine_images(images, SIGMA | {"sigma": 5.0})[0, 0] == pytest.approx(np.mean(values[:-1]))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 0, (1 + 2 + 3 + 4 + 90) / 5), (1, 1, 3.0), (0, 2, 2.0), (2, 0, (3 + 4 + 90) / 3), (2, 2, 3.0), (0, 1, 2.5)],
)
def test_minmax_drops_as_many_as_it_is_told(low, high, expected):
    images = [np.full((1, 1), value, np.float32) for value in (90, 2, 4, 1, 3)]
    assert combine_images(images, MINMAX | {"low": low, "high": high})[0, 0] == pytest.approx(expected)


def test_minmax_that_would_drop_all_drops_none():
    images = [np.full((1, 1), value, np.float32) for value in (1, 2, 6)]
    assert combine_images(images, MINMAX | {"low": 2, "high": 1})[0, 0] == 3.0
    images[2][0, 0] = np.nan  # of the two that are left none may go
    assert combine_images(images, MINMAX)[0, 0] == 1.5


def test_minmax_drops_one_of_equal_values():
    images = [np.full((1, 1), value, np.float32) for value in (5, 5, 5, 8, 8)]
    assert combine_images(images, MINMAX)[0, 0] == pytest.approx((5 + 5 + 8) / 3)


@pytest.mark.parametrize(("method", "settings"), METHODS, ids=IDS)
def test_bands_of_rows_make_no_difference(method, settings, monkeypatch):
    images = simulate(5, shape=(13, 5))
    whole = combine_images(images, settings)
    monkeypatch.setattr(combine_module, "BAND_BYTES", 2 * 8 * 5 * 5)  # two rows at once, the last alone
    np.testing.assert_array_equal(combine_images(images, settings), whole)
    monkeypatch.setattr(combine_module, "BAND_BYTES", 1)  # never less than one
    np.testing.assert_array_equal(combine_images(images, settings), whole)


def test_images_are_left_as_they_were():
    images = simulate(5)
    before = [image.copy() for image in images]
    for _, settings in METHODS:
        combine_images(images, settings)
    np.testing.assert_array_equal(images, before)


def test_large_values_keep_their_digits():
    # the sum of a hundred frames near full scale has more digits than a float32
    images = [np.full((1, 1), 60000 + number % 2, np.float32) for number in range(101)]
    assert combine_images(images, NONE)[0, 0] == np.float32(60000 + 50 / 101)


def test_outliers_are_found_pixel_by_pixel():
    stack = np.array([[10.0, 10, 10, 10, 50], [10, 11, 12, 13, 14]]).T[:, None, :]
    assert find_outliers(stack, 5.0)[:, 0, 0].tolist() == [False, False, False, False, True]
    assert not find_outliers(stack, 5.0)[:, 0, 1].any()
    # the MAD is 1: 1.5 of its deviations are 2.22
    assert find_outliers(stack, 1.5)[:, 0, 1].tolist() == [False] * 5
    assert find_outliers(stack, 1.3)[:, 0, 1].tolist() == [True, False, False, False, True]


def test_no_clip_is_tighter_than_the_rounding_to_whole_counts():
    # 5 / sqrt(12) = 1.4434 ADU
    images = [np.full((1, 2), 1000.0) for _ in range(5)]
    images[0][0] = 1001.44, 1001.45
    combined = combine_images(images, SIGMA | {"sigma": 5.0})
    assert combined.tolist() == [[pytest.approx(1000.288, abs=1e-4), 1000.0]]
