"""Blocks: a sample of an image cut into small squares, and what each tells of level and noise, outliers left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.rejection import P90

SAMPLE = 2**18  # pixels looked at, of the whole image
SIDE = 32  # pixels along the side of a block, less on small images
CLIP = 4.0  # standard deviations within which a pixel of a block counts
CLIPPED_VARIANCE = 0.998929  # of normal values within that clip: 1 - 2 c phi(c) / (2 Phi(c) - 1)
ROUNDS = 2

Image = NDArray[np.floating[Any]]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Where the blocks of an image lie: bands of ``side`` whole rows, evenly spread, each cut into blocks.

    ``rows`` are the numbers of the rows, band after band; ``x`` and ``y`` the centres of the blocks, pixels from 0;
    ``shape`` that of the image (rows, columns).
    """

    rows: NDArray[np.int_]
    side: int
    width: int
    x: Values
    y: Values
    shape: tuple[int, int]

    def cut(self, sample: NDArray[Any]) -> NDArray[Any]:
        """Return the blocks, shape (blocks, pixels), of the sampled rows, shape (rows of the sample, columns)."""
        across = self.shape[1] // self.width
        blocks = sample[:, : across * self.width].reshape(-1, self.side, across, self.width)
        return blocks.swapaxes(1, 2).reshape(-1, self.side * self.width)


