"""WCS fits: TAN, or TAN with a SIP polynomial, through pairs of stars in pixels and on the sky.

The reference pixel is the middle of the frame. The fit is linear: planes of a tangential projection about a centre are
polynomials of pixels, and the centre moves until their constants vanish (Shupe et al. 2005 for SIP; Calabretta &
Greisen 2002 for TAN). Coordinates in pixels are those of FITS less one: the middle of the first pixel is (0, 0).
"""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from darkroom.solving.solution import SkyFit

TURNS = 6
DIGITS = 13  # significant ones that are kept of what is fitted: the rest is the machine's
GRID = 24  # places each way, by which the inverse polynomial is found

Values = NDArray[np.float64]


def count_terms(order: int) -> int:
    """Return how many numbers each axis of a fit has."""
    return (order + 1) * (order + 2) // 2


def fit_sky(pixels: Values, places: Values, shape: tuple[int, int], order: int = 1) -> SkyFit:
    """Return the WCS that fits pairs of stars best, by least squares on the sky.

    Parameters
    ----------
    pixels, places : arrays, shape (stars, 2)
        x and y; right ascension and declination in degrees, all on one half of the sky.
    shape : tuple of int
        Rows and columns of the frame.
    order : int
        1 for TAN; 2 or more for TAN-SIP with a polynomial of that order.

    Raises
    ------
    ValueError
        If there are too few stars, or they lie on a line.
    """
    if len(pixels) < count_terms(order):
        raise ValueError(f"{len(pixels)} stars are too few for a fit of order {order}")
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    half = max(shape) / 2
    scaled = (pixels - middle) / half
    powers = [(p, q) for total in range(order + 1) for p in range(total, -1, -1) for q in [total - p]]
    terms = np.column_stack([scaled[:, 0] ** p * scaled[:, 1] ** q for p, q in powers])
    centre = _find_middle(places)
    for _ in range(TURNS):
        solved, _, rank, _ = np.linalg.lstsq(terms, _project(places, centre), rcond=1e-10)
        if rank < len(powers):
            raise ValueError("the stars lie on a line")
        centre = _unproject(solved[0], centre)
    factors = np.array([half ** (p + q) for p, q in powers])
    coefficients = solved / factors[:, None]
    cd = coefficients[1:3].T  # rows are the sky's axes
    a: dict[tuple[int, int], float] = {}
    b: dict[tuple[int, int], float] = {}
    if order > 1:
        bent = np.linalg.solve(cd, coefficients[3:].T)
        a, b = ({power: _round(value) for power, value in zip(powers[3:], row, strict=True)} for row in bent)
    ap, bp = _invert(a, b, middle, half, order) if a else ({}, {})
    rounded = [[_round(value) for value in row] for row in cd]
    return SkyFit(
        crpix=(float(middle[0]) + 1, float(middle[1]) + 1),
        crval=(round(float(centre[0]) % 360, 11), round(float(centre[1]), 11)),
        cd=((rounded[0][0], rounded[0][1]), (rounded[1][0], rounded[1][1])),
        a=a,
        b=b,
        ap=ap,
        bp=bp,
    )


def _invert(
    a: dict[tuple[int, int], float], b: dict[tuple[int, int], float], middle: Values, half: float, order: int
) -> tuple[dict[tuple[int, int], float], dict[tuple[int, int], float]]:
    """Return SIP's inverse polynomials (AP, BP), one order higher, fitted all over the frame."""
    reach = np.linspace(-1.05, 1.05, GRID)
    u, v = (each.ravel() * size for each, size in zip(np.meshgrid(reach, reach), middle + 1, strict=True))
    bent_u = u + sum(value * u**p * v**q for (p, q), value in a.items())
    bent_v = v + sum(value * u**p * v**q for (p, q), value in b.items())
    powers = [(p, q) for total in range(order + 2) for p in range(total, -1, -1) for q in [total - p]]
    terms = np.column_stack([(bent_u / half) ** p * (bent_v / half) ** q for p, q in powers])
    solved = np.linalg.lstsq(terms, np.column_stack([u - bent_u, v - bent_v]), rcond=None)[0]
    solved /= np.array([half ** (p + q) for p, q in powers])[:, None]
    ap, bp = ({power: _round(value) for power, value in zip(powers, row, strict=True)} for row in solved.T)
    return ap, bp


def _make_plane(centre: Values) -> WCS:
    """Return the tangential plane about a place, in degrees."""
    plane = WCS(naxis=2)
    plane.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    plane.wcs.crval, plane.wcs.crpix, plane.wcs.cdelt = centre, [0, 0], [1, 1]
    plane.wcs.lonpole = 180.0
    return plane


def _project(places: Values, centre: Values) -> Values:
    return np.asarray(_make_plane(centre).wcs_world2pix(places, 0), np.float64) + 1


def _unproject(point: Values, centre: Values) -> Values:
    return np.asarray(_make_plane(centre).wcs_pix2world(point[None] - 1, 0)[0], np.float64)


def _find_middle(places: Values) -> Values:
    """Return the mean of places on the sky, in degrees."""
    ra, dec = np.radians(places).T
    x, y, z = (np.cos(dec) * np.cos(ra)).mean(), (np.cos(dec) * np.sin(ra)).mean(), np.sin(dec).mean()
    return np.degrees([np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y))])


def _round(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
