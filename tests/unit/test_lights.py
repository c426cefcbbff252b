"""Lights, against ccdproc step by step and the propagation of errors by hand."""

from types import SimpleNamespace

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from scipy.ndimage import uniform_filter

from darkroom import lights as lights_module
from darkroom.detector import Detector
from darkroom.light_masters import LightShelf, prepare_masters
from darkroom.lights import calibrate_light
from darkroom.masters import Master
from darkroom.problems import JobProblem
from darkroom.quality import Bit

SHAPE = (61, 40)
GAIN, READ_NOISE = 1.6, 4.0
SETTINGS = {"unit": "adu", "uncertainty": True, "mask": True, "masked": "keep", "saturation_grow": 0}
SETTINGS |= {"saturation_bleed": 0, "repair_columns": [], "overscan": None, "linearity": None, "flat_minimum": 0.05}
SETTINGS |= {"cosmic_rays": None}


def make_master(image, variance=None, mask=None, **known):
    image = np.asarray(image, np.float32)
    mask = np.zeros(image.shape, np.uint8) if mask is None else mask
    variance = None if variance is None else np.full(image.shape, variance, np.float32)
    rest = {"digest": "b" * 32, "bias_id": None, "bias_share": 0.0, "holds_bias": False, "frame_variance": None}
    return Master(image, variance, mask, **(rest | known))


class Night:
    """A raw light and its masters."""

    def __init__(self, seed=1, shape=SHAPE, scale=2.0):
        rng = np.random.default_rng(seed)
        self.raw = rng.normal(3000, 30, shape).round().astype(np.float32)  # none is 4 deviations off
        self.masters = {
            "bias": make_master(rng.normal(1000, 2, shape), 0.25),
            "dark": make_master(rng.normal(20, 3, shape), 0.5, bias_id="b" * 32, bias_share=1.0),
            "flat": make_master(rng.normal(1, 0.1, shape), 1e-5),
        }
        self.recipe = {"saturation": 60000.0, "settings": SETTINGS, "frames": [{"name": "m67.fits"}]}
        self.recipe |= {kind: {"path": kind, "scale": scale if kind == "dark" else 1.0} for kind in self.masters}

    def calibrate(self, detector=None, **settings):
        recipe = self.recipe | {"settings": SETTINGS | settings}
        shelf = SimpleNamespace(read=lambda wanted, with_noise: self.masters[wanted["path"]] if wanted else None)
        detector = detector or Detector(GAIN, READ_NOISE)
        return calibrate_light(self.raw, recipe, prepare_masters(recipe, shelf), detector)

    def calibrate_by_ccdproc(self):
        bias, dark, flat = (
            CCDData(self.masters[kind].image.astype(np.float64), unit=unit)
            for kind, unit in (("bias", u.adu), ("dark", u.adu), ("flat", u.dimensionless_unscaled))
        )
        frame = ccdproc.subtract_bias(CCDData(self.raw.astype(np.float64), unit=u.adu), bias)
        times = {"dark_exposure": 1 * u.s, "data_exposure": self.recipe["dark"]["scale"] * u.s}
        frame = ccdproc.subtract_dark(frame, dark, **times, exposure_unit=u.s, scale=True)
        return ccdproc.flat_correct(frame, flat, norm_value=1.0).data

    def propagate(self):
        """The variance of the light in ADU^2, written out; all of it is smooth, so that neighbours tell the signal."""
        bias, dark, flat = (self.masters[kind] for kind in ("bias", "dark", "flat"))
        scale = self.recipe["dark"]["scale"]
        signal = uniform_filter(self.raw.astype(np.float64) - bias.image, 5, mode="nearest")
        variance = READ_NOISE**2 + 1 / 12 + signal / GAIN  # read-out, rounding, photons
        # b - k d where d holds the same bias once: (1 - k) of the bias, k of what the dark has of its own
        own = dark.variance - bias.variance
        variance += scale**2 * own + (1 - scale) ** 2 * bias.variance
        quotient = self.calibrate_by_ccdproc()
        return (variance + quotient**2 * flat.variance) / flat.image.astype(np.float64) ** 2


def test_light_is_what_ccdproc_makes_of_it():
    night = Night()
    light = night.calibrate()
    np.testing.assert_allclose(light.data, night.calibrate_by_ccdproc(), rtol=2e-6)
    assert light.data.dtype == light.variance.dtype == np.float32
    assert light.gain is None
    assert not light.mask.any()


def test_variance_is_that_of_read_out_photons_and_masters():
    night = Night()
    np.testing.assert_allclose(night.calibrate().variance, night.propagate(), rtol=1e-4)


def test_electrons_are_adu_times_the_gain():
    night = Night()
    adu, electrons = night.calibrate(), night.calibrate(unit="electron")
    assert electrons.gain == GAIN
    np.testing.assert_allclose(electrons.data, adu.data * GAIN, rtol=1e-6)
    np.testing.assert_allclose(electrons.variance, adu.variance * GAIN**2, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 7, 60])
