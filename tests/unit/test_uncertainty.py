"""The closed forms of the variance, against brute force: many frames with known noise, and what they scatter by."""

import numpy as np
import pytest

from darkroom.masters import Master
from darkroom.noise import estimate_signal
from darkroom.uncertainty import add_pedestal_noise, divide_variance

SHAPE = (400, 500)  # 200 000 pixels: their variance is known to 0.3 %
WITHIN = 0.015  # of the variance, five standard deviations


def make_master(variance, bias_id=None, bias_share=0.0, digest="b"):
    variance = None if variance is None else np.full(SHAPE, variance, np.float32)
    image = np.zeros(SHAPE, np.float32)
    return Master(image, variance, np.zeros(SHAPE, np.uint8), digest, bias_id, bias_share, False, None)


class Night:
    """Frames of pure noise: a read variance of 30 ADU^2, four biases and five darks of 50 ADU^2 a master."""

    READ, BIAS, DARK = 30.0, 30.0 / 4, 50.0 / 5

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def draw(self, variance):
        return self.rng.normal(0, variance**0.5, SHAPE)

    def make_bias(self):
        return self.draw(self.BIAS)

    def make_dark(self, bias, share):
        """The dark's own frames, and what taking a bias off each of them leaves in their mean."""
        return self.draw(self.DARK) - share * bias


@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("shared", [True, False])
def test_light_less_bias_and_scaled_dark(shared, scale):
    """Of a shared bias 1 - k is left: nothing at k = 1, half at 0.5, and as much as ever at 2."""
    night = Night(1)
    bias, other = night.make_bias(), night.make_bias()
    dark = night.make_dark(bias if shared else other, 1.0)
    light = night.draw(night.READ) - bias - scale * dark
    dark_master = make_master(night.DARK + night.BIAS, "b" if shared else "other", 1.0)
    found = add_pedestal_noise(np.full(SHAPE, night.READ, np.float32), make_master(night.BIAS), [(dark_master, scale)])
    assert found[0, 0] == pytest.approx(light.var(), rel=WITHIN)
    own = scale**2 * night.DARK
    biases = (1 - scale) ** 2 if shared else 1 + scale**2
    assert found[0, 0] == pytest.approx(night.READ + own + biases * night.BIAS, rel=1e-5)


@pytest.mark.parametrize("seconds", [30.0, 60.0, 300.0])
@pytest.mark.parametrize("shared", [True, False])
def test_light_less_bias_and_a_dark_per_second(shared, seconds):
    """The rate is the mean of darks of 60 and 300 s, each less its bias and divided by its time."""
    night = Night(2)
    bias, other = night.make_bias(), night.make_bias()
    used, exposures = bias if shared else other, (60.0, 300.0)
    rate = sum((night.draw(night.READ) - used) / time for time in exposures) / 2
    share = (1 / 60 + 1 / 300) / 2
    own = night.READ * (1 / 60**2 + 1 / 300**2) / 4
    light = night.draw(night.READ) - bias - seconds * rate
    master = make_master(own + share**2 * night.BIAS, "b" if shared else "other", share)
    found = add_pedestal_noise(np.full(SHAPE, night.READ, np.float32), make_master(night.BIAS), [(master, seconds)])
    assert found[0, 0] == pytest.approx(light.var(), rel=WITHIN)


@pytest.mark.parametrize("shared", [True, False])
def test_mean_of_scaled_flats_less_one_bias_and_two_darks(shared):
    """As a master flat is made: frames of levels of their own, one bias off all, darks of two exposures off some."""
    night = Night(3)
    bias, other = night.make_bias(), night.make_bias()
    scales, exposures = np.array([1 / 8000, 1 / 9000, 1 / 20000, 1 / 22000]), [0, 0, 1, 1]
    factors = [0.1, 0.4]  # each dark's scale
    darks = [night.make_dark(bias if shared else other, 1.0) for _ in factors]
    flat = sum(
        scale * (night.draw(night.READ) - bias - factors[one] * darks[one])
        for scale, one in zip(scales, exposures, strict=True)
    ) / len(scales)
    own = np.full(SHAPE, night.READ * (scales**2).sum() / 16, np.float32)
    masters = [make_master(night.DARK + night.BIAS, "b" if shared else "other", 1.0) for _ in factors]
    used = [
        (master, factor * sum(s for s, one in zip(scales, exposures, strict=True) if one == number) / 4)
        for number, (master, factor) in enumerate(zip(masters, factors, strict=True))
    ]
    found = add_pedestal_noise(own, make_master(night.BIAS), used, float(scales.mean()))
    if shared:
        assert found[0, 0] == pytest.approx(flat.var(), rel=WITHIN)
    else:  # both darks have the other bias in common, of which nothing is known here
        together = sum(factor for _, factor in used) ** 2 - sum(factor**2 for _, factor in used)
        assert found[0, 0] + together * night.BIAS == pytest.approx(flat.var(), rel=WITHIN)


