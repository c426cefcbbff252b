"""Calibrating: take bias and dark off a frame, judge it as a flat; pixel by pixel, in float32."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.mosaics import name_planes

FULL_SCALE = 65535.0  # ADU of a 16-bit camera, where nothing else is known
SAMPLE = 2**18  # pixels that tell how bright a frame is

Image = NDArray[np.float32]


def subtract_pedestal(
    image: Image,
    bias: Image | None = None,
    dark: Image | None = None,
    scale: float = 1.0,
    linearity: Sequence[float] | None = None,
) -> Image:
    """Subtract a master bias, correct for linearity and subtract a master dark times ``scale``; all in ADU.

    What `ccdproc.subtract_bias` and `ccdproc.subtract_dark` do, in place and in float32; returns the image.
    ``linearity`` are the coefficients of `linearise`. Images of one shape (rows, columns).
    """
    if bias is not None:
        image -= bias
    if linearity:
        image = linearise(image, linearity)
    if dark is not None:
        image -= dark if scale == 1 else dark * np.float32(scale)
    return image


def linearise(image: Image, coefficients: Sequence[float]) -> Image:
    """Return an image free of bias with a1 x + a2 x^2 + ... in place of each value x in ADU.

    The polynomial is evaluated in double precision; below zero, where only noise is, the slope at zero holds.
    """
    x = np.asarray(image, dtype=np.float64)
    charge = np.maximum(x, 0)
    true = np.polynomial.polynomial.polyval(charge, [0.0, *coefficients]) + coefficients[0] * (x - charge)
    return true.astype(np.float32)


def find_slope(coefficients: Sequence[float] | None) -> float:
    """Return what such a correction multiplies small signals by: read noise, and the noise of a bias."""
    return float(coefficients[0]) if coefficients else 1.0


def find_unflattened(flat: NDArray[np.floating[Any]], minimum: float) -> NDArray[np.bool_]:
    """Return where a flat cannot serve: not finite, not above zero, or below ``minimum``."""
    with np.errstate(invalid="ignore"):
        return ~(np.isfinite(flat) & (flat > 0) & (flat >= minimum))


def measure_level(image: NDArray[np.floating[Any]], how: str, mosaic: str | None = None) -> float:
    """Return the mean of an image's finite pixels, or (whatever else ``how`` is) their median.

    Of a mosaic the mean of what its planes have: half of its pixels are green, so that the median of all would lie
    anywhere between the colours.
    """
    if mosaic:
        return float(np.mean([measure_level(plane, how) for _, plane in name_planes(image, mosaic)]))
    finite = np.isfinite(image)
    values = image if finite.all() else image[finite]
    if not values.size:
        return float("nan")
    return float(np.mean(values, dtype=np.float64) if how == "mean" else np.median(values))


def measure_colours(image: NDArray[np.floating[Any]], how: str, mosaic: str | None) -> dict[str, float]:
    """Return the level of each colour of a mosaic, the mean of its planes'; that of a monochrome image has no name."""
    levels: dict[str, list[float]] = {}
    for colour, plane in name_planes(image, mosaic):
        levels.setdefault(colour, []).append(measure_level(plane, how))
    return {colour: float(np.mean(of_planes)) for colour, of_planes in levels.items()}


def thin_out(image: Any) -> Image:
    """Return about a quarter of a million pixels of a large image, evenly spread: they tell how bright it is.

    An odd step meets every colour of a mosaic, and keeps their order. ``image`` may be an array, a RawImage, a
    PreparedImage or the like.
    """
    every = slice(None, None, int((math.prod(image.shape) / SAMPLE) ** 0.5) | 1)
    return image[every, every]


def judge_flat(
    raw: Image,
    signal: Image,
    settings: dict[str, Any],
    saturation: float | None,
    mosaics: tuple[str | None, str | None] = (None, None),
) -> str:
    """Return why a flat frame cannot be used (too faint, saturated), or nothing.

    Of a colour camera the brightest colour must not be saturated, and the faintest one not be too faint: each colour
    is normalised by itself, and hands its noise on to all of that colour.

    Parameters
    ----------
    raw, signal : arrays
        The frame as it was read, and with bias and dark off, or samples of it; ADU.
    settings : dict
        ``min_counts`` for the signal's median; ``max_counts`` for the raw median, None for 90 % of the saturation.
    saturation : float or None
        ADU; None for a 16-bit camera's.
    mosaics : tuple of str or None
        The colours of the first pixels of ``raw`` and of ``signal``, as in `darkroom.mosaics.shift_mosaic`.
    """
    limit = settings["max_counts"] or 0.9 * (saturation or FULL_SCALE)
    for colour, level in measure_colours(raw, "median", mosaics[0]).items():
        if level > limit:
            return f"saturated: a raw median of {level:.0f} ADU{_name_colour(colour)}, more than {limit:.0f}"
    for colour, counts in measure_colours(signal, "median", mosaics[1]).items():
        if not counts >= settings["min_counts"] or counts <= 0:
            least = f"less than {settings['min_counts']:g}"
            return f"too faint: a median signal of {counts:.0f} ADU{_name_colour(colour)}, {least}"
    return ""


def _name_colour(colour: str) -> str:
    return f" in {colour}" if colour else ""
