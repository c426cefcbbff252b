"""Transforms: where a place of one image lies in another; straight lines stay straight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENOUGH_FOR_AFFINE = 12  # pairs, below which four numbers (shift, rotation, scale) are all that can be told
SMALLEST = 1e-12  # sum of squares that is nothing but rounding
TELLING = 10.0  # by how much more than by chance a better fit must be better, in units of -2 ln(likelihood)

Places = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Transform:
    """Places (n, 2) as x, y, the first pixel's centre at 0, 0: ``matrix @ place + shift``."""

    matrix: Places
    shift: Places

    def apply(self, places: Places) -> Places:
        """Return where these places (n, 2) lie in the other image."""
        return np.asarray(places, np.float64) @ self.matrix.T + self.shift

    def invert(self) -> Transform:
        """Return the way back."""
        back = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return Transform(back, -back @ self.shift)

    def move(self, shift: Places) -> Transform:
        """Return the transform to where the other image's places are larger by a shift (x, y)."""
        return Transform(self.matrix, self.shift + shift)

    @property
    def area(self) -> float:
        """Pixels of the other image that one of this covers."""
        return abs(float(np.linalg.det(self.matrix)))

    @property
    def mirrored(self) -> bool:
        """Whether one image shows the other as in a mirror."""
        return float(np.linalg.det(self.matrix)) < 0

    @property
    def rotation(self) -> float:
        """Degrees from this image's x axis to the other's, counted from x to y."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    @classmethod
    def stay(cls) -> Transform:
        """Return that of an image to itself."""
        return cls(np.eye(2), np.zeros(2))


def fit_transform(source: Places, target: Places, weights: Places, mirrored: bool) -> Transform:
    """Fit pairs of places (n, 2) by least squares.

    A similarity (shift, rotation, scale), as it takes two pairs; of 12 and more an affine transform (other scales
    along other axes, as refraction makes them), if the fit is better than chance makes it: Schwarz 1978, Annals of
    Statistics 6, 461, and 10 more, for pairs that are no good ones.
    """
    similar = _fit_similarity(source, target, weights, mirrored)
    if len(source) < ENOUGH_FOR_AFFINE:
        return similar
    affine = _fit_affine(source, target, weights)
    rest, less = (_sum_squares(each, source, target, weights) for each in (similar, affine))
    number = 2 * len(source)
    better = number * np.log(max(rest, SMALLEST) / max(less, SMALLEST))
    return affine if better > 2 * np.log(number) + TELLING else similar


def _sum_squares(transform: Transform, source: Places, target: Places, weights: Places) -> float:
    return float((weights[:, None] * (transform.apply(source) - target) ** 2).sum())


def _fit_similarity(source: Places, target: Places, weights: Places, mirrored: bool) -> Transform:
    sign = -1.0 if mirrored else 1.0
    middle, goal = (np.average(each, axis=0, weights=weights) for each in (source, target))
    away, wanted = source - middle, target - goal
    x, y = away[:, 0], sign * away[:, 1]
    size = float((weights * (x * x + y * y)).sum()) or 1.0
    along = float((weights * (x * wanted[:, 0] + y * wanted[:, 1])).sum()) / size
    across = float((weights * (x * wanted[:, 1] - y * wanted[:, 0])).sum()) / size
    matrix = np.array([[along, -across * sign], [across, along * sign]])
    return Transform(matrix, goal - matrix @ middle)


def _fit_affine(source: Places, target: Places, weights: Places) -> Transform:
    middle = np.average(source, axis=0, weights=weights)
    root = np.sqrt(weights)[:, None]
    terms = np.column_stack([np.ones(len(source)), source - middle])
    found = np.linalg.lstsq(root * terms, root * target, rcond=None)[0]
    matrix = found[1:].T
    return Transform(matrix, found[0] - matrix @ middle)
