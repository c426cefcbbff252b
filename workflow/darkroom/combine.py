"""Combining: many frames of one kind into one, with outliers rejected pixel by pixel, and the noise that is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.efficiency import find_plain_efficiency, measure_rejection, simulate_unlike
from darkroom.illumination import Illumination
from darkroom.noise import NEIGHBOURHOOD, ROUNDING_NOISE, ROUNDING_VARIANCE, FrameNoise, estimate_signal, round_median
from darkroom.rejection import Cube, average_kept, find_rejected

WHOLE = 0.01  # ADU that float32 may be off by
BAND_BYTES = 16 * 2**20
# Frames whose noise differs by this part of it, or whose levels differ by it, are unlike for a median.
UNLIKE = 0.05
SPARSE = 5  # every such pixel along rows and columns tells which signals there are
SIGNALS = (0.001, 0.1, 0.5, 0.9, 0.999)  # quantiles of a frame at which unlike ones are looked at

Image = NDArray[np.floating[Any]]


@dataclass
class Combined:
    """A combination of images, pixel by pixel; all of shape (rows, columns).

    Attributes
    ----------
    data : array of float32
        NaN where no image has a value.
    variance : array of float32 or None
        The variance of ``data``, of what the combined frames' own noise makes of it; NaN where ``data`` is. None where
        the frames' noise is not known.
    count : array of int32
        How many values were kept.
    shares : array, shape (images,)
        By how much the combination follows each image, where nothing is rejected; their sum is one.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    count: NDArray[np.int32]
    shares: NDArray[np.float64]


