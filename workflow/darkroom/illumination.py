"""Illumination: how brightly, and how evenly, each of several flats was lit, beside what all have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.blocks import fit_surface, lay_grid, measure_blocks, place_in_field
from darkroom.medians import take_median
from darkroom.mosaics import Pattern, lay_pattern, measure_pattern
from darkroom.prepared_images import AnyImage

SAMPLE = 2**16  # pixels that tell it
FLOOR = 1e-6  # of the ratio of two flats, far below its noise

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Illumination:
    """A surface of the second degree in units of what frames have in common: one where a frame is like the others.

    ``coefficients`` of `fit_surface`; ``shape`` of the frame (rows, columns); ``level`` that of the whole frame;
    ``rows`` those of the frame that an image holds, None for all; ``colours`` what each plane of a mosaic has of it.
    """

    coefficients: NDArray[np.float64]
    shape: tuple[int, int]
    level: float
    rows: NDArray[np.int_] | None = None
    colours: Pattern | None = None

    def cut(self, band: slice = slice(None)) -> NDArray[np.float32]:
        """Return the surface on a band of rows of the image, shape (rows, columns)."""
        rows = np.arange(self.shape[0]) if self.rows is None else self.rows
        x, y = place_in_field(np.arange(self.shape[1]), rows[band], self.shape)
        one, along, up, along_twice, across, up_twice = self.coefficients
        of_rows = (one + up * y + up_twice * y**2).astype(np.float32)[:, None]
        of_columns = (along * x + along_twice * x**2).astype(np.float32)
        surface: NDArray[np.float32] = of_rows + of_columns
        surface += (across * y).astype(np.float32)[:, None] * x.astype(np.float32)
        if self.colours is not None:
            surface *= lay_pattern(self.colours, rows[band], self.shape[1])
        return surface


def measure_illumination(
    images: Sequence[AnyImage], levels: Sequence[float], mosaic: bool = False
) -> list[Illumination]:
    """Measure by what smooth factor each image differs from the median of all.

    Parameters
    ----------
    images : sequence of arrays or PreparedImage, shape (rows, columns)
        Not finite pixels take no part. Stars and shadows hardly do, since such a surface does not follow them.
    levels : sequence of float
        Theirs, in units of their median; what counts where an image is too small to tell more.
    mosaic : bool
        Whether there are colours, which twilight does not dim alike.
    """
    rows, columns = images[0].shape
    grid = lay_grid((rows, columns), SAMPLE)
    measured: list[list[NDArray[np.float64]]] = [[] for _ in images]
    patterns: list[list[Pattern]] = [[] for _ in images]
    for start in range(0, grid.rows.size, grid.side):  # a band of blocks at a time, for the memory
        own = grid.rows[start : start + grid.side]
        samples = [np.asarray(image[own], np.float32) for image in images]
        middle = take_median(samples)  # NaN where one is
        usable = np.isfinite(middle) & (middle > 0)
        middle = np.where(usable, middle, np.float32(1))
        for sample, of_image, pattern in zip(samples, measured, patterns, strict=True):
            ratio = np.where(usable, sample, np.float32(1)) / middle
            if mosaic:
                pattern.append(measure_pattern(ratio, usable, own))
                pattern[-1] /= pattern[-1].mean()
                ratio /= lay_pattern(pattern[-1], own, columns)
            of_image.append(measure_blocks(grid, ratio, usable, FLOOR).level)
    found = []
    for of_image, pattern, level in zip(measured, patterns, levels, strict=True):
        coefficients, _ = fit_surface(grid, np.concatenate(of_image), 2)
        if not np.isfinite(coefficients).all():
            coefficients = np.array([level, 0.0, 0.0, 0.0, 0.0, 0.0])
        colours = np.mean(pattern, axis=0) if mosaic else None
        found.append(Illumination(coefficients, grid.shape, level, colours=colours))
    return found
