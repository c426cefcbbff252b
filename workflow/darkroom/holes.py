"""Holes: groups of dead pixels in a bright surrounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.medians import smooth, spread_cells, take_cell_medians

BIN = 4  # for the level around groups of pixels
DEAD = 0.5  # of the level around: a group of pixels below this is no dust ring
REACH = 4  # rows that tell how bright it is around a group
BAND = 64  # rows looked at at once

Image = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def find_holes(image: Image, find_limit: Callable[[slice], Image], least: float, known: Mask) -> Mask:
    """Return groups of dead pixels too wide for ccdmask: holes in a bright surrounding, not the edge of a shadow.

    Parameters
    ----------
    image : array, shape (rows, columns)
        All finite.
    find_limit : callable
        Gives, for a slice of rows, by how much a pixel must lie below the level around it for its noise.
    least : float
        What is darker tells nothing.
    known : array of bool, shape (rows, columns)
        Pixels that need not be told. Where no others are dead, nothing is returned.
    """
    levels = smooth(take_cell_medians(lambda rows: image[rows], image.shape, BIN))
    low, new = np.empty(image.shape, bool), False
    for start in range(0, len(image), BAND):
        rows = slice(start, start + BAND)
        level = spread_cells(levels, BIN, image.shape, rows)
        low[rows] = (image[rows] < np.minimum(DEAD * level, level - find_limit(rows))) & (level > least)
        new |= bool((low[rows] & ~known[rows]).any())
    if not new:
        return np.zeros(image.shape, bool)
    from scipy.ndimage import label

    groups, number = label(low, np.ones((3, 3)))
    hole = _count_dim(image, groups, number, levels)
    # a shadow in a corner of the image has no other side to tell it by
    sides = [
        np.bincount(side, minlength=number + 1) > 0 for side in (groups[0], groups[-1], groups[:, 0], groups[:, -1])
    ]
    hole &= ~((sides[0] | sides[1]) & (sides[2] | sides[3]))
    hole[0] = False
    return hole[groups]


def _count_dim(image: Image, groups: NDArray[np.int32], number: int, levels: Image) -> Mask:
    """Return of which groups less than a fifth of the pixels around are dim."""
    from scipy.ndimage import maximum_filter

    ring, dim = np.zeros(number + 1, int), np.zeros(number + 1, int)
    for start in range(0, len(image), BAND):
        band = slice(max(start - REACH, 0), start + BAND + REACH)
        if not groups[band].any():
            continue
        own = slice(start - band.start, start - band.start + BAND)
        near = np.where(groups[band] > 0, 0, maximum_filter(groups[band], 5))[own]
        bright = maximum_filter(spread_cells(levels, BIN, image.shape, band), 2 * REACH + 1)[own]
        ring += np.bincount(near.ravel(), minlength=number + 1)
        dim += np.bincount(near[image[start : start + BAND] < (1 + DEAD) / 2 * bright], minlength=number + 1)
    return dim < 0.2 * ring
