"""Combining gives what ccdproc.Combiner does, to 1e-5 of the level, whatever the frames hold and however it is cut."""

import warnings
from statistics import median
from unittest import mock

import numpy as np
import pytest
from astropy.nddata import CCDData
from ccdproc import Combiner
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import combine as combine_module
from darkroom.combine import combine_images
from darkroom.noise import FrameNoise

SIGMA_PER_MAD = 1.482602218505602  # 1 / (sqrt(2) erfinv(1/2)), as astropy's mad_std has it
TOLERANCE = 1e-5  # of the level
ROUNDING = 1e-6  # of the largest value: float32 cannot tell on which side of its limit a value that near lies
DTYPES = ["uint16", "int16", "int32", "float32", "float64"]
SIGMA = st.builds(lambda sigma: {"reject": "sigma", "sigma": sigma}, st.floats(1.0, 8.0))
MINMAX = st.builds(
    lambda low, high: {"reject": "minmax", "low": low, "high": high}, st.integers(0, 3), st.integers(0, 3)
)
SETTINGS = st.builds(
    lambda method, reject: {"method": method} | reject,
    st.sampled_from(["mean", "median"]),
    st.sampled_from([SIGMA, SIGMA, SIGMA, MINMAX, st.just({"reject": "none"})]).flatmap(lambda reject: reject),
)


@st.composite
def frames(draw):
    """Frames of one kind, (images, rows, columns): noise about a level, hits and holes, faint ones with many ties."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    number = draw(st.sampled_from([*range(1, 13), 15, 16, 20]))
    rows, columns = draw(st.sampled_from([1, 2, 5, 9])), draw(st.sampled_from([1, 4, 24]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level, noise = draw(st.sampled_from([0.0, 3.0, 1000.0, 30000.0])), draw(st.sampled_from([0.0, 0.6, 8.0, 300.0]))
    stack = rng.normal(level, noise, (number, rows, columns))
    hit = rng.random(stack.shape) < draw(st.sampled_from([0.0, 0.03, 0.3]))
    near, far = noise * rng.uniform(1, 10, hit.sum()), 10 ** rng.uniform(0, 4.5, hit.sum())
    stack[hit] += rng.choice([-1, 1, 1, 1], hit.sum()) * np.where(rng.random(hit.sum()) < 0.8, near, far)
    if dtype.kind == "f":
        stack[rng.random(stack.shape) < draw(st.sampled_from([0.0, 0.02, 0.5]))] = np.nan
        if draw(st.booleans()):
            stack = np.rint(stack)
        return stack.astype(dtype)
    info = np.iinfo(dtype)
    return np.clip(np.rint(stack), info.min, info.max).astype(dtype)


def combine(stack, wanted, noises=None, rows=None, threads=1):
    """Combine in bands of so many rows; where the noise is not known, no rounding keeps a clip from being tight."""
    band = rows * stack.shape[2] if rows else combine_module.BAND_PIXELS
    with mock.patch.object(combine_module, "BAND_PIXELS", band):
        return combine_images(list(stack), wanted, noises, quanta=[0.0] * len(stack), threads=threads)


def combine_by_ccdproc(stack, method, hidden, clip=lambda combiner: None):
    """Return what Combiner makes of a stack, NaN where it has no value, and which values it left out."""
    combiner = Combiner([CCDData(image, unit="adu", mask=mask) for image, mask in zip(stack, hidden, strict=True)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of NaN, and of pixels without any value
        clip(combiner)
        result = combiner.median_combine() if method == "median" else combiner.average_combine()
    return np.where(result.mask, np.nan, result.data), np.ma.getmaskarray(combiner.data_arr)


def hold_against(combined, expected, left_out, stack, certain=True):
    """Hold a combination against ccdproc's where it is certain what is left out; level: the largest value kept."""
    level = np.where(left_out, 0, abs(np.nan_to_num(stack.astype(float)))).max(axis=0)
    np.testing.assert_array_equal(np.isnan(combined.data), np.isnan(expected))
    differs = ~np.isnan(expected) & certain
    assert (abs(combined.data - expected)[differs] <= TOLERANCE * level[differs]).all()
    np.testing.assert_array_equal(combined.count[differs], (~left_out).sum(axis=0)[differs])


