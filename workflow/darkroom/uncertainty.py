"""Uncertainty: the variance of a calibrated frame in closed form, from its read-out, its photons and its masters.

Nothing is assumed but that read-out, photons and the frames of the masters are independent. What a master bias adds
to a frame and to the dark that is taken off the same frame cancels as it does in the images.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.masters import Master

Image = NDArray[np.floating[Any]]


def add_pedestal_noise(
    variance: Image,
    bias: Master | None,
    darks: Iterable[tuple[Master, float]],
    share: float = 1.0,
    rows: slice | NDArray[np.int_] = slice(None),
) -> Image:
    """Return a variance with that of the bias and darks that were subtracted, where theirs is known.

    Parameters
    ----------
    variance : array, shape (rows, columns)
        Of the frame before subtraction.
    bias : Master or None
    darks : of (Master, float)
        Each master dark with the factor that it was subtracted with.
    share : float
        The factor that the bias was subtracted with (below 1 ADU where the frame was scaled).
    rows : slice or array of int
        Which rows of the masters those of ``variance`` are.

    Notes
    -----
    A dark D = d - c B holds the noise of its own frames (d) and c times that of its bias B. Less b B and less
    k D with the same B, a frame holds b - k c of the noise of B, and k of that of d.
    """
    for dark, factor in darks:
        if dark.variance is None:
            continue
        own = dark.variance[rows]
        if bias is not None and bias.variance is not None and dark.bias_id == bias.digest:
            own = np.maximum(own - np.float32(dark.bias_share**2) * bias.variance[rows], 0)
            share -= factor * dark.bias_share
        variance = variance + np.float32(factor**2) * own
    if bias is not None and bias.variance is not None:
        variance = variance + np.float32(share**2) * bias.variance[rows]
    return variance


def divide_variance(variance: Image, quotient: Image, flat: Image, flat_variance: Image | None) -> Image:
    """Return the variance of quotient = frame / flat: (var(frame) + quotient^2 var(flat)) / flat^2."""
    if flat_variance is not None:
        variance = variance + quotient**2 * flat_variance
    return variance / flat**2
