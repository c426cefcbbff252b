"""The quality plane of whole nights: defects put into raw frames at known places come out under their own bits.

What a light holds there, with which error bar, under each setting; and that no product is ever infinite.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from astropy.io import fits
from scipy.ndimage import maximum_filter

from tests.camera import Camera
from tests.pulls import Product, measure_center, measure_spread, tell_light
from tests.running import find_lights, find_masters, read_header, read_image
from tests.simulator import Truth, simulate_night
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night

BAD, HOT, SATURATED, COSMIC_RAY, LOW_FLAT, NO_DATA, INTERPOLATED = (1 << number for number in range(7))
MEANINGS = {
    "BAD": (BAD, "dead, cold or non-linear"),
    "HOT": (HOT, "dark current"),
    "SATURATED": (SATURATED, "full in the raw frame"),
    "COSMIC_RAY": (COSMIC_RAY, "cosmic ray"),
    "LOW_FLAT": (LOW_FLAT, "flat"),
    "NO_DATA": (NO_DATA, "no value"),
    "INTERPOLATED": (INTERPOLATED, "neighbours"),
}
UNCERTIFIED = {"certification": {"use": False}}
SHAPE = (96, 112)
CAMERA = Camera(shape=SHAPE, hot_fraction=0.0, seed=3)
NOTHING: dict[str, Any] = {"biases": 0, "darks": {}, "flats": {}, "lights": {}}
# (y, x) of the camera's own defects
DEAD, COLD, BENT, GLOWING, FULL_DARK, NO_BIAS = (20, 30), (40, 60), (60, 20), (10, 70), (70, 80), (50, 90)
SHADOW = np.s_[88:, 104:]
# and of what befell one light: a saturated star, hits, pixels that the camera did not deliver
STAR = np.s_[29:31, 85:88]
HITS = [(15, 15), (15, 16), (33, 47), (64, 101), (80, 9)]
NEARLY_FULL = (3, 5)
LOST = [(25, 5), (26, 5), (44, 44)]
PLAIN, FLOAT, BLANK = "light_V_60s_001", "light_V_60s_002", "light_V_60s_003"

Pattern = Callable[[np.ndarray], np.ndarray]


def alter(path: Path, pattern: Pattern, dtype: type = np.uint16, **cards: object) -> None:
    """Change a raw frame (ny, nx) by a function; whole counts stay what 16 bits hold."""
    header, data = read_header(path), pattern(read_image(path))
    if np.issubdtype(dtype, np.integer):
        data = np.clip(np.rint(data), *((0, 65535) if dtype is np.uint16 else (-32768, 32767)))
    hdu = fits.PrimaryHDU(data.astype(dtype), header)
    hdu.header.update(cards)
    hdu.writeto(path, overwrite=True)


def defect(exposure: float, bright_flat: bool = False) -> Pattern:
    """Return what the camera's defects make of a frame."""
    bias = CAMERA.bias_pattern()
    response = np.ones(SHAPE)
    response[DEAD], response[COLD], response[SHADOW] = 0.0, 0.5, 0.03
    response[BENT] = 0.92 if bright_flat else 1.0  # too little for a flat to tell by itself
    heat = np.zeros(SHAPE)
    heat[GLOWING], heat[FULL_DARK] = 30.0 * exposure, 1e4 * exposure  # ADU
    return lambda raw: bias + (raw - bias) * response + heat


def strike(raw: np.ndarray) -> np.ndarray:
    """Put a saturated star and hits on a light, and what is not full but will be more than that once it is flat."""
    raw[STAR] = 65535
    raw[NEARLY_FULL], raw[COLD] = 65534, 60000
    for place in HITS:
        raw[place] += 3000
    return raw


