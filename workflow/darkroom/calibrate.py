"""Calibrating: take the bias, the dark and the flat off a frame, pixel by pixel, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ccdproc
import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from numpy.typing import NDArray

FULL_SCALE = 65535.0  # ADU of a 16-bit camera, where nothing else is known
JUDGED = 2**18  # pixels that tell whether a flat is too faint or saturated


def remove_pedestal(
    frame: CCDData,
    bias: CCDData | None = None,
    dark: CCDData | None = None,
    scale: float = 1.0,
    linearity: Sequence[float] | None = None,
) -> CCDData:
    """Subtract the master bias, correct for linearity and subtract the master dark times ``scale``; all in ADU.

    ``linearity`` are the coefficients of `linearise`. Images of one shape (rows, columns).
    """
    if bias is not None:
        frame = ccdproc.subtract_bias(frame, bias, add_keyword=None)
    if linearity:
        frame = linearise(frame, linearity)
    if dark is not None:
        frame = ccdproc.subtract_dark(
            frame,
            dark,
            dark_exposure=1 * u.s,
            data_exposure=scale * u.s,
            exposure_unit=u.s,
            scale=scale != 1.0,
            add_keyword=None,
        )
    return _in_float32(frame)


def linearise(frame: CCDData, coefficients: Sequence[float]) -> CCDData:
    """Return a frame free of bias with a1 x + a2 x^2 + ... in place of each value x in ADU.

    The polynomial is evaluated in double precision; below zero, where only noise is, the slope at zero holds.
    """
    x = np.asarray(frame.data, dtype=np.float64)
    charge = np.maximum(x, 0)
    true = np.polynomial.polynomial.polyval(charge, [0.0, *coefficients]) + coefficients[0] * (x - charge)
    return CCDData(true.astype(np.float32), unit=frame.unit, meta=frame.meta)


def find_slope(coefficients: Sequence[float] | None) -> float:
    """Return what such a correction multiplies small signals by: read noise, and the noise of a bias."""
    return float(coefficients[0]) if coefficients else 1.0


def _in_float32(frame: CCDData) -> CCDData:
    """Return the frame in float32, which ccdproc widens wherever a number with a unit comes in."""
    frame.data = frame.data.astype(np.float32, copy=False)
    return frame


def find_unflattened(flat: NDArray[np.floating[Any]], minimum: float) -> NDArray[np.bool_]:
    """Return where a flat cannot serve: not finite, not above zero, or below ``minimum``."""
    with np.errstate(invalid="ignore"):
        return ~(np.isfinite(flat) & (flat > 0) & (flat >= minimum))


def divide_flat(frame: CCDData, flat: CCDData, minimum: float) -> tuple[CCDData, NDArray[np.bool_]]:
    """Divide a frame by a normalised flat; return it with the pixels where the flat cannot serve (see above).

    Those pixels are left undivided: one NaN or zero must not reach its neighbours through a later filter.
    """
    bad = find_unflattened(flat.data, minimum)
    safe = CCDData(np.where(bad, np.float32(1), flat.data), unit=u.dimensionless_unscaled)
    return _in_float32(ccdproc.flat_correct(frame, safe, norm_value=1.0, add_keyword=None)), bad


def measure_level(image: NDArray[np.floating[Any]], how: str) -> float:
    """Return the median or mean of an image's finite pixels."""
    finite = image[np.isfinite(image)]
    if not finite.size:
        return float("nan")
    return float(np.median(finite) if how == "median" else np.mean(finite, dtype=np.float64))


def _thin_out(image: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return about a quarter of a million pixels of a large image; an odd step meets every colour of a mosaic."""
    step = int((image.size / JUDGED) ** 0.5) | 1
    return image[::step, ::step]


def judge_flat(
    raw: NDArray[np.floating[Any]],
    signal: NDArray[np.floating[Any]],
    settings: dict[str, Any],
    saturation: float | None,
) -> str:
    """Return why a flat frame cannot be used (too faint, saturated), or nothing.

    Parameters
    ----------
    raw, signal : arrays
        The frame as it was read, and with bias and dark off; ADU.
    settings : dict
        ``min_counts`` for the signal's median; ``max_counts`` for the raw median, None for 90 % of the saturation.
    saturation : float or None
        ADU; None for a 16-bit camera's.
    """
    limit = settings["max_counts"] or 0.9 * (saturation or FULL_SCALE)
    level, counts = measure_level(_thin_out(raw), "median"), measure_level(_thin_out(signal), "median")
    if level > limit:
        return f"saturated: a raw median of {level:.0f} ADU, more than {limit:.0f}"
    if not counts >= settings["min_counts"] or counts <= 0:
        return f"too faint: a median signal of {counts:.0f} ADU, less than {settings['min_counts']:g}"
    return ""
