"""Prepared images: raw frames less overscan, bias and dark, calculated for those rows that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.calibrate import subtract_pedestal
from darkroom.overscan import OverscanLevel, find_kept, measure_overscan
from darkroom.raw_images import RawImage, Rows

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A trimmed image of which rows are prepared on the way out; an index gives a new array of float32.

    ``image[rows]`` or ``image[rows, columns]`` with rows, a slice or an array of numbers, and a slice of columns.

    Parameters
    ----------
    raw : RawImage or array of float32, shape (rows, columns)
        ADU.
    kept : tuple of slice
        The rows and columns of it that the trim keeps; what follows is of their shape.
    level : OverscanLevel or None
        That of the overscan.
    bias, dark : arrays, shape (rows, columns), or None
        ADU. The dark is subtracted ``dark_scale`` times.
    linearity : sequence of float or None
        Coefficients of `darkroom.calibrate.linearise`.
    scale : float
        What the result is multiplied by.
    """

    raw: RawImage | Image
    kept: tuple[slice, slice]
    level: OverscanLevel | None = None
    bias: Image | None = None
    dark: Image | None = None
    dark_scale: float = 1.0
    linearity: Sequence[float] | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = (part.stop - part.start for part in self.kept)
        return rows, columns

    def __getitem__(self, key: Rows | tuple[Rows, slice]) -> Image:
        counts = self.read_counts(key)
        return self.prepare(counts, key)

    def read_counts(self, key: Rows | tuple[Rows, slice]) -> Image:
        """Return the pixels as they were read, in ADU."""
        rows, columns = _split(key)
        pixels = self.raw[_shift(rows, self.kept[0]), _shift(columns, self.kept[1])]
        return pixels if isinstance(self.raw, RawImage) else np.array(pixels, np.float32)

    def prepare(self, counts: Image, key: Rows | tuple[Rows, slice]) -> Image:
        """Take off such pixels what is to be taken off, in place where that can be done; return them."""
        rows, columns = _split(key)
        if self.level is not None:
            self.level.subtract_from(counts, rows, columns)
        bias, dark = (None if plane is None else plane[rows, columns] for plane in (self.bias, self.dark))
        image = subtract_pedestal(counts, bias, dark, self.dark_scale, self.linearity)
        if self.scale != 1:
            image *= np.float32(self.scale)
        return image

    def times(self, scale: float) -> PreparedImage:
        """Return the image multiplied by a factor."""
        return replace(self, scale=self.scale * scale)


AnyImage = NDArray[np.floating[Any]] | PreparedImage


def prepare_image(
    raw: RawImage | Image,
    overscan: dict[str, Any] | None,
    bias: Image | None = None,
    dark: Image | None = None,
    dark_scale: float = 1.0,
    linearity: Sequence[float] | None = None,
) -> PreparedImage:
    """Return a raw frame trimmed, less its overscan and the masters that are given."""
    kept = find_kept(raw.shape, overscan).slices
    return PreparedImage(raw, kept, measure_overscan(raw, overscan), bias, dark, dark_scale, linearity)


def _split(key: Rows | tuple[Rows, slice]) -> tuple[Rows, slice]:
    return key if isinstance(key, tuple) else (key, slice(None))


def _shift(index: Any, kept: slice) -> Any:
    """Return an index into what is kept as one into the raw frame."""
    if isinstance(index, slice):
        numbers = range(kept.start, kept.stop)[index]
        return slice(numbers.start, numbers.stop, numbers.step)
    return np.asarray(index) + kept.start