def put(raw: np.ndarray, places: list[tuple[int, int]], value: float) -> np.ndarray:
    """Put a value at places of a frame."""
    raw[tuple(zip(*places, strict=True))] = value
    return raw


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """A night with all these defects; flats of two levels, one light in floating point and one with a BLANK."""
    folder = tmp_path_factory.mktemp("night")
    counts: dict[str, Any] = {"biases": 5, "darks": {60.0: 5}, "flats": {"V": 4}, "lights": {("V", 60.0): 3}}
    truth = simulate_night(folder / "raw", camera=CAMERA, light_signal=300.0, star_count=0, **counts)
    faint = {"flats": {"V": 4}, "flat_signal": 12000.0, "start": "22:59:30", "seed": 2}
    simulate_night(folder / "raw" / "faint", camera=CAMERA, **NOTHING | faint)
    for path in (folder / "raw").rglob("*.fits"):
        kind = path.stem.partition("_")[0]
        exposure = {"bias": 0.0, "dark": 60.0, "flat": 4.0, "light": 60.0}[kind]
        alter(path, defect(exposure, bright_flat=kind == "flat" and path.parent.name != "faint"))
    for path in (folder / "raw").glob("bias_*"):
        alter(path, lambda raw: put(raw, [NO_BIAS], np.nan), np.float32)
    alter(folder / "raw" / f"{PLAIN}.fits", strike)
    alter(folder / "raw" / f"{FLOAT}.fits", lambda raw: put(raw, LOST, np.nan), np.float32)
    alter(folder / "raw" / f"{BLANK}.fits", lambda raw: put(raw, LOST, -32768), np.int16, BLANK=-32768)
    return folder, truth


def develop(folder: Path, **config: Any) -> dict[str, Product]:
    """Make the night in `folder` with these settings, sound all of it, and return the lights by stem."""
    _, _, failed = run_due(folder, **UNCERTIFIED, **config)
    assert not failed
    blanked = config.get("lights", {}).get("masked") == "nan"
    for path in (folder / "results").glob("????-??-??/**/*.fits"):
        assert_sound(path, blanked and path.parent.name == "lights")
    return {stem: Product.read(path) for stem, path in find_lights(folder / "results").items()}


def assert_sound(path: Path, blanked: bool = False) -> None:
    """No image is ever infinite, and it and its error bars are NaN only where MASK says that there is no value."""
    with fits.open(path) as hdus:
        if "MASK" not in hdus:
            assert path.name == "bad_pixels.fits"
            return
        image, uncertainty, mask = (hdus[name].data for name in (0, "UNCERT", "MASK"))
    without = NO_DATA | LOW_FLAT | (BAD | HOT | SATURATED | COSMIC_RAY if blanked else 0)
    assert not np.isinf(image).any(), path
    assert not (np.isnan(image) & (mask & without == 0)).any(), path
    np.testing.assert_array_equal(np.isnan(image), np.isnan(uncertainty), err_msg=str(path))
    assert (uncertainty[~np.isnan(image)] > 0).all(), path
    assert not np.isinf(uncertainty).any(), path