def combine_images(
    images: Sequence[Image],
    settings: dict[str, Any],
    noises: Sequence[FrameNoise] | None = None,
    quanta: Sequence[float] | None = None,
    illumination: Sequence[Illumination] | None = None,
) -> Combined:
    """Combine images of one shape by mean or median after rejection.

    Parameters
    ----------
    images : sequence of arrays, shape (rows, columns)
        Not finite pixels take no part.
    settings : dict
        ``method`` (mean, median), ``reject`` (sigma, minmax, none) and what that needs (``sigma``; ``low``, ``high``).
    noises : sequence of FrameNoise, optional
        The noise of each image: no clip is tighter, and the variance of the combination follows from it.
    quanta : sequence of float, optional
        The size of one ADU in each image, 1 unless the image was scaled; where the noise is not known, no clip is
        tighter than the rounding to it.
    illumination : sequence of Illumination, optional
        How each image was lit: that a level or a slope differs is no reason to reject it, or a part of it.
    """
    levels = np.array([one.level for one in illumination] if illumination else np.ones(len(images)))
    rounding = ROUNDING_NOISE * float(np.median(quanta if quanta is not None else 1.0))
    rows, columns = images[0].shape
    step = max(1, BAND_BYTES // (8 * columns * len(images)))
    data = np.empty((rows, columns), np.float32)
    variance = None if noises is None else np.empty_like(data)
    count = np.empty(data.shape, np.int32)
    margin = 0 if noises is None else NEIGHBOURHOOD // 2
    unlike = None if noises is None else _compare_unlike(images, noises, levels, settings)
    for start in range(0, rows, step):
        # where the noise is known, with the rows around that tell what signal to expect
        band = slice(max(start - margin, 0), start + step + margin)
        inner = slice(start - band.start, start - band.start + step)
        own = slice(start, start + step)
        stack = np.stack([image[band] for image in images]).astype(np.float64)
        stack[~np.isfinite(stack)] = np.nan
        finite = np.isfinite(stack)
        allow = None if noises is None else partial(_expect_noise, noises, band)
        alike = stack if illumination is None else stack / np.stack([one.cut(band) for one in illumination])
        kept = ~find_rejected(alike, settings, allow, rounding)
        combined = average_kept(stack, ~kept, settings["method"])
        data[own], count[own] = combined[inner], kept.sum(axis=0)[inner]
        if noises is not None and variance is not None:
            steps = _find_steps(stack, noises) if settings["method"] == "median" else np.zeros(())
            found = _find_variance(combined, noises, band, finite, kept, steps, settings)
            variance[own] = (found if unlike is None else found * np.interp(combined, *unlike[:2]))[inner]
    return Combined(data, variance, count, np.full(len(images), 1 / len(images)) if unlike is None else unlike[2])


def _expect_noise(noises: Sequence[FrameNoise], band: slice, expected: Image) -> Cube:
    return np.sqrt(np.stack([noise.variance(expected, band) for noise in noises]))


def _find_variance(
    combined: Cube,
    noises: Sequence[FrameNoise],
    band: slice,
    finite: NDArray[np.bool_],
    kept: NDArray[np.bool_],
    steps: Cube,
    settings: dict[str, Any],
) -> Cube:
    """Return the variance of a combination; NaN where no value was kept.

    Parameters
    ----------
    combined : array, shape (rows, columns)
        What came out.
    finite, kept : arrays of bool, shape (images, rows, columns)
        Which values there were, and which took part.
    steps : array, shape (rows, columns)
        See `_find_steps`.
    """
    count = kept.sum(axis=0)
    # a clip drops hits wherever they are, minmax the noisy frames rather than the others: there all have a say
    heard = finite if settings["reject"] == "minmax" else kept
    heard_count = np.maximum(heard.sum(axis=0), 1)

    def average_variance(signal: Image) -> Cube:
        total = np.zeros_like(combined)
        for noise, hear in zip(noises, heard, strict=True):
            total += np.where(hear, noise.variance(signal, band), 0)
        return total / heard_count

    signal = estimate_signal(combined, lambda around: average_variance(around) / heard_count)
    variance = np.maximum(average_variance(signal) - ROUNDING_VARIANCE * steps**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = variance / count * _look_up(lambda n: find_plain_efficiency(n, settings["method"]), count)
        result *= _look_up(lambda n: measure_rejection(n, settings)[1], finite.sum(axis=0))
        if steps.any():
            result += steps**2 * round_median(np.sqrt(variance) / np.where(steps, steps, 1), heard_count)
    return np.where(count > 0, result, np.nan)


def _compare_unlike(
    images: Sequence[Image], noises: Sequence[FrameNoise], levels: Cube, settings: dict[str, Any]
) -> tuple[Image, Image, Cube] | None:
    """Return some signals, how much noisier unlike frames make the combination there, and the share of each frame.

    The median, and a mean without its extremes, heed quiet frames more than others, and of frames whose levels differ
    by more than their noise only those in the middle. None where the frames are alike, and for means, of which all
    frames have their share.

    Parameters
    ----------
    levels : array, shape (frames,)
        Of the frames in units of what is common.
    """
    if settings["method"] == "mean" and settings["reject"] != "minmax":
        return None
    sample = np.concatenate([image[::SPARSE, ::SPARSE].ravel() for image in images])
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return None
    signals = np.unique(np.quantile(sample, SIGNALS))
    even = [n if n.dark is None else replace(n, dark=np.full((1, 1), np.nanmedian(n.dark))) for n in noises]
    deviations = _expect_noise(even, slice(None), signals[None, :])[:, 0]
    if not deviations.all():
        return None
    middle = len(signals) // 2
    order = np.lexsort((deviations[:, middle], levels))  # whatever that of the frames is
    even, deviations, levels = [even[number] for number in order], deviations[order], levels[order]
    apart = (levels.max() - levels.min()) * np.abs(signals) / deviations.min(axis=0)
    if (deviations.max(axis=0) < (1 + UNLIKE) * deviations.min(axis=0)).all() and (apart < UNLIKE).all():
        return None
    allow = partial(_expect_noise, even, slice(None))
    plain = (deviations**2).mean(axis=0) * measure_rejection(len(noises), settings)[0] / len(noises)
    found = [simulate_unlike(signal, levels, deviations[:, n], settings, allow) for n, signal in enumerate(signals)]
    shares = np.empty(len(noises))
    shares[order] = found[middle][1]
    return signals, np.array([variance for variance, _ in found]) / plain, shares


def _find_steps(stack: Cube, noises: Sequence[FrameNoise]) -> Cube:
    """Return the size of one ADU where all values of a pixel are whole ADU apart, so that their median is rounded too.

    Zero where they are not, since their levels or scales differ. Shape (rows, columns).
    """
    scale = noises[0].scale
    if any(noise.scale != scale for noise in noises):
        return np.zeros(stack.shape[1:])
    apart = (stack - np.fmin.reduce(stack, axis=0)) / scale
    apart -= np.rint(apart)
    return np.where((np.abs(apart) > WHOLE).any(axis=0), 0.0, scale)  # NaN is not


def _look_up(function: Callable[[int], float], numbers: NDArray[np.int_]) -> Cube:
    """Return a function of whole numbers at each of an array, called once for each that is there."""
    found, where = np.unique(numbers, return_inverse=True)
    return np.array([function(number) for number in found.tolist()])[where].reshape(numbers.shape)
