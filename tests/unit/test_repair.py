"""Repairs: values from neighbours, against astropy and plain loops; good pixels stay bit by bit."""

import numpy as np
import pytest
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from darkroom.repair import fill_pixels, repair_columns
from darkroom.sections import Section, parse_section

SHAPE = (48, 56)


def simulate(seed=1, shape=SHAPE, noise=5.0):
    rng = np.random.default_rng(seed)
    return rng.normal(100, noise, shape).astype(np.float32)


def place(*pixels, shape=SHAPE):
    bad = np.zeros(shape, bool)
    for pixel in pixels:
        bad[pixel] = True
    return bad


def test_filled_pixels_are_those_of_astropy():
    image = simulate()
    bad = np.random.default_rng(2).random(SHAPE) < 0.05
    bad[10:40, 20:22] = True
    filled, variance, interpolated = fill_pixels(image, bad)
    assert variance is None
    reference = interpolate_replace_nans(
        np.where(bad, np.nan, image), Gaussian2DKernel(1, x_size=5, y_size=5), boundary="extend"
    )
    inner = (slice(2, -2),) * 2  # astropy repeats the edge, which we do not
    np.testing.assert_array_equal(interpolated, bad)
    np.testing.assert_allclose(filled[inner], reference[inner], rtol=1e-5)


@pytest.mark.parametrize("pixel", [(0, 0), (0, -1), (-1, 0), (-1, -1), (0, 9), (20, 0), (20, 20)])
def test_a_pixel_of_a_plane_is_filled_with_the_plane_wherever_it_is(pixel):
    image = np.full(SHAPE, 250.0, np.float32)
    image[pixel] = np.nan
    filled, variance, interpolated = fill_pixels(image, place(pixel), np.full(SHAPE, 9, np.float32))
    assert filled[pixel] == pytest.approx(250, rel=1e-6)
    assert variance[pixel] == pytest.approx(9, rel=1e-6)
    np.testing.assert_array_equal(interpolated, place(pixel))
    assert filled.dtype == variance.dtype == np.float32


def test_the_variance_of_a_filled_pixel_covers_its_error():
    # noise alone: what the pixel would have shown differs from the filling by its own noise and that of a mean
    image = simulate(noise=5.0, shape=(400, 400))
    bad = np.zeros(image.shape, bool)
    bad[3::7, 3::7] = True
    filled, variance, _ = fill_pixels(image, bad, np.full(image.shape, 25, np.float32))
    pull = (filled - image)[bad] / np.sqrt(variance[bad])
    assert 0.85 < pull.std() < 1.05
    assert variance[bad].min() >= 24.99


def test_the_variance_grows_where_the_neighbours_differ():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    star = (1000 * np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 4)).astype(np.float32)
    filled, variance, _ = fill_pixels(star, place((20, 30)), np.ones(SHAPE, np.float32))
    assert abs(filled[20, 30] - 1000) < 3 * np.sqrt(variance[20, 30])
    assert variance[20, 30] > 100**2


def test_columns_up_to_four_wide_are_filled_and_larger_squares_stay():
    image = simulate()
    column, blob, edge = place((slice(None), slice(10, 14))), place((slice(20, 26), slice(30, 36))), place((5, 55))
    bad = column | blob | edge
    before = image.copy()
    filled, _, interpolated = fill_pixels(image, bad)
    np.testing.assert_array_equal(interpolated, column | edge)
    np.testing.assert_array_equal(filled[blob], before[blob])
    np.testing.assert_array_equal(image, before)


def test_any_square_of_five_stays_wherever_it_is_and_nothing_less():
    shape = (12, 14)
    rng = np.random.default_rng(9)
    for number in range(60):
        bad = rng.random(shape) < (0.1, 0.6, 0.9)[number % 3]
        if number % 2:
            y, x = rng.integers(0, shape[0] - 4), rng.integers(0, shape[1] - 4)
            bad[y : y + 5, x : x + 5] = True
        wide = np.zeros(shape, bool)
        for y in range(shape[0] - 4):
            for x in range(shape[1] - 4):
                if bad[y : y + 5, x : x + 5].all():
                    wide[y : y + 5, x : x + 5] = True
        filled = fill_pixels(np.ones(shape, np.float32), bad)[2]
        good = np.pad(~bad, 2)
        enough = np.array([[good[y : y + 5, x : x + 5].sum() >= 3 for x in range(shape[1])] for y in range(shape[0])])
        np.testing.assert_array_equal(filled, bad & ~wide & enough)


def test_a_column_that_meets_a_large_region_is_filled_up_to_it():
    bad = place((slice(None), 20), (slice(10, 20), slice(15, 25)))
    _, _, interpolated = fill_pixels(simulate(), bad)
    assert interpolated[:10, 20].all()
    assert interpolated[20:, 20].all()
    assert not interpolated[10:20, 15:25].any()


def test_pixels_without_a_value_take_no_part_and_stay_unless_bad():
    image, variance = simulate(), np.full(SHAPE, 25, np.float32)
    image[5, 5], image[5, 6], image[5, 7] = np.nan, np.inf, -np.inf
    variance[6, 5] = np.nan
    filled, spread, interpolated = fill_pixels(image, place((5, 5)), variance)
    assert 80 < filled[5, 5] < 120
    assert 25 <= spread[5, 5] < 100
    assert np.isinf(filled[5, 6:8]).all()
    assert interpolated.sum() == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2), (3, 1), (6, 8)])
