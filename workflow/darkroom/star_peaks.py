"""Star peaks: what in a raw image looks like a star, and not like a hot pixel, a hit, an edge or dust."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

WINDOW = 256  # side of a window in which stars are sought, pixels
WINDOWS = 3  # each way
# Pixels from a star to what it is compared with. A multiple of 2 and of 6, the periods of colour mosaics, so that like
# is compared with like.
AROUND = 12
PEAK = 6.0  # standard deviations by which the 3 x 3 pixels of a star stand out
FLANK = 2.0  # those of each pixel around its peak, at least
MOST_PEAKS = 500  # a window, looked at closely
MOST_KEPT = 12  # places of the brightest ones
NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
SIDES = ((-AROUND, 0), (AROUND, 0), (0, -AROUND), (0, AROUND))
LARGEST = 1e15  # ADU; what lies beyond is no count, and its square would be no float32

Pixels = NDArray[np.float32]


class Image(Protocol):
    """An image that gives parts of itself as new arrays of float32, in ADU."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def __getitem__(self, key: Any) -> Pixels:
        """Return some rows and columns."""


def find_stars(image: Image) -> tuple[list[tuple[float, int, int]], int]:
    """Return the star-like peaks in some windows of an image: height, row, column; and the number of pixels looked at.

    Star-like is what stands out in all directions, is several pixels wide and no wider than a star: no hot pixel, hit
    of a cosmic ray, column, edge, gradient or speck of dust.
    """
    peaks, searched = [], 0
    for rows in _choose_windows(image.shape[0]):
        for columns in _choose_windows(image.shape[1]):
            window = clean(image[rows, columns])
            top, left = rows.start or 0, columns.start or 0
            peaks += [(height, top + y, left + x) for height, y, x in _find_in(window)]
            searched += window.size
    return peaks, searched


def _find_in(window: Pixels) -> list[tuple[float, int, int]]:
    """Return height, row and column of the star-like peaks in a window."""
    if min(window.shape) < 2 * AROUND + 8:
        return []
    across = window[:, 2:] + window[:, 1:-1]
    across += window[:, :-2]
    sums = across[2:] + across[1:-1]  # of 3 x 3 pixels
    sums += across[:-2]
    standing = _compare_with_surroundings(sums)
    thinned = standing[::3, ::3]
    noise = estimate_sigma(np.abs(thinned - np.float32(_median(thinned))).ravel())
    found = np.flatnonzero(standing.ravel() > PEAK * noise)  # NaN is not
    if not noise > 0 or not found.size:
        return []
    y, x = (index + AROUND for index in np.unravel_index(found, standing.shape))  # in sums
    own, is_peak = sums[y, x], np.ones(len(y), bool)
    for dy, dx in NEIGHBOURS:
        other = sums[y + dy, x + dx]
        is_peak &= (own > other) if (dy, dx) < (0, 0) else (own >= other)  # of several as high, one
    y, x = y[is_peak][:MOST_PEAKS] + 1, x[is_peak][:MOST_PEAKS] + 1  # in the window
    heights, good = _measure_peaks(window, y, x, noise / 3)
    return [(float(height), int(a), int(b)) for height, a, b in zip(heights[good], y[good], x[good], strict=True)]


def _compare_with_surroundings(sums: Pixels) -> Pixels:
    """Return by how much each value is above both means of two others, left and right and up and down of it."""
    reach = AROUND
    inner = sums[reach:-reach, reach:-reach]
    across = sums[reach:-reach, 2 * reach :] + sums[reach:-reach, : -2 * reach]
    along = sums[2 * reach :, reach:-reach] + sums[: -2 * reach, reach:-reach]
    np.maximum(across, along, out=across)
    across *= np.float32(-0.5)
    across += inner
    return across


def _measure_peaks(
    window: Pixels, y: NDArray[np.int_], x: NDArray[np.int_], noise: float
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Return the height of each of several peaks, and whether it is as wide as a star in all directions."""
    rows, columns = window.shape

    def measure_rise(dy: int, dx: int) -> Pixels:
        """Return a pixel near each peak, less those at the same place of the mosaic around it."""
        sides = [window[np.clip(y + dy + a, 0, rows - 1), np.clip(x + dx + b, 0, columns - 1)] for a, b in SIDES]
        return np.asarray(window[y + dy, x + dx] - np.median(sides, axis=0), np.float32)

    around = np.sort([measure_rise(dy, dx) for dy, dx in NEIGHBOURS], axis=0)
    height = np.maximum(measure_rise(0, 0), around[-1])
    is_wide = (around[0] > FLANK * noise) & (around[0] > 0.03 * height) & (around.sum(axis=0) > 1.5 * height)
    return height, is_wide


def _choose_windows(length: int) -> list[slice]:
    """Return windows along an axis, from one end to the other."""
    if length <= 1.5 * WINDOW:
        return [slice(0, length)]
    if length <= WINDOWS * WINDOW:
        return [slice(length * n // WINDOWS, length * (n + 1) // WINDOWS) for n in range(WINDOWS)]
    gap = (length - WINDOWS * WINDOW) / WINDOWS
    starts = [round((n + 0.5) * gap + n * WINDOW) // 2 * 2 for n in range(WINDOWS)]
    return [slice(start, start + WINDOW) for start in starts]


def clean(part: Pixels) -> Pixels:
    """Return part of an image, NaN where there is no number that can be counted with."""
    top = part.max(initial=0)
    if not top < LARGEST or not part.min(initial=0) > -LARGEST:  # NaN is neither
        part = np.where(np.abs(part) < LARGEST, part, np.float32(np.nan))
    return part


def estimate_sigma(values: Pixels) -> float:
    """Return the standard deviation of Gaussian noise, from its absolute values; by their mean where most are zero."""
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0
    return 1.4826 * float(np.median(values)) or 1.2533 * float(values.mean(dtype=np.float64))


def _median(values: Pixels) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else 0.0
