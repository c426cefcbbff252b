"""Hot pixels of darks and bad pixels of flats, against the simulated camera that has them."""

import tracemalloc
from dataclasses import replace

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from darkroom.bad_pixels import find_bad_pixels, find_hot_pixels
from tests.camera import Camera

SHAPE = (256, 256)
EXPOSURE = 60.0


def combine_dark(camera, number, how="mean", seed=1, hold_bias=False, dark=True):
    """A master dark in ADU, its variance, where it is truly hot, and by how many sigma of an even pixel's noise."""
    rng = np.random.default_rng(seed)
    even = replace(camera, hot_fraction=0.0).dark_rate() * EXPOSURE
    rate = camera.dark_rate() * EXPOSURE
    frames = np.stack([rng.poisson(rate * camera.gain) / camera.gain for _ in range(number)])
    frames = np.rint(frames + rng.normal(1000, camera.read_noise / camera.gain, frames.shape)) - 1000
    master = frames.mean(axis=0) if how == "mean" else np.median(frames, axis=0)
    inflation = np.pi / 2 if how == "median" and number > 2 else 1.0

    def vary(signal):
        return inflation * (signal / camera.gain + (camera.read_noise / camera.gain) ** 2 + 1 / 12) / number

    variance = vary(np.clip(master, 0, None)).astype(np.float32)
    if hold_bias:
        master = master + camera.bias_pattern()
    return master.astype(np.float32), variance, rate > 1.001 * even, (rate - even) / np.sqrt(vary(even))


COMMON = {"shape": SHAPE, "seed": 3, "hot_fraction": 0.01}
CAMERAS = {
    "ccd": (Camera(**COMMON), 5, "mean", False),
    "ccd-median": (Camera(**COMMON), 5, "median", False),
    "ccd-one": (Camera(**COMMON), 1, "mean", False),
    "bias-held": (Camera(**COMMON), 5, "mean", True),
    "few-electrons": (Camera(**COMMON, read_noise=1.5, dark_current=0.05), 3, "mean", False),
    "quiet-median": (Camera(**COMMON, read_noise=1.5, dark_current=0.05), 5, "median", False),
    "glowing": (Camera(**COMMON, read_noise=4, dark_current=5), 20, "mean", False),
}  # fmt: skip


@pytest.mark.parametrize("known", [True, False], ids=["variance", "alone"])
@pytest.mark.parametrize(("camera", "number", "how", "hold"), CAMERAS.values(), ids=CAMERAS)
def test_the_hot_pixels_of_the_simulated_camera_are_found(camera, number, how, hold, known):
    dark, variance, hot, strength = combine_dark(camera, number, how, hold_bias=hold)
    found = find_hot_pixels(dark, variance if known else None)
    strong = hot & (strength > 10)
    assert strong.sum() > 300
    assert (found & strong).sum() >= 0.99 * strong.sum()
    wrong = found & ~hot
    wrong[-1, -1] = False  # the tip of the glow, whose surroundings are all on one side
    assert not wrong.any()  # of 65 000 good ones


def test_sigma_is_obeyed():
    rng = np.random.default_rng(4)
    dark = rng.normal(0, 1, SHAPE).astype(np.float32)
    dark[100, 100], dark[50, 50], dark[150, 150] = 9, 12, -50
    variance = np.ones(SHAPE, np.float32)
    assert np.argwhere(find_hot_pixels(dark, variance, 10.5)).tolist() == [[50, 50]]
    assert np.argwhere(find_hot_pixels(dark, variance, 7)).tolist() == [[50, 50], [100, 100]]
    # 2.3 % of normal values lie above two sigma
    assert 0.015 < find_hot_pixels(dark, variance, 2).mean() < 0.03


def test_a_pixel_of_fewer_frames_is_noisy_and_not_hot():
    dark = np.random.default_rng(4).normal(0, 1, SHAPE).astype(np.float32)
    variance = np.ones(SHAPE, np.float32)
    dark[20, 20] = dark[30, 30] = 10
    variance[30, 30] = 9
    assert np.argwhere(find_hot_pixels(dark, variance)).tolist() == [[20, 20]]


def test_hot_columns_whole_or_in_part():
    rng = np.random.default_rng(4)
    dark = rng.normal(100, 1, SHAPE).astype(np.float32)
    dark[:, 40] += 30
    dark[128:, 90:92] += 30
    dark[:, 0] += 30
    dark[:, 150] += 3  # 3 sigma in each pixel
    found = find_hot_pixels(dark)
    truth = np.zeros(SHAPE, bool)
    truth[:, [0, 40, 150]], truth[128:, 90:92] = True, True
    np.testing.assert_array_equal(found, truth)


def test_a_bias_that_differs_from_column_to_column_is_not_hot():
    rng = np.random.default_rng(4)
    dark = (rng.normal(1000, 1, SHAPE) + rng.normal(0, 3, SHAPE[1])).astype(np.float32)
    assert not find_hot_pixels(dark, np.ones(SHAPE, np.float32)).any()


