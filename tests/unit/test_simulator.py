"""The simulator's frames have the mean, noise, layout and headers that its camera model says."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.camera import Camera, expose
from tests.simulator import Truth, render_stars, simulate_night

CAMERA = Camera(shape=(200, 300), dark_current=0.5)


def test_frame_has_closed_form_mean_and_variance():
    signal, exposure = 500.0, 100.0
    frame = expose(CAMERA, np.random.default_rng(1), signal=signal, exposure=exposure, filter="V")
    light = signal * CAMERA.flat("V") + CAMERA.dark_rate() * exposure
    residual = frame - CAMERA.bias_pattern() - light
    variance = light / CAMERA.gain + (CAMERA.read_noise / CAMERA.gain) ** 2 + 1 / 12
    pull = residual / np.sqrt(variance)
    # 5 standard errors: 1 / sqrt(n) of the mean, sqrt(2 / n) of the variance.
    assert pull.mean() == pytest.approx(0, abs=5 / np.sqrt(pull.size))
    assert pull.var() == pytest.approx(1, abs=5 * np.sqrt(2 / pull.size))


def test_bias_has_read_noise_only():
    frame = expose(CAMERA, np.random.default_rng(1), bias_offset=7.0)
    residual = frame - CAMERA.bias_pattern()
    noise = np.hypot(CAMERA.read_noise / CAMERA.gain, np.sqrt(1 / 12))
    assert residual.mean() == pytest.approx(7.0, abs=5 * noise / np.sqrt(residual.size))
    assert residual.std() == pytest.approx(noise, rel=5 * np.sqrt(0.5 / residual.size))


@pytest.mark.parametrize("shape", [(40, 48), (41, 47)])
def test_flat_median_is_exactly_one_and_filters_differ(shape):
    camera = Camera(shape=shape)
    assert np.median(camera.flat("V")) == 1
    assert np.median(camera.flat("B")) == 1
    assert not np.array_equal(camera.flat("V"), camera.flat("B"))


def test_hot_pixels_have_the_asked_fraction():
    rate = CAMERA.dark_rate()
    assert np.count_nonzero(rate > 10 * np.median(rate)) == round(CAMERA.hot_fraction * rate.size)


def test_overscan_holds_no_signal():
    camera = Camera(shape=(200, 100), overscan=20)
    frame = expose(camera, np.random.default_rng(1), signal=20000.0, exposure=600, filter="V", bias_offset=-5.0)
    assert frame.shape == (200, 120)
    overscan = frame[:, 100:]
    noise = camera.read_noise / camera.gain
    assert overscan.mean() == pytest.approx(camera.bias_level - 5, abs=5 * noise / np.sqrt(overscan.size))
    assert overscan.std() == pytest.approx(noise, rel=0.05)
    assert frame[:, :100].min() > 10000


def test_bright_frame_saturates():
    frame = expose(CAMERA, np.random.default_rng(1), signal=1e5)
    assert frame.dtype == np.uint16
    assert (frame == CAMERA.saturation).all()


def test_stars_keep_their_flux():
    stars = [{"x": 20.3, "y": 12.6, "fwhm": 3.0, "flux": 1000.0}]
    image = render_stars((30, 40), stars)
    assert image.sum() == pytest.approx(1000, rel=1e-3)
    assert np.unravel_index(image.argmax(), image.shape) == (13, 20)


def test_same_seed_gives_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate_night(tmp_path / name, seed=seed)
    contents = {name: [path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("a", "b", "c")}
    assert len(contents["a"]) == 18
    assert contents["a"] == contents["b"]
    assert contents["a"] != contents["c"]


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
def test_headers_read_as_a_camera_writes_them(tmp_path):
    simulate_night(tmp_path, cards={"READOUTM": None, "XBINNING": 2})
    light = fits.getheader(tmp_path / "light_V_60s_001.fits")
    assert (light["IMAGETYP"], light["EXPTIME"], light["FILTER"]) == ("Light Frame", 60.0, "V")
    assert light["XBINNING"] == 2
    assert "READOUTM" not in light
    assert "GAIN" not in light
    assert WCS(light).wcs_pix2world(light["CRPIX1"], light["CRPIX2"], 1)[0] == pytest.approx(light["CRVAL1"])
    dark = fits.getheader(tmp_path / "dark_60s_001.fits")
    assert "FILTER" not in dark
    assert "CTYPE1" not in dark
    assert fits.getheader(tmp_path / "flat_V_001.fits")["DATE-OBS"].startswith("2024-03-10T23:59:30")
    assert fits.getheader(tmp_path / "bias_001.fits")["DATE-OBS"].startswith("2024-03-11T12")


def test_spoilt_light_differs_by_the_factors_told_and_others_not_at_all(tmp_path):
    night = {"lights": {("V", 60.0): 3}, "light_signal": 400.0}
    plain = simulate_night(tmp_path / "plain", **night)
    spoilt = simulate_night(tmp_path / "spoilt", **night, spoilt={"light_V_60s_002": {"sky": 2.5, "flux": 0.1}})
    first, second, third = plain.lights
    light, usual = spoilt.lights[second], plain.lights[second]
    assert light.sky == 2.5 * usual.sky
    assert [one["flux"] for one in light.stars] == pytest.approx([0.1 * one["flux"] for one in usual.stars])
    assert [(one["x"], one["fwhm"]) for one in light.stars] == [(one["x"], one["fwhm"]) for one in usual.stars]
    before, after = (fits.getdata(tmp_path / name / f"{second}.fits").astype(float) for name in ("plain", "spoilt"))
    assert np.median(after) - np.median(before) == pytest.approx(1.5 * usual.sky, rel=0.02)
    assert spoilt.lights[first] == plain.lights[first]
    assert spoilt.lights[third].sky == plain.lights[third].sky


def test_lights_are_as_far_apart_as_told(tmp_path):
    simulate_night(tmp_path, lights={("V", 60.0): 2}, pause=600.0)
    starts = [fits.getheader(tmp_path / f"light_V_60s_00{number}.fits")["JD"] for number in (1, 2)]
    assert (starts[1] - starts[0]) * 86400 == pytest.approx(660, abs=0.1)


def test_truth_survives_saving(tmp_path):
    truth = simulate_night(tmp_path / "raw", light_signal=400.0)
    truth.save(tmp_path / "truth")
    loaded = Truth.load(tmp_path / "truth")
    assert (loaded.camera, loaded.lights, loaded.darks) == (truth.camera, truth.lights, truth.darks)
    assert {light.sky for light in loaded.lights.values()} == {400.0}
    np.testing.assert_array_equal(loaded.scenes["light_V_60s_001"], truth.scenes["light_V_60s_001"])
    assert np.load(tmp_path / "truth" / "bias.npy").shape == truth.camera.shape
