"""Read-out: how much pixels that no light has reached scatter, one by one and in whole rows, from pairs of biases."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkroom.noise import ROUNDING_VARIANCE, Image
from darkroom.pairs import (
    PIXEL_CLIP,
    Blocks,
    Measured,
    combine_blocks,
    combine_pairs,
    cut_into_blocks,
    measure_variance,
    pair_up,
)
from darkroom.rejection import SIGMA_PER_MAD

SHORT = 4  # so few rows or columns tell nothing of their scatter


@dataclass(frozen=True)
class ReadOut:
    """What read-out adds to a frame.

    ``pixel`` is the noise of the pixels one by one, in ADU rms, without the rounding to whole ADU (1/12 ADU^2);
    ``lines`` the variance that rows and columns have in common from one frame to the next, in ADU^2.
    """

    pixel: Measured
    lines: Measured

    def find_noise(self, level_variance: float = 0.0) -> Measured:
        """Return the noise of a pixel with what its row and column do, in ADU rms, without the rounding.

        ``level_variance``, in ADU^2, is what the noise of an overscan does to rows or columns, and is left out.
        """
        variance = self.pixel.value**2 + max(self.lines.value - level_variance, 0.0)
        error = math.hypot(2 * self.pixel.value * self.pixel.error, self.lines.error) / (2 * math.sqrt(variance))
        return Measured(math.sqrt(variance), error, self.pixel.pairs)


def measure_read_out(frames: Iterable[Image]) -> ReadOut | None:
    """Measure the noise of the read-out from disjoint pairs of bias frames.

    The difference of two bias frames holds twice the variance of one and nothing that they share (Janesick 2001,
    *Scientific Charge-Coupled Devices*). It is taken in blocks, from which rows and columns are levelled: a drift of
    the level, a gradient, a strip of overscan that was noisy take no part in the noise of the pixels. How much rows
    and columns scatter about a slope within their block is measured by itself.

    Parameters
    ----------
    frames : iterable of arrays, shape (rows, columns)
        In ADU, in order of time; the first is paired with the second, the third with the fourth. Two at a time are
        held. Not finite pixels take no part.

    Returns
    -------
    ReadOut or None
        None if there is no pair, or no noise but the rounding.

    Notes
    -----
    Where all pixels have one level, the variance of the rounding is 1/12 only on the average over the fraction of an
    ADU that this level has; about it it swings by (1/pi^2 + 4 s^2) exp(-2 pi^2 s^2) for a noise of s ADU (Widrow &
    Kollar 2008, *Quantization Noise*). That matters below 0.6 ADU, and is part of the error.
    """
    pixels: list[Measured | None] = []
    lines: list[float] = []
    block = (0, 0)
    for first, second in pair_up(frames):
        with np.errstate(invalid="ignore"):
            differences = [one - other for one, other in cut_into_blocks([first, second])]
        found = [measure_variance(blocks) for blocks in differences]
        doubled, freedom = (np.concatenate(part) for part in list(zip(*found, strict=True))[:2])
        usable = np.isfinite(doubled)
        if usable.any():
            # one expected error for all blocks: by each one's own variance, quiet blocks would count for more
            expected = max(float(np.median(doubled[usable])) / 2, ROUNDING_VARIANCE)
            pixels.append(combine_blocks(doubled[usable] / 2, freedom[usable] / (2 * expected**2)))
            block = differences[0].shape[1:]
            if min(block) > SHORT:
                lines += [_measure_lines(each, kept) / 2 for each, (_, _, kept) in zip(differences, found, strict=True)]
    total = combine_pairs(pixels)
    if total is None or not total.value > ROUNDING_VARIANCE:
        return None
    variance = total.value - ROUNDING_VARIANCE
    swing = (1 / math.pi**2 + 4 * variance) * math.exp(-2 * math.pi**2 * variance)
    error = math.hypot(total.error, swing) / (2 * math.sqrt(variance))
    return ReadOut(Measured(math.sqrt(variance), error, total.pairs), _combine_bands(lines, total.value, block))


def _measure_lines(difference: Blocks, kept: NDArray[np.bool_]) -> float:
    """Return the mean variance that the rows, and the columns, of a band of blocks have in common, about a slope.

    Less what the noise of the pixels makes of it; NaN where no block has half of its pixels left.
    """
    total = np.zeros(len(difference))
    for axis in (2, 1):
        number = np.count_nonzero(kept, axis=axis)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(kept, difference, 0).sum(axis=axis, dtype=np.float64) / number
            scatter = np.where(kept, difference - np.expand_dims(means, axis), 0).astype(np.float64) ** 2
            noise = (scatter.sum(axis=axis) / (number - 1) / number).mean(axis=1)
        along = np.linspace(-1, 1, means.shape[1])
        means = means - means.mean(axis=1, keepdims=True)
        means = means - (means @ along / (along @ along))[:, None] * along
        total += np.square(means).sum(axis=1) / (means.shape[1] - 2) - noise
    return float(np.mean(total[np.isfinite(total)])) if np.isfinite(total).any() else math.nan


def _combine_bands(values: list[float], noise: float, block: tuple[int, int]) -> Measured:
    """Return the mean of the bands of all pairs, those far off left out."""
    found = np.array(values)[np.isfinite(values)]
    if not found.size:
        return Measured(0.0, 0.0, 0)
    height, width = block
    middle = float(np.median(found))
    chance = math.sqrt(2 / height) * max(middle, noise / width)
    spread = max(chance, SIGMA_PER_MAD * float(np.median(np.abs(found - middle))))
    kept = found[np.abs(found - middle) <= PIXEL_CLIP * spread]
    return Measured(float(kept.mean()), spread / math.sqrt(kept.size), kept.size)
