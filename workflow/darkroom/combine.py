"""Combining: many frames of one kind into one, with outliers rejected pixel by pixel, and the noise that is left."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import ccdproc
import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from numpy.typing import NDArray

from darkroom.noise import ROUNDING_VARIANCE, FrameNoise, find_plain_efficiency, measure_rejection, round_median

# The standard deviation of a normal distribution in units of its median absolute deviation.
SIGMA_PER_MAD = 1.482602218505602
ROUNDING_NOISE = ROUNDING_VARIANCE**0.5
# Chance, and hits in up to two of five frames, make the MAD of N values larger than it is of many: by up to 1 + 20/N.
MAD_EXCESS = 20
WHOLE = 0.01  # ADU that float32 may be off by
BAND_BYTES = 16 * 2**20

Image = NDArray[np.floating[Any]]
Stack = NDArray[np.float64]
# Where an image (rows, columns) is expected, the standard deviation of each frame (images, rows, columns).
ExpectedNoise = Callable[[Stack], Stack]


@dataclass
class Combined:
    """A combination of images, pixel by pixel; all of shape (rows, columns).

    Attributes
    ----------
    data : array of float32
        NaN where no image has a value.
    variance : array of float32 or None
        The variance of ``data``, of what the combined frames' own noise makes of it; NaN where ``data`` is. None where
        the frames' noise is not known.
    count : array of int32
        How many values were kept.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    count: NDArray[np.int32]