def test_bands_of_rows_make_no_difference(rows, monkeypatch):
    night = Night()
    night.raw[20:23, 10] = 50000
    whole = night.calibrate()
    monkeypatch.setattr(lights_module, "BAND_PIXELS", rows * SHAPE[1])
    cut = night.calibrate()
    for plane in ("data", "variance", "mask"):
        assert getattr(cut, plane).tobytes() == getattr(whole, plane).tobytes()


def test_error_bars_that_are_not_wanted_or_not_known_are_left_out():
    night = Night()
    whole = night.calibrate()
    for light in (night.calibrate(uncertainty=False), night.calibrate(Detector(None, None))):
        assert light.variance is None
        assert light.data.tobytes() == whole.data.tobytes()


def test_a_star_has_the_photons_of_its_own_light():
    night = Night()
    night.raw[30, 20] = 41000
    light, flat = night.calibrate(), night.masters["flat"].image[30, 20]
    expected = (40000 / GAIN + (40000 / flat) ** 2 * 1e-5) / flat**2
    assert light.variance[30, 20] == pytest.approx(expected, rel=0.01)


def test_flat_is_not_normalised_again_and_its_holes_make_no_infinity():
    night = Night(shape=(2, 4))
    night.recipe |= {"bias": None, "dark": None}
    night.raw[:] = 100
    night.masters["flat"] = make_master([[0.5, 0.0, -0.0, -0.5], [np.nan, np.inf, -np.inf, 2.0]])
    with np.errstate(all="raise"):
        light = night.calibrate()
    assert np.isnan(light.data).tolist() == [[False, True, True, True], [True, True, True, False]]
    assert (light.data[0, 0], light.data[1, 3]) == (200, 50)
    assert ((light.mask & Bit.LOW_FLAT) > 0).tolist() == np.isnan(light.data).tolist()
    assert np.isnan(light.variance).tolist() == np.isnan(light.data).tolist()


def test_a_value_that_lacks_spreads_to_no_neighbour():
    night = Night()
    night.raw[30, 20] = np.nan
    light = night.calibrate()
    assert np.argwhere(np.isnan(light.data)).tolist() == [[30, 20]]
    assert np.argwhere(np.isnan(light.variance)).tolist() == [[30, 20]]
    assert np.argwhere(light.mask & Bit.NO_DATA).tolist() == [[30, 20]]


def test_full_pixels_are_those_of_the_raw_frame():
    night = Night()
    night.raw[5, 6] = 60000
    night.raw[5, 7] = 59999
    light = night.calibrate(saturation_bleed=1)
    assert np.argwhere(light.mask & Bit.SATURATED).tolist() == [[4, 6], [5, 6], [6, 6]]


def test_masks_of_all_masters_are_inherited():
    night = Night()
    for number, kind in enumerate(("bias", "dark", "flat")):
        night.masters[kind].mask[number, number] = 1 << number
    mask = night.calibrate().mask
    assert [mask[n, n] for n in range(4)] == [1, 2, 4, 0]


def test_cosmic_rays_need_the_noise():
    settings = {"sigma": 5.0, "neighbour_fraction": 0.5, "contrast": 4.5, "action": "mask"}
    with pytest.raises(JobProblem, match=r"m67\.fits: cosmic rays need a gain and a read noise"):
        Night().calibrate(Detector(None, None), cosmic_rays=settings)
    light = Night().calibrate(cosmic_rays=settings, uncertainty=False)
    assert light.variance is None  # it was there for the search alone


def test_lights_with_the_same_masters_share_what_is_made_of_them():
    night, read = Night(), []

    def read_master(wanted, with_noise):
        read.append(wanted["path"])
        return night.masters[wanted["path"]]

    shelf = LightShelf(SimpleNamespace(read=read_master, forget=lambda: None))
    first = shelf.prepare(night.recipe)
    assert shelf.prepare(dict(night.recipe)) is first
    assert len(read) == 3
    assert shelf.prepare(night.recipe | {"dark": {"path": "dark", "scale": 3.0}}).dark_scale == 3.0
    assert len(read) == 6


def test_what_is_not_marked_is_calibrated_all_the_same():
    night = Night()
    night.raw[5, 6], night.raw[30, 20] = 60000, np.nan
    night.masters["flat"].image[8, 9] = 0.01
    whole, bare = night.calibrate(), night.calibrate(mask=False)
    assert np.isnan(bare.data[[30, 8], [20, 9]]).all()
    assert bare.data.tobytes() == whole.data.tobytes()
    assert bare.variance.tobytes() == whole.variance.tobytes()
    for settings in ({"masked": "nan"}, {"masked": "fill"}, {"repair_columns": ["[7:7,1:61]"]}):
        whole, bare = night.calibrate(**settings), night.calibrate(mask=False, **settings)
        assert bare.data.tobytes() == whole.data.tobytes()
