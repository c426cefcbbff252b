"""Medians of what lies around each pixel: running ones and those of square cells, a band of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR = 3  # reach of the running median, seven pixels wide
BAND_PIXELS = 2**16  # so that all that a band is compared with stays in the cache

Image = NDArray[np.floating[Any]]
Band = Callable[[slice], Image]


def take_median(values: Sequence[Image]) -> Image:
    """Return the median of some arrays, element by element; NaN where one of them is.

    By forgetful selection: of more than half of the values, the least and the greatest cannot be in the middle of all.
    As it compares whole arrays, it is ten times as fast as sorting the values of each element.
    """
    ahead = len(values) // 2 + 2
    kept = list(values[:ahead])
    for value in values[ahead:]:
        kept = [*_drop_extremes(kept), value]
    if len(kept) == 4:
        kept = _drop_extremes(kept)
    if len(kept) < 3:
        return kept[0] if len(values) == 1 else (kept[0] + kept[1]) / 2
    low, high = np.minimum(kept[0], kept[1]), np.maximum(kept[0], kept[1])
    return np.maximum(low, np.minimum(high, kept[2]))


def _drop_extremes(values: list[Image]) -> list[Image]:
    """Return arrays that hold all but the least and the greatest value of each element."""
    pairs = list(zip(values[::2], values[1::2], strict=False))
    lows, highs = [np.minimum(*pair) for pair in pairs], [np.maximum(*pair) for pair in pairs]
    odd = values[2 * len(pairs) :]
    lows = _drop(lows + odd, np.minimum, np.maximum)
    if odd:  # which may be the greatest
        highs.append(lows.pop())
    return lows + _drop(highs, np.maximum, np.minimum)


def _drop(values: list[Image], drop: np.ufunc, keep: np.ufunc) -> list[Image]:
    """Return arrays that hold all but the value of each element that ``drop`` chooses."""
    kept, carried = [], values[0]
    for value in values[1:-1]:
        kept.append(keep(carried, value))
        carried = drop(carried, value)
    return [*kept, keep(carried, values[-1])]


def smooth(image: Image) -> NDArray[np.float32]:
    """Return the running median over seven columns, then over seven rows, of an image (rows, columns) without NaN."""
    rows, columns = image.shape
    step = max(1, BAND_PIXELS // columns)
    level = np.empty(image.shape, np.float32)
    mirrored = np.pad(np.arange(rows), NEAR, mode="reflect")
    for start in range(0, rows, step):
        band = np.asarray(image[mirrored[start : start + step + 2 * NEAR]], np.float32)
        across = smooth_lines(band, NEAR)
        own = level[start : start + step]
        own[:] = take_median([across[shift : shift + len(own)] for shift in range(2 * NEAR + 1)])
    return level


def smooth_lines(lines: Image, reach: int) -> Image:
    """Return the running median along each row of an array without NaN, mirrored at the ends."""
    wide = np.pad(lines, [(0, 0), (reach, reach)], mode="reflect")
    return take_median([wide[:, shift : shift + lines.shape[1]] for shift in range(2 * reach + 1)])


def take_cell_medians(read: Band, shape: tuple[int, int], size: int) -> NDArray[np.float32]:
    """Return the medians of square cells, NaN left out; where a cell has nothing, that of the others.

    Parameters
    ----------
    read : callable
        Gives the rows of the image in a slice, an array of shape (rows, columns).
    shape : tuple of int
        Rows and columns of the image.
    size : int
        Side of a cell in pixels, less in a smaller image. What is left over at the edges takes no part.
    """
    size = min(size, *shape)
    up, across = (length // size for length in shape)
    cells = np.empty((up, across), np.float32)
    step = max(1, 2 * BAND_PIXELS // (size * shape[1]))
    for top in range(0, up, step):
        band = read(slice(top * size, min(top + step, up) * size))[:, : across * size]
        lines = band.reshape(-1, size, across, size).swapaxes(1, 2).reshape(-1, size * size)
        lines = np.sort(lines, axis=1)  # NaN comes last
        number = size * size - np.count_nonzero(np.isnan(lines), axis=1)
        places = np.maximum(np.stack([(number - 1) // 2, number // 2]), 0)
        middle = lines[np.arange(len(lines)), places]
        cells[top : top + step] = (middle[0] / 2 + middle[1] / 2).reshape(-1, across)
    empty = np.isnan(cells)
    if empty.any():
        cells[empty] = 0 if empty.all() else np.median(cells[~empty])
    return cells


def spread_cells(cells: Image, size: int, shape: tuple[int, int], rows: slice = slice(None)) -> NDArray[np.float32]:
    """Return rows of an image of the cells' values; what is left over at the edges has the last cell's."""
    size = min(size, *shape)
    y, x = (
        np.minimum(np.arange(length) // size, number - 1) for length, number in zip(shape, cells.shape, strict=True)
    )
    y = y[rows]
    return cells[y[0] : y[-1] + 1].astype(np.float32, copy=False).take(x, axis=1).take(y - y[0], axis=0)
