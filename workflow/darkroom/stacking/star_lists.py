"""Star lists: where the stars of a calibrated light are and how bright, by which it is put on top of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray

from darkroom.good_stars import LINE, have_flanks, judge_stars
from darkroom.sky_windows import Values, Window, estimate_noise, look_at
from darkroom.star_shapes import FWHM

MOST = 500  # stars that are listed: enough for a rms of hundredths of a pixel, few enough to be matched in no time
APERTURE = 1.5  # FWHM: the radius in which a star's light is summed; its own, so that seeing makes little difference
CORE = 0.75  # FWHM: the radius within which no pixel may be bad, where a star's place is told
NARROWEST = 1.5  # pixels: the FWHM below which apertures grow no smaller
# Part of its error bar that the noise of a pixel is at least. Simulated lights have 1.04 of it, and up to 1.4 where it
# is an ADU or less. But of 0.25 ADU, of which integers are left, the median of the deviations told 0.002 to 0.01 of it,
# and one of four like lights got a weight of 0.8.
LEAST_NOISE = 0.7
LEAST_SNR = 8.0  # of a star whose place is told to a tenth of a pixel


@dataclass(frozen=True, eq=False)
class StarList:
    """The stars of an image, the brightest first.

    Attributes
    ----------
    places : array, shape (stars, 2)
        x and y in pixels, the first pixel's centre at 0, 0.
    fluxes, errors : arrays, shape (stars,)
        What an aperture of 1.5 FWHM holds above the sky, and its standard deviation, in units of the image.
    clean : array of bool, shape (stars,)
        Whether no pixel of that aperture is bad.
    shape : tuple
        Rows and columns of the image.
    fwhm, elongation : float or None
        Width of its stars in pixels, longer axis over shorter one; None where too few are good ones.
    level, noise : float
        That of the sky, and the standard deviation of a pixel of it; NaN where hardly a pixel is good.
    """

    places: NDArray[np.float64]
    fluxes: NDArray[np.float64]
    errors: NDArray[np.float64]
    clean: NDArray[np.bool_]
    shape: tuple[int, int]
    fwhm: float | None = None
    elongation: float | None = None
    level: float = float("nan")
    noise: float = float("nan")

    def __len__(self) -> int:
        return len(self.places)


def list_stars(
    data: Values, uncertainty: Values | None = None, mask: NDArray[np.uint8] | None = None, most: int = MOST
) -> StarList:
    """Find the stars of a whole image.

    Places are windowed centroids, which reach what photon noise allows (Bertin's XWIN_IMAGE, by SEP).

    Parameters
    ----------
    data : array, shape (rows, columns)
        An image; not finite pixels are bad ones.
    uncertainty : array, same shape, optional
        One standard deviation of each pixel.
    mask : array of uint8, same shape, optional
        The quality plane (`darkroom.quality`); stars with flagged pixels in the core are not listed.
    most : int
        How many stars are listed.
    """
    height, width = data.shape
    none = StarList(np.empty((0, 2)), np.empty(0), np.empty(0), np.empty(0, bool), (height, width))
    window = look_at(data, mask, uncertainty)
    if window is None or not window.residuals.size:
        return none
    level = float(np.median(window.levels.astype(np.float64) + window.residuals))
    noise = _tell_noise(window)
    shapes, _ = judge_stars([window], 1.0, mask is not None)
    if not len(window.objects) or not noise > 0:
        return StarList(none.places, none.fluxes, none.errors, none.clean, none.shape, level=level, noise=noise)
    chosen = _choose_objects(window, 3 * most)
    fwhm = max(shapes.fwhm or FWHM * float(np.sqrt(np.median(chosen["a"] * chosen["b"]))), NARROWEST)
    bars = None if uncertainty is None else _fill_bars(uncertainty, noise)
    places, fluxes, errors, clean = _measure(window, chosen, fwhm, noise, bars)
    order = np.argsort(-fluxes, kind="stable")[:most]
    told = places[order], fluxes[order], errors[order], clean[order]
    return StarList(*told, none.shape, shapes.fwhm, shapes.elongation, level, noise)


def _tell_noise(window: Window) -> float:
    """Return the noise of the sky: that of its pixels, which most of them being one integer makes too small."""
    noise = estimate_noise(window.residuals)
    return max(noise, LEAST_NOISE * float(np.median(window.bars))) if window.bars.size else noise


def _choose_objects(window: Window, most: int) -> Any:
    """Return the brightest of those objects that may be stars."""
    objects = window.objects
    alike = have_flanks(window)
    length = objects["a"] / np.maximum(objects["b"], 0.1)
    usual = float(np.median(length[alike])) if alike.any() else 1.0
    objects = objects[alike & (length < LINE * usual)]
    return objects[np.argsort(-objects["cflux"], kind="stable")[:most]]


def _fill_bars(uncertainty: Values, noise: float) -> NDArray[np.float32]:
    bars = np.array(uncertainty, np.float32, order="C")
    bars[~(np.isfinite(bars) & (bars > 0))] = noise
    return bars


def _measure(
    window: Window, objects: Any, fwhm: float, noise: float, bars: NDArray[np.float32] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return places, fluxes, their errors and whether the aperture is clean, of the objects that can be told."""
    image, radius = window.image, APERTURE * fwhm
    error: Any = noise if bars is None else bars
    start = np.asarray(objects["x"], np.float64), np.asarray(objects["y"], np.float64)
    x, y, failed = sep.winpos(image, *start, np.full(len(objects), fwhm / FWHM), mask=window.bad)
    rows, columns = image.shape
    inside = (np.minimum(x, y) > radius) & (x < columns - 1 - radius) & (y < rows - 1 - radius)
    good = (failed == 0) & inside & (np.hypot(x - start[0], y - start[1]) < fwhm)
    x, y = x[good], y[good]
    flux, bar, _ = sep.sum_circle(image, x, y, radius, err=error, mask=window.bad)
    clean = np.ones(len(x), bool)
    whole = clean.copy()
    if window.bad is not None:
        marks = window.bad.astype(np.float32)
        clean = sep.sum_circle(marks, x, y, radius)[0] <= 0
        whole = sep.sum_circle(marks, x, y, CORE * fwhm)[0] <= 0
    sure = whole & (flux > LEAST_SNR * bar) & np.isfinite(flux)
    return np.column_stack([x, y])[sure], flux[sure], bar[sure], clean[sure]
