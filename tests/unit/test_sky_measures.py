"""What is measured of lights against what was drawn: stars integrated over pixels here, in closed form or finely."""

import json
import warnings

import numpy as np
import pytest
from scipy.special import erf

from darkroom.quality import Bit
from darkroom.sky_measures import find_green, measure_light
from darkroom.sky_windows import choose_windows

SIGMA = 2.354820045  # FWHM of a Gaussian over its standard deviation
READ_NOISE = 6.0


def draw_star(reach, y, x, fwhm, beta=None, stretch=1.0):
    """Draw a star of unit flux: a round Gaussian exactly, others with 7 x 7 points in each pixel."""
    if beta is None and stretch == 1.0:
        edges = np.arange(-reach, reach + 2) - 0.5
        rows, columns = (np.diff(erf((edges - at) / (fwhm / SIGMA) / np.sqrt(2))) / 2 for at in (y, x))
        return np.outer(rows, columns)
    fine = (np.arange((2 * reach + 1) * 7) + 0.5) / 7 - 0.5 - reach
    away = ((fine[:, None] - y) ** 2 * stretch + (fine - x) ** 2 / stretch) * 4 / fwhm**2
    light = 2.0**-away if beta is None else (1 + away * (2 ** (1 / beta) - 1)) ** -beta
    light = light.reshape(2 * reach + 1, 7, 2 * reach + 1, 7).sum((1, 3))
    return light / light.sum()


def draw_field(shape=(700, 700), stars=120, fwhm=3.0, flux=(2e3, 4e4), sky=300.0, gradient=0.2, seed=1, **profile):
    """Return a light with Poisson and read noise, and its error bars."""
    rng = np.random.default_rng(seed)
    reach = int(max(12, 6 * fwhm))
    signal = np.zeros([length + 2 * reach for length in shape])
    for _ in range(stars):
        y, x = rng.uniform(-0.5, np.array(shape) - 0.5)
        row, column = round(y), round(x)
        star = draw_star(reach, y - row, x - column, fwhm, **profile)
        # by a power law: many faint ones
        bright = flux[0] * (1 - rng.uniform() * (1 - (flux[0] / flux[1]) ** 0.7)) ** (-1 / 0.7)
        signal[row : row + 2 * reach + 1, column : column + 2 * reach + 1] += bright * star
    signal = signal[reach:-reach, reach:-reach]
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    level = sky * (1 + gradient * (x + y * y / 2 - 0.67))
    image = rng.normal(signal + level, np.sqrt(signal + level + READ_NOISE**2))
    return image.astype(">f4"), np.sqrt(level + READ_NOISE**2).astype(">f4")


