"""Rejection: which values of a stack of images take no part in its combination, and the combination of the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.medians import take_median

# The standard deviation of a normal distribution in units of its median absolute deviation.
SIGMA_PER_MAD = 1.482602218505602
# 90 % of normal values lie within so many standard deviations.
P90 = 1.6448536269514722
# Chance, and hits in up to two of five frames, make the MAD of N values larger than it is of many: by up to 1 + 20/N.
MAD_EXCESS = 20
FEW = 128  # images whose median is taken by comparing whole images; of more, each pixel's values are put in order

Values = NDArray[np.float64]
# Where an image (rows, columns) is expected, the standard deviation of each frame (images, rows, columns).
ExpectedNoise = Callable[[Values], Values]


def find_rejected(
    stack: Values,
    settings: dict[str, Any],
    expect_noise: ExpectedNoise | None = None,
    rounding: float = 0.0,
) -> NDArray[np.bool_]:
    """Return which values of a stack take no part in its combination: NaN, and what ``reject`` asks for."""
    absent = np.isnan(stack)
    if settings["reject"] == "sigma":
        return absent | find_outliers(stack, settings["sigma"], expect_noise, rounding)
    if settings["reject"] == "minmax":
        return absent | find_extremes(stack, settings["low"], settings["high"])
    return absent


def average_kept(stack: Values, rejected: NDArray[np.bool_], method: str) -> Values:
    """Return the mean or median of what was not rejected of a stack (images, ...); NaN where all was.

    The same as `ccdproc.Combiner` gives for a stack with this mask.
    """
    if method == "median":
        return find_median(np.where(rejected, np.nan, stack))
    count = np.count_nonzero(~rejected, axis=0)
    total = np.where(rejected, 0, stack).sum(axis=0)
    return np.where(count, total, np.nan) / np.maximum(count, 1)


def find_outliers(
    stack: Values, sigma: float, expect_noise: ExpectedNoise | None = None, rounding: float = 0.0
) -> NDArray[np.bool_]:
    """Return where a stack of images departs from its median by more than ``sigma`` standard deviations.

    Shape (images, rows, columns). Where the noise is known, each value has the standard deviation that is expected
    where the median is, or that of the MAD if it is larger than chance can make it: of few values it is often far too
    small, and one of them, or two, can hide behind what others make of it. Where the noise is not known, the deviation
    is the MAD times 1.4826, but not less than the rounding: where most frames agree to the last digit the MAD is zero,
    and every other value would be rejected. Values within the MAD, half of them all, are always kept.
    """
    middle = find_median(stack)
    distance = np.abs(stack - middle)
    spread = find_median(distance)
    with np.errstate(invalid="ignore"):
        if expect_noise is None:
            deviation = np.maximum(SIGMA_PER_MAD * spread, rounding)
        else:
            excess = 1 + MAD_EXCESS / np.maximum(np.isfinite(stack).sum(axis=0), 1)
            deviation = np.maximum(SIGMA_PER_MAD * spread / excess, expect_noise(middle))
        return distance > np.maximum(sigma * deviation, spread)


def find_extremes(stack: Values, low: int, high: int) -> NDArray[np.bool_]:
    """Return where a stack of images has its ``low`` lowest and ``high`` highest values, pixel by pixel.

    NaN counts as neither; where no value would be left, none is dropped. Shape (images, rows, columns).
    """
    rank = stack.argsort(axis=0, kind="stable").argsort(axis=0)  # NaN comes last
    count = np.isfinite(stack).sum(axis=0)
    return ((rank < low) | (rank >= count - high)) & (low + high < count)


def find_median(stack: Values) -> Values:
    """Return the median of the values of each pixel of a stack (images, ...) that are not NaN; NaN where none is."""
    if not np.isnan(stack).any():
        middle = take_median(list(stack)) if len(stack) <= FEW else np.median(stack, axis=0)
        return np.asarray(middle, np.float64)
    ordered = np.sort(stack, axis=0)  # NaN comes last
    count = np.count_nonzero(~np.isnan(stack), axis=0)
    low, high = (
        np.take_along_axis(ordered, np.maximum(place, 0)[None], axis=0)[0] for place in ((count - 1) // 2, count // 2)
    )
    return np.where(count, (low + high) / 2, np.nan)
