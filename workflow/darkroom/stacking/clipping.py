"""Clipping of a stack: which values of lights are hits, trails and planes, not stars under other seeing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, maximum_filter, minimum_filter

from darkroom.rejection import find_median, find_outliers

# A star may differ from frame to frame by a part of the range of values within half a FWHM of a pixel (compare the
# derivatives of Gonzaga et al. 2012, The DrizzlePac Handbook, chapter 4, which know of no seeing). STEADY is for what
# resampling does to its peak (9 % at FWHM 3, 17 % at FWHM 2) and for places and scales that are a little off. Where
# the star is wider or sharper, its peak changes with the FWHM to the power of -2; the range at the peak is 0.75 of it.
STEADY = 0.4
SEEING = 1.3 / 0.75
UNKNOWN = 0.8  # part of the range, where a light does not tell its FWHM
CHANCE_RANGE = 6.0  # standard deviations, what noise alone makes of the range
LARGEST = 15  # pixels, half of the widest range
BESIDE = 0.6  # of the limit, that of the neighbours of what was rejected: a hit's edges
AROUND = np.ones((1, 3, 3), bool)
CHUNK = 2**18  # values of a chunk whose median is taken, so that they stay in the cache

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


def find_hits(
    values: Image,
    variances: Image,
    levels: Image,
    sigma: float,
    widths: Sequence[float | None],
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
    widths : sequence of float or None
        FWHM of each light's stars, pixels of the stack.
    """
    absent = np.isnan(values)
    if len(values) < 3:
        return np.zeros(values.shape, bool)
    middle = take_middle(values)
    parts, fwhm = tell_parts(widths)
    allowed = tell_range(middle, variances, absent, fwhm)
    doubtful = np.zeros(middle.shape, bool)
    with np.errstate(invalid="ignore"):
        for value, variance, level, part in zip(values, variances, levels, parts, strict=True):
            limit = sigma * np.sqrt(np.minimum(variance, level)) + np.float32(part) * allowed
            doubtful |= np.abs(value - middle) > limit
    rejected = np.zeros(values.shape, bool)
    _clip(rejected, values, variances, levels, (parts, allowed), np.nonzero(doubtful), sigma)
    if rejected.any():
        beside = binary_dilation(rejected, AROUND) & ~rejected
        again = np.zeros_like(rejected)
        _clip(again, values, variances, levels, (parts, allowed), np.nonzero(beside.any(axis=0)), BESIDE * sigma)
        rejected |= again & beside
    return rejected


def take_middle(values: Image) -> Image:
    """Return the median over the lights, NaN where there is no value."""
    number, rows, columns = values.shape
    middle = np.empty((rows, columns), np.float32)
    step = max(1, CHUNK // (number * columns))
    for start in range(0, rows, step):
        middle[start : start + step] = find_median(np.asarray(values[:, start : start + step], np.float64))
    return middle


def tell_parts(widths: Sequence[float | None]) -> tuple[NDArray[np.float64], float]:
    """Return by which part of a star's range each light may differ from the others, and the FWHM of these."""
    known = [width for width in widths if width]
    usual = float(np.median(known)) if known else 3.0
    parts = [STEADY + SEEING * abs((usual / width) ** 2 - 1) if width else UNKNOWN for width in widths]
    return np.array(parts), usual


def tell_range(middle: Image, variances: Image, absent: Mask, fwhm: float) -> Image:
    """Return the range of values within half a FWHM of each pixel, less what noise makes of it."""
    size = 2 * min(LARGEST, int(np.ceil(fwhm / 2))) + 1
    filled = np.where(np.isfinite(middle), middle, 0)
    number = np.maximum(np.count_nonzero(~absent, axis=0), 1)
    noise = np.sqrt(np.where(absent, 0, variances).sum(axis=0) / number / number)
    span = maximum_filter(filled, size) - minimum_filter(filled, size)
    return np.asarray(np.maximum(span - CHANCE_RANGE * noise, 0), np.float32)


def _clip(
    rejected: Mask,
    values: Image,
    variances: Image,
    levels: Image,
    tolerance: tuple[NDArray[np.float64], Image],
    where: tuple[NDArray[np.int_], ...],
    sigma: float,
) -> None:
    """Set what is rejected of some pixels."""
    if not len(where[0]):
        return
    pixels: tuple[Any, ...] = (slice(None), *where)
    heard = values[pixels].astype(np.float64)
    sky = levels[pixels].astype(np.float64)
    more = find_median(
        np.where(np.isnan(heard), np.nan, np.asarray(variances[pixels] / np.where(sky > 0, sky, np.nan), np.float64))
    )
    parts, allowed = tolerance
    deviation = np.sqrt(np.maximum(more, 1) * sky) + parts[:, None] * allowed[where] / sigma
    rejected[pixels] = find_outliers(heard, sigma, lambda _: deviation)