def test_masters_of_unknown_noise_add_none():
    variance = np.full(SHAPE, 30.0, np.float32)
    assert add_pedestal_noise(variance, None, [])[0, 0] == 30
    assert add_pedestal_noise(variance, make_master(None), [(make_master(None), 2.0)])[0, 0] == 30
    assert add_pedestal_noise(variance, make_master(None), [(make_master(9.0, "b", 1.0), 2.0)])[0, 0] == 66
    assert add_pedestal_noise(variance, make_master(4.0), [(make_master(None, "b", 1.0), 2.0)])[0, 0] == 34
    assert np.all(variance == 30), "what comes in stays as it is"


def test_dark_less_noisy_than_its_bias_by_rounding_has_no_negative_share():
    found = add_pedestal_noise(np.full(SHAPE, 30.0, np.float32), make_master(9.0), [(make_master(8.9, "b", 1.0), 1.0)])
    assert found[0, 0] == pytest.approx(30.0)


def test_whole_dark_holds_no_bias_that_could_cancel():
    dark = make_master(10.0)  # no BIASID: None is nobody's bias
    assert add_pedestal_noise(np.full(SHAPE, 30.0, np.float32), None, [(dark, 1.0)])[0, 0] == 40


def test_quotient_of_frame_and_flat():
    rng = np.random.default_rng(4)
    signal, level, sigma, flat_sigma = 500.0, 0.8, 20.0, 0.01
    frame = signal + rng.normal(0, sigma, SHAPE)
    flat = level + rng.normal(0, flat_sigma, SHAPE)
    quotient = frame / flat
    found = divide_variance(np.full(SHAPE, sigma**2), np.full(SHAPE, signal / level), flat * 0 + level, flat_sigma**2)
    assert found[0, 0] == pytest.approx(quotient.var(), rel=WITHIN)
    assert divide_variance(np.float64(400.0), np.float64(1.0), np.float64(0.5), None) == 1600


def tell_variance(read_variance, gain):
    return lambda signal: read_variance + np.maximum(signal, 0) / gain


@pytest.mark.parametrize("level", [0.0, 3.0, 30.0, 1000.0])
@pytest.mark.parametrize("gain", [0.7, 2.0])
def test_variance_of_an_even_sky_is_the_same_for_pixels_that_fell_low_and_high(level, gain):
    """Each pixel's own value would make the pulls of low pixels larger than those of high ones."""
    rng, read_variance = np.random.default_rng(5), 20.0
    image = rng.poisson(level * gain, SHAPE) / gain + rng.normal(0, read_variance**0.5, SHAPE)
    find_variance = tell_variance(read_variance, gain)
    variance = find_variance(estimate_signal(image.astype(np.float32), find_variance))
    truth = read_variance + level / gain
    assert np.median(variance) == pytest.approx(truth, rel=0.06)  # the mean of 25 pixels, never below zero
    pulls = (image - level) / np.sqrt(variance)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.015)
    assert abs(np.mean(pulls)) < 0.03


def test_what_stands_out_stands_for_itself():
    image = np.random.default_rng(6).normal(100, 5, (40, 40)).astype(np.float32)
    image[10, 10], image[20, 20], image[30, 30] = 5000, -900, np.nan
    signal = estimate_signal(image, tell_variance(25.0, 2.0))
    assert (signal[10, 10], signal[20, 20]) == (5000, -900)
    assert signal[30, 30] < 110
    assert np.isfinite(signal).all()
    assert signal[35:, 35:] == pytest.approx(100, abs=10)
    assert np.isnan(image[30, 30]), "what comes in stays as it is"


def test_infinities_and_images_of_nothing_spread_no_nan():
    assert np.all(estimate_signal(np.full((7, 7), np.nan, np.float32), tell_variance(25.0, 2.0)) == 0)
    image = np.full((7, 7), 100, np.float32)
    image[3, 3], image[0, 0] = np.inf, -np.inf
    assert np.isfinite(estimate_signal(image, tell_variance(25.0, 2.0))).all()
