"""Placed lights: what goes into a stack, and on which pixels it is put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from darkroom.stacking.resample import Read
from darkroom.stacking.transforms import Transform


@dataclass(frozen=True, eq=False)
class PlacedLight:
    """A light that goes into a stack.

    Attributes
    ----------
    read : callable
        Gives planes of its rows and columns (`darkroom.stacking.resample.Read`).
    shape : tuple of int
        Rows and columns.
    transform : Transform
        From it to the reference.
    level, noise : float
        That of its sky, and the standard deviation of a pixel of it, in its own unit.
    scale : float
        What its counts times give those of the reference, pixel for pixel.
    seconds : float
        Exposure.
    middle : str or None
        When half of it was over, ISO UTC.
    fwhm : float or None
        That of its stars, its own pixels; tells by how much a star may differ before it is clipped.
    """

    read: Read
    shape: tuple[int, int]
    transform: Transform
    level: float
    noise: float
    scale: float = 1.0
    seconds: float = 0.0
    middle: str | None = None
    fwhm: float | None = None

    @property
    def spread(self) -> float:
        """The variance of its sky on the scale of the reference."""
        return (self.noise * self.scale) ** 2


@dataclass(frozen=True)
class Canvas:
    """The pixels of a stack: rows and columns, and where its first pixel lies on the reference (x, y)."""

    shape: tuple[int, int]
    origin: tuple[int, int] = (0, 0)


def choose_canvas(lights: Sequence[PlacedLight], reference: tuple[int, int], whole: bool = False) -> Canvas:
    """Return the reference's pixels (shape rows, columns), or with ``whole`` so many that all lights lie on them."""
    if not whole:
        return Canvas(reference)
    corners = []
    for light in lights:
        rows, columns = light.shape
        own = np.array([[x, y] for x in (-0.5, columns - 0.5) for y in (-0.5, rows - 0.5)])
        corners.append(light.transform.apply(own))
    every = np.concatenate(corners)
    first = np.ceil(every.min(axis=0) - 1e-6).astype(int)
    last = np.floor(every.max(axis=0) + 1e-6).astype(int)
    width, height = (int(n) for n in last - first + 1)
    return Canvas((height, width), (int(first[0]), int(first[1])))
