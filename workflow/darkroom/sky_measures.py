"""Sky measures: what a light's pixels tell of the night: level and noise of the sky, width and number of stars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.good_stars import judge_stars
from darkroom.quality import Bit
from darkroom.sky_windows import FEWEST, Values, choose_windows, estimate_noise, look_at

Figures = dict[str, float | int | str | None]


def find_green(mosaic: str) -> tuple[int, int]:
    """Return row and column of the first green pixel of a mosaic such as RGGB; of the first pixel, if it has none."""
    return divmod(max(mosaic.upper().find("G"), 0), 2)


def measure_light(
    data: Values,
    uncertainty: Values | None = None,
    mask: NDArray[np.uint8] | None = None,
    unit: str = "",
    step: int = 1,
    first: tuple[int, int] = (0, 1),
) -> Figures:
    """Return what a calibrated light tells of sky and stars, as plain values; None is what it does not tell.

    All but ``masked`` and ``saturated`` is measured in windows of 512 x 512 pixels, one in the middle of each quarter
    of the image; where it is less than 1024 pixels high or wide, they are as high or wide as it is.

    Parameters
    ----------
    data : array, shape (rows, columns)
        The light, of any byte order; it may be a memory map, of which only the windows are read.
    uncertainty : array, same shape, optional
        One standard deviation of each pixel.
    mask : array of uint8, same shape, optional
        The quality plane (`darkroom.quality`).
    unit : str
        That of the data; handed on.
    step : int
        1, or 2 for a colour mosaic, of which the pixels of one colour are measured.
    first : tuple of int
        Row and column of the first pixel of that colour, as of `find_green`; of no meaning where ``step`` is 1.

    Returns
    -------
    dict
        ``unit``; ``sky``, the level of the background (the median over the windows); ``noise``, the standard deviation
        of a pixel of empty sky about a smooth background; ``noise_expected``, the median of the error bars there;
        ``fwhm``, the width of the stars at half their height in pixels of the frame, the width of the pixels taken
        off, and ``elongation``, the longer axis of the mean star over the shorter one, by ``fwhm_stars`` good stars;
        ``stars``, how many objects no sharper and no longer than a star stand out, in ``area`` pixels of the frame;
        ``masked`` and ``saturated``, parts of all pixels that bear any flag, and that one.
    """
    if data.ndim != 2 or step not in (1, 2):
        raise ValueError(f"a light has two dimensions and a step of 1 or 2, not {data.ndim} and {step}")
    figures: Figures = {"unit": unit} | dict.fromkeys(
        ("sky", "noise", "noise_expected", "fwhm", "elongation", "fwhm_stars", "stars", "area", "masked", "saturated")
    )
    if not data.size:
        return figures
    if mask is not None:
        figures["masked"] = _round(np.count_nonzero(mask != 0) / mask.size)
        figures["saturated"] = _round(np.count_nonzero(mask & np.uint8(Bit.SATURATED)) / mask.size)
    place = tuple(
        slice(n % step if n % step < size else 0, None, step) for n, size in zip(first, data.shape, strict=True)
    )
    planes = [None if each is None else each[place] for each in (mask, uncertainty)]
    plane, windows = data[place], []
    for rows in choose_windows(plane.shape[0]):
        for columns in choose_windows(plane.shape[1]):
            parts = [None if each is None else each[rows, columns] for each in planes]
            if (window := look_at(plane[rows, columns], *parts)) is not None:
                windows.append(window)
    if not windows:
        return figures
    figures["sky"] = _round(np.median(np.concatenate([window.levels for window in windows])))
    residuals = np.concatenate([window.residuals for window in windows])
    if residuals.size >= FEWEST:
        figures["noise"] = _round(estimate_noise(residuals))
    bars = np.concatenate([window.bars for window in windows])
    if bars.size:
        figures["noise_expected"] = _round(np.median(bars))
    shapes, figures["stars"] = judge_stars(windows, 1 / step, mask is not None)
    figures["area"] = step**2 * sum(window.image.size - window.blind for window in windows)
    figures["fwhm_stars"] = shapes.used
    if shapes.fwhm and shapes.elongation:
        figures |= {"fwhm": _round(step * shapes.fwhm), "elongation": _round(shapes.elongation)}
    return figures


def _round(value: Any) -> float | None:
    """Return a number of six digits, as the last ones are those of the machine; None for what is none."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
