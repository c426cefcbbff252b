"""Star shapes: how wide and how long the stars of an image are, from moments of the good ones, all of them at once.

The moments are weighted by a Gaussian as wide as the stars (as the adaptive moments of Bernstein & Jarvis 2002), since
plain ones diverge with noise and wings. One weight serves all stars: it is round, so that rows and columns separate,
and what it does to a moment is taken back in closed form. A Gaussian star then has its width exactly; that of a star
with wings is corrected by how much light lies in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FWHM = float(np.sqrt(8 * np.log(2)))  # of a Gaussian, in standard deviations
PIXEL = 1 / 12  # variance that a square pixel adds to a star along each axis, pixels squared
REACH = 2.3  # half of a stamp's side, in FWHM
LARGEST_REACH = 40  # pixels
MOST_PIXELS = 40_000  # of all stamps together
NARROWEST = 0.95  # width of a weight that pixels can sample, pixels; else it is as wide as the stars
WIDER = 1.7  # over it, that of the weight that shows how much light lies in the wings
PIXELATED = 0.25  # how much of what wings do to a width is hidden by pixels as wide as it
ROUNDS = 6
SHARPEST = 1.0  # FWHM of what can be a star, pixels; hits and hot pixels are sharper
SETTLED = 0.002  # part of the width by which it changes in a last round
ROUND_ENOUGH = 0.25  # by how much a star's ellipticity may differ from that of the others

Image = NDArray[np.float32]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Shapes:
    """What the good stars have in common: FWHM in pixels of the frame, longer axis over shorter one, their number."""

    fwhm: float | None = None
    elongation: float | None = None
    used: int = 0


def choose_reach(fwhm: float) -> int:
    """Return half of the side of stamps (2 n + 1 pixels) that hold stars of about that FWHM."""
    return int(np.clip(np.ceil(REACH * fwhm), 4, LARGEST_REACH))


def count_stamps(reach: int) -> int:
    """Return of how many stars it takes stamps: enough for a median, not so many that it takes long."""
    return int(np.clip(MOST_PIXELS // (2 * reach + 1) ** 2, 16, 80))


def measure_shapes(stamps: Image, fwhm: float, pixel: float = 1.0) -> Shapes:
    """Measure stars: FWHM is that of the light that falls on the detector, the width of the pixels taken off.

    Parameters
    ----------
    stamps : array, shape (stars, 2 n + 1, 2 n + 1)
        Stars less their background, each in the middle of its stamp within a pixel or two.
    fwhm : float
        A first guess, in pixels of the stamps.
    pixel : float
        Side of the light-sensitive pixel, in pixels of the stamps: half, if they hold one colour of a mosaic.
    """
    if len(stamps) < 3:
        return Shapes()
    width, before = max(fwhm / FWHM, NARROWEST), 0.0
    reach = stamps.shape[1] // 2
    centres = np.zeros((len(stamps), 2))
    for turn in range(ROUNDS):
        moments = weigh(stamps, centres, width)
        shapes, shifts, good = _unweigh(moments, width)
        good &= np.abs(centres + shifts).max(axis=1) < reach / 2
        centres = np.where(good[:, None], np.clip(centres + shifts, -reach / 2, reach / 2), centres)
        sizes = np.where(good, _find_size(shapes), np.nan)
        good &= sizes > SHARPEST * pixel / FWHM
        if np.count_nonzero(good) < 3:
            return Shapes()
        before, width = width, float(np.clip(np.median(sizes[good]), NARROWEST, reach))
        if turn > 1 and abs(width - before) < SETTLED * width:
            break
    wide = weigh(stamps, centres, WIDER * before)[:, 0, 0]
    kept = _expect_share(shapes, before) / _expect_share(shapes, WIDER * before)
    wings = moments[:, 0, 0] / np.where(wide > 0, wide, np.nan) / kept
    shapes[:, :2] -= PIXEL * pixel**2
    sizes = _find_size(np.where(good[:, None], shapes, np.nan))
    good &= sizes > SHARPEST * pixel / FWHM
    if np.count_nonzero(good) < 3:
        return Shapes()
    good &= np.abs(sizes / np.median(sizes[good]) - 1) < 0.5  # galaxies, pairs and hits are not like the others
    stretch = np.column_stack([shapes[:, 0] - shapes[:, 1], 2 * shapes[:, 2]]) / (shapes[:, :1] + shapes[:, 1:2])
    common = np.median(stretch[good], axis=0)
    good &= np.hypot(*(stretch - common).T) < ROUND_ENOUGH
    if np.count_nonzero(good) < 3:
        return Shapes()
    ellipticity = min(float(np.hypot(*np.median(stretch[good], axis=0))), 0.99)
    size = float(np.median(sizes[good]))
    broad = before / np.hypot(size, np.sqrt(PIXEL) * pixel)
    correction = _correct_wings(_find_middle(wings[good], moments[good, 0, 0]), float(broad))
    correction = 1 + (correction - 1) * (1 + PIXELATED * (pixel / size) ** 2)
    found = FWHM * size * correction
    if not 0 < found < reach:  # more than the stamps hold
        return Shapes()
    return Shapes(found, float(np.sqrt((1 + ellipticity) / (1 - ellipticity))), int(good.sum()))


def _find_middle(values: Values, weights: Values) -> float:
    """Return the weighted median."""
    order = np.argsort(values)  # NaN last
    upto = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(upto, upto[-1] / 2)])


def _expect_share(shapes: Values, width: float) -> Values:
    """Return the share of a Gaussian star's light that a weight keeps."""
    across = (shapes[:, 0] + width**2) * (shapes[:, 1] + width**2) - shapes[:, 2] ** 2
    return width**2 / np.sqrt(np.where(across > 0, across, np.nan))


