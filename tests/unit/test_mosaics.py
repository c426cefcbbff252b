"""Mosaics: what is done to one is what is done to the plane of each colour, taken for an image of its own."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from scipy.ndimage import uniform_filter

from darkroom import lights as lights_module
from darkroom.bad_pixels import find_bad_pixels
from darkroom.calibrate import judge_flat, measure_colours, measure_level, thin_out
from darkroom.cosmic_rays import find_cosmic_rays
from darkroom.detector import Detector
from darkroom.illumination import measure_illumination
from darkroom.light_masters import prepare_masters
from darkroom.lights import calibrate_light
from darkroom.masters import Master
from darkroom.mosaics import find_mosaic, name_planes, shift_mosaic, treat_planes
from darkroom.pairs import choose_rows
from darkroom.photon_transfer import measure_gain
from darkroom.quality import Bit
from darkroom.repair import fill_pixels, repair_columns
from darkroom.sections import Section
from tests.camera import PLACES

GAIN, READ_NOISE = 1.6, 4.0
COLOURS = 900.0, 5000.0, 4900.0, 2000.0  # ADU of the four pixels
COSMIC_RAYS = {"sigma": 4.8, "neighbour_fraction": 0.6, "contrast": 4.5, "action": "clean"}
SETTINGS = {"unit": "adu", "uncertainty": True, "mask": True, "masked": "keep", "saturation_grow": 0}
SETTINGS |= {"saturation_bleed": 0, "repair_columns": [], "overscan": None, "linearity": None, "flat_minimum": 0.05}
SETTINGS |= {"cosmic_rays": None}


def lay(values, shape):
    """An image of four values, again and again."""
    image = np.empty(shape)
    for place, value in zip(PLACES, values, strict=True):
        image[place] = value
    return image


def expose(signal, rng):
    """A frame of this signal in ADU, bias off, as noisy as the detector makes it."""
    electrons = rng.poisson(signal * GAIN) + rng.normal(0, READ_NOISE * GAIN, np.shape(signal))
    return np.rint(electrons / GAIN).astype(np.float32)


def calibrate(raw, flat=None, **settings):
    """A light of a camera with a mosaic, of which nothing but a flat comes off."""
    recipe = {"saturation": 60000.0, "settings": SETTINGS | settings, "frames": [{"name": "m67.fits"}]}
    recipe |= {"bias": None, "dark": None, "flat": None if flat is None else {"path": "flat"}, "mosaic": "RGGB"}
    shelf = SimpleNamespace(read=lambda wanted, _: wanted and flat)
    return calibrate_light(raw, recipe, prepare_masters(recipe, shelf), Detector(GAIN, READ_NOISE))


@pytest.mark.parametrize("trim", [None, "[1:8,1:6]", "[2:8,1:6]", "[1:8,2:6]", "[4:9,6:7]", "[5:5,3:3]"])
@pytest.mark.parametrize("mosaic", ["RGGB", "GBRG", "CMYG"])
def test_a_trim_begins_with_the_colour_that_it_begins_with(mosaic, trim):
    frame = np.tile(np.array(list(mosaic)).reshape(2, 2), (10, 10))
    x1, x2, y1, y2 = (
        (int(part) for side in trim[1:-1].split(",") for part in side.split(":")) if trim else (1, 20, 1, 20)
    )
    kept = frame[y1 - 1 : y2 + 2, x1 - 1 : x2 + 2]
    assert shift_mosaic(mosaic, trim) == "".join(kept[:2, :2].ravel())
    assert find_mosaic({"mosaic": mosaic, "settings": {"overscan": {"section": None, "trim": trim}}}) == shift_mosaic(
        mosaic, trim
    )
    assert find_mosaic({"settings": {"overscan": {"section": None, "trim": trim}}}) is None


def test_planes_are_put_together_again_as_they_were_cut():
    image = np.arange(7 * 5, dtype=np.float32).reshape(7, 5)
    doubled, none, odd = treat_planes(lambda plane, nothing: (2 * plane, nothing, plane % 2 == 1), image, None)
    assert none is None
    np.testing.assert_array_equal(doubled, 2 * image)
    np.testing.assert_array_equal(odd, image % 2 == 1)


def test_level_is_the_mean_of_the_planes_and_does_not_jump_between_two_colours():
    image = lay((1000, 4000, 4000, 2000), (20, 20))
    image[0, 1] = 0  # one pixel less of green: the median of all is now that of blue
    assert np.median(image) == 2000
    assert measure_level(image, "median", "RGGB") == pytest.approx(2750)
    assert measure_colours(image, "median", "RGGB") == {"R": 1000, "G": 4000, "B": 2000}
    assert measure_colours(lay((1, 2, 4, 3), (8, 8)), "mean", "GRBG") == {"G": 2, "R": 2, "B": 4}
    assert measure_colours(image, "median", None) == {"": 2000}


@pytest.mark.parametrize("shape", [(600, 700), (1537, 2050)])
def test_a_sample_begins_with_the_colour_of_the_whole(shape):
    sample = thin_out(lay((1, 2, 3, 4), shape))
    assert [set(plane.ravel()) for _, plane in name_planes(sample, "RGGB")] == [{1}, {2}, {3}, {4}]


@pytest.mark.parametrize(
    ("colours", "reason"),
    [
        ((1000, 50000, 50000, 20000), ""),
        ((1000, 61000, 61000, 20000), "saturated: a raw median of 62000 ADU in G, more than 58982"),
        ((300, 50000, 50000, 20000), "too faint: a median signal of 300 ADU in R, less than 500"),
        ((1000, 50000, 50000, 200), "too faint: a median signal of 200 ADU in B, less than 500"),
    ],
)
def test_flat_is_judged_by_its_brightest_and_by_its_faintest_colour(colours, reason):
    signal = lay(colours, (40, 40)).astype(np.float32)
    settings = {"min_counts": 500, "max_counts": None}
    assert judge_flat(signal + 1000, signal, settings, None, ("RGGB", "RGGB")) == reason


@pytest.mark.parametrize("shape", [(60, 50), (61, 47)])
def test_variance_is_that_of_the_neighbours_of_one_colour(shape, monkeypatch):
    raw = expose(lay(COLOURS, shape) * np.linspace(1, 1.02, shape[1]), np.random.default_rng(3))
    variance = calibrate(raw).variance
    for place in PLACES:
        signal = uniform_filter(raw[place].astype(np.float64), 5, mode="nearest")
        near = np.abs(raw[place] - signal) < 3.9 * np.sqrt(signal / GAIN + READ_NOISE**2)
        assert near.mean() > 0.995
        expected = signal / GAIN + READ_NOISE**2 + 1 / 12
        np.testing.assert_allclose(variance[place][near], expected[near], rtol=1e-5)
    for rows in (1, 2, 7):  # at once
        monkeypatch.setattr(lights_module, "BAND_PIXELS", rows * shape[1])
        np.testing.assert_array_equal(calibrate(raw).variance, variance)


def test_a_bad_pixel_is_filled_from_its_own_colour():
    rng = np.random.default_rng(4)
    image = expose(lay(COLOURS, (40, 41)), rng)
    bad = rng.uniform(size=image.shape) < 0.02
    bad[10:13, 20:23] = True
    filled, variance, interpolated = fill_pixels(image, bad, np.full_like(image, 7.0), step=2)
    np.testing.assert_array_equal(filled[~bad], image[~bad])
    np.testing.assert_array_equal(interpolated, bad)
    for place, level in zip(PLACES, COLOURS, strict=True):
        expected = interpolate_replace_nans(
            np.where(bad[place], np.nan, image[place]).astype(float), Gaussian2DKernel(1, x_size=5, y_size=5)
        )
        inner = np.zeros_like(bad[place])
        inner[2:-2, 2:-2] = bad[place][2:-2, 2:-2]
        np.testing.assert_allclose(filled[place][inner], expected[inner], rtol=1e-6)
        np.testing.assert_allclose(filled[place][bad[place]], level, rtol=0.1)
        assert (variance[place][bad[place]] >= 7).all()


@pytest.mark.parametrize(
    "section", [Section(11, 11, 1, 30), Section(12, 14, 3, 30), Section(1, 2, 5, 20), Section(4, 20, 9, 10)]
)
def test_a_repaired_column_has_the_colours_of_those_beside_it(section):
    y, x = np.indices((30, 33))
    image = (lay(COLOURS, (30, 33)) * (1 + 0.01 * x + 0.005 * y)).astype(np.float32)
    damaged = image.copy()
    damaged[section.slices] = 0
    repaired, _, interpolated = repair_columns(damaged, [section], None, step=2)
    assert interpolated[section.slices].all()
    assert interpolated.sum() == np.prod(section.shape)
    at_edge = section.x1 == 1  # where one side alone tells
    np.testing.assert_allclose(repaired, image, rtol=0.04 if at_edge else 1e-6)


def test_dead_pixels_of_each_colour_are_found_and_no_others():
    rng = np.random.default_rng(5)
    noise = lay(1 / np.sqrt(np.array(COLOURS) * GAIN * 9), (120, 140))
    flat = rng.normal(1, noise).astype(np.float32)
    dead = np.zeros(flat.shape, bool)
    for y, x in [(20, 30), (41, 50), (60, 71), (81, 95)]:
        dead[y, x] = True
    dead[:, 110] = True
    flat[dead] *= 0.6
    found = treat_planes(lambda plane: (find_bad_pixels(plane),), flat)[0]
    np.testing.assert_array_equal(found, dead)


def test_gain_of_a_colour_camera_is_found_where_the_median_falls_between_two_colours():
    rng = np.random.default_rng(6)
    signal = lay((2000, 20000, 20000, 8000), (512, 512)) * rng.normal(1, 0.01, (512, 512))
    flats = [expose(signal * factor, rng) for factor in (1, 0.97, 0.95, 0.9)]
    measured = measure_gain(flats, READ_NOISE, 0.0, mosaic="RGGB")
    assert measured.value == pytest.approx(GAIN, abs=4 * measured.error)
    assert measured.error < 0.01 * GAIN


@pytest.mark.parametrize("shape", [(2000, 3000), (1999, 2500), (300, 200)])
def test_bands_of_rows_begin_with_the_first_row_of_the_mosaic(shape):
    rows = choose_rows(shape, 2**20, step=2)
    assert (rows.size == shape[0]) == (shape[0] == 300)
    np.testing.assert_array_equal(rows % 2, np.arange(rows.size) % 2)


def test_flats_of_another_colour_are_alike_but_for_that():
    rng = np.random.default_rng(7)
    signal = lay(COLOURS, (200, 220))
    tints = [(1, 1, 1, 1), (1.2, 1, 1, 0.9), (0.8, 1, 1, 1.1), (1, 1, 1, 1), (1, 1, 1, 1)]
    slopes = [np.linspace(0.95, 1.05, 220)] + 4 * [np.ones(220)]
    images = [expose(signal * lay(tint, signal.shape) * slope, rng) for tint, slope in zip(tints, slopes, strict=True)]
    found = measure_illumination(images, [1.0] * 5, mosaic=True)
    for tint, slope, one in zip(tints, slopes, found, strict=True):
        np.testing.assert_allclose(one.cut(slice(51, 90)), (lay(tint, signal.shape) * slope)[51:90], rtol=0.01)


def test_hits_are_found_in_each_colour_and_stars_left_alone():
    rng = np.random.default_rng(8)
    shape = (128, 130)
    y, x = np.indices(shape)
    star = 20000 * np.exp(-(np.hypot(y - 40.3, x - 60.7) ** 2) / (2 * 2.1**2))  # a FWHM of five pixels
    signal = lay((0.3, 1, 1, 0.6), shape) * (200 + star)
    hit = np.zeros(shape, bool)
    for place in [(90, 20), (90, 51), (101, 80), (17, 23), (110, 111), (111, 111)]:
        hit[place] = True
    raw = expose(signal, rng) + np.where(hit, 2000, 0).astype(np.float32)
    light = calibrate(raw, cosmic_rays=COSMIC_RAYS)
    np.testing.assert_array_equal(light.mask & Bit.COSMIC_RAY > 0, hit)
    np.testing.assert_allclose(light.data[hit], signal[hit], rtol=0.3)
    variance = calibrate(raw).variance
    of_all_colours, _ = find_cosmic_rays(raw, variance, np.zeros(shape, bool), COSMIC_RAYS)
    assert (of_all_colours & ~hit).sum() > 10  # which is why


def test_a_light_of_the_colour_of_the_flat_keeps_it():
    rng = np.random.default_rng(9)
    shape = (80, 90)
    flat = rng.normal(1, 0.05, shape).astype(np.float32)
    master = Master(flat, None, np.zeros(shape, np.uint8), "f" * 32, None, 0.0, False, None)
    light = calibrate((lay(COLOURS, shape) * flat).astype(np.float32), master, unit="electron")
    np.testing.assert_allclose(light.data, GAIN * lay(COLOURS, shape), rtol=1e-5)
