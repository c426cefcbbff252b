"""Stretch: images made small, and their numbers made grey levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.visualization import AsinhStretch, ZScaleInterval
from numpy.typing import NDArray

from darkroom.mosaics import SIDE

SAMPLE = 2**16  # values that tell the limits
ROWS_OF_BLOCK = 2  # that are averaged, however high it is
DARK, BRIGHT = 2.5, 30.0  # noises below and above the sky that asinh shows at least
BRIGHTEST = 99.8  # percentile of the pixels that asinh makes white
SOFT = 2.0  # noises up to which asinh is about linear
SIGMA = 1.4826  # standard deviations in a median absolute deviation

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Stretch:
    """What is black, what white, and from which part of the way between asinh is a logarithm (None: a line)."""

    low: float
    high: float
    softness: float | None = None


def shrink(image: Image, size: int) -> tuple[NDArray[np.float32], int]:
    """Return an image made smaller by a whole factor, no smaller than ``size`` along its longer side, and the factor.

    Each pixel is the mean of the finite ones of a block, NaN if there is none. Of a block two rows are looked at: the
    half of a block of 4 x 4 takes half of the time, and shows as much but for the noise. What is left over beyond the
    last whole block, at the right and at the top, is not shown.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Of any float type and byte order; read once, row by row.
    size : int
        Pixels. An image that is not longer keeps its size.
    """
    factor = max(1, max(image.shape) // size)
    height, width = (min(factor, length) for length in image.shape)  # of a block
    (mean,) = _average_blocks(image, (height, width), _choose_rows(height), [range(width)])
    return mean, factor


def shrink_mosaic(image: Image, size: int) -> tuple[list[NDArray[np.float32]], int]:
    """Return the four planes of a colour mosaic, each made smaller as by `shrink`, and the factor.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Not less than 2 x 2 pixels. The planes begin at its first two pixels and at those of the second row.
    size : int
        Pixels of a plane.
    """
    planes = [length // SIDE for length in image.shape]
    factor = max(1, max(planes) // size)
    height, width = (min(factor, length) for length in planes)
    columns = [range(start, SIDE * width, SIDE) for start in range(SIDE)]
    cell = SIDE * height, SIDE * width
    made = []
    for start in range(SIDE):
        made += _average_blocks(image, cell, [start + SIDE * row for row in _choose_rows(height)], columns)
    return made, factor


def _choose_rows(height: int) -> list[int]:
    """Return which rows of a block are looked at: evenly spread."""
    number = min(height, ROWS_OF_BLOCK)
    return [(2 * row + 1) * height // (2 * number) for row in range(number)]


def _average_blocks(
    image: Image, cell: tuple[int, int], rows: Sequence[int], columns: Sequence[Sequence[int]]
) -> list[NDArray[np.float32]]:
    """Return for each group of columns the mean of these rows and columns of each cell of an image."""
    height, width = cell
    image = image[: image.shape[0] // height * height, : image.shape[1] // width * width]
    lines = [image[row::height] for row in rows]
    with np.errstate(over="ignore", invalid="ignore"):
        total = lines[0].astype(np.float32)
        for line in lines[1:]:
            total += line
    means = []
    for group in columns:
        with np.errstate(over="ignore", invalid="ignore"):
            mean = total[:, group[0] :: width].copy()
            for column in group[1:]:
                mean += total[:, column::width]
            mean /= np.float32(len(rows) * len(group))
        hollow = np.nonzero(~np.isfinite(mean))
        if hollow[0].size:
            mean[hollow] = _average_finite([line.reshape(len(mean), -1, width)[hollow][:, group] for line in lines])
        means.append(mean)
    return means


def _average_finite(parts: list[Image]) -> Image:
    """Return the mean of the finite values of each row of all parts, NaN where there are none."""
    values = np.concatenate(parts, axis=1).astype(np.float64)
    good = np.isfinite(values)
    number = good.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.where(good, values, 0).sum(axis=1) / number


def sample_finite(image: Image) -> Image:
    """Return some tens of thousands of the finite values of an image, evenly spread; all of a small one."""
    step = image.size // SAMPLE | 1
    step += 2 if step % 3 == 0 else 0  # so that it meets each of three colours
    values = image.reshape(-1)[::step] if step > 1 else image.reshape(-1)
    return values[np.isfinite(values)]


def find_stretch(image: Image, how: str) -> Stretch:
    """Return what is to be black and what white, and what lies between; it serves whatever the image holds.

    Parameters
    ----------
    image : array, any shape
        What is not finite does not count.
    how : str
        zscale: as in IRAF and DS9, a line through the sorted pixels around the median. asinh: from 2.5 noises below the
        sky to all but the brightest 0.2 %, about linear up to two noises and logarithmic from there; sky and noise are
        the median, and 1.4826 times the median of the deviations from it.
    """
    values = sample_finite(image).astype(np.float64)
    if not values.size:
        return Stretch(0.0, 1.0)
    noise = None
    if how == "asinh":
        sky = float(np.median(values))
        noise = SIGMA * float(np.median(np.abs(values - sky)))
        low, high = sky - DARK * noise, max(float(np.percentile(values, BRIGHTEST)), sky + BRIGHT * noise)
    else:
        low, high = map(float, ZScaleInterval().get_limits(values))
    if not (np.isfinite([low, high]).all() and high > low):
        low, high = float(values.min()), float(values.max())
    if not high - low > 1e-6 * max(abs(low), abs(high)):  # flat, to the last digits of float32
        half = 0.5 * max(1.0, 1e-5 * abs(low))
        low, high = low - half, high + half
    return Stretch(low, high, None if noise is None else float(np.clip(SOFT * noise / (high - low), 1e-4, 1.0)))


def stretch_image(image: Image, stretch: Stretch) -> NDArray[np.uint8]:
    """Return grey levels, 0 to 255, of the same shape; black where there is no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        level = np.subtract(image, np.float32(stretch.low), dtype=np.float32)
        level *= np.float32(1 / (stretch.high - stretch.low))
    np.fmax(level, 0, out=level)  # of NaN and 0, too
    np.fmin(level, 1, out=level)
    if stretch.softness is not None:
        level = AsinhStretch(stretch.softness)(level, clip=False)
    level *= np.float32(255)
    level += np.float32(0.5)
    return level.astype(np.uint8)
