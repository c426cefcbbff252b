"""Figures of raw pixels against what was put into simulated frames; and kinds by them."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from darkroom.pixel_kinds import guess_kind, guess_kinds
from darkroom.pixels import measure_pixels
from tests.camera import Camera, expose
from tests.simulator import render_stars

CAMERA = Camera(shape=(512, 512))


def measure(data, **known):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = measure_pixels(np.asarray(data, np.float32), **known)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    return figures


def draw_stars(rng, shape, number, fwhm=3.0, flux=20000.0):
    stars = [{"x": x, "y": y, "fwhm": fwhm, "flux": flux} for x, y in rng.uniform(20, min(shape) - 20, (number, 2))]
    return render_stars(shape, stars)


def test_level_and_noise_are_those_put_in():
    rng = np.random.default_rng(1)
    figures = measure(np.rint(rng.normal(1000, 7, (1024, 900))))
    assert figures["level"] == pytest.approx(1000, abs=0.5)
    assert figures["noise"] == pytest.approx(np.hypot(7, np.sqrt(1 / 12)), rel=0.01)
    assert np.std(figures["parts"]) < 3 * figures["parts_noise"] + 0.5
    assert not (figures["stars"])
    assert not (figures["full"])
    assert not (figures["blank_rows"])
    assert not figures["one_value"]


def test_noise_is_not_that_of_a_colour_mosaic_or_a_gradient():
    y, x = np.mgrid[:600, :600]
    colours = np.array([[800, 1600], [1600, 500]])[y % 2, x % 2] + x
    figures = measure(np.random.default_rng(1).normal(colours, 10))
    assert figures["noise"] == pytest.approx(10, rel=0.03)
    assert figures["stars"] == 0


@pytest.mark.parametrize("fwhm", [1.7, 3.0, 6.0, 10.0])
@pytest.mark.parametrize("mosaic", [False, True])
def test_stars_are_counted(fwhm, mosaic):
    rng = np.random.default_rng(2)
    image = expose(CAMERA, rng, signal=200 + draw_stars(rng, CAMERA.shape, 40, fwhm, 3000 * fwhm**2)).astype(float)
    if mosaic:
        y, x = np.mgrid[:512, :512]
        image = 1000 + (image - 1000) * np.array([[0.7, 1.0], [1.0, 0.5]])[y % 2, x % 2]
    assert 20 < measure(image)["stars"] <= 42


def test_hot_pixels_hits_columns_edges_and_dust_are_no_stars():
    rng = np.random.default_rng(3)
    image = expose(Camera(shape=(768, 768), hot_fraction=0.01), rng, signal=20000, exposure=100, filter="V")
    image = image.astype(float)
    for y, x, dy, dx in zip(*rng.integers(20, 740, (2, 60)), *rng.integers(-1, 2, (2, 60)), strict=True):
        for step in range(6):  # a track of a cosmic ray
            image[y + dy * step, x + dx * step] += 9000
    image[:, 300] += 5000
    image[100:140, 200:] -= 8000
    image[:, :30] = 0
    assert measure(image)["stars"] <= 3


def test_peaks_are_where_the_stars_are():
    rng = np.random.default_rng(4)
    stars = [{"x": 100.0, "y": 300.0, "fwhm": 3, "flux": 1e5}, {"x": 400.0, "y": 60.0, "fwhm": 3, "flux": 5e4}]
    assert measure(expose(CAMERA, rng, signal=render_stars(CAMERA.shape, stars)))["peaks"] == [[300, 100], [60, 400]]


@pytest.mark.parametrize(("top", "known"), [(65535, None), (4095, None), (3300, 3300), (50000, None), (1023, None)])
def test_full_pixels_are_counted(top, known):
    image = np.random.default_rng(5).normal(500, 5, (400, 400))
    image[:100] = top
    assert measure(image, saturation=known)["full"] == pytest.approx(0.25, abs=0.01)


def test_what_is_not_full_is_not_counted():
    rng = np.random.default_rng(6)
    low = np.rint(rng.normal(32, 0.3, (300, 300)))  # so little noise that values pile up
    assert measure(low)["full"] == 0
    # a header's saturation that cannot be one
    assert measure(rng.normal(30000, 150, (300, 300)), saturation=100.0)["full"] == 0


@pytest.mark.parametrize("value", [0, 1000, np.nan])
@pytest.mark.parametrize("rows", [1, 17, 200])
def test_rows_that_were_never_written_are_counted(rows, value):
    image = np.random.default_rng(7).normal(1000, 8, (500, 300))
    image[-rows:] = value
    figures = measure(image)
    assert figures["blank_rows"] == rows
    assert figures["blank_value"] == (None if np.isnan(value) else value)


def test_one_value():
    image = np.full((700, 700), 32.0)
    assert measure(image)["one_value"]
    image[333, 333] = 33
    assert not measure(image)["one_value"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 3), (0, 5), (40, 40), (100, 31)])
@pytest.mark.parametrize("value", [0, np.nan, np.inf, -np.inf, 3e38, -3e38])
def test_any_image_gives_numbers(shape, value):
    measure(np.full(shape, value))
    image = np.random.default_rng(8).normal(0, 1, shape)
    image.flat[::3] = value
    measure(image)


def frame(kind, name, data, exposure):
    return SimpleNamespace(name=name, kind=kind, setup="ccd", exposure=exposure, pixels=measure(data))


def test_kinds_by_pixels():
    rng = np.random.default_rng(9)
    stars = draw_stars(rng, CAMERA.shape, 60)
    assert guess_kind(measure(expose(CAMERA, rng)), 0.0)[0] == "bias"
    assert guess_kind(measure(expose(CAMERA, rng, exposure=300)), 300.0)[0] is None
    assert guess_kind(measure(expose(CAMERA, rng, signal=20000, filter="V")), 4.0)[0] == "flat"
    assert guess_kind(measure(expose(CAMERA, rng, signal=200 + stars, filter="V")), 60.0)[0] == "light"
    assert guess_kind(measure(expose(CAMERA, rng, signal=200, filter="V")), 60.0)[0] is None
    assert guess_kind({}, 60.0)[0] is None


def test_peaks_of_the_detector_are_no_stars():
    rng = np.random.default_rng(10)
    own = draw_stars(rng, CAMERA.shape, 60)  # such as defects of an infrared detector
    dark = expose(CAMERA, rng, exposure=60).astype(float) + own
    bias = expose(CAMERA, rng).astype(float) + own
    unknown = frame("unknown", "a", dark, 60.0)
    assert guess_kinds([unknown])["a"][0] == "light"
    assert guess_kinds([unknown, frame("bias", "b", bias, 0.0)])["a"][0] is None
