"""Combining: many frames of one kind into one, with outliers rejected pixel by pixel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import ccdproc
import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from numpy.typing import NDArray

# The standard deviation of a normal distribution in units of its median absolute deviation.
SIGMA_PER_MAD = 1.482602218505602
# Rounding to whole ADU spreads values by this (one over the root of twelve); no clip may be tighter.
ROUNDING_NOISE = 12**-0.5
BAND_BYTES = 16 * 2**20

Image = NDArray[np.floating[Any]]


def combine_images(
    images: Sequence[Image], settings: dict[str, Any], quanta: Sequence[float] | None = None
) -> NDArray[np.float32]:
    """Combine images of one shape by mean or median after rejection.

    Parameters
    ----------
    images : sequence of arrays, shape (rows, columns)
        Not finite pixels take no part.
    settings : dict
        ``method`` (mean, median), ``reject`` (sigma, minmax, none) and what that needs (``sigma``; ``low``, ``high``).
    quanta : sequence of float, optional
        The size of one ADU in each image, 1 unless the image was scaled.

    Returns
    -------
    array of float32, shape (rows, columns)
        NaN where no image has a value.
    """
    quanta = quanta if quanta is not None else [1.0] * len(images)
    rows, columns = images[0].shape
    step = max(1, BAND_BYTES // (8 * columns * len(images)))
    combined = np.empty((rows, columns), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel without a value in any image is to be NaN
        for start in range(0, rows, step):
            band = np.stack([image[start : start + step] for image in images]).astype(np.float64)
            combined[start : start + step] = _combine_band(band, settings, float(np.median(quanta)))
    return combined


def _combine_band(band: NDArray[np.float64], settings: dict[str, Any], quantum: float) -> NDArray[np.float64]:
    band[~np.isfinite(band)] = np.nan
    mask = np.isnan(band)
    if settings["reject"] == "sigma":
        mask |= find_outliers(band, settings["sigma"], quantum)
    elif settings["reject"] == "minmax":
        mask |= find_extremes(band, settings["low"], settings["high"])
    combiner = ccdproc.Combiner(
        [CCDData(layer, unit=u.adu, mask=hidden) for layer, hidden in zip(band, mask, strict=True)],
        dtype=np.float64,
    )
    combine = combiner.median_combine if settings["method"] == "median" else combiner.average_combine
    # the uncertainty is not used, and the default one costs more than the rest
    result = combine(uncertainty_func=lambda data, axis, **_: np.zeros(data.shape[1:]))
    return np.where(result.mask, np.nan, result.data) if result.mask is not None else result.data


def find_outliers(stack: NDArray[np.float64], sigma: float, quantum: float = 1.0) -> NDArray[np.bool_]:
    """Return where a stack of images departs from its median by more than ``sigma`` robust standard deviations.

    The deviation is the MAD times 1.4826, but not less than the rounding to whole ADU: where most frames agree to the
    last digit the MAD is zero, and every other value would be rejected. Shape (images, rows, columns).
    """
    with np.errstate(invalid="ignore"):
        middle = np.nanmedian(stack, axis=0) if np.isnan(stack).any() else np.median(stack, axis=0)
        distance = np.abs(stack - middle)
        spread = np.nanmedian(distance, axis=0) if np.isnan(distance).any() else np.median(distance, axis=0)
        return distance > sigma * np.maximum(SIGMA_PER_MAD * spread, ROUNDING_NOISE * quantum)


def find_extremes(stack: NDArray[np.float64], low: int, high: int) -> NDArray[np.bool_]:
    """Return where a stack of images has its ``low`` lowest and ``high`` highest values, pixel by pixel.

    NaN counts as neither; where no value would be left, none is dropped. Shape (images, rows, columns).
    """
    rank = stack.argsort(axis=0, kind="stable").argsort(axis=0)  # NaN comes last
    count = np.isfinite(stack).sum(axis=0)
    return ((rank < low) | (rank >= count - high)) & (low + high < count)
