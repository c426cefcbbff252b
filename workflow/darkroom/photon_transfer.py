"""Photon transfer: read noise and gain of a camera, measured from pairs of its own bias and flat frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.noise import ROUNDING_VARIANCE, Image
from darkroom.rejection import SIGMA_PER_MAD

P90 = 1.6448536269514722  # 90 % of normal values lie within this many standard deviations
BLOCK = 64  # pixels along the side of a block, less on small frames
PIXEL_CLIP = 5.0  # standard deviations; takes 1.5e-5 off the variance of normal noise
BLOCK_CLIP = 4.0
GROWTH = 2  # pixels around an outlier that go with it: the wings of a star, the edge of a hit
ROUNDS = 2  # of rejection within a block
NEAR_SATURATION = 0.95  # of the saturation; above it the response may bend
FULL_FRACTION = 0.001  # of a block's pixels; with more of them full the rest is a biased choice
FADING = 2.0  # no pair of flats may differ by more than this factor

Blocks = NDArray[np.floating[Any]]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A measured value, its error (one standard deviation) and the number of pairs of frames behind it."""

    value: float
    error: float
    pairs: int


def measure_read_noise(frames: Iterable[Image]) -> Measured | None:
    """Measure the read noise from disjoint pairs of bias frames.

    The difference of two bias frames holds twice the variance of one and nothing that they share (Janesick 2001,
    *Scientific Charge-Coupled Devices*). It is taken in blocks, from which rows and columns are levelled: a drift of
    the level, a gradient, a strip of overscan that was noisy take no part.

    Parameters
    ----------
    frames : iterable of arrays, shape (rows, columns)
        In ADU, in order of time; the first is paired with the second, the third with the fourth. Two at a time are
        held. Not finite pixels take no part.

    Returns
    -------
    Measured or None
        ADU rms, without the rounding to whole ADU (1/12 ADU^2). None if there is no pair, or no noise but the rounding.

    Notes
    -----
    Where all pixels have one level, the variance of the rounding is 1/12 only on the average over the fraction of an
    ADU that this level has; about it it swings by (1/pi^2 + 4 s^2) exp(-2 pi^2 s^2) for a noise of s ADU (Widrow &
    Kollar 2008, *Quantization Noise*). That matters below 0.6 ADU, and is part of the error.
    """
    pairs = []
    for first, second in _pair_up(frames):
        with np.errstate(invalid="ignore"):
            blocks = [_measure_variance(one - other)[:2] for one, other in _cut_into_blocks([first, second])]
        doubled, freedom = (np.concatenate(part) for part in zip(*blocks, strict=True))
        usable = np.isfinite(doubled)
        if usable.any():
            # one expected error for all blocks: by each one's own variance, quiet blocks would count for more
            expected = max(float(np.median(doubled[usable])) / 2, ROUNDING_VARIANCE)
            pairs.append(_combine_blocks(doubled[usable] / 2, freedom[usable] / (2 * expected**2)))
    total = _combine_pairs(pairs)
    if total is None or not total.value > ROUNDING_VARIANCE:
        return None
    variance = total.value - ROUNDING_VARIANCE
    swing = (1 / math.pi**2 + 4 * variance) * math.exp(-2 * math.pi**2 * variance)
    return Measured(math.sqrt(variance), math.hypot(total.error, swing) / (2 * math.sqrt(variance)), total.pairs)


