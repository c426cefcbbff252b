"""Pairs of frames, block by block: what they do not share, and measurements of it with their errors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.noise import Image
from darkroom.rejection import P90, SIGMA_PER_MAD

BLOCK = 64  # pixels along the side of a block, less on small frames
PIXEL_CLIP = 5.0  # standard deviations; takes 1.5e-5 off the variance of normal noise
BLOCK_CLIP = 4.0
GROWTH = 2  # pixels around an outlier that go with it: the wings of a star, the edge of a hit
ROUNDS = 2  # of rejection within a block

Blocks = NDArray[np.floating[Any]]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A measured value, its error (one standard deviation) and the number of pairs of frames behind it."""

    value: float
    error: float
    pairs: int


def choose_pairs(count: int, wanted: int) -> list[tuple[int, int]]:
    """Return the pairs of neighbours among ``count`` frames, ``wanted`` evenly spread ones before the rest."""
    pairs = [(number, number + 1) for number in range(0, count - 1, 2)]
    step = max(1.0, len(pairs) / max(wanted, 1))
    spread = [pairs[int((number + 0.5) * step)] for number in range(min(wanted, len(pairs)))]
    return spread + [pair for pair in pairs if pair not in spread]


def pair_up(frames: Iterable[Image]) -> Iterator[tuple[Image, Image]]:
    """Yield the first frame with the second, the third with the fourth, and so on."""
    one_by_one = iter(frames)
    return zip(one_by_one, one_by_one, strict=False)  # an odd one at the end has no partner


def choose_rows(shape: tuple[int, int], pixels: int, step: int = 1) -> NDArray[np.int_]:
    """Return the numbers of rows that hold about so many pixels of a frame, in evenly spread bands as high as a block.

    All rows of a frame that has hardly more pixels, or too few rows for blocks as large as those of the whole frame.
    With a ``step`` of 2, for mosaics, each band begins with an even row and has such blocks of each colour.
    """
    rows, columns = shape
    side = step * _find_side(rows // step, columns // step)
    bands = max(8, math.ceil(pixels / (side * columns)))
    if bands >= rows // side:
        return np.arange(rows)
    tops = np.linspace(0, rows - side, bands).round().astype(int)
    tops -= tops % step
    return (tops[:, None] + np.arange(side)).ravel()


def _find_side(rows: int, columns: int) -> int:
    return min(BLOCK, max(8, min(rows, columns) // 8))


def cut_into_blocks(images: Sequence[Image]) -> Iterator[list[Blocks]]:
    """Yield the blocks of images of one shape, (blocks, height, width) each, a band of rows after the other.

    The few rows and columns that remain at the end take no part.
    """
    rows, columns = images[0].shape
    side = _find_side(rows, columns)
    height, width = (length // max(1, length // side) for length in (rows, columns))
    across = columns // width
    for top in range(0, rows - height + 1, height):
        bands = (image[top : top + height, : across * width] for image in images)
        yield [
            np.ascontiguousarray(band.reshape(height, across, width).swapaxes(0, 1), dtype=np.float32) for band in bands
        ]


def measure_variance(difference: Blocks) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Return the variance of each block with its rows and columns levelled, its degrees of freedom, the pixels kept.

    Outliers (cosmic rays, stars) are rejected about the block's median, then about the level of row and column. NaN
    where less than half of a block is kept.
    """
    height, width = difference.shape[1:]
    with np.errstate(invalid="ignore"):
        difference = difference - find_quantile(difference, 0.5).astype(np.float32)[:, None, None]
        # differences of whole numbers: the MAD of a quiet camera would be 0 or 1 ADU and nothing between
        deviation = find_quantile(np.abs(difference), 0.9) / P90
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


def find_quantile(blocks: Blocks, fraction: float) -> Values:
    """Return a quantile of each block, to a few per cent of its width: of every fifth pixel where there are many."""
    values = blocks.reshape(len(blocks), -1)
    values = values[:, :: 5 if values.shape[1] > 2000 else 1]  # an odd step meets every colour of a mosaic
    if not np.isnan(values).any():
        return np.quantile(values, fraction, axis=1).astype(np.float64)
    found = [np.quantile(line[~np.isnan(line)], fraction) if not np.isnan(line).all() else np.nan for line in values]
    return np.array(found, dtype=np.float64)


def _grow(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what is marked in each block with its neighbours in a square."""
    touched = np.flatnonzero(marked.any(axis=(1, 2)))
    if touched.size:
        height, width = marked.shape[1:]
        wide = np.pad(marked[touched], [(0, 0), (GROWTH, GROWTH), (GROWTH, GROWTH)])
        rows = np.logical_or.reduce([wide[:, shift : shift + height] for shift in range(2 * GROWTH + 1)])
        marked[touched] = np.logical_or.reduce([rows[:, :, shift : shift + width] for shift in range(2 * GROWTH + 1)])
    return marked


def combine_blocks(values: Values, weights: Values) -> Measured | None:
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


def combine_pairs(pairs: Sequence[Measured | None]) -> Measured | None:
    """Return the mean of pairs of frames; of three and more, one that is far off (a disturbed frame) is left out."""
    found = [pair for pair in pairs if pair is not None]
    if len(found) < 3:
        return combine_measured(found)
    values, errors = np.array([(each.value, each.error) for each in found]).T
    distance = np.abs(values - np.median(values))
    limit = PIXEL_CLIP * np.maximum(errors, SIGMA_PER_MAD * np.median(distance))
    return combine_measured([pair for pair, near in zip(found, distance <= limit, strict=True) if near])
