"""Overscan: the bias level of each row (or column), measured on the pixels that saw no light, and what a trim keeps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.raw_images import RawImage
from darkroom.sections import Section, parse_section

ROUNDS = 5  # of rejection in a fit

Image = NDArray[np.floating[Any]]


def find_kept(shape: tuple[int, int], settings: dict[str, Any] | None) -> Section:
    """Return the part of a frame of this shape (rows, columns) that ``trim`` keeps."""
    rows, columns = shape
    return parse_section(settings["trim"]) if settings and settings["trim"] else Section(1, columns, 1, rows)


def measure_overscan(raw: RawImage | Image, settings: dict[str, Any] | None) -> NDArray[np.float32] | None:
    """Return a frame's overscan level, to be subtracted from what the trim keeps; None where it has no overscan.

    Parameters
    ----------
    raw : RawImage or array of float32, shape (rows, columns)
        In ADU.
    settings : dict or None
        ``section`` and ``trim`` in FITS notation or None; ``method``, and for a fit ``order`` and ``sigma``.
        None for a frame that is left as it is.

    Returns
    -------
    level : array of float32, shape (rows, 1) or (1, columns) of the trimmed frame
    """
    if settings is None or not settings["section"]:
        return None
    kept = find_kept(raw.shape, settings)
    section = parse_section(settings["section"])
    if section.spans_rows_of(kept):
        strip, axis = raw[kept.slices[0], section.slices[1]], 1
    else:
        strip, axis = raw[section.slices[0], kept.slices[1]], 0
    return np.expand_dims(_measure_lines(strip, axis, settings).astype(np.float32), axis)


def _measure_lines(strip: Image, axis: int, settings: dict[str, Any]) -> NDArray[np.floating[Any]]:
    """Return the level of each row or column of a strip, measured along ``axis``."""
    if settings["method"] in ("polynomial", "spline"):
        return fit_level(strip.mean(axis=axis, dtype=np.float64), settings)
    if np.isfinite(strip).all():
        return np.median(strip, axis=axis) if settings["method"] == "median" else strip.mean(axis=axis)
    hollow = np.where(np.isfinite(strip), strip, np.nan)  # a pixel without a value must not spread along its row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a row without any
        return (np.nanmedian if settings["method"] == "median" else np.nanmean)(hollow, axis=axis)


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