def expect_mask(stem: str) -> np.ndarray:
    """Return the quality plane (ny, nx) of a light, from what was put into the raw frames, cosmic rays not sought."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[DEAD], mask[COLD], mask[BENT], mask[GLOWING] = BAD | LOW_FLAT, BAD, BAD, HOT
    mask[SHADOW] = LOW_FLAT
    mask[NO_BIAS] = NO_DATA | LOW_FLAT
    mask[FULL_DARK] = BAD | HOT | (0 if stem == BLANK else SATURATED)  # 15 bits hold less
    if stem == PLAIN:
        mask[STAR] |= SATURATED
    else:
        put(mask, LOST, NO_DATA)
    return mask


def list_flagged(mask: np.ndarray) -> dict[tuple[int, int], int]:
    """Return the flagged pixels (y, x), to be read in a test that fails."""
    return {(y, x): int(mask[y, x]) for y, x in np.argwhere(mask).tolist()}


@pytest.fixture(scope="module")
def kept(night: tuple[Path, Truth]) -> dict[str, Product]:
    """The lights with the default settings."""
    return develop(night[0])


@pytest.mark.parametrize("stem", [PLAIN, FLOAT, BLANK])
def test_each_defect_comes_out_under_its_own_bits_and_no_other_pixel_is_flagged(
    stem: str, kept: dict[str, Product]
) -> None:
    assert list_flagged(kept[stem].mask) == list_flagged(expect_mask(stem))


def test_full_means_full_in_the_raw_frame(kept: dict[str, Product]) -> None:
    light = kept[PLAIN]
    assert light.data[NEARLY_FULL] / CAMERA.gain > 65535
    assert light.mask[NEARLY_FULL] == 0
    assert light.data[COLD] / CAMERA.gain > 110_000, "twice what was read"
    assert not light.mask[COLD] & SATURATED


@pytest.mark.parametrize(("grow", "bleed"), [(2, 0), (0, 6), (1, 50)])
def test_saturation_grows_all_around_and_bleeds_along_columns(
    grow: int, bleed: int, night: tuple[Path, Truth], kept: dict[str, Product]
) -> None:
    lights = develop(night[0], lights={"saturation_grow": grow, "saturation_bleed": bleed})
    expected = expect_mask(PLAIN)
    for y, x in np.argwhere(expect_mask(PLAIN) & SATURATED).tolist():
        expected[max(y - grow, 0) : y + grow + 1, max(x - grow, 0) : x + grow + 1] |= SATURATED
        expected[max(y - bleed, 0) : y + bleed + 1, x] |= SATURATED
    assert list_flagged(lights[PLAIN].mask) == list_flagged(expected)
    np.testing.assert_array_equal(lights[PLAIN].data, kept[PLAIN].data)


def test_every_mask_names_its_bits_and_says_what_they_mean(night: tuple[Path, Truth], kept: dict[str, Product]) -> None:
    headers = {path.name: fits.getheader(path, "MASK") for path in find_masters(night[0] / "results").values()}
    headers |= {path.name: fits.getheader(path, "MASK") for path in find_lights(night[0] / "results").values()}
    headers |= {path.name: read_header(path) for path in (night[0] / "results").glob("*/*/bad_pixels.fits")}
    assert len(headers) == 7
    for name, header in headers.items():
        told = {header[f"BIT{n}"]: header.comments[f"BIT{n}"] for n in range(8) if f"BIT{n}" in header}
        assert told.keys() == MEANINGS.keys(), name
        assert header["BITPIX"] == 8
        for bit, (value, meaning) in MEANINGS.items():
            assert told[bit].startswith(f"value {value}: "), name
            assert meaning in told[bit], name
            assert header[f"BIT{value.bit_length() - 1}"] == bit


def test_the_bad_pixels_of_a_setup_are_those_of_its_masters(
    night: tuple[Path, Truth], kept: dict[str, Product]
) -> None:
    results = night[0] / "results"
    masks = {stem: Product.read(path).mask for stem, path in find_masters(results).items()}
    heat = {GLOWING: HOT, FULL_DARK: BAD | HOT}
    assert list_flagged(masks["master_bias"]) == {NO_BIAS: NO_DATA}
    assert list_flagged(masks["master_dark_60s"]) == heat | {NO_BIAS: NO_DATA}
    flat = list_flagged(masks["master_flat_V"])
    assert flat.pop(DEAD) in (BAD, BAD | LOW_FLAT)  # its noise is above zero or below
    assert flat == {COLD: BAD, BENT: BAD, FULL_DARK: BAD, NO_BIAS: NO_DATA}
    [path] = results.glob("*/*/bad_pixels.fits")
    bad_pixels = fits.getdata(path)
    assert bad_pixels.dtype == np.uint8
    np.testing.assert_array_equal(bad_pixels, np.bitwise_or.reduce(list(masks.values())))


def test_masked_pixels_become_nan_with_their_error_bars(night: tuple[Path, Truth], kept: dict[str, Product]) -> None:
    for stem, light in develop(night[0], lights={"masked": "nan"}).items():
        np.testing.assert_array_equal(light.mask, kept[stem].mask)
        blank = light.mask > 0
        assert np.isnan(light.data[blank]).all()
        assert np.isnan(light.uncertainty[blank]).all()
        np.testing.assert_array_equal(light.data[~blank], kept[stem].data[~blank])
        np.testing.assert_array_equal(light.uncertainty[~blank], kept[stem].uncertainty[~blank])


@pytest.mark.filterwarnings("ignore:nan_treatment")  # in the middle of the shadow, which is not filled
def test_masked_pixels_are_filled_from_their_neighbours_with_the_noise_of_a_guess(
    night: tuple[Path, Truth], kept: dict[str, Product]
) -> None:
    for stem, light in develop(night[0], lights={"masked": "fill"}).items():
        before = kept[stem]
        wanted = before.mask & (BAD | HOT | LOW_FLAT | NO_DATA) > 0
        wanted[SHADOW] = False  # too wide: nothing near tells of its middle
        np.testing.assert_array_equal(light.mask, before.mask | np.where(wanted, INTERPOLATED, 0))
        value, error = fill_plainly(before, wanted)
        np.testing.assert_allclose(light.data[wanted], value[wanted], rtol=1e-5)
        np.testing.assert_allclose(light.uncertainty[wanted], error[wanted], rtol=1e-5)
        np.testing.assert_array_equal(light.data[~wanted], before.data[~wanted])
        np.testing.assert_array_equal(light.uncertainty[~wanted], before.uncertainty[~wanted])
        truth = tell_light(night[1], stem, light.header)
        assert (np.abs(light.data - truth)[wanted] < 4 * light.uncertainty[wanted]).all()


def fill_plainly(light: Product, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what Gaussian weights make of the good pixels around, and the greater of their noise and their scatter."""
    kernel = Gaussian2DKernel(1, x_size=5, y_size=5)
    good = ~wanted & np.isfinite(light.data)
    value = interpolate_replace_nans(np.where(good, light.data, np.nan), kernel)
    variance = interpolate_replace_nans(np.where(good, light.uncertainty**2, np.nan), kernel)
    for y, x in np.argwhere(wanted).tolist():
        near = np.s_[y - 2 : y + 3, x - 2 : x + 3]
        weight = kernel.array * good[near]
        scatter = (weight * np.where(good[near], light.data[near] - value[y, x], 0) ** 2).sum() / weight.sum()
        variance[y, x] = max(variance[y, x], scatter)
    return value, np.sqrt(variance)


