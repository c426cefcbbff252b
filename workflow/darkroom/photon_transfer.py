"""Photon transfer: the gain of a camera, measured from pairs of its own flats."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from darkroom.mosaics import name_planes
from darkroom.noise import ROUNDING_VARIANCE, Image
from darkroom.pairs import (
    Blocks,
    Measured,
    Values,
    combine_blocks,
    combine_pairs,
    cut_into_blocks,
    find_quantile,
    measure_variance,
    pair_up,
)

NEAR_SATURATION = 0.95  # of the saturation; above it the response may bend
FULL_FRACTION = 0.001  # of a block's pixels; with more of them full the rest is a biased choice
FADING = 2.0  # no pair of flats may differ by more than this factor


def measure_gain(
    flats: Iterable[Image],
    read_noise: float,
    bias: Image | float,
    saturation: float | None = None,
    mosaic: str | None = None,
) -> Measured | None:
    """Measure the gain by photon transfer from disjoint pairs of flats of one filter.

    A pixel that collects a signal of S ADU with a gain of g e-/ADU has g S electrons, whose variance is g S too, that
    is S / g in ADU^2. On top come the read noise and the rounding, R = RN^2 + 1/12. With the bias off two flats hold
    S1 and S2, and the same pattern p of pixels, dust and vignetting: S1 = p L1, S2 = p L2. With r = L1 / L2 the pattern
    goes out of f1 - r f2, and what is left has the variance

        var(f1 - r f2) = R (1 + r^2) + (S1 + r^2 S2) / g

    (Janesick 2001, *Scientific Charge-Coupled Devices*; 2007, *Photon Transfer*; with r = 1 it is his equation for
    equal flats). Each block, with a ratio of its own, gives one 1/g; the mean over blocks is weighted by what the
    model says of their errors. Pixels that repel charge as they fill (brighter-fatter, Antilogus et al. 2014) make
    flats quieter and the gain seem higher, by some per cent near full wells; it is not corrected.

    Parameters
    ----------
    flats : iterable of arrays, shape (rows, columns)
        In ADU, in order of time, bias not yet off; paired as above. Not finite pixels take no part.
    read_noise : float
        ADU rms, without the rounding.
    bias : array or float
        ADU, of the flats' shape.
    saturation : float or None
        ADU, as the flats count: less the overscan where that was subtracted.
    mosaic : str or None
        Of a colour camera, each plane of which has blocks of its own: between two colours there is no median.

    Returns
    -------
    Measured or None
        In e-/ADU. None if no pair of flats can serve; pairs that differ by more than a factor of 2 do not.
    """
    floor = read_noise**2 + ROUNDING_VARIANCE
    limit = math.inf if saturation is None else NEAR_SATURATION * saturation
    pairs = []
    for first, second in pair_up(flats):
        pedestal = np.broadcast_to(np.float32(bias), np.shape(first))
        planes = zip(
            *([plane for _, plane in name_planes(each, mosaic)] for each in (first, second, pedestal)), strict=True
        )
        blocks = [_compare_flats(part, floor, limit) for plane in planes for part in cut_into_blocks(plane)]
        variance, freedom, signal, noise, ratio = (np.concatenate(part) for part in zip(*blocks, strict=True))
        usable = np.isfinite(variance) & (signal > 0)
        if not usable.any() or not 1 / FADING <= np.median(ratio[usable]) <= FADING:
            continue
        variance, freedom, signal, noise = (each[usable] for each in (variance, freedom, signal, noise))
        inverse = (variance - noise) / signal
        # as above, the errors are those of a model
        model = noise + max(float(np.median(inverse)), 0.0) * signal
        pairs.append(combine_blocks(inverse, freedom * signal**2 / (2 * model**2)))
    inverse_gain = combine_pairs(pairs)
    if inverse_gain is None or not inverse_gain.value > 0:
        return None
    return Measured(1 / inverse_gain.value, inverse_gain.error / inverse_gain.value**2, inverse_gain.pairs)


def _compare_flats(blocks: list[Blocks], floor: float, limit: float) -> tuple[Values, ...]:
    """Return, of blocks of two flats and bias, var(f1 - r f2), its degrees of freedom, S1 + r^2 S2, R (1 + r^2), r."""
    first, second, bias = blocks
    full = (first > limit) | (second > limit)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = first - bias, second - bias
        ratio = find_quantile(first, 0.5) / find_quantile(second, 0.5)
        ratio[~(np.isfinite(ratio) & (ratio > 0)) | (full.mean(axis=(1, 2)) > FULL_FRACTION)] = np.nan
        difference = np.where(full, np.float32(np.nan), first - ratio.astype(np.float32)[:, None, None] * second)
    variance, freedom, kept = measure_variance(difference)
    number = np.maximum(kept.sum(axis=(1, 2)), 1)
    one, other = (np.where(kept, each, 0).sum(axis=(1, 2), dtype=np.float64) / number for each in (first, second))
    return variance, freedom, one + ratio**2 * other, floor * (1 + ratio**2), ratio
