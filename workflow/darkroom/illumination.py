"""Illumination: how brightly, and how evenly, each of several flats was lit, beside what all have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.blocks import fit_surface, lay_grid, make_terms, measure_blocks

SAMPLE = 2**16  # pixels that tell it
FLOOR = 1e-6  # of the ratio of two flats, far below its noise

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Illumination:
    """A surface of the second degree in units of what frames have in common: one where a frame is like the others.

    ``coefficients`` of `fit_surface`; ``shape`` of the frame (rows, columns); ``level`` that of the whole frame;
    ``rows`` those of the frame that an image holds, None for all.
    """

    coefficients: NDArray[np.float64]
    shape: tuple[int, int]
    level: float
    rows: NDArray[np.int_] | None = None

    def cut(self, band: slice = slice(None)) -> NDArray[np.float64]:
        """Return the surface on a band of rows of the image, shape (rows, columns)."""
        rows = np.arange(self.shape[0]) if self.rows is None else self.rows
        y, x = rows[band][:, None], np.arange(self.shape[1])[None, :]
        terms = make_terms(x, y, self.shape)
        return sum((c * term for c, term in zip(self.coefficients, terms, strict=True)), np.zeros((y.size, x.size)))


def measure_illumination(images: Sequence[Image], levels: Sequence[float]) -> list[Illumination]:
    """Measure by what smooth factor each image differs from the median of all.

    Parameters
    ----------
    images : sequence of arrays, shape (rows, columns)
        Not finite pixels take no part. Stars and shadows hardly do, since such a surface does not follow them.
    levels : sequence of float
        Theirs, in units of their median; what counts where an image is too small to tell more.
    """
    rows, columns = images[0].shape
    grid = lay_grid((rows, columns), SAMPLE)
    samples = np.stack([image[grid.rows] for image in images])
    middle = np.median(samples, axis=0)  # NaN where one is
    usable = np.isfinite(middle) & (middle > 0)
    found = []
    for sample, level in zip(samples, levels, strict=True):
        ratio = np.where(usable, sample, 1) / np.where(usable, middle, 1)
        coefficients, _ = fit_surface(grid, measure_blocks(grid, ratio, usable, FLOOR).level, 2)
        if not np.isfinite(coefficients).all():
            coefficients = np.array([level, 0.0, 0.0, 0.0, 0.0, 0.0])
        found.append(Illumination(coefficients, grid.shape, level))
    return found
