"""Uncertainty: the variance of a calibrated frame in closed form, from its read-out, its photons and its masters.

Nothing is assumed but that read-out, photons and the frames of the masters are independent. What a master bias adds
to a frame and to the dark that is taken off the same frame cancels as it does in the images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from darkroom.masters import Master

NEIGHBOURHOOD = 5  # pixels on a side
CONSISTENT = 4.0  # standard deviations within which a pixel agrees with its neighbourhood

Image = NDArray[np.floating[Any]]


def estimate_signal(image: Image, read_variance: float, gain: float) -> Image:
    """Return the charge that is expected in each pixel, in the image's ADU, never below zero.

    A pixel that agrees with the mean of its neighbourhood is expected to hold that mean: its own value would give too
    small a variance to those that fell low by chance, and too large a one to the others. Any other pixel (a star, a
    hit, a hot pixel) stands for itself. Not finite pixels are expected to hold nothing.
    """
    finite = np.isfinite(image)
    own = image if finite.all() else np.where(finite, image, np.float32(0))
    around = np.maximum(uniform_filter(own, NEIGHBOURHOOD, mode="nearest"), 0)
    agrees = (own - around) ** 2 <= CONSISTENT**2 * (read_variance + around / gain)
    return np.where(agrees, around, np.maximum(own, 0))


def add_pedestal_noise(
    variance: Image, bias: Master | None, bias_id: str | None, darks: list[tuple[Master, float]], share: float = 1.0
) -> Image:
    """Return a variance with that of the bias and darks that were subtracted, where theirs is known.

    Parameters
    ----------
    variance : array, shape (rows, columns)
        Of the frame before subtraction.
    bias, bias_id : Master, str or None
        The master bias and its recipe.
    darks : list of (Master, float)
        Each master dark with the factor that it was subtracted with.
    share : float
        The factor that the bias was subtracted with (below 1 ADU where the frame was scaled).

    Notes
    -----
    A dark D = d - c B holds the noise of its own frames (d) and c times that of its bias B. Less b B and less
    k D with the same B, a frame holds b - k c of the noise of B, and k of that of d.
    """
    for dark, factor in darks:
        if dark.variance is None:
            continue
        own = dark.variance
        if bias is not None and bias.variance is not None and dark.bias_id == bias_id:
            own = np.maximum(own - np.float32(dark.bias_share**2) * bias.variance, 0)
            share -= factor * dark.bias_share
        variance = variance + np.float32(factor**2) * own
    if bias is not None and bias.variance is not None:
        variance = variance + np.float32(share**2) * bias.variance
    return variance


def divide_variance(variance: Image, quotient: Image, flat: Image, flat_variance: Image | None) -> Image:
    """Return the variance of quotient = frame / flat: (var(frame) + quotient^2 var(flat)) / flat^2."""
    if flat_variance is not None:
        variance = variance + quotient**2 * flat_variance
    return variance / flat**2
