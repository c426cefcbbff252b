"""Bands of a stack: some rows of all lights resampled, clipped, and averaged into its planes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
MARGIN = 16  # rows around a band that clipping looks at

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


def cut_bands(canvas: Canvas, number: int, memory: int) -> Iterator[slice]:
    """Yield the rows of bands that a number of lights fill so many bytes with."""
    height, width = canvas.shape
    step = max(4 * MARGIN, memory // (number * width * PER_VALUE) - 2 * MARGIN)
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def resample_band(lights: Sequence[PlacedLight], canvas: Canvas, rows: slice) -> list[Resampled]:
    """Return what each light shows of some rows of a stack."""
    away = -np.array(canvas.origin, np.float64)
    return [
        resample_rows(
            light.read, light.shape, light.transform.move(away), rows, canvas.shape[1], light.level, light.scale
        )
        for light in lights
    ]


def reject(band: list[Resampled], lights: Sequence[PlacedLight], sigma: float | None, inner: slice) -> Mask:
    """Return what is rejected of the inner rows of a band, shape (lights, rows, columns)."""
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
    return find_hits(values, variances, levels, sigma, widths, max(sides))[:, inner]


def combine(
    band: list[Resampled],
    hits: Mask,
    lights: Sequence[PlacedLight],
    shares: Values,
    inner: slice,
    out: dict[str, NDArray[Any]],
    first: int,
) -> Values:
    """Average the inner rows of a band into planes; return the variance over that of independent pixels of some."""
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
    inner: slice,
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
    return float(np.sqrt(1 / np.mean(1 / ratios))) if len(ratios) else 1.0
