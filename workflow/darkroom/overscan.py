"""Overscan: the bias level of each row (or column), measured on the pixels that saw no light, and what a trim keeps."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.raw_images import RawImage
from darkroom.sections import Section, parse_section

ROUNDS = 5  # of rejection in a fit

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class OverscanLevel:
    """The level of an image's overscan, to be subtracted from what the trim keeps.

    ``patches`` are the parts of the image, one an amplifier: their rows and columns, and the level of each row, of
    shape (rows, 1), or of each column, (1, columns). None where an amplifier has no overscan.
    """

    patches: list[tuple[slice, slice, NDArray[np.float32] | None]]
    shape: tuple[int, int]

    def subtract_from(self, image: Image, rows: Any, columns: slice) -> None:
        """Subtract it in place from these rows (a slice or numbers) and columns of the image."""
        if len(self.patches) == 1:
            level = self.patches[0][2]
            if level is not None:
                image -= level[rows] if level.shape[1] == 1 else level[:, columns]
            return
        numbers, places = np.arange(self.shape[0])[rows], np.arange(self.shape[1])[columns]
        for across, along, level in self.patches:
            here = (numbers >= across.start) & (numbers < across.stop)
            there = (places >= along.start) & (places < along.stop)
            if level is not None and here.any() and there.any():
                each_row = level.shape[1] == 1
                own = level[numbers[here] - across.start] if each_row else level[:, places[there] - along.start]
                image[np.ix_(here, there)] -= own


def find_kept(shape: tuple[int, int], settings: dict[str, Any] | None) -> Section:
    """Return the part of a frame of this shape (rows, columns) that ``trim`` keeps; all of a stitched one."""
    rows, columns = shape
    trimmed = settings and settings["trim"] and "amplifiers" not in settings
    return parse_section(settings["trim"]) if settings and trimmed else Section(1, columns, 1, rows)


def measure_overscan(raw: RawImage | Image, settings: dict[str, Any] | None) -> OverscanLevel | None:
    """Return a frame's overscan level, to be subtracted from what the trim keeps; None where it has no overscan.

    Parameters
    ----------
    raw : RawImage or array of float32, shape (rows, columns)
        In ADU.
    settings : dict or None
        ``section`` and ``trim`` in FITS notation or None; ``method``, and for a fit ``order`` and ``sigma``;
        for a stitched frame ``amplifiers``, each with a section and trim of its own. None for a frame that is left
        as it is.
    """
    if settings is None or not settings["section"]:
        return None
    if "amplifiers" not in settings:
        kept = find_kept(raw.shape, settings)
        level = _measure_level(raw, kept, settings["section"], settings)
        return OverscanLevel([(slice(0, kept.shape[0]), slice(0, kept.shape[1]), level)], kept.shape)
    assert isinstance(raw, RawImage), "a stitched frame is a raw one"
    patches: list[tuple[slice, slice, NDArray[np.float32] | None]] = []
    for (pixels, placed), own in zip(raw.amplifiers, settings["amplifiers"], strict=True):
        turned: NDArray[np.float32] | None = None
        if own["section"]:
            upright = _measure_level(pixels, parse_section(own["trim"]), own["section"], settings)
            turned = upright[:: -1 if placed.turned[0] else 1, :: -1 if placed.turned[1] else 1]
        across = slice(placed.row, placed.row + placed.rows)
        patches.append((across, slice(placed.column, placed.column + placed.columns), turned))
    return OverscanLevel(patches, raw.shape)


def _measure_level(pixels: Any, kept: Section, where: str, settings: dict[str, Any]) -> NDArray[np.float32]:
    """Return the level of each row of what is kept, of shape (rows, 1), or of each column, (1, columns)."""
    section = parse_section(where)
    if section.spans_rows_of(kept):
        strip, axis = pixels[kept.slices[0], section.slices[1]], 1
    else:
        strip, axis = pixels[section.slices[0], kept.slices[1]], 0
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
