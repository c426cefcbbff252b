"""Statistics and histograms of masters against what was drawn, and against NumPy's."""

import json
import warnings

import numpy as np
import pytest

from darkroom.pixel_statistics import BINS, SAMPLE, describe_pixels


def describe(image):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = describe_pixels(image)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    return told["statistics"], told["histogram"]


def test_statistics_are_those_of_the_pixels():
    image = np.random.default_rng(1).normal(1000, 5, (500, 600)).astype(">f4")
    image[3, 4:40] = 60000
    image[5, :30] = np.nan
    statistics, histogram = describe(image)
    values = image[np.isfinite(image)].astype(float)
    expected = {
        "min": values.min(), "max": 60000, "median": np.median(values), "mean": values.mean(), "std": values.std(),
        "robust_std": 1.4826 * np.median(np.abs(values - np.median(values))), "p01": np.percentile(values, 1),
        "p99": np.percentile(values, 99), "blank": 30 / image.size,
    }  # fmt: skip
    assert statistics == pytest.approx(expected, rel=1e-5)
    assert statistics["robust_std"] == pytest.approx(5, rel=0.01)
    assert len(histogram["counts"]) == BINS
    counts, _ = np.histogram(values, histogram["edges"])
    np.testing.assert_allclose(histogram["counts"], counts, atol=1)  # a value may lie on an edge
    assert histogram["beyond"][1] == np.count_nonzero(values > histogram["edges"][-1]) >= 36
    assert sum(histogram["counts"]) + sum(histogram["beyond"]) == values.size
    assert 975 < histogram["edges"][0] < 990
    assert 1010 < histogram["edges"][-1] < 1025


@pytest.mark.parametrize(("step", "wide"), [(1.0, 2.0), (0.5, 2.0), (1.0, 300.0)])
def test_bins_hold_as_many_whole_values_each(step, wide):
    values = np.rint(np.random.default_rng(1).normal(1000, wide, (600, 500)) / step) * step
    _, histogram = describe(values)
    widths = np.diff(histogram["edges"])
    assert np.all(widths == widths[0])
    assert widths[0] % step == 0
    assert (histogram["edges"][0] / step) % 1 == 0.5
    assert len(widths) <= BINS
    smooth = np.array(histogram["counts"], float)
    middle = np.argmax(smooth)
    assert np.all(smooth[middle - 1 : middle + 2] > 0.75 * smooth[middle])  # no comb


def test_a_large_image_is_sampled_but_for_its_extremes():
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (2000, 1500)).astype(np.float32)
    image[1::2, ::2] += 50  # a mosaic: each colour is in the sample by its part
    image[1, 1], image[-2, -1], image[7, 7] = -900, 900, np.inf
    statistics, histogram = describe(image)
    assert (statistics["min"], statistics["max"]) == (-900, 900)
    assert statistics["blank"] == pytest.approx(1 / image.size, rel=1e-6)
    assert statistics["mean"] == pytest.approx(12.5, abs=0.1)
    looked_at = sum(histogram["counts"]) + sum(histogram["beyond"])
    assert SAMPLE / 3 < looked_at <= SAMPLE


@pytest.mark.parametrize("value", [0.0, 5.0, 0.123, -7.25, 1e25])
def test_an_even_image(value):
    statistics, histogram = describe(np.full((50, 60), value, np.float32))
    assert statistics["robust_std"] == 0
    assert statistics["median"] == pytest.approx(value, rel=1e-6)
    assert sum(histogram["counts"]) == 3000
    assert histogram["edges"][0] < np.float32(value) < histogram["edges"][-1]


@pytest.mark.parametrize("image", [np.full((4, 5), np.nan), np.zeros((0, 3)), np.array([[1e300, -np.inf]])])
def test_an_image_without_values_has_none(image):
    assert describe(image) == ({}, {})


def test_the_image_is_left_as_it_is():
    image = np.random.default_rng(1).normal(0, 1, (30, 40))
    before = image.copy()
    describe(image)
    np.testing.assert_array_equal(image, before)
