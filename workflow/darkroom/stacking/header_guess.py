"""Header guess: where the sky coordinates in two headers put one image on the other."""

from __future__ import annotations

import warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, NoConvergence
from astropy.wcs.utils import proj_plane_pixel_area

from darkroom.sky_cards import read_sky_cards
from darkroom.stacking.transforms import Transform, fit_transform

POINTS = 9  # along each axis, at which the coordinates are compared
FARTHEST = 10.0  # frames' sides by which two images may be apart, and be worth a guess


def read_coordinates(header: fits.Header) -> WCS | None:
    """Return the sky coordinates of an image; None where there are none, or none that can be."""
    cards = read_sky_cards(header)
    if cards is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that are nearly right
            found = WCS(fits.Header(dict(cards)), fix=False)
            corner = found.all_pix2world([[0.0, 0.0]], 0) if proj_plane_pixel_area(found) > 0 else np.nan
    except Exception:  # whatever WCSLIB makes of such numbers
        return None
    return found if np.isfinite(corner).all() else None


def guess_transform(light: WCS | None, reference: WCS | None, shape: tuple[int, int]) -> Transform | None:
    """Return where coordinates put a light of a shape (rows, columns) on the reference; None if they do not tell."""
    if light is None or reference is None:
        return None
    rows, columns = shape
    x, y = np.meshgrid(np.linspace(0, columns - 1, POINTS), np.linspace(0, rows - 1, POINTS))
    places = np.column_stack([x.ravel(), y.ravel()])
    try:
        sky = light.celestial.all_pix2world(places, 0)
        there = np.asarray(reference.celestial.all_world2pix(sky, 0), np.float64)
    except (NoConvergence, ValueError):
        return None
    good = np.isfinite(there).all(axis=1)
    if not good.all() or np.abs(there).max() > FARTHEST * max(shape):
        return None
    across = np.diff(there.reshape(POINTS, POINTS, 2)[0, [0, -1]], axis=0)[0]
    down = np.diff(there.reshape(POINTS, POINTS, 2)[[0, -1], 0], axis=0)[0]
    mirrored = float(across[0] * down[1] - across[1] * down[0]) < 0
    return fit_transform(places, there, np.ones(len(places)), mirrored)
