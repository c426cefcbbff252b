"""Medians by comparing whole arrays, in bands, against NumPy, astroscrappy and ccdproc, which look at all at once."""

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from astroscrappy.utils import sepmedfilt7

from darkroom import ccdmask, medians
from darkroom.ccdmask import TILE, mask_blocks, mask_tiles, mirror_ends
from darkroom.medians import smooth, smooth_lines, spread_cells, take_cell_medians, take_median


@pytest.mark.parametrize("number", range(1, 18))
def test_the_median_of_arrays_is_that_of_numpy(number):
    rng = np.random.default_rng(number)
    for values in (rng.integers(0, 5, (number, 40, 50)), rng.normal(0, 1, (number, 2000)), np.ones((number, 1))):
        values = values.astype(np.float32)
        before = values.copy()
        np.testing.assert_array_equal(take_median(list(values)), np.median(values, axis=0))
        np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("number", range(1, 10))
def test_what_is_nan_in_one_of_the_arrays_is_nan_in_their_median(number):
    for place in range(number):
        values = np.random.default_rng(number).normal(0, 1, (number, 30))
        values[place, 3] = np.nan
        np.testing.assert_array_equal(take_median(list(values)), np.median(values, axis=0))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (4, 3), (60, 71), (200, 33)])
@pytest.mark.parametrize("band", [1, 500, 10**6])
def test_the_running_median_is_that_of_astroscrappy_whatever_the_bands(shape, band, monkeypatch):
    monkeypatch.setattr(medians, "BAND_PIXELS", band)
    image = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    padded = np.ascontiguousarray(np.pad(image, 3, mode="reflect"))
    np.testing.assert_array_equal(smooth(image), sepmedfilt7(padded)[3:-3, 3:-3])


def test_the_running_median_of_lines_is_mirrored_at_their_ends():
    lines = np.random.default_rng(1).normal(0, 1, (3, 40))
    padded = np.pad(lines, [(0, 0), (7, 7)], mode="reflect")
    expected = [[np.median(line[x : x + 15]) for x in range(40)] for line in padded]
    np.testing.assert_array_equal(smooth_lines(lines, 7), expected)


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (70, 100), (128, 65)])
@pytest.mark.parametrize("band", [1, 10**6])
def test_medians_of_cells(shape, band, monkeypatch):
    monkeypatch.setattr(medians, "BAND_PIXELS", band)
    image = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    image[np.random.default_rng(2).random(shape) < 0.3] = np.nan
    image[:32, :32] = np.nan
    found = take_cell_medians(lambda rows: image[rows], shape, 32)
    side = min(32, *shape)
    corners = [(y, x) for y in range(0, shape[0] - side + 1, side) for x in range(0, shape[1] - side + 1, side)]
    cells = [image[y : y + side, x : x + side] for y, x in corners]
    known = [np.nan if np.isnan(cell).all() else np.nanmedian(cell) for cell in cells]
    others = 0 if np.isnan(known).all() else np.nanmedian(known)
    np.testing.assert_allclose(found.ravel(), np.where(np.isnan(known), others, known), rtol=1e-6)
    assert found[0, 0] == np.float32(others)
    plane = spread_cells(found, 32, shape)
    assert plane.shape == shape
    assert all((plane[y : y + side, x : x + side] == plane[y, x]).all() for y, x in corners)
    assert plane[-1, -1] == found[-1, -1]
    part = slice(shape[0] // 2, None)
    np.testing.assert_array_equal(spread_cells(found, 32, shape, part), plane[part])


def make_spotted(shape, seed=1):
    rng = np.random.default_rng(seed)
    image = rng.normal(1, 0.01, shape).astype(np.float32)
    spots = rng.random(shape) < 0.02
    image[spots] *= rng.uniform(0.7, 1.3, spots.sum()).astype(np.float32)
    return image


@pytest.mark.parametrize("sigma", [3.0, 14.0])
def test_what_is_bad_in_a_strip_of_blocks_is_what_ccdmask_says(sigma):
    strip = make_spotted((9 * TILE, TILE))
    data = CCDData(strip, unit=u.dimensionless_unscaled)
    expected = ccdproc.ccdmask(data, byblocks=True, nlsig=TILE, ncsig=TILE, lsigma=sigma, hsigma=sigma)
    assert 50 < expected.sum() < 0.5 * strip.size
    np.testing.assert_array_equal(mask_blocks(mirror_ends(strip), sigma), expected)


@pytest.mark.parametrize("shape", [(1, 1), (7, 60), (100, 131)])
def test_tiles_are_masked_alike_however_many_at_once_and_only_candidates(shape, monkeypatch):
    image = make_spotted(shape)
    candidates = np.random.default_rng(3).random(shape) < 0.1
    found = mask_tiles(image, candidates, 5.0)
    assert found.shape == shape
    assert not (found & ~candidates).any()
    assert image.size < 1000 or 0 < found.sum() < candidates.sum()
    monkeypatch.setattr(ccdmask, "CHUNK", 1)
    np.testing.assert_array_equal(mask_tiles(image, candidates, 5.0), found)
    assert not mask_tiles(image, np.zeros(shape, bool), 5.0).any()
