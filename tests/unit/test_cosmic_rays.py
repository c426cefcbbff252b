"""Cosmic rays, on simulated exposures whose hits are known, and on images that are small, bland or full of holes."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from scipy.ndimage import binary_dilation

from darkroom.cosmic_rays import find_cosmic_rays
from tests.cosmics import Case, count_found, list_cases, simulate_exposure
from tests.unit.builders import overlay

DEFAULTS = overlay()["lights"]["cosmic_rays"]


def find(image, sd=5.0, spared=None, settings=DEFAULTS):
    image = np.asarray(image, np.float32)
    spared = np.zeros(image.shape, bool) if spared is None else spared
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return find_cosmic_rays(image, np.full(image.shape, sd**2, np.float32), spared, settings)


def make_sky(shape=(48, 56), seed=1):
    return np.random.default_rng(seed).normal(100, 5, shape).astype(np.float32)


def count(exposure):
    hits, cleaned = find_cosmic_rays(exposure.image, exposure.variance, exposure.saturated, DEFAULTS)
    np.testing.assert_array_equal(cleaned[~hits], exposure.image[~hits])
    assert not (hits & binary_dilation(exposure.saturated, iterations=2)).any()
    return count_found(exposure, hits)


def judge(counts):
    found, hit, flagged, clean, cores, all_cores = counts
    assert hit > 500
    assert found / hit >= 0.95
    assert flagged / clean < 1e-4
    assert cores <= 0.05 * all_cores


@pytest.mark.parametrize("fwhm", [4.0, 1.5])
def test_hits_are_found_and_stars_left_alone(fwhm):
    judge(sum(count(simulate_exposure(case, 1, (256, 256))) for case in list_cases() if case.fwhm == fwhm))


@pytest.mark.extra
@pytest.mark.parametrize("case", list_cases(), ids=lambda case: case.name)
def test_hits_are_found_and_stars_left_alone_in_each_case(case):
    judge(sum(count(simulate_exposure(case, seed)) for seed in range(4)))


def test_a_hit_is_replaced_by_the_median_around():
    sky = make_sky()
    sky[20, 30:32] += 4000
    hits, cleaned = find(sky)
    assert np.argwhere(hits).tolist() == [[20, 30], [20, 31]]
    for row, column in ((20, 30), (20, 31)):
        around = [sky[y, x] for y in range(row - 2, row + 3) for x in range(column - 2, column + 3) if not hits[y, x]]
        assert cleaned[row, column] == np.median(around)
    np.testing.assert_array_equal(cleaned[~hits], sky[~hits])


@pytest.mark.parametrize("place", [(0, 0), (0, 20), (47, 55), (30, 1), (46, 3)])
def test_hits_at_the_edge_are_found(place):
    sky = make_sky()
    sky[place] += 2000
    hits, cleaned = find(sky)
    assert np.argwhere(hits).tolist() == [list(place)]
    assert abs(cleaned[place] - 100) < 10


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_unit_plays_no_part(factor):
    sky = make_sky()
    sky[10, 10:20] += np.linspace(30, 3000, 10)
    hits, _ = find(sky)
    assert hits[10, 11:20].all()
    np.testing.assert_array_equal(find(sky * np.float32(factor), 5.0 * factor)[0], hits)


def test_images_with_units_are_taken_too():
    sky = make_sky()
    sky[10, 10] += 3000
    for unit in (u.adu, u.electron):
        hits, cleaned = find_cosmic_rays(
            CCDData(sky, unit=unit), np.full(sky.shape, 25.0), np.zeros(sky.shape, bool), DEFAULTS
        )
        assert hits[10, 10]
        assert type(cleaned) is np.ndarray


def test_spared_pixels_and_their_neighbours_are_left_alone():
    sky, spared = make_sky(), np.zeros((48, 56), bool)
    sky[20, 20:26] += 4000
    spared[20, 20] = True
    hits, cleaned = find(sky, spared=spared)
    assert np.argwhere(hits).tolist() == [[20, 24], [20, 25]]
    np.testing.assert_array_equal(cleaned[20, :23], sky[20, :23])


def test_no_value_spreads():
    sky = make_sky()
    sky[5:15, 5:15], sky[30], sky[40, 40], sky[25, 25] = np.nan, np.inf, -np.inf, 5000
    variance = np.full(sky.shape, 25.0, np.float32)
    variance[20:30, 20:40] = np.nan
    hits, cleaned = find_cosmic_rays(sky, variance, np.zeros(sky.shape, bool), DEFAULTS)
    assert hits[25, 25]
    assert hits.sum() == hits[24:27, 24:27].sum()
    np.testing.assert_array_equal(cleaned[~hits], sky[~hits])
    assert np.isfinite(cleaned[hits]).all()


@pytest.mark.parametrize("shape", [(48, 56), (6, 8), (1, 9), (1, 1)])
@pytest.mark.parametrize("sd", [0.0, 5.0, np.nan])
@pytest.mark.parametrize("level", [0.0, 1000.0, np.nan])
def test_constant_images_stay_as_they_are(shape, sd, level):
    hits, cleaned = find(np.full(shape, level), sd)
    assert not hits.any()
    np.testing.assert_array_equal(cleaned, np.full(shape, level, np.float32))


def test_nothing_is_judged_where_all_is_spared():
    sky = make_sky()
    hits, cleaned = find(sky, spared=np.ones(sky.shape, bool))
    assert not hits.any()
    np.testing.assert_array_equal(cleaned, sky)


def test_a_bland_sky_has_few_false_hits():
    exposure = simulate_exposure(Case(stars=0, hits=0), 1, (256, 256))
    hits, _ = find_cosmic_rays(exposure.image, exposure.variance, exposure.saturated, DEFAULTS)
    assert hits.mean() < 1e-4