def test_a_steep_glow_is_not_hot():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    glow = 1000 * np.exp(-np.hypot(y, x - 255) / 40)
    dark = (np.random.default_rng(4).poisson(glow + 10) / 1.0).astype(np.float32)
    assert not find_hot_pixels(dark, dark + 1).any()
    assert find_hot_pixels(dark).mean() < 1e-4


def make_flat(shape=SHAPE, seed=3, noise=0.003):
    response = Camera(shape=shape, seed=seed).flat("V")
    return (response * np.random.default_rng(seed).normal(1, noise, shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(48, 56), (64, 64), (200, 137), (256, 256)])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_good_flat_has_no_bad_pixels(shape, seed):
    assert not find_bad_pixels(make_flat(shape, seed)).any()


def test_dead_and_cold_pixels_columns_and_groups_are_found():
    flat, truth = make_flat(), np.zeros(SHAPE, bool)
    rng = np.random.default_rng(5)
    dots = rng.choice(flat.size, 300, replace=False)
    flat.flat[dots] *= rng.uniform(0, 0.8, dots.size).astype(np.float32)
    flat.flat[dots[:5]] = -0.01
    truth.flat[dots] = True
    for region in [
        (slice(None), 50),
        (slice(None), 0),
        (slice(128, None), slice(80, 82)),
        (slice(20, 28), slice(20, 28)),
        (slice(100, 103), slice(200, 203)),
        (0, 255),
        (255, 255),
    ]:
        flat[region] *= 0.3
        truth[region] = True
    found = find_bad_pixels(flat)
    assert (found & truth).sum() >= 0.995 * truth.sum()
    # short gaps between bad pixels of a column are closed, as ccdmask does
    assert (found & ~truth).sum() <= 10


def test_bad_pixels_are_those_that_ccdmask_finds_in_the_whole_image():
    flat = make_flat((128, 128))
    dots = np.random.default_rng(5).choice(flat.size, 60, replace=False)
    flat.flat[dots] *= 0.6
    # its sigma is half a standard deviation
    whole = ccdproc.ccdmask(CCDData(flat, unit=u.dimensionless_unscaled), lsigma=14, hsigma=14)
    assert whole.sum() >= 60
    np.testing.assert_array_equal(find_bad_pixels(flat), whole)


def test_a_sigma_of_ccdmask_is_half_a_standard_deviation():
    # or ours would have to change
    noise = CCDData(np.random.default_rng(1).normal(0, 1, (200, 200)), unit=u.adu)
    beyond = ccdproc.ccdmask(noise, lsigma=4, hsigma=4, byblocks=True).mean()
    assert beyond == pytest.approx(0.0455, abs=0.015)  # two standard deviations; four would be 0.00006


def vignette(shape=SHAPE, width=0.25):
    y, x = np.mgrid[: shape[0], : shape[1]]
    radius = np.hypot(y / shape[0] - 0.5, x / shape[1] - 0.5)
    return np.clip((0.65 - radius) / width, 0, 1)


@pytest.mark.parametrize("width", [0.3, 0.1, 0.03, 0.001])
@pytest.mark.parametrize("electrons", [500, 50000])
def test_dark_corners_are_not_bad(width, electrons):
    rng = np.random.default_rng(6)
    expected = vignette(width=width) * make_flat()
    flat = ((rng.poisson(expected * electrons) + rng.normal(0, 10, SHAPE)) / electrons).astype(np.float32)
    flat /= np.median(flat)
    flat[60, 128], flat[128, 128] = 0, 0.3
    found = find_bad_pixels(flat)
    assert found[60, 128]
    assert found[128, 128]
    # where a shadow ends from one pixel to the next, some of its rim look like bad columns
    assert found.sum() - 2 <= (5e-4 if width < 0.01 else 1e-4) * flat.size


def test_the_residue_of_a_star_is_not_bad():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    flat = make_flat()
    for number, peak in enumerate([0.03, 0.1, 0.3, 1.0]):
        for fwhm, row in [(3.0, 50), (5.0, 120), (9.0, 190)]:
            offset = (y - row - 0.3) ** 2 + (x - 40 - 50 * number) ** 2
            flat += (peak * np.exp(-offset * 4 * np.log(2) / fwhm**2)).astype(np.float32)
    flat[230, 230] *= 1.5
    assert np.argwhere(find_bad_pixels(flat)).tolist() == [[230, 230]]


def test_pixels_without_a_value_are_not_bad_and_hide_no_others():
    flat = make_flat()
    rng = np.random.default_rng(6)
    empty = rng.random(SHAPE) < 0.02
    empty[:60, :60], empty[:, 200] = True, True
    flat[empty] = np.nan
    flat[100, 100], flat[62, 30], flat[150, 150] = 0.2, 0.2, np.inf
    truth = np.zeros(SHAPE, bool)
    truth[100, 100] = truth[62, 30] = True
    found = find_bad_pixels(flat)
    np.testing.assert_array_equal(found, truth & ~empty)
    dark = np.where(empty, np.nan, rng.normal(0, 1, SHAPE)).astype(np.float32)
    dark[62, 30] = 20
    found = find_hot_pixels(dark, np.full(SHAPE, np.nan, np.float32))
    assert np.argwhere(found).tolist() == ([] if empty[62, 30] else [[62, 30]])