def test_repaired_columns_are_straight_lines_between_their_sides(
    night: tuple[Path, Truth], kept: dict[str, Product]
) -> None:
    lights = develop(night[0], lights={"repair_columns": ["[63:65,1:96]"]})
    for stem, light in lights.items():
        before = kept[stem]
        left, right = before.data[:, 61], before.data[:, 65]
        line = left[:, None] + (right - left)[:, None] * np.array([1, 2, 3]) / 4
        np.testing.assert_allclose(light.data[:, 62:65], line, rtol=1e-6)
        sides = np.maximum(before.uncertainty[:, 61], before.uncertainty[:, 65])
        np.testing.assert_allclose(light.uncertainty[:, 62:65], np.repeat(sides, 3).reshape(-1, 3), rtol=1e-6)
        assert (light.mask[:, 62:65] == BAD | INTERPOLATED).all()
        rest = np.delete(np.arange(SHAPE[1]), [62, 63, 64])
        for plane in ("data", "uncertainty", "mask"):
            np.testing.assert_array_equal(getattr(light, plane)[:, rest], getattr(before, plane)[:, rest])


@pytest.mark.parametrize("action", ["mask", "clean"])
def test_cosmic_rays_are_flagged_or_cleaned_and_nothing_else_is_touched(
    action: str, night: tuple[Path, Truth], kept: dict[str, Product]
) -> None:
    lights = develop(night[0], lights={"cosmic_rays": {"use": True, "action": action}})
    cleaned = action == "clean"
    for stem, light in lights.items():
        hits = put(np.zeros(SHAPE, bool), [*HITS, NEARLY_FULL], stem == PLAIN)
        taken = (light.mask & COSMIC_RAY > 0) & ~hits
        assert taken.sum() <= 1, "one in 10 000 is chance"
        assert not (taken & maximum_filter(expect_mask(stem), 7)).any(), "what is known to be bad makes no hits around"
        hits |= taken
        expected = expect_mask(stem)
        expected[hits] = COSMIC_RAY | (INTERPOLATED if cleaned else 0)
        assert list_flagged(light.mask) == list_flagged(expected)
        same = ~hits if cleaned else np.ones(SHAPE, bool)
        np.testing.assert_array_equal(light.data[same], kept[stem].data[same])
        if cleaned:
            truth = tell_light(night[1], stem, light.header)
            assert (np.abs(light.data - truth)[hits] < 3 * light.uncertainty[hits]).all()


@pytest.mark.parametrize("masked", ["nan", "fill"])
def test_hits_that_are_only_flagged_are_masked_pixels(masked: str, night: tuple[Path, Truth]) -> None:
    lights = develop(night[0], lights={"masked": masked, "cosmic_rays": {"use": True, "action": "mask"}})
    for place in [*HITS, NEARLY_FULL]:
        assert lights[PLAIN].mask[place] == COSMIC_RAY | (INTERPOLATED if masked == "fill" else 0)
        assert np.isnan(lights[PLAIN].data[place]) == (masked == "nan")
        assert masked == "nan" or lights[PLAIN].data[place] < 1000


