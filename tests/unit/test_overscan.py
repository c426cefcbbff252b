"""Overscan: the level of each row or column comes off, whatever way it is measured, and the trim cuts the rest."""

import statistics

import numpy as np
import pytest

from darkroom.overscan import fit_level
from darkroom.prepared_images import prepare_image

ROWS, COLUMNS, STRIP = 40, 30, 6
SCENE = np.random.default_rng(1).uniform(0, 500, (ROWS, COLUMNS))
NOISE = np.random.default_rng(2).normal(0, 3, (ROWS, STRIP))
ACROSS = {"section": "[31:36,1:40]", "trim": "[1:30,1:40]", "order": 3, "sigma": 3.0}


def make_frame(data):
    return np.asarray(data, np.float32)


def subtract_overscan(raw, settings):
    return prepare_image(raw, settings)[:]


def trim_frame(raw, settings):
    return prepare_image(raw, settings).read_counts(slice(None))


def make_level(rows=ROWS):
    """A smooth level along the strip, ADU."""
    position = np.linspace(-1, 1, rows)
    return 1000 + 5 * position - 3 * position**2 + 2 * position**3


def expose(level, noise=NOISE):
    """The scene on a level of each row, with a strip on its right that sees the level alone."""
    return np.hstack([SCENE + level[:, None], level[:, None] + noise])


@pytest.mark.parametrize("method", ["median", "mean"])
def test_level_of_each_row_is_subtracted(method):
    level = 1000 + np.random.default_rng(3).normal(0, 20, ROWS)  # jumps from row to row
    raw = expose(level).astype(np.float32)
    measure = statistics.median if method == "median" else statistics.fmean
    expected = [[float(v) - measure(map(float, row[COLUMNS:])) for v in row[:COLUMNS]] for row in raw]
    frame = subtract_overscan(make_frame(raw), ACROSS | {"method": method})
    np.testing.assert_allclose(frame, expected, atol=2e-4)
    assert frame.dtype == np.float32
    assert frame.shape == (ROWS, COLUMNS)


@pytest.mark.parametrize("method", ["median", "mean", "polynomial", "spline"])
def test_level_of_each_column_is_subtracted_where_the_strip_lies_below(method):
    along = {"section": "[1:40,31:36]", "trim": "[1:40,1:30]"}
    level = make_level()
    upright = subtract_overscan(make_frame(expose(level)), ACROSS | {"method": method})
    lying = subtract_overscan(make_frame(expose(level).T), ACROSS | along | {"method": method})
    np.testing.assert_allclose(lying, upright.T, atol=2e-4)
    np.testing.assert_allclose(lying.T, SCENE, atol=5)


@pytest.mark.parametrize("method", ["polynomial", "spline"])
def test_fit_follows_a_smooth_level_better_than_its_noise(method):
    frame = subtract_overscan(make_frame(expose(make_level())), ACROSS | {"method": method})
    # means of 6 pixels scatter by 3 / sqrt(6) = 1.2 ADU; a fit of 4 to 7 numbers to 40 rows by less than half of it
    assert np.sqrt(np.mean((frame - SCENE) ** 2)) < 0.6


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_polynomial_is_that_of_least_squares(order):
    profile = make_level() + NOISE.mean(axis=1)
    expected = np.polyval(np.polyfit(np.arange(ROWS), profile, order), np.arange(ROWS))
    level = fit_level(profile, {"method": "polynomial", "order": order, "sigma": 100.0})
    np.testing.assert_allclose(level, expected, atol=1e-6)


def test_spline_with_inner_knots_follows_a_bend_that_a_cubic_cannot():
    rows = np.arange(200)
    profile = 1000 + 10 * np.abs((rows - 99.5) / 100) ** 1.5
    cubic, bent = (fit_level(profile, {"method": "spline", "order": order, "sigma": 100.0}) for order in (0, 9))
    assert np.abs(bent - profile).max() < 0.1 < np.abs(cubic - profile).max()
    np.testing.assert_allclose(cubic, np.polyval(np.polyfit(rows, profile, 3), rows), atol=1e-6)


@pytest.mark.parametrize("method", ["polynomial", "spline"])
def test_rows_that_stick_out_do_not_bend_the_fit(method):
    profile = make_level() + NOISE.mean(axis=1)
    settings = {"method": method, "order": 3, "sigma": 3.0}
    clean = fit_level(profile, settings)
    profile[[5, 20, 33]] += [500, -300, 60]
    np.testing.assert_allclose(fit_level(profile, settings), clean, atol=1.5)
    spoilt = fit_level(profile, settings | {"sigma": 100.0})
    assert np.abs(spoilt - clean).max() > 30


