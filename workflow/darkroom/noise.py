"""Noise: what a pixel of a prepared frame is expected to scatter by, and what combining makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.sections import Section, parse_section

# Rounding to whole ADU: the variance of a rectangle one ADU wide, ADU^2.
ROUNDING_VARIANCE = 1 / 12
# A clip this wide, in standard deviations, leaves normal values alone: it changes the variance by less than 1e-4.
WIDE_CLIP = 5.0
TRIALS = 10**6  # values drawn where an efficiency has no closed form

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class FrameNoise:
    """What the noise of one prepared frame is made of.

    Parameters
    ----------
    read_variance : float
        Variance of a pixel without light, ADU^2: read noise, rounding, the overscan's own noise.
    gain : float
        e-/ADU; infinite for a frame that holds no electrons, such as a bias.
    scale : float
        What the ADU were multiplied by after the pedestal came off: 1/level of a flat, 1/exposure of a rate.
    level : float
        ADU in it that are no electrons, such as a bias that is still held.
    dark : array of float32, shape (rows, columns), optional
        ADU of dark that were taken off; the electrons are gone, their noise is not.
    """

    read_variance: float
    gain: float
    scale: float = 1.0
    level: float = 0.0
    dark: NDArray[np.float32] | None = None

    def variance(self, image: Image, rows: slice = slice(None)) -> Image:
        """Return the variance of each pixel, in the units of the scaled image squared and in its precision.

        Parameters
        ----------
        image : array, shape (rows, columns)
            The scaled image, or what is expected of it: those of its rows that are told. Where it is not finite, or
            holds less than nothing, the noise is that of a pixel without light.
        rows : slice
            Which rows of the frame these are.
        """
        counts = image / float(self.scale) - float(self.level)
        if self.dark is not None:
            counts += self.dark[rows]
        electrons = np.where(np.isfinite(counts) & (counts > 0), counts, 0) / float(self.gain)
        return (electrons + float(self.read_variance)) * float(self.scale) ** 2


def find_read_variance(read_noise: float, overscan: dict[str, Any] | None, shape: tuple[int, int]) -> float:
    """Return the variance of a pixel without light once its overscan level is off, ADU^2.

    Parameters
    ----------
    read_noise : float
        ADU, standard deviation, without the rounding to whole ADU.
    overscan : dict or None
        ``section`` and ``trim`` in FITS notation or None; ``method``, and for a fit its ``order``. None for a frame
        whose overscan was not taken off.
    shape : tuple of int
        Rows and columns of the raw frame.

    Notes
    -----
    A fit of p coefficients to the means of r rows scatters by p/r of what each mean does, on average over the rows.
    The median of whole ADU is one of them, or halfway between two: it is rounded as if it had been read like that.
    """
    pixel = read_noise**2 + ROUNDING_VARIANCE
    if overscan is None or not overscan["section"]:
        return pixel
    along, across = _measure_strip(overscan, shape)
    if overscan["method"] == "median":
        return pixel + read_noise**2 * _find_median_efficiency(across) / across + ROUNDING_VARIANCE
    coefficients = {"polynomial": 1, "spline": 4}  # more than the order
    if overscan["method"] in coefficients:
        return pixel + pixel / across * min(1.0, (overscan["order"] + coefficients[overscan["method"]]) / along)
    return pixel + pixel / across


def _measure_strip(overscan: dict[str, Any], shape: tuple[int, int]) -> tuple[int, int]:
    """Return how many levels an overscan gives and how many pixels each is made of, as `subtract_overscan` cuts it."""
    kept = parse_section(overscan["trim"]) if overscan["trim"] else Section(1, shape[1], 1, shape[0])
    section = parse_section(overscan["section"])
    if section.spans_rows_of(kept):
        return kept.shape[0], section.shape[1]
    return kept.shape[1], section.shape[0]


def efficiency(number: int, settings: dict[str, Any]) -> float:
    """Return the variance of the combination of ``number`` normal values of unit variance, times their number.

    Parameters
    ----------
    number : int
        Of values.
    settings : dict
        ``method`` (mean, median), ``reject`` (sigma, minmax, none) and what that needs (``sigma``; ``low``, ``high``).

    Notes
    -----
    One for the plain mean, up to pi/2 for the median; exact where nothing is rejected, else as `measure_rejection`.
    """
    return measure_rejection(number, settings)[0]


def measure_rejection(number: int, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the efficiency (see above), and how it compares to that of a plain combination of the values kept.

    The second is the variance in units of the mean of what plain combinations of as many values as were kept have.

    Rejection is simulated with a fixed seed and the code that combines. Of the result only the difference to the plain
    mean is drawn: it is independent of the mean (Basu 1955, Sankhya 15, 377), whose variance is known; and of
    the variance only the difference to the plain combination's, which is known as well.
    """
    kind = settings["reject"]
    if number < 1 or kind == "none" or (kind == "sigma" and settings["sigma"] >= WIDE_CLIP):
        return find_plain_efficiency(number, settings["method"]), 1.0
    if kind == "sigma":
        return _simulate_rejection(number, settings["method"], kind, float(settings["sigma"]), 0, 0)
    return _simulate_rejection(number, settings["method"], kind, 0.0, settings["low"], settings["high"])


