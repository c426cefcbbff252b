"""Colours of a stack: the pixels of one colour of a mosaic, each put on a plane of its own, so that none mix.

A light behind a Bayer matrix is stacked once for each colour, by its own pixels alone ("Bayer drizzle"): dithers fill
the gaps between them. Where no light has a pixel of a colour the plane has none; a handful of dithered lights leaves no
such place. Stars are told from the green pixels, of which there are most, and their places hold for all colours.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve

from darkroom.mosaics import name_planes
from darkroom.quality import Bit
from darkroom.stacking.judgement import Scale, measure_scale
from darkroom.stacking.placed_lights import PlacedLight
from darkroom.stacking.register import NEAR, Registration, match_stars
from darkroom.stacking.resample import Mask
from darkroom.stacking.star_lists import StarList, list_stars
from darkroom.stacking.transforms import Transform

COLOURS = "RGB"
BETWEEN = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32)  # weights by which pixels between others are filled

Image = NDArray[np.floating[Any]]


def list_colour_stars(
    data: Image, uncertainty: Image | None, mask: Mask | None, mosaic: str, colour: str = "G"
) -> StarList:
    """Find the stars of one colour of a mosaic, as `darkroom.stacking.star_lists.list_stars` does.

    Places are in pixels of the mosaic, fluxes as if all its pixels had that colour; ``level`` and ``noise`` are those
    of the pixels that have it.

    Parameters
    ----------
    data, uncertainty, mask : arrays, shape (rows, columns)
        A light and its planes, or None.
    mosaic : str
        The colours of the first two pixels of the first two rows, such as RGGB.
    colour : str
        One of R, G and B.
    """
    planes = [_cut(each, mosaic, colour) for each in (data, uncertainty, mask)]
    skies = [list_stars(*parts) for parts in zip(*planes, strict=True)]
    own = _find_own(data.shape, mosaic, colour)
    image, flags = fill_between(data, mask, own)
    bars = None if uncertainty is None else _spread_bars(uncertainty, own)
    stars = list_stars(image, bars, flags)
    level, noise = (float(np.mean([getattr(sky, name) for sky in skies])) for name in ("level", "noise"))
    # a sum over pixels of which only so many are known
    return replace(stars, errors=stars.errors / np.sqrt(mosaic.count(colour) / 4), level=level, noise=noise)


def take_colour(
    light: PlacedLight, mosaic: str, colour: str, stars: StarList, scale: float | None = None
) -> PlacedLight:
    """Return a placed light with the pixels of one colour alone.

    Parameters
    ----------
    light : PlacedLight
        The whole mosaic.
    mosaic, colour : str
        As in `list_colour_stars`, of which ``stars`` are those of this colour: they tell its level and noise.
    scale : float, optional
        That of this colour (`measure_colour_scale`), if it is not the light's.
    """
    own = np.array([letter == colour for letter in mosaic]).reshape(2, 2)

    def read(rows: slice, columns: slice) -> tuple[Image, Image | float, Mask | None]:
        values, variance, mask = light.read(rows, columns)
        pattern = own[np.arange(rows.start, rows.stop)[:, None] % 2, np.arange(columns.start, columns.stop) % 2]
        return np.where(pattern, values, np.nan), variance, mask

    return replace(
        light,
        read=read,
        level=stars.level,
        noise=stars.noise,
        scale=light.scale if scale is None else scale,
        fwhm=stars.fwhm or light.fwhm,
        dense=mosaic.count(colour) / 4,
    )


def measure_colour_scale(
    light: StarList, reference: StarList, transform: Transform, seconds: tuple[float, float]
) -> Scale:
    """Return the scale of one colour of a light: air takes more of the blue. Of `judgement.measure_scale`.

    Parameters
    ----------
    light, reference : StarList
        Of the same colour.
    transform : Transform
        From the light to the reference, as the green stars tell it.
    seconds : tuple of float
        Exposures of light and reference.
    """
    none = np.empty((0, 2), int)
    pairs = match_stars(light, reference, transform, NEAR) if len(light) and len(reference) else none
    return measure_scale(light, reference, Registration(transform, pairs, float("nan"), "header"), seconds)


def fill_between(data: Image, mask: Mask | None, own: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Mask]:
    """Return an image of which some pixels are kept, the others filled from their neighbours, and its quality plane.

    What a filled pixel is made of must be good or show a star; it has the flags of all of it.
    """
    flags = np.zeros(data.shape, np.uint8) if mask is None else np.where(own, mask, 0).astype(np.uint8)
    shown = np.uint8(Bit.SATURATED | Bit.INTERPOLATED)
    usable = own & np.isfinite(data) & ((flags == 0) | ((flags & shown) != 0))
    weights = convolve(usable.astype(np.float32), BETWEEN, mode="constant")
    sums = convolve(np.where(usable, data, 0).astype(np.float32), BETWEEN, mode="constant")
    near = np.zeros_like(flags)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= _shift(flags, dy, dx)
    image = np.where(own, data, sums / np.where(weights > 0, weights, 1)).astype(np.float32)
    image[~own & (weights == 0)] = np.nan
    return image, np.where(own, flags, near)


def _find_own(shape: tuple[int, ...], mosaic: str, colour: str) -> NDArray[np.bool_]:
    own = np.array([letter == colour for letter in mosaic]).reshape(2, 2)
    return np.tile(own, (shape[0] // 2 + 1, shape[1] // 2 + 1))[: shape[0], : shape[1]]


def _cut(image: NDArray[Any] | None, mosaic: str, colour: str) -> list[Any]:
    """Return the planes of one colour, two of green; None of no image."""
    if image is None:
        return [None] * mosaic.count(colour)
    return [np.ascontiguousarray(plane) for letter, plane in name_planes(image, mosaic) if letter == colour]


def _spread_bars(bars: Image, own: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return error bars, those of the pixels in between as large as the neighbours'."""
    good = own & np.isfinite(bars) & (bars > 0)
    weights = convolve(good.astype(np.float32), BETWEEN, mode="constant")
    sums = convolve(np.where(good, bars, 0).astype(np.float32), BETWEEN, mode="constant")
    return np.where(good, bars, np.where(weights > 0, sums / np.where(weights > 0, weights, 1), np.nan)).astype(
        np.float32
    )


def _shift(plane: Mask, dy: int, dx: int) -> Mask:
    """Return a plane moved by a pixel or none, zero where nothing comes from."""
    rows, columns = plane.shape
    moved = np.zeros_like(plane)
    moved[max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)] = plane[
        max(-dy, 0) : rows + min(-dy, 0), max(-dx, 0) : columns + min(-dx, 0)
    ]
    return moved