def measure_gain(
    flats: Iterable[Image], read_noise: float, bias: Image | float, saturation: float | None = None
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

    Returns
    -------
    Measured or None
        In e-/ADU. None if no pair of flats can serve; pairs that differ by more than a factor of 2 do not.
    """
    floor = read_noise**2 + ROUNDING_VARIANCE
    limit = math.inf if saturation is None else NEAR_SATURATION * saturation
    pairs = []
    for first, second in _pair_up(flats):
        pedestal = np.broadcast_to(np.float32(bias), np.shape(first))
        blocks = [_compare_flats(part, floor, limit) for part in _cut_into_blocks([first, second, pedestal])]
        variance, freedom, signal, noise, ratio = (np.concatenate(part) for part in zip(*blocks, strict=True))
        usable = np.isfinite(variance) & (signal > 0)
        if not usable.any() or not 1 / FADING <= np.median(ratio[usable]) <= FADING:
            continue
        variance, freedom, signal, noise = (each[usable] for each in (variance, freedom, signal, noise))
        inverse = (variance - noise) / signal
        # as above, the errors are those of a model
        model = noise + max(float(np.median(inverse)), 0.0) * signal
        pairs.append(_combine_blocks(inverse, freedom * signal**2 / (2 * model**2)))
    inverse_gain = _combine_pairs(pairs)
    if inverse_gain is None or not inverse_gain.value > 0:
        return None
    return Measured(1 / inverse_gain.value, inverse_gain.error / inverse_gain.value**2, inverse_gain.pairs)


def combine_measured(measured: Sequence[Measured]) -> Measured | None:
    """Return the mean of several measurements, weighted by their inverse variances; None for none.

    Where they scatter by more than their errors say, the error is the scatter's (as the Particle Data Group does it).
    """
    if not measured:
        return None
    values, errors = np.array([(each.value, each.error) for each in measured]).T
    weights = errors**-2.0
    mean = float(np.sum(weights * values) / np.sum(weights))
    excess = np.sum(weights * (values - mean) ** 2) / max(len(values) - 1, 1)
    error = math.sqrt(max(1.0, float(excess)) / float(np.sum(weights)))
    return Measured(mean, error, sum(each.pairs for each in measured))


def choose_pairs(count: int, wanted: int) -> list[tuple[int, int]]:
    """Return the pairs of neighbours among ``count`` frames, ``wanted`` evenly spread ones before the rest."""
    pairs = [(number, number + 1) for number in range(0, count - 1, 2)]
    step = max(1.0, len(pairs) / max(wanted, 1))
    spread = [pairs[int((number + 0.5) * step)] for number in range(min(wanted, len(pairs)))]
    return spread + [pair for pair in pairs if pair not in spread]


def _pair_up(frames: Iterable[Image]) -> Iterator[tuple[Image, Image]]:
    one_by_one = iter(frames)
    return zip(one_by_one, one_by_one, strict=False)  # an odd one at the end has no partner


def _cut_into_blocks(images: Sequence[Image]) -> Iterator[list[Blocks]]:
    """Yield the blocks of images of one shape, (blocks, height, width) each, a band of rows after the other.

    The few rows and columns that remain at the end take no part.
    """
    rows, columns = images[0].shape
    side = min(BLOCK, max(8, min(rows, columns) // 8))
    height, width = (length // max(1, length // side) for length in (rows, columns))
    across = columns // width
    for top in range(0, rows - height + 1, height):
        bands = (image[top : top + height, : across * width] for image in images)
        yield [
            np.ascontiguousarray(band.reshape(height, across, width).swapaxes(0, 1), dtype=np.float32) for band in bands
        ]


def _compare_flats(blocks: list[Blocks], floor: float, limit: float) -> tuple[Values, ...]:
    """Return, of blocks of two flats and bias, var(f1 - r f2), its degrees of freedom, S1 + r^2 S2, R (1 + r^2), r."""
    first, second, bias = blocks
    full = (first > limit) | (second > limit)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = first - bias, second - bias
        ratio = _find_quantile(first, 0.5) / _find_quantile(second, 0.5)
        ratio[~(np.isfinite(ratio) & (ratio > 0)) | (full.mean(axis=(1, 2)) > FULL_FRACTION)] = np.nan
        difference = np.where(full, np.float32(np.nan), first - ratio.astype(np.float32)[:, None, None] * second)
    variance, freedom, kept = _measure_variance(difference)
    number = np.maximum(kept.sum(axis=(1, 2)), 1)
    one, other = (np.where(kept, each, 0).sum(axis=(1, 2), dtype=np.float64) / number for each in (first, second))
    return variance, freedom, one + ratio**2 * other, floor * (1 + ratio**2), ratio


def _find_quantile(blocks: Blocks, fraction: float) -> Values:
    """Return a quantile of each block, to a few per cent of its width: of every fifth pixel where there are many."""
    values = blocks.reshape(len(blocks), -1)
    values = values[:, :: 5 if values.shape[1] > 2000 else 1]  # an odd step meets every colour of a mosaic
    if not np.isnan(values).any():
        return np.quantile(values, fraction, axis=1).astype(np.float64)
    found = [np.quantile(line[~np.isnan(line)], fraction) if not np.isnan(line).all() else np.nan for line in values]
    return np.array(found, dtype=np.float64)


def _measure_variance(difference: Blocks) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Return the variance of each block with its rows and columns levelled, its degrees of freedom, the pixels kept.

    Outliers (cosmic rays, stars) are rejected about the block's median, then about the level of row and column. NaN
    where less than half of a block is kept.
    """
    height, width = difference.shape[1:]
    with np.errstate(invalid="ignore"):
        difference = difference - _find_quantile(difference, 0.5).astype(np.float32)[:, None, None]
        # differences of whole numbers: the MAD of a quiet camera would be 0 or 1 ADU and nothing between
        deviation = _find_quantile(np.abs(difference), 0.9) / P90
        residual = difference
        for _ in range(ROUNDS):
            kept = ~_grow(~(np.abs(residual) <= (PIXEL_CLIP * deviation).astype(np.float32)[:, None, None]))
            residual = difference
            for axis in (2, 1):
                number = np.maximum(np.count_nonzero(kept, axis=axis, keepdims=True), 1).astype(np.float32)
                residual = residual - np.where(kept, residual, 0).sum(axis=axis, keepdims=True) / number
            number = np.count_nonzero(kept, axis=(1, 2)).astype(np.float64)
            freedom = np.maximum(number - (height + width - 1), 1.0)
            variance = np.square(np.where(kept, residual, 0)).sum(axis=(1, 2), dtype=np.float64) / freedom
            deviation = np.sqrt(variance)
    return np.where(number >= 0.5 * height * width, variance, np.nan), freedom, kept


def _grow(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is marked in each block with its neighbours in a square."""
    from scipy.ndimage import maximum_filter

    touched = marked.any(axis=(1, 2))
    width = 2 * GROWTH + 1
    marked[touched] = maximum_filter(marked[touched], size=(1, width, width), mode="constant")
    return marked


def _combine_blocks(values: Values, weights: Values) -> Measured | None:
    """Return the mean of blocks weighted by their expected inverse variances, those far off left out.

    The error is what the blocks' scatter says, and not less than was expected.
    """
    usable = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    values, weights = values[usable], weights[usable]
    if not values.size:
        return None
    distance = (values - np.median(values)) * np.sqrt(weights)
    scatter = max(1.0, SIGMA_PER_MAD * float(np.median(np.abs(distance))))
    kept = np.abs(distance) <= BLOCK_CLIP * scatter
    total = float(np.sum(weights[kept]))
    return Measured(float(np.sum((weights * values)[kept])) / total, scatter / math.sqrt(total), 1)


def _combine_pairs(pairs: Sequence[Measured | None]) -> Measured | None:
    """Return the mean of pairs of frames; of three and more, one that is far off (a disturbed frame) is left out."""
    found = [pair for pair in pairs if pair is not None]
    if len(found) < 3:
        return combine_measured(found)
    values, errors = np.array([(each.value, each.error) for each in found]).T
    distance = np.abs(values - np.median(values))
    limit = PIXEL_CLIP * np.maximum(errors, SIGMA_PER_MAD * np.median(distance))
    return combine_measured([pair for pair, near in zip(found, distance <= limit, strict=True) if near])