def test_non_linear_pixels_and_columns_are_found():
    rng = np.random.default_rng(7)
    response = make_flat(noise=0)
    faint, bright = (rng.poisson(level * response) / level for level in (15000, 45000))
    truth = np.zeros(SHAPE, bool)
    truth.flat[rng.choice(truth.size, 100, replace=False)] = True
    faint[truth] *= 0.85
    faint[:, 100] *= 0.95
    truth[:, 100] = True
    faint, bright = faint.astype(np.float32), bright.astype(np.float32)
    found = find_bad_pixels(response, faint, bright)
    assert (found & truth).sum() >= 0.99 * truth.sum()
    assert (found & ~truth).sum() <= 4
    # neither level alone tells, and the unit does not matter
    assert not find_bad_pixels(response, faint, None).any()
    np.testing.assert_array_equal(find_bad_pixels(response, 15000 * faint, 45000 * bright), found)


def test_two_flats_of_a_good_camera_show_nothing():
    # vignetted to nothing, with a star in one of them and pixels without a value
    rng = np.random.default_rng(7)
    response = vignette(width=0.1) * make_flat(noise=0)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    star = 0.3 * np.exp(-((y - 128) ** 2 + (x - 90) ** 2) / 8)
    faint, bright = (
        ((rng.poisson(level * scene) + rng.normal(0, 8, SHAPE)) / level).astype(np.float32)
        for level, scene in [(8000, response), (20000, response + star)]
    )
    bright[30:32, 128] = np.nan
    assert find_bad_pixels(response.astype(np.float32), faint, bright).sum() <= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (6, 8), (48, 56)])
@pytest.mark.parametrize("value", [np.nan, 0.0, 1.0, -3.0, np.inf])
def test_even_images_have_nothing_bad_whatever_their_size(shape, value):
    image = np.full(shape, value, np.float32)
    assert not find_hot_pixels(image).any()
    assert not find_hot_pixels(image, image).any()
    assert not find_bad_pixels(image).any()
    assert not find_bad_pixels(image, image, image).any()


def test_one_hot_and_one_dead_pixel_in_a_tiny_even_image():
    image = np.full((6, 8), 1.0, np.float32)
    image[2, 3] = 5
    assert np.argwhere(find_hot_pixels(image)).tolist() == [[2, 3]]
    image[2, 3] = 0
    assert np.argwhere(find_bad_pixels(image)).tolist() == [[2, 3]]


FLOATS = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24).flatmap(
    lambda shape: st.tuples(*[arrays(np.float32, shape, elements=st.floats(width=32)) for _ in range(3)])
)


@pytest.mark.filterwarnings("error")
@settings(max_examples=40, deadline=None)
@given(FLOATS)
def test_any_image_gives_a_mask_of_finite_pixels_and_is_left_as_it_was(case):
    before = [image.copy() for image in case]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        hot, bad = find_hot_pixels(case[0], case[1]), find_bad_pixels(*case)
    assert hot.dtype == bad.dtype == bool
    assert not (hot & ~np.isfinite(case[0])).any()
    assert not (bad & ~np.isfinite(case[0])).any()
    for image, copy in zip(case, before, strict=True):
        np.testing.assert_array_equal(image, copy)


def test_bands_of_rows_and_chunks_of_pixels_make_no_difference(monkeypatch):
    rng = np.random.default_rng(8)
    dark, variance, _, _ = combine_dark(*CAMERAS["ccd"][:2])
    flat = make_flat()
    dots = rng.choice(flat.size, 200, replace=False)
    flat.flat[dots] *= rng.uniform(0, 0.8, dots.size).astype(np.float32)
    flat[58:70, 60:75] *= 0.2  # a hole across the border of two bands
    flat[200:202] = np.nan
    whole = find_hot_pixels(dark, variance), find_bad_pixels(flat, flat * (1 + 0.5 * (flat < 0.9)), flat)
    assert whole[1][58:70, 60:75].all()
    monkeypatch.setattr("darkroom.medians.BAND_PIXELS", 1000)
    monkeypatch.setattr("darkroom.holes.BAND", 3)
    monkeypatch.setattr("darkroom.bad_pixels.CHUNK", 7)
    in_bands = find_hot_pixels(dark, variance), find_bad_pixels(flat, flat * (1 + 0.5 * (flat < 0.9)), flat)
    for one, other in zip(whole, in_bands, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("find", "planes"), [(find_hot_pixels, 1), (find_bad_pixels, 1), (find_bad_pixels, 3)])
def test_no_more_than_four_planes_are_held(find, planes):
    image = np.random.default_rng(1).normal(1, 0.003, (1200, 1500)).astype(np.float32)
    image.flat[::9001] *= 1.7 if find is find_hot_pixels else 0.3
    images = [image, 0.9 * image, 1.1 * image][:planes]
    find(*(each[:100] for each in images))  # what is imported stays
    tracemalloc.start()
    try:
        assert find(*images).any()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4.1 * image.nbytes
