"""Stacks: registered lights resampled, put on one scale, clipped and averaged, some rows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.quality import Bit
from darkroom.stacking.bands import average_factor, combine, cut_bands, reject, resample_band, widen
from darkroom.stacking.placed_lights import Canvas, PlacedLight, choose_canvas

__all__ = ["Canvas", "PlacedLight", "Stack", "average_times", "choose_canvas", "make_blank", "stack_lights"]

MEMORY = 2**29  # bytes that a band of all lights may take

Image = NDArray[np.float32]
Mask = NDArray[np.uint8]


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
    planes = _make_planes(canvas, len(lights))
    factors = []
    for box in cut_bands(canvas, len(lights), memory):
        wide, inner = widen(box, canvas)
        band = resample_band(lights, canvas, wide)
        hits = reject(band, lights, sigma, inner)
        own = {name: plane[box] for name, plane in planes.items()}
        factors.append(combine(band, hits, lights, shares, inner, own, box[0].start))
    return Stack(
        **planes,
        weights=shares,
        noise_factor=average_factor(np.concatenate(factors)),
        exposure=float(sum(light.seconds for light in lights)),
        middle=average_times([light.middle for light in lights], [light.seconds for light in lights]),
    )


def make_blank(canvas: Canvas) -> Stack:
    """Return a stack of nothing."""
    planes = _make_planes(canvas, 0)
    planes["data"][:] = planes["variance"][:] = np.nan
    planes["mask"][:] = np.uint8(Bit.NO_DATA)
    return Stack(**planes, weights=np.empty(0), noise_factor=1.0, exposure=0.0, middle=None)


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
