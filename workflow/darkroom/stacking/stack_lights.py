"""Stacks: registered lights resampled, put on one scale, clipped and averaged, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.quality import Bit
from darkroom.stacking.clipping import find_hits
from darkroom.stacking.resample import Read, Resampled, resample_rows
from darkroom.stacking.transforms import Transform

MEMORY = 2**29  # bytes that a band of all lights may take
PER_VALUE = 40  # bytes of one value of one light in a band, with all that is worked out of it
LEAST_COVER = 0.5  # part of a pixel that good ones must cover: of less the middle lies elsewhere
SAMPLE = 16  # each so many rows tell how much noise is shared
MARGIN = 16  # rows around a band that clipping looks at

Image = NDArray[np.float32]
Mask = NDArray[np.uint8]


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


@dataclass
class Stack:
    """A stack of lights; planes of shape (rows, columns).

    Attributes
    ----------
    data : array of float32
        In counts of the reference, the sky taken off; NaN where no light has a value.
    variance : array of float32
        Of each pixel by itself; NaN where ``data`` is.
    seconds : array of float32
        Coverage: exposure that went into each pixel, of what good pixels covered and was not rejected.
    rejected : array of uint8 or uint16
        How many lights were rejected there.
    mask : array of uint8
        The quality plane: NO_DATA where there is no value, and the flags of what was used where no light had a good
        pixel.
    weights : array, shape (lights,)
        Shares of the lights; their sum is one.
    noise_factor : float
        What the error bar of a sum of many pixels, added up from ``variance``, must be multiplied by, since neighbours
        share noise.
    exposure : float
        Seconds of all lights together.
    middle : str or None
        The middle of all exposures, weighted by their length, ISO UTC.
    """

    data: Image
    variance: Image
    seconds: Image
    rejected: NDArray[np.unsignedinteger[Any]]
    mask: Mask
    weights: NDArray[np.float64]
    noise_factor: float
    exposure: float
    middle: str | None


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


def stack_lights(
    lights: Sequence[PlacedLight],
    canvas: Canvas,
    sigma: float | None = 4.0,
    weights: str = "noise",
    memory: int = MEMORY,
) -> Stack:
    """Stack lights; raw frames as well, by the same transforms, levels and scales of their own.

    A light's weight is one number for all its pixels, the inverse of its sky's variance on the scale of the reference:
    with one for each pixel, by its own error bar, faint values would weigh more than bright ones, and stars would lose
    light. Pixels that are covered in part weigh as much less.

    Parameters
    ----------
    lights : sequence of PlacedLight
        In an order that is always the same.
    canvas : Canvas
        Of `choose_canvas`.
    sigma : float or None
        Standard deviations beyond which values are rejected; None for no clipping.
    weights : str
        ``noise`` or ``flat``.
    memory : int
        Bytes that the bands may take; the result does not depend on it.
    """
    if not lights:
        raise ValueError("a stack needs a light")
    spreads = np.array([light.spread for light in lights])
    if weights == "noise" and not (np.isfinite(spreads) & (spreads > 0)).all():
        raise ValueError("weights by noise need the noise of every light")
    shares = 1 / spreads if weights == "noise" else np.ones(len(lights))
    shares /= shares.sum()
    widths = [light.fwhm and light.fwhm * light.transform.area**0.5 for light in lights]
    planes = _make_planes(canvas, len(lights))
    factors = []
    for rows in _cut_bands(canvas, len(lights), memory):
        wide = slice(max(rows.start - MARGIN, 0), min(rows.stop + MARGIN, canvas.shape[0]))
        inner = slice(rows.start - wide.start, rows.stop - wide.start)
        band = _resample_band(lights, canvas, wide)
        hits = _reject(band, spreads, sigma, widths, inner)
        own = {name: plane[rows] for name, plane in planes.items()}
        factors.append(_combine(band, hits, lights, shares, inner, own, rows.start))
    return Stack(
        **planes,
        weights=shares,
        noise_factor=_average_factor(np.concatenate(factors)),
        exposure=float(sum(light.seconds for light in lights)),
        middle=average_times([light.middle for light in lights], [light.seconds for light in lights]),
    )


def average_times(middles: Sequence[str | None], seconds: Sequence[float]) -> str | None:
    """Return the mean of moments in ISO UTC, weighted by exposures; None where one is not known."""
    if not middles or None in middles:
        return None
    moments = [datetime.fromisoformat(middle) for middle in middles if middle is not None]
    total = float(sum(seconds))
    parts = [1 / len(moments)] * len(moments) if not total > 0 else [each / total for each in seconds]
    away = sum((moment - moments[0]).total_seconds() * part for moment, part in zip(moments, parts, strict=True))
    return (moments[0] + timedelta(milliseconds=round(1000 * away))).isoformat(timespec="milliseconds")


def _make_planes(canvas: Canvas, number: int) -> dict[str, NDArray[Any]]:
    kinds = dict.fromkeys(("data", "variance", "seconds"), np.float32)
    counted = np.min_scalar_type(number)
    return {name: np.zeros(canvas.shape, kind) for name, kind in kinds.items()} | {
        "rejected": np.zeros(canvas.shape, counted),
        "mask": np.zeros(canvas.shape, np.uint8),
    }


def _cut_bands(canvas: Canvas, number: int, memory: int) -> Iterator[slice]:
    height, width = canvas.shape
    step = max(4 * MARGIN, memory // (number * width * PER_VALUE) - 2 * MARGIN)
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def _resample_band(lights: Sequence[PlacedLight], canvas: Canvas, rows: slice) -> list[Resampled]:
    away = -np.array(canvas.origin, np.float64)
    return [
        resample_rows(
            light.read, light.shape, light.transform.move(away), rows, canvas.shape[1], light.level, light.scale
        )
        for light in lights
    ]


def _reject(
    band: list[Resampled], spreads: NDArray[np.float64], sigma: float | None, widths: list[float | None], inner: slice
) -> NDArray[np.bool_]:
    """Return what is rejected of the inner rows of a band."""
    if sigma is None or len(band) < 3:
        return np.zeros((len(band), *band[0].data[inner].shape), bool)
    values = np.stack([np.where(each.cover >= LEAST_COVER, each.data, np.float32(np.nan)) for each in band])
    levels = np.stack([each.squares * np.float32(spread) for each, spread in zip(band, spreads, strict=True)])
    return find_hits(values, np.stack([each.variance for each in band]), levels, sigma, widths)[:, inner]


def _combine(
    band: list[Resampled],
    hits: NDArray[np.bool_],
    lights: Sequence[PlacedLight],
    shares: NDArray[np.float64],
    inner: slice,
    out: dict[str, NDArray[Any]],
    first: int,
) -> NDArray[np.float64]:
    """Average the inner rows of a band into planes; return the variance over that of independent pixels of some."""
    shape = out["data"].shape
    total, sums, spread, alone = (np.zeros(shape) for _ in range(4))
    spare, spare_sums, spare_spread = (np.zeros(shape) for _ in range(3))
    flags = np.zeros(shape, np.uint8)
    for each, hit, light, share in zip(band, hits, lights, shares, strict=True):
        data, variance, squares, cover = (p[inner] for p in (each.data, each.variance, each.squares, each.cover))
        used = (cover >= LEAST_COVER) & ~hit
        weight = np.where(used, cover, 0) * share
        total += weight
        sums += weight * data
        variance_part = weight**2 * variance
        spread += variance_part
        alone += variance_part / np.where(squares > 0, squares, 1)
        out["seconds"] += np.where(used, cover * np.float32(light.seconds), 0)
        out["rejected"] += hit
        # what little is covered by good pixels, or by flagged ones that have a value, serves where nothing else does
        poor = np.where(cover < LEAST_COVER, cover, 0) * share
        spare += poor
        spare_sums += poor * data
        spare_spread += poor**2 * variance
        flags |= np.where(poor > 0, each.flags[inner], np.uint8(0))
    empty = total <= 0
    filled = empty & (spare > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        out["data"][:] = np.where(filled, spare_sums / spare, sums / total)
        out["variance"][:] = np.where(filled, spare_spread / spare**2, spread / total**2)
    out["mask"][:] = np.where(filled, flags, empty * np.uint8(Bit.NO_DATA))
    told = np.flatnonzero((first + np.arange(shape[0])) % SAMPLE == 0)  # the same rows, whatever the bands
    ratio = alone[told][~empty[told]] / spread[told][~empty[told]]
    return ratio[np.isfinite(ratio)]


def _average_factor(ratios: NDArray[np.float64]) -> float:
    """Return by how much the noise of many pixels exceeds that of independent ones."""
    return float(np.sqrt(1 / np.mean(1 / ratios))) if len(ratios) else 1.0
