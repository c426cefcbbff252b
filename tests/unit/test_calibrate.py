"""Calibrating, against arithmetic by hand and ccdproc: pedestals, linearity, levels, judgement of flats."""

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.calibrate import (
    SAMPLE,
    find_unflattened,
    judge_flat,
    linearise,
    measure_level,
    subtract_pedestal,
    thin_out,
)

NAN = float("nan")


def image(values):
    return np.array(values, np.float32)


def test_bias_and_scaled_dark_come_off():
    light, bias, dark = image([[1200, 900]]), image([[1000, 1001]]), image([[10, 60]])
    result = subtract_pedestal(light, bias, dark, scale=2.5)
    assert result.tolist() == [[1200 - 1000 - 25, 900 - 1001 - 150]]
    assert result.dtype == np.float32


@pytest.mark.parametrize(
    ("bias", "dark", "scale", "expected"),
    [
        (None, None, 1.0, 1200),
        ([[1000]], None, 1.0, 200),
        (None, [[1010]], 1.0, 190),
        ([[1000]], [[10]], 1.0, 190),
        ([[1000]], [[10]], 0.5, 195),
        ([[1000]], [[10]], 2.0, 180),
        ([[1000]], [[0.25]], 60.0, 185),  # a rate per second
        ([[1000]], [[10]], 0.0, 200),
    ],
)
def test_only_what_is_given_comes_off(bias, dark, scale, expected):
    parts = [None if part is None else image(part) for part in (bias, dark)]
    assert subtract_pedestal(image([[1200]]), *parts, scale=scale).tolist() == [[expected]]


def test_a_frame_below_its_bias_goes_below_zero_and_does_not_wrap():
    assert subtract_pedestal(image([[100]]), image([[110]])).tolist() == [[-10]]


def test_masters_are_not_changed():
    bias, dark = image([[1000]]), image([[10]])
    subtract_pedestal(image([[1200]]), bias, dark, 2.0, [1.0, 1e-6])
    assert [frame.tolist() for frame in (bias, dark)] == [[[1000]], [[10]]]


COUNTS = hnp.arrays(np.uint16, (3, 4))


@given(COUNTS, COUNTS, COUNTS, st.floats(2**-6, 100.0, width=32))
def test_pedestal_comes_off_as_by_ccdproc(light, bias, dark, scale):
    frame, master_bias, master_dark = (CCDData(part.astype(np.float64), unit=u.adu) for part in (light, bias, dark))
    expected = ccdproc.subtract_dark(
        ccdproc.subtract_bias(frame, master_bias),
        master_dark,
        dark_exposure=1 * u.s,
        data_exposure=scale * u.s,
        exposure_unit=u.s,
        scale=True,
    )
    result = subtract_pedestal(image(light), image(bias), image(dark), scale)
    np.testing.assert_allclose(result, expected.data, rtol=1e-6, atol=1e-6 * (65535 + 65535 * scale))


@pytest.mark.parametrize(
    ("coefficients", "value", "expected"),
    [
        ([1.0], 1234.0, 1234.0),
        ([1.0, 1e-6], 20000.0, 20000.0 + 400.0),
        ([0.99, 0.0, 1e-12], 30000.0, 29700.0 + 27.0),
        ([1.1, 1e-6], 0.0, 0.0),
        ([1.1, 1e-6], -20.0, -22.0),  # the slope at zero: a polynomial would turn up again
    ],
)
def test_counts_become_linear_by_the_polynomial(coefficients, value, expected):
    result = linearise(image([[value]]), coefficients)
    assert result[0, 0] == pytest.approx(expected, rel=1e-6)
    assert result.dtype == np.float32


def test_linearity_counts_from_the_bias_and_comes_before_the_dark():
    light, bias, dark = image([[21000, 990]]), image([[1000, 1000]]), image([[100, 7]])
    result = subtract_pedestal(light, bias, dark, scale=2.0, linearity=[1.0, 1e-6])
    np.testing.assert_allclose(result, [[20000 + 400 - 200, -10 - 14]], rtol=1e-6)


def test_what_is_no_number_stays_none_through_the_polynomial():
    data = linearise(image([[NAN, 100.0]]), [1.0, 1e-6])
    assert np.isnan(data).tolist() == [[True, False]]


def test_flat_below_the_minimum_cannot_serve():
    flat = np.array([0.299, 0.3, 0.301, NAN], np.float64)
    assert find_unflattened(flat, 0.3).tolist() == [True, False, False, True]
    assert find_unflattened(flat, 0.0).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("values", "how", "level"),
    [
        ([1, 2, 9], "median", 2.0),
        ([1, 2, 9], "mean", 4.0),
        ([1, 2, 3, 9], "median", 2.5),
        ([1, NAN, 3, np.inf, -np.inf, 8], "mean", 4.0),
        ([1, NAN, 3, np.inf, -np.inf, 8], "median", 3.0),
    ],
)
def test_level_is_that_of_the_finite_pixels(values, how, level):
    assert measure_level(np.array([values], np.float32), how) == level


def test_level_of_nothing_is_no_number():
    assert np.isnan(measure_level(np.array([[NAN]]), "median"))
    assert np.isnan(measure_level(np.array([[NAN]]), "mean"))


def test_mean_level_of_many_bright_pixels_keeps_its_digits():
    assert measure_level(np.full((3000, 3000), 60001, np.float32), "mean") == 60001


@pytest.mark.parametrize("shape", [(7, 5), (600, 700), (2048, 2050), (100, 9000)])
def test_a_sample_has_every_colour_of_a_mosaic_and_the_median_of_all(shape):
    y, x = np.indices(shape)
    sky = np.random.default_rng(1).normal(30000, 170, shape) * (1 - 0.3 * ((x / shape[1] - 0.5) ** 2 + y / shape[0]))
    sample = thin_out(sky)
    assert min(SAMPLE / 4, sky.size) <= sample.size <= 4 * SAMPLE
    assert measure_level(sample, "median") == pytest.approx(np.median(sky), rel=1e-3)
    colours = thin_out(y % 2 * 2 + x % 2)
    assert np.bincount(colours.ravel()).min() > 0.15 * colours.size


@pytest.mark.parametrize(
    ("raw", "signal", "settings", "saturation", "word"),
    [
        (30000, 29000, {}, None, ""),
        (58981, 58000, {}, None, ""),  # 90 % of 65535 is 58981.5
        (58982, 58000, {}, None, "saturated"),
        (3686, 3000, {}, 4095.0, "saturated"),
        (3685, 3000, {}, 4095.0, ""),
        (40000, 39000, {"max_counts": 40000}, 4095.0, ""),
        (40001, 39000, {"max_counts": 40000}, None, "saturated"),
        (1500, 500, {}, None, ""),
        (1500, 499.9, {}, None, "too faint"),
        (1500, NAN, {}, None, "too faint"),
        (1500, 1, {"min_counts": 0}, None, ""),
        (0, 0, {"min_counts": 0}, None, "too faint"),  # nothing can be divided by its level
    ],
)
def test_flat_is_judged_by_its_medians(raw, signal, settings, saturation, word):
    settings = {"min_counts": 500, "max_counts": None} | settings
    reason = judge_flat(np.full((3, 3), raw), np.full((3, 3), signal), settings, saturation)
    assert reason.startswith(word) if word else reason == ""


def test_a_star_in_a_flat_does_not_saturate_it():
    raw = np.full((5, 5), 30000.0)
    raw[2, 2] = 65535
    assert judge_flat(raw, raw - 1000, {"min_counts": 500, "max_counts": None}, None) == ""