@pytest.mark.parametrize("method", ["polynomial", "spline"])
def test_rows_without_a_value_do_not_matter(method):
    profile = make_level()
    profile[[0, 7, 39]] = np.nan
    level = fit_level(profile, {"method": method, "order": 3, "sigma": 3.0})
    np.testing.assert_allclose(level, make_level(), atol=1e-6)


def test_only_the_rows_that_are_kept_count():
    raw = expose(make_level())
    raw[:5, COLUMNS:] = 60000  # a glow beside rows that are cut off
    settings = {"section": "[31:36,1:40]", "trim": "[3:28,6:35]", "order": 3, "sigma": 3.0}
    for method in ("median", "mean", "polynomial", "spline"):
        frame = subtract_overscan(make_frame(raw), settings | {"method": method})
        np.testing.assert_allclose(frame, SCENE[5:35, 2:28], atol=6)


def test_strip_on_the_left_or_narrower_than_the_section_card_says_is_taken_as_told():
    raw = np.hstack([np.full((ROWS, 2), 77.0), np.full((ROWS, 4), 1000.0), SCENE + 1000])
    settings = {"section": "[3:6,1:40]", "trim": "[7:36,1:40]", "method": "median"}
    np.testing.assert_allclose(subtract_overscan(make_frame(raw), settings), SCENE, atol=1e-4)


def test_without_a_section_the_frame_is_only_trimmed():
    raw = make_frame(expose(make_level()))
    for settings in (
        {"section": None, "trim": "[3:28,6:35]"},
        {"section": None, "trim": "[3:28,6:35]", "method": "median"},
    ):
        frame = subtract_overscan(raw, settings)
        np.testing.assert_array_equal(frame, raw[5:35, 2:28])
        np.testing.assert_array_equal(trim_frame(raw, settings), raw[5:35, 2:28])


def test_without_a_trim_the_whole_frame_is_kept():
    raw = make_frame(expose(np.full(ROWS, 1000.0), noise=np.zeros((ROWS, STRIP))))
    frame = subtract_overscan(raw, ACROSS | {"trim": None, "method": "mean"})
    np.testing.assert_array_equal(frame, raw - 1000)


def test_without_settings_the_frame_stays():
    raw = make_frame(SCENE)
    np.testing.assert_array_equal(subtract_overscan(raw, None), raw)
    np.testing.assert_array_equal(trim_frame(raw, None), raw)


def test_the_raw_frame_is_not_changed():
    raw = make_frame(expose(make_level()))
    before = raw.copy()
    for method in ("median", "mean", "polynomial", "spline"):
        subtract_overscan(raw, ACROSS | {"method": method})
    np.testing.assert_array_equal(raw, before)


def test_rejection_counts_in_standard_deviations():
    # 1,000 rows of normal noise: 2.7 of them lie beyond 3 standard deviations, and none may cost the fit more
    noise = np.random.default_rng(4).normal(0, 2, 1000)
    plain = fit_level(noise, {"method": "polynomial", "order": 0, "sigma": 100.0})
    clipped = fit_level(noise, {"method": "polynomial", "order": 0, "sigma": 3.0})
    within = noise[np.abs(noise - noise.mean()) <= 3 * noise.std()]
    assert plain == pytest.approx(noise.mean())
    assert clipped == pytest.approx(within.mean(), abs=0.002)
    assert clipped[0] != pytest.approx(plain[0], abs=1e-4)


@pytest.mark.parametrize("method", ["polynomial", "spline"])
def test_rejection_leaves_enough_rows_for_a_fit(method):
    profile = 1000 + np.random.default_rng(5).normal(0, 2, 12)
    level = fit_level(profile, {"method": method, "order": 3, "sigma": 0.01})
    assert np.abs(level - profile).max() < 10


@pytest.mark.parametrize("section", ["[31:36,1:40]", "[1:36,35:40]"])
@pytest.mark.parametrize("method", ["median", "mean", "polynomial"])
def test_rows_and_columns_that_are_asked_for_are_those_of_the_whole(section, method):
    settings = {"section": section, "trim": "[3:28,6:33]", "method": method, "order": 1, "sigma": 3.0}
    image = prepare_image(make_frame(expose(make_level())), settings)
    whole = image[:]
    assert whole.shape == image.shape == (28, 26)
    for rows in (slice(4, 9), slice(None, None, 3), np.array([1, 2, 3, 17, 27])):
        np.testing.assert_array_equal(image[rows], whole[rows])
        np.testing.assert_array_equal(image[rows, 1:20:5], whole[rows, 1:20:5])
    np.testing.assert_array_equal(image.times(0.5)[3:5], whole[3:5] / 2)
