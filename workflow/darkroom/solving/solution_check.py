"""Solution check: a solver's WCS fitted to a catalogue's stars and judged by them, beyond what the solver says.

The catalogue's stars in the field are those of the finest index that is here, most of which the solver never used.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from astropy.wcs import WCS
from scipy.spatial import cKDTree
from scipy.stats import binom

from darkroom.solving.field_stars import Stars
from darkroom.solving.solution import SkyFit, Solution
from darkroom.solving.solution_measures import (
    choose_order,
    describe_fit,
    expect_chance_matches,
    try_fit,
)
from darkroom.solving.star_matching import Values, find_inside, make_projection, match_stars
from darkroom.solving.wcs_fit import count_terms

FEWEST = 8  # matches of a solution
TURNS = 8  # of matching and fitting
FIRST_REACH = (0.004, 4.0)  # of the diagonal, and pixels: how far a star may be off in the solver's solution
LEAST_REACH, REACH = 1.0, 3.5  # pixels, and standard deviations, in which a star is a match in the end
LARGEST_CHANCE = 1e-9  # that a wrong solution has so many matches
LARGEST_RMS = 2.0  # pixels
HIGHEST_ORDER = 3
SKEWEST = 0.03  # sine of the angle by which axes may not be at right angles


class RefusedSolution(ValueError):
    """Why a solution is not believed, in one line."""


def check_solution(
    wcs: WCS,
    stars: Stars,
    shape: tuple[int, int],
    catalogue: Values,
    scale: tuple[float, float] | None = None,
    highest_order: int = HIGHEST_ORDER,
) -> Solution:
    """Fit a solver's WCS to a catalogue and judge it.

    Parameters
    ----------
    wcs : WCS
        The solver's.
    stars : array, shape (stars, 3)
        Those of the light: x, y, flux.
    shape : tuple of int
        Its rows and columns.
    catalogue : array, shape (stars, 2)
        Right ascension and declination of all stars around the field, degrees (ICRS).
    scale : tuple of float, optional
        Seconds of arc a pixel that are known for sure.
    highest_order : int
        Of the SIP polynomial; 1 for TAN alone. A higher one is taken only if it serves stars that are left out.

    Raises
    ------
    RefusedSolution
        If it fails.
    """
    tree = cKDTree(stars[:, :2]) if len(stars) else None
    if tree is None or not len(catalogue):
        raise RefusedSolution("there are no stars to check it by")
    first = max(FIRST_REACH[0] * math.hypot(*shape), FIRST_REACH[1])
    first = min(first, 0.3 / math.sqrt(len(stars) / math.prod(shape)))  # or others are nearer
    project = make_projection(wcs, shape)
    order, fit = 1, None
    own, theirs, away = match_stars(project(catalogue), tree, shape, first)
    for turn in range(TURNS):
        if len(own) < max(FEWEST, count_terms(1)):
            break
        if turn == TURNS // 2:  # by then the matches are those of TAN
            order = choose_order(stars[own, :2], catalogue[theirs], shape, highest_order)
        fit = try_fit(stars[own, :2], catalogue[theirs], shape, order) or fit
        if fit is None:
            break
        reach = min(first, max(LEAST_REACH, REACH * _estimate_spread(away)))
        own, theirs, away = match_stars(make_projection(fit.make_wcs(), shape)(catalogue), tree, shape, reach)
    inside = find_inside((project if fit is None else make_projection(fit.make_wcs(), shape))(catalogue), shape)
    if fit is None or len(own) < FEWEST:
        raise RefusedSolution(
            f"only {len(own)} of the {np.count_nonzero(inside)} catalogue stars in the frame are where it puts them "
            f"({FEWEST} are wanted)"
        )
    chance = expect_chance_matches(make_projection(fit.make_wcs(), shape)(catalogue), tree, stars, shape, reach, first)
    solution = describe_fit(fit, stars[own, :2], catalogue[theirs], shape, order)
    solution = replace(solution, catalogue=int(np.count_nonzero(inside)), by_chance=round(chance, 3))
    _judge(solution, fit, scale)
    return solution


def _estimate_spread(away: Values) -> float:
    """Return the standard deviation along each axis, from distances of which half are good."""
    return float(np.median(away)) / math.sqrt(2 * math.log(2))


def _judge(solution: Solution, fit: SkyFit, scale: tuple[float, float] | None) -> None:
    """Refuse what cannot be true."""
    (a, b), (c, d) = fit.cd
    across, up = math.hypot(a, c), math.hypot(b, d)
    rate = min(1.0, solution.by_chance / max(1, solution.catalogue))
    chance = float(binom.sf(solution.matches - 1, solution.catalogue, rate))
    if chance > LARGEST_CHANCE:
        raise RefusedSolution(
            f"{solution.matches} of {solution.catalogue} catalogue stars are where it puts them, "
            f"and {solution.by_chance:.1f} would be by chance"
        )
    if not solution.rms_pixels < LARGEST_RMS:
        raise RefusedSolution(f"its stars are {solution.rms_pixels:.1f} pixels off ({LARGEST_RMS:g} are allowed)")
    if abs(a * b + c * d) > SKEWEST * across * up:
        raise RefusedSolution("its axes are not at right angles")
    if scale and not scale[0] <= solution.scale <= scale[1]:
        raise RefusedSolution(f'{solution.scale:.4g}"/pixel is not within {scale[0]:g} to {scale[1]:g}')
