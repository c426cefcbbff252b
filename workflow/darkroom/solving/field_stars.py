"""Field stars: where the stars of a light are, brightest first, for what tells the place on the sky by them.

Not the list of `darkroom.stacking.star_lists`, whose places and fluxes are right to hundredths: a pattern is told by
the brightest stars, full or not, and by such as fill one pixel; none of these may lack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray

from darkroom.good_stars import have_flanks
from darkroom.sky_windows import look_at

MOST = 2000  # stars; the brightest ones
SHARP = 0.5  # part of what stands out without flanks from which stars are so sharp, and all of it is taken
REFINED = 2.0  # pixels by which a centre may move when it is measured anew

Stars = NDArray[np.float64]  # columns x, y (pixels, the middle of the first one is 0, 0) and flux


def find_field_stars(
    data: NDArray[Any], mask: NDArray[np.uint8] | None = None, mosaic: bool = False, most: int = MOST
) -> Stars:
    """Return the stars of a light, shape (stars, 3): x, y, flux; brightest first.

    Parameters
    ----------
    data : array, shape (rows, columns)
        A calibrated light; NaN where there is no value.
    mask : array of uint8, same shape, optional
        The quality plane (`darkroom.quality`): flagged pixels are no stars, saturated ones may be.
    mosaic : bool
        Whether it is a colour mosaic. Stars are then sought in the mean of each 2 x 2 pixels, which holds all colours.
    most : int
        How many of the brightest to return.
    """
    plane, shift = np.asarray(data, np.float32), 0.0
    if mosaic and min(data.shape) > 2:
        plane = (plane[:-1, :-1] + plane[1:, :-1] + plane[:-1, 1:] + plane[1:, 1:]) / np.float32(4)
        mask = None if mask is None else mask[:-1, :-1] | mask[1:, :-1] | mask[:-1, 1:] | mask[1:, 1:]
        shift = 0.5  # from a pixel to the middle of the four
    window = look_at(plane, mask, None)
    if window is None or not len(window.objects):
        return np.empty((0, 3))
    round_ones = have_flanks(window)
    objects = window.objects[round_ones] if round_ones.mean() >= SHARP else window.objects
    x, y = _refine_centres(window.image, objects)
    stars = np.column_stack([x + shift, y + shift, objects["flux"]]).astype(np.float64)
    stars = stars[np.isfinite(stars).all(axis=1) & (stars[:, 2] > 0)]
    return stars[np.lexsort((stars[:, 0], stars[:, 1], -stars[:, 2]))][:most]


def _refine_centres(image: NDArray[np.float32], objects: NDArray[Any]) -> tuple[Stars, Stars]:
    """Return centres under a Gaussian weight, as Source Extractor's XWIN_IMAGE; by the outlines where it fails."""
    x, y = objects["x"], objects["y"]
    spread = np.clip(np.sqrt(objects["a"] * objects["b"]), 0.7, 10)
    new_x, new_y, flag = sep.winpos(image, x, y, spread)
    kept = (flag == 0) & (np.hypot(new_x - x, new_y - y) < REFINED)
    return np.where(kept, new_x, x), np.where(kept, new_y, y)
