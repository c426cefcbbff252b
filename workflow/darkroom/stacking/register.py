"""Registration: where a light lies on the reference, by the stars that both show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import astroalign
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.stats import binom

from darkroom.problems import JobProblem
from darkroom.stacking.star_lists import StarList
from darkroom.stacking.transforms import Places, Transform, fit_transform

FEWEST = 4  # stars that an image must show: two tell a shift and a rotation, all others that these are right
PATTERNS = 40  # brightest stars whose triangles are compared; of 80 other stars it takes a minute to find nothing
PAIRED = 30  # brightest stars whose distances are compared
SAME = 1.0  # pixels, by which these may differ: 1e-3 of a frame
LONGEST_SHORT = 20.0  # pixels: what is shorter tells no angle
VOTERS = 150  # brightest stars that tell how far the coordinates of the headers are off
FARTHEST = 0.5  # of the frame's side, by which they may be
CELL = 6.0  # pixels: the side of the cells in which they vote
NEAR = 3.0  # pixels: how near to each other two stars are taken for one at first
NEAREST = 0.3  # pixels: no two are asked to be nearer
OUTLIER = 4.0  # standard deviations
FLOOR = 0.02  # pixels: what a star's place is uncertain by, however bright
ROUNDS = 25
ALIKE = 0.05  # by how much a scale may differ from that of the reference
SAMPLED = 65  # places along each axis of a light of which one must lie on the reference
# Chance may match stars, and so many triangles are tried that one in a million finds something.
CHANCE = 1e-9

Pairs = NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class Registration:
    """Where a light lies on the reference.

    Attributes
    ----------
    transform : Transform
        From places of the light to those of the reference.
    pairs : array of int, shape (matches, 2)
        Which star of the light is which of the reference.
    rms : float
        Pixels, of the distances of the matched stars (both axes together); NaN without any.
    method : str
        ``wcs`` or ``patterns``: how it was first found; ``header`` if no star was there to refine it.
    """

    transform: Transform
    pairs: Pairs
    rms: float
    method: str


def register_light(
    light: StarList, reference: StarList, guess: Transform | None = None, trusted: bool = False
) -> Registration:
    """Find where a light lies on the reference; a JobProblem, if its stars do not tell.

    No match is believed that chance would find: of the stars of the light within the reference, so many must lie on one
    of its stars that random ones do so once in 1e9 cases, the two that define a transform not counted.

    Parameters
    ----------
    light, reference : StarList
        Of `darkroom.stacking.star_lists.list_stars`.
    guess : Transform, optional
        Where the coordinates in both headers put the light; they may be off by half of a frame, since stars tell.
    trusted : bool
        Whether these were solved from stars, and are believed where too few are left to tell, if they put it on the
        reference at all.
    """
    if len(light) < FEWEST or len(reference) < FEWEST:
        if guess is not None and trusted:
            return _believe(guess, light, reference)
        raise JobProblem(_tell_sparse(light, reference))
    best = 0
    for method, first in _guess_transforms(light, reference, guess):
        transform, pairs, radius = _refine(light, reference, first)
        best = max(best, len(pairs))
        if _is_alike(transform) and _is_no_chance(light, reference, transform, pairs, radius):
            away = transform.apply(light.places[pairs[:, 0]]) - reference.places[pairs[:, 1]]
            return Registration(transform, pairs, float(np.sqrt((away**2).sum(axis=1).mean())), method)
    if guess is not None and trusted:
        return _believe(guess, light, reference)
    raise JobProblem(
        f"none of its {len(light)} stars can be told to be among the {len(reference)} of the reference (at most {best} "
        "match, as chance would have it): another field, or clouds; solve both frames' coordinates, or leave it out"
    )


def _believe(guess: Transform, light: StarList, reference: StarList) -> Registration:
    """Return where solved coordinates alone put a light, if it lies there on the reference, in pixels as large."""
    if not _is_alike(guess):
        raise JobProblem(
            f"too few stars match, and by the coordinates in the headers its pixels are {np.sqrt(guess.area):.3g} "
            f"times as large as those of the reference (limit {1 - ALIKE:g} to {1 + ALIKE:g}): they are not right"
        )
    rows, columns = light.shape
    x, y = np.meshgrid(np.linspace(0, columns - 1, SAMPLED), np.linspace(0, rows - 1, SAMPLED))
    there = guess.apply(np.column_stack([x.ravel(), y.ravel()]))
    height, width = reference.shape
    if not ((there >= -0.5) & (there < (width - 0.5, height - 0.5))).all(axis=1).any():
        away = np.hypot(*(there.mean(axis=0) - ((width - 1) / 2, (height - 1) / 2)))
        raise JobProblem(
            f"by the coordinates in the headers it lies beside the reference, {away:.0f} pixels from middle to middle: "
            "another field"
        )
    return Registration(guess, np.empty((0, 2), int), float("nan"), "header")


def _is_alike(transform: Transform) -> bool:
    return bool(abs(np.sqrt(transform.area) - 1) < ALIKE)


def _tell_sparse(light: StarList, reference: StarList) -> str:
    which, number = ("it", len(light)) if len(light) < FEWEST else ("the reference", len(reference))
    stars = {0: "no star", 1: "1 star"}.get(number, f"{number} stars")
    return (
        f"{which} shows {stars}, and a match needs {FEWEST} or more: blank, clouded or out of focus; a longer "
        "exposure, or coordinates solved from stars in both headers, help"
    )


def _guess_transforms(light: StarList, reference: StarList, guess: Transform | None) -> Iterator[tuple[str, Transform]]:
    """Yield where the light may lie, the likeliest first."""
    if guess is not None:
        yield "wcs", _vote(light, reference, guess)
    for mirror in (np.eye(2), np.diag([-1.0, 1.0])):
        if (turned := _vote_turn(light.places[:PAIRED] @ mirror, reference)) is not None:
            yield "patterns", Transform(turned.matrix @ mirror, turned.shift)
    for mirror in (np.eye(2), np.diag([-1.0, 1.0])):
        try:
            found, _ = astroalign.find_transform(light.places[:PATTERNS] @ mirror, reference.places[:PATTERNS])
        except (astroalign.MaxIterError, ValueError, TypeError, np.linalg.LinAlgError):
            continue
        params = np.asarray(found.params, np.float64)
        if np.isfinite(params).all() and abs(np.sqrt(abs(np.linalg.det(params[:2, :2]))) - 1) < ALIKE:
            yield "patterns", Transform(params[:2, :2] @ mirror, params[:2, 2])


def _vote_turn(own: Places, reference: StarList) -> Transform | None:
    """Return the rotation and shift that most pairs of stars have in common, if pixels are of one size.

    Each pair of a light's bright stars may be each one of the reference's that are as far apart. It takes no time,
    draws no lots, and finds five stars as well as fifty; the triangles of astroalign find other scales, too.
    """
    other = reference.places[:PAIRED]
    first, second = np.nonzero(~np.eye(len(own), dtype=bool))
    third, fourth = np.triu_indices(len(other), 1)
    along, there = own[second] - own[first], other[fourth] - other[third]
    length = np.hypot(*along.T)
    which, goal = np.nonzero(np.abs(length[:, None] - np.hypot(*there.T)) < SAME)
    which, goal = (each[length[which] > LONGEST_SHORT] for each in (which, goal))
    if not len(which):
        return None
    turn = (there[goal, 0] + 1j * there[goal, 1]) / (along[which, 0] + 1j * along[which, 1])
    turn /= np.abs(turn)
    half = np.array(reference.shape[::-1]) / 2
    away = (own[first] + along / 2)[which] - half
    middle = (other[third] + there / 2)[goal] - np.column_stack(
        [turn.real * away[:, 0] - turn.imag * away[:, 1], turn.imag * away[:, 0] + turn.real * away[:, 1]]
    )
    votes = np.column_stack([half.max() * turn.real, half.max() * turn.imag, middle])
    tree = KDTree(votes)
    best = int(np.argmax(tree.query_ball_point(votes, CELL, return_length=True)))
    x, y, *shift = np.median(votes[tree.query_ball_point(votes[best], CELL)], axis=0)
    size = float(np.hypot(x, y))
    matrix = np.array([[x, -y], [y, x]]) / size
    return Transform(matrix, np.array(shift) - matrix @ half)


def _vote(light: StarList, reference: StarList, guess: Transform) -> Transform:
    """Return a guess with the shift by which most pairs of bright stars are off."""
    there = guess.apply(light.places[:VOTERS])
    apart = (reference.places[None, :VOTERS] - there[:, None]).reshape(-1, 2)
    limit = FARTHEST * max(reference.shape)
    apart = apart[np.abs(apart).max(axis=1) < limit]
    if not len(apart):
        return guess
    tree = KDTree(apart)
    votes = tree.query_ball_point(apart, CELL / 2, return_length=True)
    most = apart[votes == votes.max()]
    nearest = most[np.argmin(np.abs(most).sum(axis=1))]  # of equals, the one that believes the headers
    return guess.move(np.median(apart[tree.query_ball_point(nearest, CELL / 2)], axis=0))


def match_stars(light: StarList, reference: StarList, transform: Transform, radius: float) -> Pairs:
    """Return which stars (light, reference) are the nearest of each other, and nearer than a radius in pixels."""
    there = transform.apply(light.places)
    away, nearest = KDTree(reference.places).query(there, distance_upper_bound=radius)
    _, back = KDTree(there).query(reference.places, distance_upper_bound=radius)
    own = np.flatnonzero(np.isfinite(away))
    own = own[back[nearest[own]] == own]
    return np.column_stack([own, nearest[own]])


def _refine(light: StarList, reference: StarList, transform: Transform) -> tuple[Transform, Pairs, float]:
    """Fit all stars that match until the same ones do: the result does not depend on how it was first found."""
    radius, before = NEAR, np.empty((0, 2), int)
    mirrored = transform.mirrored
    errors = [_tell_errors(each) for each in (light, reference)]
    for _ in range(ROUNDS):
        pairs = match_stars(light, reference, transform, radius)
        if len(pairs) < 3:
            return transform, pairs, radius
        source, target = light.places[pairs[:, 0]], reference.places[pairs[:, 1]]
        weights = 1 / (errors[0][pairs[:, 0]] ** 2 + errors[1][pairs[:, 1]] ** 2)
        transform = fit_transform(source, target, weights, mirrored)
        away = np.hypot(*(transform.apply(source) - target).T)
        # of a Gaussian in two dimensions half lies within 1.1774 standard deviations of one
        smaller = float(np.clip(OUTLIER * np.median(away) / 1.1774, NEAREST, NEAR))
        if np.array_equal(pairs, before) and smaller >= radius:
            break
        before, radius = pairs, min(radius, smaller)
    return transform, pairs, radius


def _tell_errors(stars: StarList) -> Places:
    """Return about how far off the places of stars are, pixels."""
    return np.hypot(FLOOR, (stars.fwhm or 3.0) / 2.0 * stars.errors / stars.fluxes)


def _is_no_chance(light: StarList, reference: StarList, transform: Transform, pairs: Pairs, radius: float) -> bool:
    """Return whether so many stars match that it is no chance."""
    if len(pairs) < FEWEST:
        return False
    rows, columns = reference.shape
    there = transform.apply(light.places)
    inside = ((there >= 0) & (there < (columns, rows))).all(axis=1)
    number = max(int(np.count_nonzero(inside)), len(pairs))
    each = min(1.0, len(reference) * np.pi * max(radius, 1.0) ** 2 / (rows * columns))
    return bool(binom.sf(len(pairs) - 3, number - 2, each) < CHANCE)
