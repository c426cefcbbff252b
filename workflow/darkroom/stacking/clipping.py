"""Clipping of a stack: which values of lights are hits, trails and planes, not stars under other seeing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from darkroom.rejection import find_median, find_outliers

# A star may differ from frame to frame by a part of the range of values within half a FWHM of a pixel (compare the
# derivatives of Gonzaga et al. 2012, The DrizzlePac Handbook, chapter 4, which know of no seeing). The range at the
# peak is 0.75 of it. Resampling adds between 0 and 1/4 to the variance of a star along each axis, 1/6 in the middle,
# as pixels lie one on the other or between others: so a light differs from the middle of them by up to
# (1/3) / (2 s^2) of the peak, s = FWHM / 2.355, which is BLUR / FWHM^2 of the range. STEADY is for places that are
# 0.05 pixels off (3 % at FWHM 3), for scales, and for stars that are not round. Where a light's stars are wider or
# sharper than those of the others, their peaks change with the FWHM to the power of -2.
BLUR = 1.25
STEADY = 0.1
SEEING = 1.3 / 0.75
UNKNOWN = 0.8  # part of the range, where a light does not tell its FWHM
OF_THREE = 1.5  # times as much one may differ from the middle of three, which may be as far off on its side
APART = 2.0  # times as much two lights may differ from each other, and of the lower one the range is less
USUAL = 3.0  # pixels, the FWHM where no light tells it
CHANCE_RANGE = 6.0  # standard deviations, what noise alone makes of the range
LARGEST = 15  # pixels, half of the widest range
BESIDE = 0.6  # of the limit in sigma, that of the neighbours of what was rejected: a hit's edges
BESIDE_STAR = 0.3  # and of the part by which stars may differ: a hit on a star was none of its differences
CHUNK = 2**18  # values of a chunk whose median is taken, so that they stay in the cache

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]


def find_hits(
    values: Image,
    variances: Image,
    levels: Image,
    sigma: float,
    widths: Sequence[float | None],
    side: float = 1.0,
) -> Mask:
    """Return which values of resampled lights (lights, rows, columns) depart from the others; False where NaN.

    A value has the noise that its light has in the sky, and of a star as much more as the others have there, since a
    hit brings noise of its own. Of three values and more, what lies too far from the median is rejected. Of two it is
    the brighter one, where they differ by too much for the error bars of both: cosmic rays, trails and planes add
    light, and what lacks it is in the masks of bad pixels. One alone is kept.

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
    side : float
        That of the largest pixels of a light, in pixels of the stack.
    """
    if len(values) < 2:
        return np.zeros(values.shape, bool)
    absent = np.isnan(values)
    middle = take_middle(values, absent)
    parts, steady, fwhm = tell_parts(widths, side)
    allowed = tell_range(middle, variances, absent, fwhm)
    doubtful = np.zeros(middle.shape, bool)
    with np.errstate(invalid="ignore"):
        for value, variance, level, part in zip(values, variances, levels, parts, strict=True):
            limit = sigma * np.sqrt(np.minimum(variance, level)) + np.float32(part) * allowed
            doubtful |= np.abs(value - middle) > limit
    rejected = np.zeros(values.shape, bool)
    tolerance = parts, steady, allowed
    _clip(rejected, values, variances, levels, tolerance, np.nonzero(doubtful), sigma)
    if rejected.any():
        beside = _find_neighbours(rejected)
        again = np.zeros_like(rejected)
        tolerance = BESIDE_STAR * parts, BESIDE_STAR * steady, allowed
        _clip(again, values, variances, levels, tolerance, np.nonzero(beside.any(axis=0)), BESIDE * sigma)
        rejected |= again & beside
    return rejected


def take_middle(values: Image, absent: Mask) -> Image:
    """Return the median over the lights, of two values the lower one; NaN where there is none."""
    number, rows, columns = values.shape
    middle = np.empty((rows, columns), np.float32)
    step = max(1, CHUNK // (number * columns))
    for start in range(0, rows, step):
        middle[start : start + step] = find_median(np.asarray(values[:, start : start + step], np.float64))
    pairs = number - np.count_nonzero(absent, axis=0) == 2
    if pairs.any():
        middle[pairs] = np.fmin.reduce(values[:, pairs], axis=0)
    return middle


def tell_parts(widths: Sequence[float | None], side: float) -> tuple[Values, float, float]:
    """Return by which part of a star's range each light may differ from the others, any of them, and their FWHM."""
    known = [width for width in widths if width]
    usual = float(np.median(known)) if known else USUAL
    steady = STEADY + BLUR * (side / usual) ** 2
    parts = [steady + SEEING * abs((usual / width) ** 2 - 1) if width else max(UNKNOWN, steady) for width in widths]
    return np.array(parts), steady, usual


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
    tolerance: tuple[Values, float, Image],
    where: tuple[NDArray[np.int_], ...],
    sigma: float,
) -> None:
    """Set what is rejected of some pixels."""
    if not len(where[0]):
        return
    pixels: tuple[Any, ...] = (slice(None), *where)
    heard = values[pixels].astype(np.float64)
    sky = levels[pixels].astype(np.float64)
    more = np.where(np.isnan(heard), np.nan, variances[pixels] / np.where(sky > 0, sky, np.nan))
    parts, steady, allowed = tolerance
    number = np.count_nonzero(~np.isnan(heard), axis=0)
    star = np.where(number == 3, OF_THREE, 1) * allowed[where]
    deviation = np.sqrt(np.maximum(find_median(more), 1) * sky) + parts[:, None] * star / sigma
    rejected[pixels] = find_outliers(heard, sigma, lambda _: deviation)
    pairs = number == 2
    if pairs.any():
        rejected[(slice(None), *(each[pairs] for each in where))] = _find_brighter(
            heard[:, pairs], more[:, pairs], sky[:, pairs], (parts, steady, star[pairs]), sigma
        )


def _find_neighbours(rejected: Mask) -> Mask:
    """Return which values lie beside rejected ones of the same light."""
    _, rows, columns = rejected.shape
    light, y, x = np.nonzero(rejected)
    beside = np.zeros_like(rejected)
    for dy, dx in product((-1, 0, 1), repeat=2):
        beside[light, np.clip(y + dy, 0, rows - 1), np.clip(x + dx, 0, columns - 1)] = True
    beside[rejected] = False
    return beside


def _find_brighter(
    heard: Values, more: Values, sky: Values, tolerance: tuple[Values, float, Values], sigma: float
) -> Mask:
    """Return which of two values each (lights, pixels) is too bright beside the other one, whose noise is no hit's."""
    parts, steady, star = tolerance
    there = ~np.isnan(heard)
    lower = np.nanargmin(heard, axis=0)
    own = np.take_along_axis(more, lower[None], axis=0)[0]
    noise = np.sqrt(np.fmax(own, 1) * np.where(there, sky, 0).sum(axis=0))
    part = np.where(there, parts[:, None] - steady, 0).sum(axis=0) + APART * steady
    return there & (heard - np.fmin.reduce(heard, axis=0) > sigma * noise + part * star)
