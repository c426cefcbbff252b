"""Star matching: which stars of a light are which of a catalogue, by a WCS that puts the catalogue in the frame."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree

BEYOND = 0.3  # diagonals from the frame to where a star may be by a WCS without its polynomial

Values = NDArray[np.float64]


def match_stars(
    projected: Values, tree: cKDTree, shape: tuple[int, int], reach: float
) -> tuple[NDArray[np.int_], NDArray[np.int_], Values]:
    """Return which stars and which of a catalogue are each other's nearest within a reach, and how far apart.

    ``projected`` are the catalogue's x and y; ``tree`` those of the stars.
    """
    usable = np.flatnonzero(find_inside(projected, shape))
    if not len(usable):
        return usable, usable, np.empty(0)
    away, own = tree.query(projected[usable], distance_upper_bound=reach)
    near = np.isfinite(away)
    usable, own, away = usable[near], own[near], away[near]
    order = np.lexsort((usable, away))  # each star goes to the nearest
    _, first = np.unique(own[order], return_index=True)
    kept = np.sort(order[first])
    return own[kept], usable[kept], away[kept]


def make_projection(wcs: WCS, shape: tuple[int, int]) -> Callable[[Values], Values]:
    """Return a function from places on the sky to pixels, NaN for what is far outside of the frame.

    There a polynomial may bring stars into the frame that are not in it.
    """
    room = BEYOND * math.hypot(*shape)

    def project(places: Values) -> Values:
        flat = np.asarray(wcs.wcs_world2pix(places, 0), np.float64)
        x, y = flat.T  # NaN of what lies behind
        near = (x > -room) & (x < shape[1] + room) & (y > -room) & (y < shape[0] + room)
        pixels = np.full(flat.shape, np.nan)
        if near.any():
            pixels[near] = wcs.all_world2pix(places[near], 0, quiet=True)
        return pixels

    return project


def find_inside(pixels: Values, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which x and y are in a frame of so many rows and columns."""
    x, y = pixels.T
    return (x > -0.5) & (x < shape[1] - 0.5) & (y > -0.5) & (y < shape[0] - 0.5)  # NaN is not