def measure(data, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = measure_light(data, *args, **kwargs)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    return figures


@pytest.mark.parametrize("fwhm", [1.6, 2.2, 4.0, 8.0])
@pytest.mark.parametrize("beta", [None, 4.765, 2.5])
def test_width_noise_sky_and_number_of_stars_are_those_put_in(fwhm, beta):
    light, bars = draw_field(fwhm=fwhm, beta=beta, flux=(700 * fwhm, 1e4 * fwhm))
    figures = measure(light, bars, unit="electron")
    assert figures["unit"] == "electron"
    assert figures["fwhm"] == pytest.approx(fwhm, rel=0.03)
    assert figures["elongation"] < 1.06
    assert figures["noise"] == pytest.approx(np.median(bars), rel=0.02)
    assert figures["noise_expected"] == pytest.approx(np.median(bars), rel=0.01)
    assert figures["sky"] == pytest.approx(300, rel=0.01)
    assert 75 <= figures["stars"] <= 122  # some lie in others
    assert figures["area"] == light.size


@pytest.mark.parametrize("stars", [0, 2000])
def test_noise_is_that_of_the_sky_between_many_stars_or_none(stars):
    light, bars = draw_field(stars=stars, flux=(300, 1e5), gradient=0.5)
    figures = measure(light, bars)
    assert figures["noise"] == pytest.approx(np.median(bars), rel=0.02)
    assert figures["sky"] == pytest.approx(300, rel=0.02)
    if not stars:
        assert figures["stars"] == figures["fwhm_stars"] == 0
        assert figures["fwhm"] is None


@pytest.mark.parametrize("stretch", [1.5, 2.5])
def test_trailed_stars_are_long(stretch):
    figures = measure(draw_field(stretch=stretch, stars=60)[0])
    assert figures["elongation"] == pytest.approx(stretch, rel=0.05)
    assert figures["fwhm"] == pytest.approx(3.0, rel=0.03)  # of a round star of the same area


def test_hits_and_hot_pixels_are_no_stars():
    light, bars = draw_field(stars=60, flux=(5e3, 4e4))
    clean = measure(light, bars)
    rng = np.random.default_rng(2)
    for y, x in rng.uniform(10, 690, (300, 2)):
        angle, length = rng.uniform(0, np.pi), rng.exponential(3)
        for step in np.linspace(0, length, 20):
            light[int(y + step * np.sin(angle)), int(x + step * np.cos(angle))] += 200
    figures = measure(light, bars)
    assert figures["fwhm"] == pytest.approx(clean["fwhm"], rel=0.03)
    assert abs(figures["stars"] - clean["stars"]) <= 4


def test_full_stars_tell_no_width():
    light, bars = draw_field(stars=80, flux=(5e3, 3e5), fwhm=2.5)
    full = light > 4000
    light[full] = 4000
    mask = np.where(full, np.uint8(Bit.SATURATED), np.uint8(0))
    figures = measure(light, bars, mask)
    assert figures["fwhm"] == pytest.approx(2.5, rel=0.03)
    assert figures["masked"] == figures["saturated"] == pytest.approx(full.mean(), abs=1e-6)
    assert measure(light, bars)["fwhm"] == pytest.approx(2.5, rel=0.03)  # told by their equal height
    empty = light.copy()
    empty[full] = np.nan
    holes = measure(empty, bars, mask)
    assert holes["fwhm"] == pytest.approx(2.5, rel=0.03)
    assert abs(holes["stars"] - figures["stars"]) <= 2


def test_flagged_pixels_take_no_part():
    light, bars = draw_field()
    clean = measure(light, bars)
    mask = np.zeros(light.shape, np.uint8)
    mask[:, 100:130] = Bit.BAD
    mask[np.random.default_rng(3).uniform(size=mask.shape) < 0.02] = Bit.HOT
    light[mask != 0] = 60000
    figures = measure(light, bars, mask)
    assert figures["masked"] == pytest.approx(np.mean(mask != 0), rel=1e-5)
    assert figures["saturated"] == 0
    assert figures["area"] == np.count_nonzero(mask == 0)
    for name, near in (("sky", 0.005), ("noise", 0.02), ("fwhm", 0.03)):
        assert figures[name] == pytest.approx(clean[name], rel=near)


@pytest.mark.parametrize("mosaic", ["RGGB", "GRBG", "BGGR", "GBRG"])
def test_one_colour_of_a_mosaic_is_measured_in_pixels_of_the_frame(mosaic):
    assert mosaic[2 * find_green(mosaic)[0] + find_green(mosaic)[1]] == "G"
    light, bars = draw_field(fwhm=5.0, flux=(2e4, 2e5))
    y, x = np.mgrid[:700, :700] % 2
    colours = np.array([{"R": 3000.0, "G": 0.0, "B": 8000.0}[colour] for colour in mosaic])[2 * y + x]
    figures = measure((light + colours).astype(">f4"), bars, step=2, first=find_green(mosaic))
    assert figures["fwhm"] == pytest.approx(5, rel=0.03)
    assert figures["sky"] == pytest.approx(300, rel=0.02)
    assert figures["noise"] == pytest.approx(np.median(bars), rel=0.02)
    assert figures["area"] == light.size


def test_stars_fade_behind_a_cloud():
    clear, cloudy = (measure(draw_field(stars=200, flux=flux)[0])["stars"] for flux in ((800, 8e4), (160, 1.6e4)))
    assert cloudy < 0.6 * clear


def test_windows_of_a_large_image_lie_in_it_apart():
    for length in (1024, 1500, 2048, 9576):
        first, second = choose_windows(length)
        assert 0 <= first.start < first.stop <= second.start < second.stop <= length
        assert first.start == pytest.approx(length - second.stop, abs=1)
    assert choose_windows(1023) == [slice(0, 1023)]


def test_only_windows_of_a_large_image_are_read():
    light, _ = draw_field(stars=60)
    large = np.full((2048, 2048), np.nan, ">f4")
    for number, (rows, columns) in enumerate((a, b) for a in choose_windows(2048) for b in choose_windows(2048)):
        large[rows, columns] = light[:512, :512] + number
    figures = measure(large)
    assert figures["area"] == 4 * 512**2
    assert figures["fwhm"] == pytest.approx(3, rel=0.03)
    assert figures["sky"] == pytest.approx(measure(light[:512, :512])["sky"] + 1.5, abs=1)


def test_the_data_are_left_as_they_are():
    light, bars = (array.astype(np.float32) for array in draw_field((200, 200), 10))
    mask = np.zeros(light.shape, np.uint8)
    mask[3, 4], light[5, 6] = 1, np.nan
    before = light.copy(), bars.copy(), mask.copy()
    measure(light, bars, mask)
    for now, then in zip((light, bars, mask), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_an_even_image_has_a_level_and_no_noise(value):
    figures = measure(np.full((300, 200), value, np.float32))
    assert (figures["sky"], figures["noise"], figures["stars"], figures["fwhm"]) == (value, 0, 0, None)


def test_what_cannot_be_known_is_none():
    nothing = measure(np.full((40, 30), np.nan), np.ones((40, 30)), np.full((40, 30), 1, np.uint8))
    assert nothing == dict.fromkeys(nothing) | {"unit": "", "masked": 1.0, "saturated": 0.0}
    tiny = measure(np.random.default_rng(1).normal(100, 3, (6, 8)))
    assert tiny["sky"] == pytest.approx(100, abs=2)
    assert tiny["noise_expected"] is tiny["fwhm"] is tiny["masked"] is None
    with pytest.raises(ValueError, match="two dimensions"):
        measure_light(np.zeros((2, 3, 4)))


def test_a_field_too_crowded_to_tell_apart_is_measured():
    rng = np.random.default_rng(1)
    image = rng.normal(0, 5, (512, 512)).astype(np.float32)
    image[rng.uniform(size=image.shape) < 0.1] += 1000  # more in one object than Source Extractor takes
    figures = measure(image)
    assert figures["noise"] == pytest.approx(5, rel=0.25)
    assert figures["stars"] < 50


def test_a_galaxy_and_a_trail_are_not_full_of_stars():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:1100, :1100]
    glow = 5000 * np.exp(-np.hypot(y - 550, x - 550) / 100)
    image = rng.normal(glow + 100, np.sqrt(glow + 100))
    image[np.abs(y - 0.7 * x - 100) < 3] += 300
    assert measure(image.astype(np.float32))["stars"] <= 4
