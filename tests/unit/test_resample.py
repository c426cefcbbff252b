"""Resampling keeps fluxes and places, spreads no bad pixel, and tells the variance."""

import numpy as np
import pytest

from darkroom.stacking.resample import resample_rows
from darkroom.stacking.transforms import Transform
from tests.fields import add_star, find_middle, sum_aperture

SHAPE = (300, 300)


def turn(degrees, shift):
    angle, middle = np.deg2rad(degrees), np.array([149.5, 149.5])
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Transform(matrix, middle - matrix @ middle + shift)


def resample(data, transform, variance=1.0, mask=None, rows=slice(0, 300), **more):
    def read(*box):
        spread = variance if np.isscalar(variance) else variance[box]
        return data[box], spread, None if mask is None else mask[box]

    return resample_rows(read, data.shape, transform, rows, 300, **more)


@pytest.mark.parametrize("degrees", [0, 3, 45, 180, 183])
def test_fluxes_and_places(degrees):
    transform, rng = turn(degrees, np.array([3.37, -2.71])), np.random.default_rng(1)
    x, y = (each.ravel() + rng.uniform(-0.5, 0.5, 16) for each in np.meshgrid(*[np.arange(90, 211, 40.0)] * 2))
    image = np.zeros(SHAPE)
    for place in transform.invert().apply(np.column_stack([x, y])):
        add_star(image, *place, 1e5, 1.0)
    found = resample(image, transform).data.astype(float)
    for place in zip(x, y, strict=True):
        assert abs(sum_aperture(found, *place, 12) / 1e5 - 1) < 1e-6
        assert np.hypot(*np.subtract(find_middle(found, *place, 1.1), place)) < 0.04


def test_level_and_factor():
    found = resample(np.full(SHAPE, 100.0), turn(2, np.zeros(2)), 4.0, level=90.0, factor=3.0)
    inner = (slice(40, -40),) * 2
    assert np.allclose(found.data[inner], 30, rtol=1e-5)
    assert np.allclose(found.variance[inner] / found.squares[inner], 36, rtol=1e-5)
    assert np.allclose(found.cover[inner], 1, atol=1e-4)


def test_variance_is_that_of_many_draws():
    rng, transform = np.random.default_rng(5), turn(3, np.array([0.4, 0.3]))
    spread = np.linspace(1, 9, 300)[:, None] * np.ones(SHAPE)
    draws = np.array([resample(rng.normal(0, np.sqrt(spread)), transform, spread).data for _ in range(60)])
    told = resample(np.zeros(SHAPE), transform, spread).variance
    inner = (slice(40, -40),) * 2
    assert abs(np.mean(draws.var(axis=0, ddof=1)[inner] / told[inner]) - 1) < 0.01


@pytest.mark.parametrize("how", ["mask", "nan"])
def test_a_bad_pixel_spreads_no_farther_than_it_reaches(how):
    data, mask, transform = np.full(SHAPE, 5.0), np.zeros(SHAPE, np.uint8), turn(3, np.array([0.4, 0.3]))
    data[150, 150] = np.nan if how == "nan" else 1e6
    mask[150, 150] = 0 if how == "nan" else 1
    found = resample(data, transform, mask=mask)
    inner = (slice(40, -40),) * 2
    assert np.allclose(found.data[inner][found.cover[inner] > 0], 5, rtol=1e-5)
    touched = np.argwhere(found.cover[inner] < 0.999) + 40
    assert 1 <= len(touched) <= 9
    assert np.abs(touched[:, ::-1] - transform.apply(np.array([[150.0, 150.0]]))).max() < 1.5
    assert abs((1 - found.cover[inner]).sum() - 1) < 0.01


def test_flagged_pixels_with_a_value_serve_where_nothing_else_does():
    data, mask = np.full(SHAPE, 5.0), np.zeros(SHAPE, np.uint8)
    data[100:110, 100:110], mask[100:110, 100:110] = 60000, 4
    found = resample(data, Transform(np.eye(2), np.array([0.5, 0.0])), mask=mask)
    assert np.allclose(found.data[104:106, 104:107], 60000)
    assert (found.cover[104:106, 104:107] < 1e-5).all()
    assert (found.flags[104:106, 104:107] == 4).all()
    assert abs(found.data[105, 100] - 5) < 0.2


def test_bands_are_parts_of_the_whole_and_far_lights_are_empty():
    data, transform = np.random.default_rng(0).normal(0, 1, SHAPE), turn(184, np.array([7.3, 2.2]))
    whole, part = resample(data, transform), resample(data, transform, rows=slice(90, 140))
    assert np.allclose(whole.data[90:140], part.data, atol=1e-5)
    away = resample(data, Transform(np.eye(2), np.array([900.0, 0.0])))
    assert not away.cover.any()
