"""Bands of a stack: some rows and columns of all lights resampled, clipped, and averaged into its planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.quality import Bit
from darkroom.stacking.clipping import find_hits
from darkroom.stacking.placed_lights import Canvas, PlacedLight
from darkroom.stacking.resample import Resampled, resample_rows

PER_VALUE = 56  # bytes of one value of one light in a band, with all that is worked out of it (measured)
# Part of a pixel that good ones must cover. Of less the middle lies elsewhere: with 0.5, a bad pixel in the core of a
# star changed its flux by up to 0.2 % in stacks of 4 lights, and by 1.6 % in those of mosaics.
LEAST_COVER = 0.9
SAMPLE = 16  # each so many rows tell how much noise is shared
MARGIN = 16  # pixels around a band that clipping looks at
NARROW = 4 * MARGIN  # pixels: of narrower bands the margins would take more time than the bands

Values = NDArray[np.float64]
Box = tuple[slice, slice]  # rows, columns
Mask = NDArray[np.bool_]


def cut_bands(canvas: Canvas, number: int, memory: int) -> Iterator[Box]:
    """Yield rows and columns of bands that a number of lights fill so many bytes with.

    They are as wide as the stack, unless so many lights leave hardly a row: then they are squares, of which no light
    takes more than half a megabyte.
    """
    height, width = canvas.shape
    rows, columns = memory // (number * width * PER_VALUE) - 2 * MARGIN, width
    if rows < NARROW:
        rows = columns = max(NARROW, isqrt(memory // (number * PER_VALUE)) - 2 * MARGIN)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield slice(top, min(top + rows, height)), slice(left, min(left + columns, width))


def widen(box: Box, canvas: Canvas) -> tuple[Box, Box]:
    """Return a band with the margin that clipping looks at, and where in that it lies."""
    wide = [
        slice(max(part.start - MARGIN, 0), min(part.stop + MARGIN, length))
        for part, length in zip(box, canvas.shape, strict=True)
    ]
    inner = [slice(part.start - out.start, part.stop - out.start) for part, out in zip(box, wide, strict=True)]
    return (wide[0], wide[1]), (inner[0], inner[1])


def resample_band(lights: Sequence[PlacedLight], canvas: Canvas, box: Box) -> list[Resampled]:
    """Return what each light shows of some rows and columns of a stack."""
    rows, columns = box
    away = -np.array([canvas.origin[0] + columns.start, canvas.origin[1]], np.float64)
    width = columns.stop - columns.start
    return [
        resample_rows(light.read, light.shape, light.transform.move(away), rows, width, light.level, light.scale)
        for light in lights
    ]


def reject(band: list[Resampled], lights: Sequence[PlacedLight], sigma: float | None, inner: Box) -> Mask:
    """Return what is rejected of the inner part of a band, shape (lights, rows, columns)."""
    if sigma is None or len(band) < 2:
        return np.zeros((len(band), *band[0].data[inner].shape), bool)
    values, variances, levels = (np.empty((len(band), *band[0].data.shape), np.float32) for _ in range(3))
    for n, (each, light) in enumerate(zip(band, lights, strict=True)):
        values[n] = each.data
        values[n][each.cover < LEAST_COVER] = np.nan
        variances[n] = each.variance
        np.multiply(each.squares, np.float32(light.spread), out=levels[n])
    sides = [light.transform.area**0.5 for light in lights]
    widths = [light.fwhm and light.fwhm * side for light, side in zip(lights, sides, strict=True)]
    return find_hits(values, variances, levels, sigma, widths, max(sides))[:, *inner]


def combine(
    band: list[Resampled],
    hits: Mask,
    lights: Sequence[PlacedLight],
    shares: Values,
    inner: Box,
    out: dict[str, NDArray[Any]],
    first: int,
) -> Values:
    """Average the inner part of a band into planes; return the variance over that of independent pixels of some."""
    shape = out["data"].shape
    total, sums, spread, alone = (np.zeros(shape) for _ in range(4))
    for each, hit, light, share in zip(band, hits, lights, shares, strict=True):
        data, variance, squares, cover = (p[inner] for p in (each.data, each.variance, each.squares, each.cover))
        part = np.where((cover < LEAST_COVER) | hit, np.float32(0), cover)
        weight = part * share
        total += weight
        sums += weight * data
        variance_part = weight * variance
        # each pixel of the light counts once in a sum of many
        alone += share * light.transform.area * variance_part / np.where(squares > 0, squares, np.float32(1))
        variance_part *= weight
        spread += variance_part
        out["seconds"] += part * np.float32(light.seconds)
        out["rejected"] += hit
    empty = total <= 0
    with np.errstate(invalid="ignore", divide="ignore"):
        out["data"][:] = sums / total
        out["variance"][:] = spread / total**2
    out["mask"][:] = empty * np.uint8(Bit.NO_DATA)
    if empty.any():
        _fill(band, hits, shares, inner, out, np.nonzero(empty))
    told = np.flatnonzero((first + np.arange(shape[0])) % SAMPLE == 0)  # the same rows, whatever the bands
    ratio = alone[told][~empty[told]] / spread[told][~empty[told]]
    return ratio[np.isfinite(ratio)]


def _fill(
    band: list[Resampled],
    hits: Mask,
    shares: Values,
    inner: Box,
    out: dict[str, NDArray[Any]],
    empty: tuple[NDArray[np.int_], ...],
) -> None:
    """Set pixels of which no light covers enough by what little good ones do, or flagged ones that have a value."""
    total, sums, spread = (np.zeros(len(empty[0])) for _ in range(3))
    flags = np.zeros(len(empty[0]), np.uint8)
    for each, hit, share in zip(band, hits, shares, strict=True):
        weight = np.where(hit[empty], 0, each.cover[inner][empty]) * share
        total += weight
        sums += weight * each.data[inner][empty]
        spread += weight**2 * each.variance[inner][empty]
        flags |= np.where(weight > 0, each.flags[inner][empty], np.uint8(0))
    told = total > 0
    where = tuple(axis[told] for axis in empty)
    out["data"][where] = sums[told] / total[told]
    out["variance"][where] = spread[told] / total[told] ** 2
    out["mask"][where] = flags[told]


def average_factor(ratios: Values) -> float:
    """Return by how much the noise of many pixels exceeds that of independent ones."""
    # in one order, however a stack was cut into bands
    return float(np.sqrt(1 / np.mean(1 / np.sort(ratios)))) if len(ratios) else 1.0