def find_plain_efficiency(number: int, method: str) -> float:
    """Return the efficiency of a mean or median of all of ``number`` normal values."""
    return _find_median_efficiency(number) if method == "median" else 1.0


@cache
def _simulate_rejection(number: int, method: str, kind: str, sigma: float, low: int, high: int) -> tuple[float, float]:
    from darkroom.combine import average_kept, find_rejected

    settings = {"method": method, "reject": kind, "sigma": sigma, "low": low, "high": high}
    values = np.random.default_rng(number).normal(size=(number, 1, max(TRIALS // number, 1000)))
    rejected = find_rejected(values, settings, np.ones_like)
    count = number - rejected.sum(axis=0)
    mean = values.mean(axis=0)
    plain = np.median(values, axis=0) if method == "median" else mean
    gained = np.var(average_kept(values, rejected, method) - mean) - np.var(plain - mean)
    result = find_plain_efficiency(number, method) + number * float(gained)
    kept, share = np.unique(count, return_counts=True)
    shares = zip(kept.tolist(), (share / count.size).tolist(), strict=True)
    return result, result / number / sum(part * find_plain_efficiency(n, method) / n for n, part in shares)


@cache
def _find_median_efficiency(number: int) -> float:
    """Return the variance of the median of ``number`` normal values of unit variance, times their number.

    From the density of the middle value, or of the halfway point of the two middle ones (David & Nagaraja 2003, Order
    Statistics, 2.1 and 2.2), summed on a grid.
    """
    if number < 3:
        return 1.0
    from scipy.stats import norm

    below = (number - 1) // 2  # values below the middle one, or two
    middle = np.linspace(-1, 1, 401)[:, None] * min(8.0, 12 / np.sqrt(number))
    if number % 2:
        apart, density = np.zeros((1, 1)), norm.logpdf(middle)
    else:
        apart = np.linspace(0, min(8.0, 40 / number), 401)[None, :]  # half the distance of the two
        density = norm.logpdf(middle - apart) + norm.logpdf(middle + apart)
    density = density + below * (norm.logcdf(middle - apart) + norm.logsf(middle + apart))
    weight = np.exp(density - density.max())
    weight[:, 0] /= 1 + (apart.size > 1)  # the trapezoidal rule's
    return float(number * (middle[:, 0] ** 2 @ weight.sum(axis=1)) / weight.sum())


def round_median(noise: Image, number: NDArray[np.int_]) -> Image:
    """Return the variance that the rounding to whole ADU adds to a median of ``number`` values, ADU^2.

    The median of whole ADU is as coarse as one of them, however many there are. Of an even number it is the mean of two
    roundings, which are the same where the two middle values are much less than one ADU apart. Their distance is
    exponential (David & Nagaraja 2003, 10.4) with a mean of d = sqrt(2 pi) noise / number, whatever of it is more than
    whole ADU has t (1 - t) = d coth(1 / 2d) - 2 d^2 on average, and the covariance of the two is 1/12 - t (1 - t) / 2.

    Parameters
    ----------
    noise : array
        Standard deviation of one value before it was rounded, ADU.
    number : array of int
        Of values.
    """
    apart = np.clip(np.sqrt(2 * np.pi) * noise / number, 1e-3, 1e3)
    loss = (apart / np.tanh(0.5 / apart) - 2 * apart**2) / 4
    return ROUNDING_VARIANCE - np.where(number % 2 == 0, loss, 0)