def test_tiny_images_that_are_bad_or_empty_all_over_stay_as_they_are(shape):
    for image in (np.full(shape, np.nan, np.float32), np.full(shape, 7, np.float32)):
        filled, variance, interpolated = fill_pixels(image, np.ones(shape, bool), np.ones(shape, np.float32))
        np.testing.assert_array_equal(filled, image)
        assert (variance == 1).all()
        assert not interpolated.any()


IMAGES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(
    lambda shape: st.tuples(
        arrays(np.float32, shape, elements=st.floats(width=32)),
        arrays(np.float32, shape, elements=st.floats(width=32)),
        arrays(bool, shape),
    )
)


def check_repair(before, after, variance_before, variance_after, interpolated):
    np.testing.assert_array_equal(before[~interpolated].view(np.uint32), after[~interpolated].view(np.uint32))
    kept = variance_before[~interpolated].view(np.uint32)
    np.testing.assert_array_equal(kept, variance_after[~interpolated].view(np.uint32))
    assert np.isfinite(after[interpolated]).all()
    assert not np.isinf(variance_after[interpolated]).any()
    assert not (variance_after[interpolated] < 0).any()


@settings(max_examples=200, deadline=None)
@given(IMAGES)
def test_good_pixels_stay_bit_by_bit_and_filled_ones_are_finite(case):
    image, variance, bad = case
    filled, spread, interpolated = fill_pixels(image, bad, variance)
    check_repair(image, filled, variance, spread, interpolated)
    assert not (interpolated & ~bad).any()
    assert not np.isnan(spread[interpolated]).any()
    good = image[~bad & np.isfinite(image)].astype(float)  # so that nothing overflows below
    if interpolated.any():
        slack = 1e-5 * np.abs(good).max()
        assert good.min() - slack <= filled[interpolated].min() <= filled[interpolated].max() <= good.max() + slack


@settings(max_examples=200, deadline=None)
@given(IMAGES, st.data())
def test_columns_are_repaired_within_their_sections_alone(case, data):
    image, variance, _ = case
    rows, columns = image.shape
    sections = []
    for _ in range(data.draw(st.integers(1, 3))):
        x = sorted(data.draw(st.tuples(*[st.integers(1, columns)] * 2)))
        y = sorted(data.draw(st.tuples(*[st.integers(1, rows)] * 2)))
        sections.append(Section(*x, *y))
    filled, spread, interpolated = repair_columns(image, sections, variance)
    check_repair(image, filled, variance, spread, interpolated)
    inside = place(*(section.slices for section in sections), shape=image.shape)
    assert not (interpolated & ~inside).any()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("x", [(1, 1), (11, 11), (11, 13), (54, 56), (56, 56)])
def test_columns_and_rows_are_bridged_as_in_a_plain_loop(x, turned):
    image, variance = simulate(), simulate(seed=2)
    expected, spread = image.copy(), variance.copy()
    first, last = x[0] - 1, x[1]
    for y in range(4, 40):
        ends = [c for c in (first - 1, last) if 0 <= c < SHAPE[1]]
        expected[y, first:last] = np.interp(np.arange(first, last), ends, image[y, ends])
        spread[y, first:last] = max(variance[y, ends])
    section = Section(*x, 5, 40)
    if turned:
        image, variance, expected, spread = image.T, variance.T, expected.T, spread.T
        section = Section(5, 40, *x)
    filled, error, interpolated = repair_columns(image, [section], variance)
    np.testing.assert_allclose(filled, expected, rtol=1e-6)
    np.testing.assert_array_equal(error, spread)
    np.testing.assert_array_equal(interpolated, place(section.slices, shape=image.shape))


def test_a_gradient_is_carried_across_a_bad_column():
    image = np.tile(np.arange(56, dtype=np.float32), (48, 1))
    spoilt = image.copy()
    spoilt[:, 20:23] = 9999
    filled, variance, _ = repair_columns(spoilt, [parse_section("[21:23,1:48]")])
    np.testing.assert_allclose(filled, image, rtol=1e-6)
    assert variance is None
    assert (spoilt[:, 20:23] == 9999).all()


def test_neighbouring_sections_and_empty_pixels_lend_no_value():
    image = np.full(SHAPE, 100, np.float32)
    image[:, 10:14] = 9999
    image[7, 14] = np.nan
    filled, _, _ = repair_columns(image, [Section(11, 12, 1, 48), Section(13, 14, 1, 48)])
    assert (filled[:, 10:14] == 100).all()
    assert np.isnan(filled).sum() == 1


def test_where_a_bad_row_crosses_a_bad_column_nothing_is_left():
    image = np.full(SHAPE, 100, np.float32)
    image[20], image[:, 30] = np.nan, 9999
    filled, variance, interpolated = repair_columns(
        image, [Section(31, 31, 1, 48), Section(1, 56, 21, 21)], np.full(SHAPE, 4, np.float32)
    )
    np.testing.assert_allclose(filled, 100)
    np.testing.assert_allclose(variance, 4)
    assert interpolated.sum() == 48 + 56 - 1


def test_an_unknown_variance_stays_unknown():
    variance = np.full(SHAPE, np.inf, np.float32)
    _, spread, _ = repair_columns(simulate(), [Section(5, 5, 1, 48)], variance)
    assert np.isnan(spread[:, 4]).all()
    assert np.isinf(np.delete(spread, 4, axis=1)).all()