@pytest.mark.parametrize("read_noise", [1.0, 8.0])
def test_a_sky_of_nothing_stays_as_negative_as_positive(read_noise: float, tmp_path: Path) -> None:
    camera = Camera(shape=SHAPE, hot_fraction=0.0, read_noise=read_noise)
    counts: dict[str, Any] = {"biases": 7, "darks": {60.0: 7}, "flats": {"V": 4}, "lights": {("V", 60.0): 1}}
    truth = simulate_night(tmp_path / "raw", camera=camera, light_signal=0.0, star_count=0, **counts)
    [(stem, light)] = develop(tmp_path).items()
    assert (light.mask == 0).mean() > 0.999
    pulls = light.pulls(tell_light(truth, stem, light.header))
    share = (light.data[light.mask == 0] < 0).mean()
    assert share == pytest.approx(0.5, abs=0.06)  # few electrons are skewed: their median lies below their mean
    assert measure_center(pulls) == pytest.approx(0, abs=0.05)
    assert measure_spread(pulls) == pytest.approx(1, abs=0.03)
    assert light.data.min() < -3 * np.median(light.uncertainty)


CURVE = [1.0, 2e-6]  # true = 1.0 x + 2e-6 x^2: 6 % at 30 000 ADU


def bend(raw: np.ndarray) -> np.ndarray:
    """Return what a camera reads that is as far from linear as CURVE says: its inverse."""
    bias = Camera(shape=SHAPE).bias_pattern()
    signal = raw - bias
    return bias + np.where(signal > 0, (np.sqrt(1 + 4 * CURVE[1] * np.maximum(signal, 0)) - 1) / (2 * CURVE[1]), signal)


def test_a_camera_that_is_not_linear_comes_back_linear_within_its_noise(tmp_path: Path) -> None:
    counts: dict[str, Any] = {"biases": 7, "darks": {60.0: 7}, "flats": {"V": 8}, "lights": {("V", 60.0): 3}}
    camera = Camera(shape=SHAPE, saturation=60000)
    sky = {"light_signal": (1000.0, 39000.0), "flat_signal": 20000.0, "star_count": 0}
    truth = simulate_night(tmp_path / "raw", camera=camera, **sky, **counts)
    for path in (tmp_path / "raw").iterdir():
        alter(path, bend)
    lights = develop(tmp_path, detector={"linearity": CURVE})
    assert {read_header(path)["LINEARIS"] for path in find_lights(tmp_path / "results").values()} == {True}
    for stem, light in lights.items():
        pulls = light.pulls(tell_light(truth, stem, light.header))
        assert measure_spread(pulls) == pytest.approx(1, abs=0.03), stem
        assert measure_center(pulls) == pytest.approx(0, abs=0.1), stem  # 4e-4 of 39 000 ADU
    [flat] = (Product.read(path) for path in find_masters(tmp_path / "results").values() if "flat" in path.stem)
    assert measure_spread(flat.pulls(camera.flat("V"))) == pytest.approx(1, abs=0.03)
    told = json.loads(next((tmp_path / "results").glob("*/*/gain.json")).read_text())["gain"]
    assert told["value"] == pytest.approx(camera.gain, abs=3 * told["error"]), "measured of what is linear"
    brightest, light = max(develop(tmp_path).items())
    off = measure_center(light.pulls(tell_light(truth, brightest, light.header)))
    assert off < -10, "without the curve nothing is amiss, so the test tells nothing"


def test_one_pixel_without_a_value_in_the_overscan_does_not_spread(tmp_path: Path) -> None:
    cards = {"BIASSEC": "[57:64,1:48]", "TRIMSEC": "[1:56,1:48]"}
    make_night(tmp_path / "raw", camera=Camera(shape=(48, 56), overscan=8), cards=cards)

    def spoil(data: np.ndarray) -> np.ndarray:
        data = data.astype(float)
        data[10, 60] = np.nan
        return data

    alter(min((tmp_path / "raw").glob("light*")), spoil, np.float32)
    run_due(tmp_path, **UNCERTIFIED)
    assert np.isfinite(fits.getdata(min((tmp_path / "results").glob("*/*/lights/*.fits")))).all()


def test_a_column_beyond_the_frame_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_night(tmp_path / "raw")
    run_due(tmp_path, **UNCERTIFIED, lights={"repair_columns": ["[50:60,1:48]"]})
    assert "[50:60,1:48] reaches beyond" in capsys.readouterr().err