def lay_grid(shape: tuple[int, int], pixels: int = SAMPLE) -> Grid:
    """Return a grid of blocks over about so many pixels of an image, all but a few rows and columns of a small one."""
    rows, columns = shape
    side = min(rows, columns, SIDE, max(8, min(rows, columns) // 6))
    bands = min(rows // side, max(4, pixels // (side * columns)))
    tops = np.linspace(0, rows - side, bands).round().astype(int)
    width = columns // (columns // side)
    lefts = np.arange(columns // width) * width
    y, x = np.meshgrid(tops + (side - 1) / 2, lefts + (width - 1) / 2, indexing="ij")
    return Grid((tops[:, None] + np.arange(side)).ravel(), side, width, x.ravel(), y.ravel(), shape)


@dataclass(frozen=True)
class BlockStatistics:
    """The level of each block at its centre, its standard deviation about a plane, its degrees of freedom.

    NaN, NaN and 0 where less than half of a block is usable; arrays of shape (blocks,).
    """

    level: Values
    deviation: Values
    freedom: Values

    def find_noise(self) -> tuple[float, float]:
        """Return the noise of a pixel, the median over the blocks, and its error; NaN if no block tells.

        Of normal values the standard deviation has an error of 1 / sqrt(2 freedom) of itself, the median of many
        sqrt(pi / 2) times that of their mean.
        """
        usable = self.freedom > 0
        if not usable.any():
            return float("nan"), float("nan")
        # the middle of chi-squared is below its mean (Wilson & Hilferty 1931)
        middle = (1 - 2 / (9 * self.freedom[usable])) ** 1.5
        noise = float(np.median(self.deviation[usable] / middle))
        return noise, noise * float(np.sqrt(np.pi / 2 * np.mean(0.5 / self.freedom[usable]) / usable.sum()))


def measure_blocks(grid: Grid, sample: Image, usable: NDArray[np.bool_], floor: float) -> BlockStatistics:
    """Measure level and noise of blocks, each about a plane of its own, so that gradients do not count as noise.

    Parameters
    ----------
    sample : array, shape (rows of the grid, columns)
        Values of the pixels.
    usable : array of bool, same shape
        Which of them count; those that are not finite never do.
    floor : float
        The standard deviation that is expected at least; no clip is tighter. Most of the values of a quiet camera agree
        to the last digit.
    """
    bands = [slice(start, start + grid.side) for start in range(0, len(sample), grid.side)]
    found = [_measure_band(grid.cut(sample[band]), grid.cut(usable[band]), _lay_plane(grid), floor) for band in bands]
    return BlockStatistics(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _measure_band(
    sample: Image, usable: NDArray[np.bool_], plane: NDArray[np.float32], floor: float
) -> tuple[Values, Values, Values]:
    """Return levels, deviations and degrees of freedom of blocks, shape (blocks, pixels)."""
    values = sample.astype(np.float32)
    usable = usable & np.isfinite(values)
    middle = find_quantile(values, usable, 0.5)
    values -= middle  # what is left can be measured in float32
    values[~usable] = 0
    enough = np.count_nonzero(usable, axis=1) > max(len(plane) / 2, 6)
    away = np.abs(values)
    deviation = np.maximum(find_quantile(away, usable, 0.9) / P90, floor)
    for _ in range(ROUNDS):
        kept = usable & (away <= (CLIP * deviation).astype(np.float32))
        coefficients = _fit_planes(values * kept, kept, plane, enough)
        away = np.abs(values - coefficients.astype(np.float32) @ plane.T)
        freedom = np.count_nonzero(kept, axis=1) - 3
        near = np.where(kept, away, np.float32(0))
        variance = np.vecdot(near, near).astype(np.float64) / np.maximum(freedom, 1) / CLIPPED_VARIANCE
        deviation = np.maximum(np.sqrt(variance), floor)[:, None]
    enough &= freedom > max(len(plane) / 2, 6) - 3
    level, spread = (np.where(enough, each, np.nan) for each in (coefficients[:, 0] + middle[:, 0], np.sqrt(variance)))
    return level, spread, np.where(enough, freedom, 0).astype(np.float64)


def average_blocks(grid: Grid, sample: Image, usable: NDArray[np.bool_]) -> Values:
    """Return the mean of the usable pixels of each block; NaN where there is none."""
    kept = grid.cut(usable)
    total = np.where(kept, grid.cut(sample), 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(kept.any(axis=1), total, np.nan) / np.maximum(kept.sum(axis=1), 1)


def measure_spread(values: Image) -> float:
    """Return the robust rms of finite values about their median, from what nine of ten lie within; NaN of none."""
    finite = values[np.isfinite(values)]
    return float(np.quantile(np.abs(finite - np.median(finite)), 0.9) / P90) if finite.size else float("nan")


def fit_surface(grid: Grid, values: Values, degree: int) -> tuple[Values, Values]:
    """Fit a plane or a surface of the second degree to the blocks, those far off left out.

    Returns
    -------
    coefficients : array
        Constant, x and y, each of which runs from -1 to 1 across the field, then x^2, x y and y^2.
    surface : array, shape (blocks,)
        NaN in both where the blocks are too few.
    """
    terms = make_terms(grid.x, grid.y, grid.shape)[: 3 if degree == 1 else 6]
    # along a side with a single row of blocks there is no slope to tell, and the level must not pass for one
    terms[1:] = [np.zeros_like(term) if np.ptp(term) == 0 else term for term in terms[1:]]
    design = np.stack(terms, axis=1)
    kept = np.isfinite(values)
    coefficients = np.full(len(terms), np.nan)
    for _ in range(ROUNDS):
        if kept.sum() <= len(terms):
            break
        coefficients = np.linalg.lstsq(design[kept], values[kept], rcond=None)[0]
        away = np.abs(values - design @ coefficients)
        kept = away <= max(CLIP * np.nanquantile(away, 0.9) / P90, np.finfo(np.float32).eps)
    return coefficients, design @ coefficients


def make_terms(x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int]) -> list[Values]:
    """Return 1, x, y, x^2, x y, y^2 at pixels (from 0) of an image, where x and y run from -1 to 1 across it."""
    x, y = place_in_field(x, y, shape)
    return [np.ones_like(x), x, y, x**2, x * y, y**2]


def place_in_field(x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int]) -> tuple[Values, Values]:
    """Return where pixels (from 0) of an image lie, x and y from -1 to 1 across it."""
    rows, columns = shape
    return 2 * x / max(columns - 1, 1) - 1, 2 * y / max(rows - 1, 1) - 1


def _lay_plane(grid: Grid) -> NDArray[np.float32]:
    """Return constant, x and y, from -1 to 1, at the pixels of a block, shape (pixels, 3)."""
    y, x = np.meshgrid(np.linspace(-1, 1, grid.side), np.linspace(-1, 1, grid.width), indexing="ij")
    return np.stack([np.ones(x.size), x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _fit_planes(
    values: NDArray[np.float32], kept: NDArray[np.bool_], plane: NDArray[np.float32], enough: NDArray[np.bool_]
) -> Values:
    """Return the plane through the kept pixels of each block, shape (blocks, 3); zeros where they are not enough.

    The values of the others are zero.
    """
    pairs = (plane[:, :, None] * plane[:, None, :]).reshape(len(plane), -1)
    normal = (kept.astype(np.float32) @ pairs).reshape(-1, 3, 3) + 1e-6 * np.eye(3)
    return np.where(
        enough[:, None], np.linalg.solve(normal, (values @ plane)[:, :, None].astype(np.float64))[:, :, 0], 0
    )


def find_quantile(values: Image, usable: NDArray[np.bool_], fraction: float) -> Image:
    """Return the value in each line below which this fraction of its usable ones lie, shape (lines, 1)."""
    ordered = np.sort(np.where(usable, values, values.dtype.type(np.inf)), axis=1)
    place = np.minimum((fraction * usable.sum(axis=1)).astype(int), values.shape[1] - 1)
    found = np.take_along_axis(ordered, place[:, None], axis=1)
    return np.where(np.isfinite(found), found, 0)
