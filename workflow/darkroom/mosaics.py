"""Mosaics: images behind a Bayer matrix, whose colours lie side by side, two by two pixels again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.sections import parse_section

SIDE = 2  # pixels of the pattern; a colour is met again so many rows and columns on

Image = NDArray[np.floating[Any]]
Pattern = NDArray[np.float64]  # shape (2, 2): even rows, then odd ones


def shift_mosaic(mosaic: str, trim: str | None) -> str:
    """Return the mosaic of the part of a frame that a trim keeps, which may begin with another colour.

    Parameters
    ----------
    mosaic : str
        A letter each for the first two pixels of the first row of the frame and of the second, such as RGGB.
    trim : str or None
        In FITS notation.
    """
    kept = parse_section(trim) if trim else None
    row, column = ((kept.y1 - 1) % SIDE, (kept.x1 - 1) % SIDE) if kept else (0, 0)
    places = [((row + y) % SIDE, (column + x) % SIDE) for y in range(SIDE) for x in range(SIDE)]
    return "".join(mosaic[SIDE * y + x] for y, x in places)


def find_mosaic(recipe: dict[str, Any]) -> str | None:
    """Return the mosaic of the trimmed frames of a recipe, None of a monochrome camera."""
    mosaic, overscan = recipe.get("mosaic"), recipe["settings"]["overscan"]
    trimmed = overscan and "amplifiers" not in overscan  # else its parts were, before they were stitched
    return shift_mosaic(mosaic, overscan["trim"] if trimmed else None) if mosaic else None


def find_step(recipe: dict[str, Any]) -> int:
    """Return from how many rows and columns on a pixel has neighbours of its kind: those of its own colour."""
    return SIDE if recipe.get("mosaic") else 1


def name_planes(image: Image, mosaic: str | None) -> list[tuple[str, Image]]:
    """Return views of the planes of an image (rows, columns) with their colours; the image itself of no mosaic."""
    if not mosaic:
        return [("", image)]
    return [(colour, image[own]) for colour, own in zip(mosaic, _list_places(), strict=True)]


def treat_planes(treat: Callable[..., tuple[Any, ...]], *images: NDArray[Any] | None) -> tuple[Any, ...]:
    """Return what a function makes of the planes of images, one after the other, put together again.

    ``treat`` takes a plane of each image and returns arrays of its shape; None stays None, on both ways.
    """
    made: list[Any] = []
    shape = next(image.shape for image in images if image is not None)
    for own in _list_places():
        parts = treat(*(None if image is None else np.ascontiguousarray(image[own]) for image in images))
        made = made or [None if part is None else np.empty(shape, part.dtype) for part in parts]
        for whole, part in zip(made, parts, strict=True):
            if whole is not None:
                whole[own] = part
    return tuple(made)


def cut_planes(sample: NDArray[Any], rows: NDArray[np.int_]) -> list[NDArray[Any]]:
    """Return copies of the planes of a sample of rows with these numbers, shape (rows of the sample, columns)."""
    return [sample[rows % SIDE == y][:, x::SIDE] for y in range(SIDE) for x in range(SIDE)]


def measure_pattern(ratio: Image, usable: NDArray[np.bool_], rows: NDArray[np.int_]) -> Pattern:
    """Return the median of each plane of the ratio of two images, on rows with these numbers; 1 where nothing is.

    Twilight changes its colour, and so do two lamps differ: that is no difference of what the flats tell.
    """
    medians = [
        float(np.median(plane[good])) if good.any() else 1.0
        for plane, good in zip(cut_planes(ratio, rows), cut_planes(usable, rows), strict=True)
    ]
    return np.array(medians).reshape(SIDE, SIDE)


def lay_pattern(pattern: Pattern, rows: NDArray[np.int_], columns: int) -> NDArray[np.float32]:
    """Return an image of the rows with these numbers in which a pattern is repeated."""
    return pattern.astype(np.float32)[rows % SIDE][:, np.arange(columns) % SIDE]


def _list_places() -> list[tuple[slice, slice]]:
    return [(slice(y, None, SIDE), slice(x, None, SIDE)) for y in range(SIDE) for x in range(SIDE)]