def combine_images(
    images: Sequence[Image],
    settings: dict[str, Any],
    noises: Sequence[FrameNoise] | None = None,
    quanta: Sequence[float] | None = None,
    spread: float = 0.0,
) -> Combined:
    """Combine images of one shape by mean or median after rejection.

    Parameters
    ----------
    images : sequence of arrays, shape (rows, columns)
        Not finite pixels take no part.
    settings : dict
        ``method`` (mean, median), ``reject`` (sigma, minmax, none) and what that needs (``sigma``; ``low``, ``high``).
    noises : sequence of FrameNoise, optional
        The noise of each image: no clip is tighter, and the variance of the combination follows from it.
    quanta : sequence of float, optional
        The size of one ADU in each image, 1 unless the image was scaled; where the noise is not known, no clip is
        tighter than the rounding to it.
    spread : float
        How far the levels of images that were not scaled lie apart, as a fraction: that is no reason to reject one.
    """
    rounding = ROUNDING_NOISE * float(np.median(quanta if quanta is not None else 1.0))
    rows, columns = images[0].shape
    step = max(1, BAND_BYTES // (8 * columns * len(images)))
    data = np.empty((rows, columns), np.float32)
    variance = None if noises is None else np.empty_like(data)
    count = np.empty(data.shape, np.int32)
    for start in range(0, rows, step):
        band = slice(start, start + step)
        stack = np.stack([image[band] for image in images]).astype(np.float64)
        stack[~np.isfinite(stack)] = np.nan
        finite = np.isfinite(stack)
        expect_noise = None if noises is None else partial(_expect_noise, noises, band)
        allow = None if noises is None else partial(_expect_noise, noises, band, spread=spread)
        kept = ~find_rejected(stack, settings, allow, rounding)
        combined = average_kept(stack, ~kept, settings["method"])
        data[band], count[band] = combined, kept.sum(axis=0)
        if noises is not None and expect_noise is not None and variance is not None:
            steps = _find_steps(stack, noises) if settings["method"] == "median" else np.zeros(())
            variance[band] = _combine_noise(expect_noise(combined), finite, kept, steps, settings)
    return Combined(data, variance, count)


def _expect_noise(noises: Sequence[FrameNoise], band: slice, expected: Stack, spread: float = 0.0) -> Stack:
    noise = np.sqrt(np.stack([noise.variance(expected, band) for noise in noises]))
    return np.hypot(noise, spread * expected) if spread else noise


def find_rejected(
    stack: Stack,
    settings: dict[str, Any],
    expect_noise: ExpectedNoise | None = None,
    rounding: float = ROUNDING_NOISE,
) -> NDArray[np.bool_]:
    """Return which values of a stack take no part in its combination: NaN, and what ``reject`` asks for."""
    absent = np.isnan(stack)
    if settings["reject"] == "sigma":
        return absent | find_outliers(stack, settings["sigma"], expect_noise, rounding)
    if settings["reject"] == "minmax":
        return absent | find_extremes(stack, settings["low"], settings["high"])
    return absent


def average_kept(stack: Stack, rejected: NDArray[np.bool_], method: str) -> Stack:
    """Return the mean or median of what was not rejected of a stack (images, rows, columns); NaN where all was."""
    combiner = ccdproc.Combiner(
        [CCDData(layer, unit=u.adu, mask=hidden) for layer, hidden in zip(stack, rejected, strict=True)],
        dtype=np.float64,
    )
    combine = combiner.median_combine if method == "median" else combiner.average_combine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel without a value in any image is to be NaN
        # ccdproc's uncertainty is not used, and the default one costs more than the rest
        result = combine(uncertainty_func=lambda data, axis, **_: np.zeros(data.shape[1:]))
    return np.where(result.mask, np.nan, result.data) if result.mask is not None else result.data


def find_outliers(
    stack: Stack, sigma: float, expect_noise: ExpectedNoise | None = None, rounding: float = ROUNDING_NOISE
) -> NDArray[np.bool_]:
    """Return where a stack of images departs from its median by more than ``sigma`` standard deviations.

    Shape (images, rows, columns). Where the noise is known, each value has the standard deviation that is expected
    where the median is, or that of the MAD if it is larger than chance can make it: of few values it is often far too
    small, and one of them, or two, can hide behind what others make of it. Where the noise is not known, the deviation
    is the MAD times 1.4826, but not less than the rounding: where most frames agree to the last digit the MAD is zero,
    and every other value would be rejected. Values within the MAD, half of them all, are always kept.
    """
    middle = _find_median(stack)
    distance = np.abs(stack - middle)
    spread = _find_median(distance)
    with np.errstate(invalid="ignore"):
        if expect_noise is None:
            deviation = np.maximum(SIGMA_PER_MAD * spread, rounding)
        else:
            excess = 1 + MAD_EXCESS / np.maximum(np.isfinite(stack).sum(axis=0), 1)
            deviation = np.maximum(SIGMA_PER_MAD * spread / excess, expect_noise(middle))
        return distance > np.maximum(sigma * deviation, spread)


def _find_median(stack: Stack) -> Stack:
    """Return the median of the values of each pixel that are not NaN; NaN where none is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(stack, axis=0) if np.isnan(stack).any() else np.median(stack, axis=0)


def find_extremes(stack: Stack, low: int, high: int) -> NDArray[np.bool_]:
    """Return where a stack of images has its ``low`` lowest and ``high`` highest values, pixel by pixel.

    NaN counts as neither; where no value would be left, none is dropped. Shape (images, rows, columns).
    """
    rank = stack.argsort(axis=0, kind="stable").argsort(axis=0)  # NaN comes last
    count = np.isfinite(stack).sum(axis=0)
    return ((rank < low) | (rank >= count - high)) & (low + high < count)


def _combine_noise(
    noise: Stack, finite: NDArray[np.bool_], kept: NDArray[np.bool_], steps: Stack, settings: dict[str, Any]
) -> Stack:
    """Return the variance of a combination of values of these standard deviations; NaN where none was kept.

    The mean is as noisy as the mean variance of its frames makes it. The median, and a mean without its extremes, heed
    the quieter frames more: the more values, the more do they follow the harmonic mean of the standard deviations,
    which is exact for the median of many. In between the two means are weighted, with weights found by simulation
    (to 1 % of the noise where that of the frames differs by a factor of 1.5, to 5 % where it differs by 3).

    Parameters
    ----------
    noise, finite, kept : arrays, shape (images, rows, columns)
    steps : array, shape (rows, columns)
        See `_find_steps`.
    settings : dict
        See `combine_images`.
    """
    count = kept.sum(axis=0)
    # a clip drops hits wherever they are, minmax the noisy frames rather than the others: there all have a say
    heard = finite if settings["reject"] == "minmax" else kept
    heard_count = heard.sum(axis=0)
    median = settings["method"] == "median"
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(heard, noise**2, 0).sum(axis=0) / heard_count
        if median or settings["reject"] == "minmax":
            quiet = (heard_count / np.where(heard, 1 / noise, 0).sum(axis=0)) ** 2
            weight = np.where(heard_count < 3, 1, 0.8 / heard_count) if median else 1 - np.sqrt(1 - count / heard_count)
            variance = np.where(quiet > 0, variance**weight * quiet ** (1 - weight), 0)
        variance = np.maximum(variance - ROUNDING_VARIANCE * steps**2, 0)
        result = variance / count * _look_up(lambda n: find_plain_efficiency(n, settings["method"]), count)
        result *= _look_up(lambda n: measure_rejection(n, settings)[1], finite.sum(axis=0))
        if steps.any():
            result += steps**2 * round_median(np.sqrt(variance) / steps, heard_count)
    return np.where(count > 0, result, np.nan)


def _find_steps(stack: Stack, noises: Sequence[FrameNoise]) -> Stack:
    """Return the size of one ADU where all values of a pixel are whole ADU apart, so that their median is rounded too.

    Zero where they are not, since their levels or scales differ. Shape (rows, columns).
    """
    scale = noises[0].scale
    if any(noise.scale != scale for noise in noises):
        return np.zeros(stack.shape[1:])
    apart = (stack - np.fmin.reduce(stack, axis=0)) / scale
    apart -= np.rint(apart)
    return np.where((np.abs(apart) > WHOLE).any(axis=0), 0.0, scale)  # NaN is not


def _look_up(function: Callable[[int], float], numbers: NDArray[np.int_]) -> Stack:
    """Return a function of whole numbers at each of an array, called once for each that is there."""
    found, where = np.unique(numbers, return_inverse=True)
    return np.array([function(number) for number in found.tolist()])[where].reshape(numbers.shape)
