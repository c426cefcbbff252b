"""Overscan: the bias level of each row (or column) taken from the pixels that saw no light, then the trim."""

from __future__ import annotations

import warnings
from typing import Any

import ccdproc
import numpy as np
from astropy.nddata import CCDData
from numpy.typing import NDArray

from darkroom.sections import Section, parse_section

ROUNDS = 5  # of rejection in a fit


def subtract_overscan(frame: CCDData, settings: dict[str, Any] | None) -> CCDData:
    """Subtract a frame's overscan level and trim it.

    Parameters
    ----------
    frame : CCDData
        In ADU, shape (rows, columns).
    settings : dict or None
        ``section`` and ``trim`` in FITS notation or None; ``method``, and for a fit ``order`` and ``sigma``.
        None leaves the frame as it is.
    """
    trimmed = trim_frame(frame, settings)
    if settings is None or not settings["section"]:
        return trimmed
    kept = _find_kept(frame, settings)
    section = parse_section(settings["section"])
    if section.spans_rows_of(kept):
        strip, axis = frame.data[kept.slices[0], section.slices[1]], 1
    else:
        strip, axis = frame.data[section.slices[0], kept.slices[1]], 0
    if settings["method"] in ("polynomial", "spline"):
        level = fit_level(strip.mean(axis=axis, dtype=np.float64), settings)
        strip = np.expand_dims(level.astype(np.float32), axis)
    elif not np.isfinite(strip).all():  # a pixel without a value must not spread along its row
        hollow = np.where(np.isfinite(strip), strip, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a row without any
            level = (np.nanmedian if settings["method"] == "median" else np.nanmean)(hollow, axis=axis)
        strip = np.expand_dims(level.astype(np.float32), axis)
    return ccdproc.subtract_overscan(
        trimmed,
        overscan=CCDData(strip, unit=frame.unit),
        overscan_axis=axis,
        median=settings["method"] == "median",
        add_keyword=None,
    )


def trim_frame(frame: CCDData, settings: dict[str, Any] | None) -> CCDData:
    """Return the part of a frame that ``trim`` keeps, its values as they are."""
    if settings is None or not settings["trim"]:
        return frame
    return CCDData(frame.data[_find_kept(frame, settings).slices], unit=frame.unit, meta=frame.meta)


def _find_kept(frame: CCDData, settings: dict[str, Any]) -> Section:
    rows, columns = frame.shape
    return parse_section(settings["trim"]) if settings["trim"] else Section(1, columns, 1, rows)


def fit_level(profile: NDArray[np.float64], settings: dict[str, Any]) -> NDArray[np.float64]:
    """Fit the overscan along its strip, rejecting outliers, and return the fit at every row.

    Parameters
    ----------
    profile : array, shape (rows,)
        The mean overscan of each row, ADU.
    settings : dict
        ``method``: a Legendre polynomial of degree ``order``, or a cubic spline with ``order`` equally spaced inner
        knots; ``sigma``: how many standard deviations from the fit a row may lie.
    """
    position = np.linspace(-1, 1, len(profile))
    good = finite = np.isfinite(profile)
    for _ in range(ROUNDS):
        level = _fit(position, profile, good, settings)
        residual = profile - level
        # of all rows: those that a bent fit rejected come back when it is straight
        kept = finite & (np.abs(residual) <= settings["sigma"] * residual[good].std())
        if (kept == good).all() or kept.sum() <= settings["order"] + 4:
            break
        good = kept
    return level


def _fit(
    position: NDArray[np.float64],
    profile: NDArray[np.float64],
    good: NDArray[np.bool_],
    settings: dict[str, Any],
) -> NDArray[np.float64]:
    order = settings["order"]
    if settings["method"] == "polynomial":
        return np.polynomial.Legendre.fit(position[good], profile[good], order, domain=[-1, 1])(position)
    from scipy.interpolate import make_lsq_spline

    inner = np.linspace(-1, 1, order + 2)[1:-1]
    knots = np.r_[[-1.0] * 4, inner, [1.0] * 4]
    return make_lsq_spline(position[good], profile[good], knots, k=3)(position)
