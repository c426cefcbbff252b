"""Noise: what a pixel of a prepared frame is expected to hold and to scatter by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.efficiency import find_plain_efficiency
from darkroom.sections import Section, parse_section

# Rounding to whole ADU: the variance of a rectangle one ADU wide, ADU^2.
ROUNDING_VARIANCE = 1 / 12
ROUNDING_NOISE = ROUNDING_VARIANCE**0.5
NEIGHBOURHOOD = 5  # pixels on a side
REACH = NEIGHBOURHOOD // 2
CONSISTENT = 4.0  # standard deviations within which a pixel agrees with its neighbourhood

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
        ADU of dark that were taken off, ``dark_scale`` times; the electrons are gone, their noise is not.
    """

    read_variance: float
    gain: float
    scale: float = 1.0
    level: float = 0.0
    dark: NDArray[np.float32] | None = None
    dark_scale: float = 1.0

    def find_pedestal(self) -> Image | float:
        """Return the ADU of electrons that are no longer, or not yet, part of the image: its dark less its level."""
        if self.dark is None:
            return -float(self.level)
        dark = self.dark if self.dark_scale == 1 else self.dark * np.float32(self.dark_scale)
        return dark - np.float32(self.level) if self.level else dark

    def variance(self, image: Image) -> Image:
        """Return the variance of each pixel, in the units of the scaled image squared and in its precision.

        Parameters
        ----------
        image : array
            The scaled image, or what is expected of it, of the shape of ``dark``. Where it is not finite, or holds less
            than nothing, the noise is that of a pixel without light.
        """
        counts = image / float(self.scale) + self.find_pedestal()
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
        whose overscan was not taken off. Of a stitched frame each of the ``amplifiers`` has a section and trim.
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
    for amplifier in overscan.get("amplifiers", []):
        if amplifier["section"]:  # they are all alike
            overscan = {**overscan, **amplifier}
    along, across = _measure_strip(overscan, shape)
    if overscan["method"] == "median":
        return pixel + read_noise**2 * find_plain_efficiency(across, "median") / across + ROUNDING_VARIANCE
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


def estimate_signal(image: Image, find_variance: Callable[[Image], Image], step: int = 1) -> Image:
    """Return the signal that is expected in each pixel of an image (rows, columns), in its units.

    A pixel that agrees with the mean of its neighbourhood is expected to hold that mean: its own value would give too
    small a variance to those that fell low by chance, and too large a one to the others. Any other pixel (a star, a
    hit, a hot pixel) stands for itself. Not finite pixels are expected to hold nothing.

    Parameters
    ----------
    find_variance : callable
        Gives the variance of each pixel of the image where this signal is expected.
    step : int
        2 in a mosaic, whose neighbourhoods are of one colour.
    """
    around = average_around(image, step)
    return choose_signal(image, around, find_variance(around))


def average_around(image: Image, step: int = 1) -> Image:
    """Return the mean of the neighbourhood of each pixel (rows, columns); what is not finite counts as nothing.

    Its pixels are ``step`` rows and columns apart, and so many of them at the edges go on beyond these.
    """
    finite = np.isfinite(image)
    own = image if finite.all() else np.where(finite, image, image.dtype.type(0))
    reach = REACH * step
    wide = np.empty((image.shape[0], image.shape[1] + 2 * reach), image.dtype)
    wide[:, reach:-reach] = own
    wide[:, :reach], wide[:, -reach:] = np.tile(own[:, :step], REACH), np.tile(own[:, -step:], REACH)
    across = _sum_five(wide.T, step).T
    high = np.concatenate([across[:step]] * REACH + [across] + [across[-step:]] * REACH)
    around = _sum_five(high, step)
    around *= image.dtype.type(1 / NEIGHBOURHOOD**2)
    return around


def _sum_five(lines: Image, step: int) -> Image:
    """Return the sums of five neighbouring lines, each by itself: a running one hangs on where a band begins."""
    pairs = lines[:-step] + lines[step:]
    fours = pairs[: -2 * step] + pairs[2 * step :]
    fives: Image = np.add(fours[:-step], lines[4 * step :], out=fours[:-step])
    return fives


def choose_signal(image: Image, around: Image, variance: Image) -> Image:
    """Return the mean around each pixel where that agrees with the pixel, which has this variance, else its own."""
    with np.errstate(invalid="ignore"):
        distance = image - around
        distance *= distance
        by_itself = ~(distance <= CONSISTENT**2 * variance)
    chosen = around.copy()
    if by_itself.any():
        own = image[by_itself]
        chosen[by_itself] = np.where(np.isfinite(own), own, 0)
    return chosen


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
