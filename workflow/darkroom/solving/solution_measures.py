"""Solution measures: how well a fit meets stars that it does not know, and how many it would meet by chance.

A fit is measured by stars that are left out of it, each in turn with a tenth of the others. How many would match by
chance is how many do where the catalogue is shifted, or as many as of stars that are strewn at random.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from darkroom.solving.field_stars import Stars
from darkroom.solving.solution import SkyFit, Solution
from darkroom.solving.star_matching import Values, find_inside, make_projection, match_stars
from darkroom.solving.wcs_fit import count_terms, fit_sky

PARTS = 10  # of the matches; each is left out of a fit once
PER_TERM = 3  # matches for each number of a polynomial
BETTER = 0.95  # by what factor the rms of left-out stars must fall for a higher order
SHIFTS = [(dx, dy) for dx in (-2, 0, 2) for dy in (-2, 0, 2) if dx or dy]  # in first reaches


def try_fit(pixels: Values, places: Values, shape: tuple[int, int], order: int) -> SkyFit | None:
    """Return a fit of an order; None where the stars do not make one."""
    try:
        return fit_sky(pixels, places, shape, order)
    except ValueError:
        return None


def choose_order(pixels: Values, places: Values, shape: tuple[int, int], highest: int) -> int:
    """Return the lowest order beyond which stars that are left out are not met better."""
    chosen, best = 1, measure_left_out(pixels, places, shape, 1)[1]
    for order in range(2, highest + 1):
        if len(pixels) < PER_TERM * count_terms(order):
            break
        rms = measure_left_out(pixels, places, shape, order)[1]
        if rms < BETTER * best:
            chosen, best = order, rms
    return chosen


def measure_left_out(pixels: Values, places: Values, shape: tuple[int, int], order: int) -> tuple[float, float]:
    """Return the rms (seconds of arc, pixels) of matches about fits in which they had no part."""
    parts = min(PARTS, len(pixels))
    angles, distances = [], []
    for part in range(parts):
        held = np.arange(len(pixels)) % parts == part
        fit = try_fit(pixels[~held], places[~held], shape, order)
        if fit is None:
            return math.inf, math.inf
        wcs = fit.make_wcs()
        angles.append(_separate(wcs.all_pix2world(pixels[held], 0), places[held]))
        distances.append(np.hypot(*(make_projection(wcs, shape)(places)[held] - pixels[held]).T))
    return tuple(float(np.sqrt(np.mean(np.concatenate(each) ** 2))) for each in (angles, distances))  # type: ignore


def _separate(some: Values, others: Values) -> Values:
    """Return small angles between places on the sky, seconds of arc."""
    (ra, dec), (ra_2, dec_2) = np.radians(some).T, np.radians(others).T
    half = np.sin((dec_2 - dec) / 2) ** 2 + np.cos(dec) * np.cos(dec_2) * np.sin((ra_2 - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


def expect_chance_matches(
    projected: Values, tree: cKDTree, stars: Stars, shape: tuple[int, int], reach: float, step: float
) -> float:
    """Return how many matches chance brings: the most of what shifted catalogues and strewn stars have."""
    inside = np.count_nonzero(find_inside(projected, shape))
    strewn = inside * -math.expm1(-len(stars) / math.prod(shape) * math.pi * reach**2)
    shift = max(step, 4 * reach)
    shifted = [len(match_stars(projected + shift * np.array(by), tree, shape, reach)[0]) for by in SHIFTS]
    return max(strewn, float(np.mean(shifted)))


def describe_fit(fit: SkyFit, pixels: Values, places: Values, shape: tuple[int, int], order: int) -> Solution:
    """Return what is told of a fit to matches, but for what the rest of the catalogue tells."""
    wcs = fit.make_wcs()
    rms, rms_pixels = measure_left_out(pixels, places, shape, order)
    (a, b), (c, d) = fit.cd
    determinant = a * d - b * c
    scale = math.sqrt(abs(determinant)) * 3600
    ra, dec = wcs.all_pix2world((shape[1] - 1) / 2, (shape[0] - 1) / 2, 0)
    return Solution(
        fit=fit,
        shape=shape,
        rms=rms,
        rms_pixels=rms_pixels,
        matches=len(pixels),
        catalogue=0,
        by_chance=0.0,
        scale=scale,
        rotation=math.degrees(math.atan2(b, d)) % 360,
        mirrored=determinant > 0,
        centre=(float(ra) % 360, float(dec)),
        size=(math.hypot(a, c) * shape[1], math.hypot(b, d) * shape[0]),
    )
