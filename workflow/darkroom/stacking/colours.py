"""Colours of a stack: the pixels of one colour of a mosaic are put on a plane of their own, so that none mix.

A light behind a Bayer matrix is stacked once for each colour ("Bayer drizzle"). Each pixel stands for the cell of 2 x 2
of which it is the only one of its kind: so each light covers all of the plane, whatever the dithers, and fluxes hold.
With drops of one pixel (tried on simulated stars of FWHM 3) stars are 6 % sharper, but what lies between the pixels of
a colour makes their fluxes in red and blue uncertain by 1 % in stacks of 4 lights, and places by 0.3 pixels. Stars are
told from the green pixels, of which there are most, and their places hold for all colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve

from darkroom.mosaics import SIDE, name_planes
from darkroom.quality import Bit
from darkroom.stacking.judgement import Scale, measure_scale
from darkroom.stacking.placed_lights import PlacedLight
from darkroom.stacking.register import NEAR, Registration, match_stars
from darkroom.stacking.resample import Mask, Read
from darkroom.stacking.stack_lights import Stack, average_times
from darkroom.stacking.star_lists import StarList, list_stars
from darkroom.stacking.transforms import Transform
from darkroom.star_shapes import FWHM

COLOURS = "RGB"
SPREAD = {1: 0.5, 2: 0.25}  # what filling adds to the variance of stars along each axis, by pixels in a cell
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
    number = mosaic.count(colour)
    fwhm = stars.fwhm and float(np.sqrt(max((stars.fwhm / FWHM) ** 2 - SPREAD[number], SPREAD[number]))) * FWHM
    # a sum over pixels of which only so many are known
    return replace(stars, errors=stars.errors * np.sqrt(SIDE**2 / number), fwhm=fwhm, level=level, noise=noise)


def take_colour(
    light: PlacedLight, mosaic: str, colour: str, stars: StarList, scale: float | None = None
) -> list[PlacedLight]:
    """Return the planes of one colour of a placed light, as lights of larger pixels: one, or two of green.

    Stack those of all lights together, on the canvas of the mosaics. Each of two has half of the exposure.

    Parameters
    ----------
    light : PlacedLight
        The whole mosaic.
    mosaic, colour : str
        As in `list_colour_stars`, of which ``stars`` are those of this colour: they tell its level and noise.
    scale : float, optional
        That of this colour (`measure_colour_scale`), if it is not the light's.
    """
    found = [number for number, letter in enumerate(mosaic) if letter == colour]
    rows, columns = light.shape
    wide = Transform(light.transform.matrix * SIDE, np.zeros(2))
    return [
        replace(
            light,
            read=_read_plane(light.read, y, x),
            shape=((rows - y + 1) // SIDE, (columns - x + 1) // SIDE),
            transform=wide.move(light.transform.apply(np.array([[x, y]], float))[0]),
            level=stars.level,
            noise=stars.noise,
            scale=light.scale if scale is None else scale,
            seconds=light.seconds / len(found),
            fwhm=(width := stars.fwhm or light.fwhm) and width / SIDE,
        )
        for y, x in (divmod(number, SIDE) for number in found)
    ]


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


def join_colours(stacks: Sequence[Stack], lights: Sequence[PlacedLight]) -> Stack:
    """Return the stacks of red, green and blue as one, whose planes are of shape (colours, rows, columns).

    ``lights`` are the mosaics, whose exposures count once; their weights are those of green.
    """
    planes = ("data", "variance", "seconds", "rejected", "mask")
    joined = {name: np.stack([getattr(stack, name) for stack in stacks]) for name in planes}
    green = stacks[COLOURS.index("G")].weights
    weights = green.reshape(len(lights), -1).sum(axis=1)
    seconds = [light.seconds for light in lights]
    middle = average_times([light.middle for light in lights], seconds)
    factor = max(stack.noise_factor for stack in stacks)
    return Stack(**joined, weights=weights, noise_factor=factor, exposure=float(sum(seconds)), middle=middle)


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


def _read_plane(read: Read, y: int, x: int) -> Read:
    """Return what gives every other row and column of planes, from those numbers on."""

    def read_plane(rows: slice, columns: slice) -> tuple[Image, Image | float, Mask | None]:
        whole = tuple(
            slice(SIDE * part.start + first, SIDE * (part.stop - 1) + first + 1)
            for part, first in ((rows, y), (columns, x))
        )
        values, variance, mask = read(*whole)
        own = (slice(None, None, SIDE),) * 2
        return (
            values[own],
            variance[own] if isinstance(variance, np.ndarray) else variance,
            None if mask is None else mask[own],
        )

    return read_plane


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