def weigh(stamps: Image, centres: Values, width: float) -> Values:
    """Return the moments of stamps, under a round Gaussian weight: sums of w I y**i x**j, shape (stars, 3, 3).

    ``centres`` are those of the weights (y, x) from the middle of each stamp, ``width`` their standard deviation.
    """
    reach = stamps.shape[1] // 2
    away = np.arange(-reach, reach + 1) - centres[:, :, None]  # stars, axis, pixels
    weight = np.exp(-0.5 * (away / width) ** 2)
    powers = np.stack([weight, weight * away, weight * away**2], axis=-1)  # stars, axis, pixels, power
    return powers[:, 0].swapaxes(1, 2) @ stamps.astype(np.float64) @ powers[:, 1]


def _unweigh(moments: Values, width: float) -> tuple[Values, Values, NDArray[np.bool_]]:
    """Return variances (y y, x x, y x), shifts of the centres (y, x) and which are usable, of weighted moments.

    A Gaussian of covariance C under a weight of covariance W has (C**-1 + W**-1)**-1, and the same of its centre.
    """
    total = moments[:, 0, 0]
    good = total > 0
    scaled = moments / np.where(good, total, 1)[:, None, None]
    y, x = scaled[:, 1, 0], scaled[:, 0, 1]
    yy, xx, yx = scaled[:, 2, 0] - y * y, scaled[:, 0, 2] - x * x, scaled[:, 1, 1] - y * x
    inside = yy * xx - yx * yx
    good &= (inside > 0) & (yy > 0)
    inside = np.where(good, inside, 1)
    a, b, c = xx / inside - width**-2, yy / inside - width**-2, -yx / inside  # of the inverse matrix
    left = a * b - c * c
    good &= (left > 0) & (a > 0)
    left = np.where(good, left, 1)
    shapes = np.column_stack([b / left, a / left, -c / left])
    shifts = np.column_stack([y, x]) * (1 + np.minimum(shapes[:, :2] / width**2, 3))
    return shapes, shifts, good


def _find_size(shapes: Values) -> Values:
    """Return the standard deviation of a round star of the same area; NaN where there is none."""
    area = shapes[:, 0] * shapes[:, 1] - shapes[:, 2] ** 2
    return np.where((area > 0) & (shapes[:, 0] > 0), np.abs(area), np.nan) ** 0.25


def _correct_wings(wings: float, broad: float) -> float:
    """Return true FWHM over that of the moments, of stars whose light in a narrow weight over that in a wide one is
    that part of what it would be if they were Gaussians. ``broad`` is the weight's width over that of the stars.
    """
    shares, factors = _tabulate_wings(round(20 * min(max(broad, 0.8), 2.0)) / 20)
    return float(np.interp(wings, shares, factors)) if np.isfinite(wings) else 1.0


@cache
def _tabulate_wings(broad: float) -> tuple[Values, Values]:
    """Return shares (rising) and factors of Moffat profiles from far wings (beta 2) to none (a Gaussian)."""
    radius = np.linspace(0.005, 14, 2800)  # in FWHM
    found: list[Any] = []
    for beta in (2, 2.25, 2.5, 2.8, 3.2, 3.8, 4.765, 6, 9, 20, 100):
        light = radius * (1 + (2 * radius) ** 2 * (2 ** (1 / beta) - 1)) ** -beta
        size = 1 / FWHM
        for _ in range(40):
            width = broad * size
            weight = light * np.exp(-0.5 * (radius / width) ** 2)
            inside = 0.5 * (weight @ radius**2) / weight.sum()
            size = 1 / np.sqrt(1 / inside - width**-2)
        wide = light @ np.exp(-0.5 * (radius / (WIDER * width)) ** 2)
        kept = (1 + (WIDER * broad) ** -2) / (1 + broad**-2)
        found.append((weight.sum() / wide / kept, 1 / (FWHM * size)))
    shares, factors = np.array([*found, (1.0, 1.0)]).T
    return shares, factors
