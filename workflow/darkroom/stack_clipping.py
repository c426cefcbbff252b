"""Clipping of a stack: which values of resampled lights are hits, trails and planes, and not stars under other seeing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

from darkroom.rejection import find_median, find_outliers

# Part of the range of values within half a FWHM by which a star may differ from frame to frame: at the peak the range
# is half of it and more, and a FWHM that is 20 % larger lowers it by a third; Gonzaga et al. 2012 (The DrizzlePac
# Handbook, chapter 4) take 1.2 and 0.7 times the difference to the next pixel.
SEEING = 0.5
CHANCE_RANGE = 6.0  # standard deviations, what noise alone makes of the range
BESIDE = 0.6  # of the limit, that of the neighbours of what was rejected: a hit's edges
AROUND = np.ones((1, 3, 3), bool)
CHUNK = 2**18  # values of a chunk whose median is taken, so that they stay in the cache

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


def find_hits(
    values: NDArray[np.floating[Any]], variances: Image, levels: NDArray[np.floating[Any]], sigma: float, fwhm: float
) -> Mask:
    """Return which values of resampled lights (lights, rows, columns) depart from the others; False where NaN.

    A value has the noise that its light has in the sky, and of a star as much more as the others have there, since a
    hit brings noise of its own. Of fewer than three values none is rejected: nothing tells which.

    Parameters
    ----------
    values : array, shape (lights, rows, columns)
        On one scale, without sky; NaN is no value.
    variances : array, same shape
        Of each value.
    levels : array, same shape
        The variance that the value would have in empty sky.
    sigma : float
        Standard deviations that a value may lie from the median.
    fwhm : float
        That of the stars, pixels.
    """
    absent = np.isnan(values)
    if len(values) < 3:
        return np.zeros(values.shape, bool)
    middle = take_middle(values)
    allowed = tell_tolerance(middle, variances, absent, fwhm)
    with np.errstate(invalid="ignore"):
        apart = np.abs(values - middle)
        doubtful = (apart > sigma * np.sqrt(np.minimum(variances, levels)) + allowed).any(axis=0)
    rejected = np.zeros(values.shape, bool)
    _clip(rejected, values, variances, levels, allowed, np.nonzero(doubtful), sigma)
    if rejected.any():
        beside = binary_dilation(rejected, AROUND) & ~rejected
        again = np.zeros_like(rejected)
        _clip(again, values, variances, levels, allowed, np.nonzero(beside.any(axis=0)), BESIDE * sigma)
        rejected |= again & beside
    return rejected


def take_middle(values: NDArray[np.floating[Any]]) -> Image:
    """Return the median over the lights, NaN where there is no value."""
    middle = np.empty(values.shape[1:], np.float32)
    step = max(1, CHUNK // (values.shape[0] * values.shape[2]))
    for start in range(0, middle.shape[0], step):
        middle[start : start + step] = find_median(values[:, start : start + step])
    return middle


def tell_tolerance(middle: Image, variances: Image, absent: Mask, fwhm: float) -> Image:
    """Return by how much values may differ where the image is steep, because seeing and focus did."""
    size = 2 * max(1, round(fwhm / 2)) + 1
    filled = np.where(np.isfinite(middle), middle, 0)
    number = np.maximum(np.count_nonzero(~absent, axis=0), 1)
    noise = np.sqrt(np.where(absent, 0, variances).sum(axis=0) / number / number)
    span = maximum_filter(filled, size) - minimum_filter(filled, size)
    return np.asarray(SEEING * np.maximum(span - CHANCE_RANGE * noise, 0), np.float32)


def _clip(
    rejected: Mask,
    values: NDArray[np.floating[Any]],
    variances: Image,
    levels: NDArray[np.floating[Any]],
    allowed: Image,
    where: tuple[NDArray[np.int_], ...],
    sigma: float,
) -> None:
    """Set what is rejected of some pixels."""
    if not len(where[0]):
        return
    pixels = (slice(None), *where)
    heard = values[pixels].astype(np.float64)
    sky = levels[pixels].astype(np.float64)
    more = find_median(np.where(np.isnan(heard), np.nan, variances[pixels] / np.where(sky > 0, sky, np.nan)))
    deviation = np.sqrt(np.maximum(more, 1) * sky) + allowed[where] / sigma
    rejected[pixels] = find_outliers(heard, sigma, lambda _: deviation)