def leave_out(stack, wanted, noise):
    """Return which values of a stack take no part, told for one pixel after another, and where that is certain.

    ``noise`` is the standard deviation that is known of each value, or zero.
    """
    left_out, certain = ~np.isfinite(stack), np.ones(stack.shape[1:], bool)
    for place in np.ndindex(stack.shape[1:]):
        column = stack[(slice(None), *place)].astype(float)
        finite = sorted((value, number) for number, value in enumerate(column) if np.isfinite(value))
        values = [value for value, _ in finite]
        if not values:
            continue
        rejected = []
        if wanted["reject"] == "minmax" and wanted["low"] + wanted["high"] < len(values):
            rejected = finite[: wanted["low"]] + finite[len(values) - wanted["high"] :]
        elif wanted["reject"] == "sigma":
            middle = median(values)
            mad = median(abs(value - middle) for value in values)
            excess = 1 + 20 / len(values) if noise else 1  # by how much chance may enlarge the MAD
            limit = max(wanted["sigma"] * max(SIGMA_PER_MAD * mad / excess, noise), mad)
            rejected = [(value, number) for value, number in finite if abs(value - middle) > limit]
            apart = [abs(abs(value - middle) - limit) for value in values]
            certain[place] = all(each == 0 or each > ROUNDING * max(map(abs, values)) for each in apart)
        for _, number in rejected:
            left_out[(number, *place)] = True
    return left_out, certain


@settings(max_examples=400)  # so that a limit half a percent off is found
@given(frames(), SETTINGS, st.integers(1, 9), st.integers(1, 3))
def test_combination_is_that_of_ccdproc(stack, wanted, rows, threads):
    """Combiner clips by itself; where frames have holes, its clip of extremes would count these as the highest."""

    def clip(combiner):
        if wanted["reject"] == "sigma":
            combiner.sigma_clipping(wanted["sigma"], wanted["sigma"], func="median", dev_func="mad_std")
        elif wanted["reject"] == "minmax":
            combiner.clip_extrema(wanted["low"], wanted["high"])

    holes = ~np.isfinite(stack)
    left_out, certain = leave_out(stack, wanted, noise=0.0)
    if wanted["reject"] == "minmax" and (holes.any() or wanted["low"] + wanted["high"] >= len(stack)):
        expected, rejected = combine_by_ccdproc(stack, wanted["method"], left_out)
    else:
        expected, rejected = combine_by_ccdproc(stack, wanted["method"], holes, clip)
        # what is said here of the rule is what Combiner does
        np.testing.assert_array_equal(rejected.sum(axis=0)[certain], left_out.sum(axis=0)[certain])
    combined = combine(stack, wanted, rows=rows, threads=threads)
    hold_against(combined, expected, rejected, stack, certain)


@given(frames(), SETTINGS, st.floats(0.5, 50.0), st.integers(1, 9), st.integers(1, 3))
def test_combination_of_frames_of_known_noise_is_that_of_ccdproc(stack, wanted, noise, rows, threads):
    left_out, certain = leave_out(stack, wanted, noise)
    expected, rejected = combine_by_ccdproc(stack, wanted["method"], left_out)
    noises = [FrameNoise(noise**2, gain=np.inf)] * len(stack)
    efficiency = mock.patch("darkroom.combined_noise.measure_rejection", return_value=(1.0, 1.0))
    with efficiency:  # which would be simulated anew for each number of frames, and tells the variance alone
        combined = combine(stack, wanted, noises, rows, threads)
    hold_against(combined, expected, rejected, stack, certain)


@given(frames(), SETTINGS, st.booleans())
def test_bands_and_threads_make_no_difference_to_a_bit(stack, wanted, known):
    noises = [FrameNoise(30.0, gain=np.inf)] * len(stack) if known else None
    with mock.patch("darkroom.combined_noise.measure_rejection", return_value=(1.0, 1.0)):
        whole = combine(stack, wanted, noises)
        for rows, threads in ((1, 1), (2, 3)):
            cut = combine(stack, wanted, noises, rows, threads)
            assert cut.data.tobytes() == whole.data.tobytes()
            assert cut.count.tobytes() == whole.count.tobytes()
            assert not known or cut.variance.tobytes() == whole.variance.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_differences_of_integers_do_not_wrap(dtype):
    stack = np.array([[[30000]], [[0]], [[3]]], dtype)
    for noises in (None, [FrameNoise(1e12, gain=np.inf)] * 3):
        assert combine(stack, {"method": "mean", "reject": "none"}, noises).data == pytest.approx(10001)
