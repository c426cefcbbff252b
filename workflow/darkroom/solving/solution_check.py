"""Solution check: a solver's WCS fitted to a catalogue's stars and judged by them, beyond what the solver says.

The catalogue's stars in the field are those of the finest index that is here, most of which the solver never used. The
fit is judged by stars that are left out of it, each in turn with a tenth of the others, and by how many matches there
would be by chance: as many as where the catalogue is shifted, or as stars that are strewn at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import binom

from darkroom.solving.field_stars import Stars
from darkroom.solving.wcs_fit import SkyFit, count_terms, fit_sky

PARTS = 10  # of the matches; each is left out of a fit once
FEWEST = 8  # matches of a solution
TURNS = 8  # of matching and fitting
FIRST_REACH = (0.004, 4.0)  # of the diagonal, and pixels: how far a star may be off in the solver's solution
LEAST_REACH, REACH = 1.0, 3.5  # pixels, and standard deviations, in which a star is a match in the end
LARGEST_CHANCE = 1e-9  # that a wrong solution has so many matches
LARGEST_RMS = 2.0  # pixels
PER_TERM = 3  # matches for each number of a polynomial
BETTER = 0.95  # by what factor the rms of left-out stars must fall for a higher order
HIGHEST_ORDER = 3
BEYOND = 0.3  # diagonals from the frame to where a star may be by a WCS without its polynomial
SKEWEST = 0.03  # sine of the angle by which axes may not be at right angles
SHIFTS = [(dx, dy) for dx in (-2, 0, 2) for dy in (-2, 0, 2) if dx or dy]  # in first reaches

Values = NDArray[np.float64]


class RefusedSolution(ValueError):
    """Why a solution is not believed, in one line."""


@dataclass(frozen=True)
class Solution:
    """A WCS that was checked, and what is told of it.

    ``rms`` (seconds of arc, and ``rms_pixels``) is that of the stars left out of the fit, ``matches`` their number of
    ``catalogue`` ones in the frame, ``by_chance`` how many would match by chance. ``scale`` in seconds of arc a pixel,
    ``rotation`` the angle of the image's upward direction from north through east in degrees, ``mirrored`` whether the
    image is not as the sky is seen; ``centre`` (RA, Dec) and ``size`` (width, height) in degrees.
    """

    fit: SkyFit
    rms: float
    rms_pixels: float
    matches: int
    catalogue: int
    by_chance: float
    scale: float
    rotation: float
    mirrored: bool
    centre: tuple[float, float]
    size: tuple[float, float]
    solver: str = ""
    reference: str = ""

    @property
    def text(self) -> str:
        """All of it in one line for a person."""
        ra, dec = self.centre
        return (
            f'RA {ra:.4f} Dec {dec:+.4f}, {self.size[0]:.3g} x {self.size[1]:.3g} deg, {self.scale:.4g}"/pixel, '
            f"up is {self.rotation:.2f} deg east of north{', mirrored' if self.mirrored else ''}; "
            f'rms {self.rms:.2g}" ({self.rms_pixels:.2f} pixels) of {self.matches} stars of {self.catalogue}, '
            f"{self.by_chance:.1f} by chance"
        )


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
    project = _make_projection(wcs, shape)
    order, fit = 1, None
    own, theirs, away = match_stars(project(catalogue), tree, shape, first)
    for turn in range(TURNS):
        if len(own) < max(FEWEST, count_terms(1)):
            break
        if turn == TURNS // 2:  # by then the matches are those of TAN
            order = _choose_order(stars[own, :2], catalogue[theirs], shape, highest_order)
        fit = _try_fit(stars[own, :2], catalogue[theirs], shape, order) or fit
        if fit is None:
            break
        reach = min(first, max(LEAST_REACH, REACH * _estimate_spread(away)))
        own, theirs, away = match_stars(_make_projection(fit.make_wcs(), shape)(catalogue), tree, shape, reach)
    inside = _find_inside((project if fit is None else _make_projection(fit.make_wcs(), shape))(catalogue), shape)
    if fit is None or len(own) < FEWEST:
        raise RefusedSolution(
            f"only {len(own)} of the {np.count_nonzero(inside)} catalogue stars in the frame are where it puts them "
            f"({FEWEST} are wanted)"
        )
    chance = _expect_chance(_make_projection(fit.make_wcs(), shape)(catalogue), tree, stars, shape, reach, first)
    solution = _describe(fit, stars[own, :2], catalogue[theirs], shape, order)
    solution = replace(solution, catalogue=int(np.count_nonzero(inside)), by_chance=round(chance, 3))
    _judge(solution, fit, scale)
    return solution


def match_stars(
    projected: Values, tree: cKDTree, shape: tuple[int, int], reach: float
) -> tuple[NDArray[np.int_], NDArray[np.int_], Values]:
    """Return which stars and which of a catalogue are each other's nearest within a reach, and how far apart.

    ``projected`` are the catalogue's x and y; ``tree`` those of the stars.
    """
    usable = np.flatnonzero(_find_inside(projected, shape))
    if not len(usable):
        return usable, usable, np.empty(0)
    away, own = tree.query(projected[usable], distance_upper_bound=reach)
    near = np.isfinite(away)
    usable, own, away = usable[near], own[near], away[near]
    order = np.lexsort((usable, away))  # each star goes to the nearest
    _, first = np.unique(own[order], return_index=True)
    kept = np.sort(order[first])
    return own[kept], usable[kept], away[kept]


def _make_projection(wcs: WCS, shape: tuple[int, int]) -> Callable[[Values], Values]:
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


def _find_inside(pixels: Values, shape: tuple[int, int]) -> NDArray[np.bool_]:
    x, y = pixels.T
    return (x > -0.5) & (x < shape[1] - 0.5) & (y > -0.5) & (y < shape[0] - 0.5)  # NaN is not


def _estimate_spread(away: Values) -> float:
    """Return the standard deviation along each axis, from distances of which half are good."""
    return float(np.median(away)) / math.sqrt(2 * math.log(2))


def _try_fit(pixels: Values, places: Values, shape: tuple[int, int], order: int) -> SkyFit | None:
    try:
        return fit_sky(pixels, places, shape, order)
    except ValueError:
        return None


def _choose_order(pixels: Values, places: Values, shape: tuple[int, int], highest: int) -> int:
    """Return the lowest order beyond which stars that are left out are not met better."""
    chosen, best = 1, _measure_left_out(pixels, places, shape, 1)[1]
    for order in range(2, highest + 1):
        if len(pixels) < PER_TERM * count_terms(order):
            break
        rms = _measure_left_out(pixels, places, shape, order)[1]
        if rms < BETTER * best:
            chosen, best = order, rms
    return chosen


def _measure_left_out(pixels: Values, places: Values, shape: tuple[int, int], order: int) -> tuple[float, float]:
    """Return the rms (seconds of arc, pixels) of matches about fits in which they had no part."""
    parts = min(PARTS, len(pixels))
    angles, distances = [], []
    for part in range(parts):
        held = np.arange(len(pixels)) % parts == part
        fit = _try_fit(pixels[~held], places[~held], shape, order)
        if fit is None:
            return math.inf, math.inf
        wcs = fit.make_wcs()
        angles.append(_separate(wcs.all_pix2world(pixels[held], 0), places[held]))
        distances.append(np.hypot(*(_make_projection(wcs, shape)(places)[held] - pixels[held]).T))
    return tuple(float(np.sqrt(np.mean(np.concatenate(each) ** 2))) for each in (angles, distances))  # type: ignore


def _separate(some: Values, others: Values) -> Values:
    """Return small angles between places on the sky, seconds of arc."""
    (ra, dec), (ra_2, dec_2) = np.radians(some).T, np.radians(others).T
    half = np.sin((dec_2 - dec) / 2) ** 2 + np.cos(dec) * np.cos(dec_2) * np.sin((ra_2 - ra) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half))) * 3600


def _expect_chance(
    projected: Values, tree: cKDTree, stars: Stars, shape: tuple[int, int], reach: float, step: float
) -> float:
    """Return how many matches chance brings: the most of what shifted catalogues and strewn stars have."""
    inside = np.count_nonzero(_find_inside(projected, shape))
    strewn = inside * -math.expm1(-len(stars) / math.prod(shape) * math.pi * reach**2)
    shift = max(step, 4 * reach)
    shifted = [len(match_stars(projected + shift * np.array(by), tree, shape, reach)[0]) for by in SHIFTS]
    return max(strewn, float(np.mean(shifted)))


def _describe(fit: SkyFit, pixels: Values, places: Values, shape: tuple[int, int], order: int) -> Solution:
    wcs = fit.make_wcs()
    rms, rms_pixels = _measure_left_out(pixels, places, shape, order)
    (a, b), (c, d) = fit.cd
    determinant = a * d - b * c
    scale = math.sqrt(abs(determinant)) * 3600
    ra, dec = wcs.all_pix2world((shape[1] - 1) / 2, (shape[0] - 1) / 2, 0)
    return Solution(
        fit=fit,
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
