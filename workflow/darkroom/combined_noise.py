"""The noise of a combination: what is left of that of the frames, however they are combined and however unlike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.efficiency import find_plain_efficiency, measure_rejection, simulate_unlike
from darkroom.noise import ROUNDING_VARIANCE, FrameNoise, choose_signal, round_median
from darkroom.prepared_images import AnyImage
from darkroom.rejection import Values

# Frames whose noise differs by this part of it, or whose levels differ by it, are unlike for a median.
UNLIKE = 0.05
SPARSE = 5  # every such pixel along rows and columns tells which signals there are
SIGNALS = (0.001, 0.1, 0.5, 0.9, 0.999)  # quantiles of a frame at which unlike ones are looked at
WHOLE = 0.01  # ADU that float32 may be off by

Image = NDArray[np.floating[Any]]


def expect_noise(noises: Sequence[FrameNoise], signal: Image) -> Values:
    """Return the standard deviation of each image (images, ...) where this signal is expected."""
    return np.sqrt(np.stack([noise.variance(signal) for noise in noises]))


def cut_noises(noises: Sequence[FrameNoise], pixels: Any) -> list[FrameNoise]:
    """Return the noises of some pixels, by any index of rows and columns; what frames share they share still."""
    darks = {id(noise.dark): noise.dark for noise in noises if noise.dark is not None}
    cut = {number: dark[pixels] for number, dark in darks.items()}
    return [noise if noise.dark is None else replace(noise, dark=cut[id(noise.dark)]) for noise in noises]


def group_alike(noises: Sequence[FrameNoise]) -> list[tuple[FrameNoise, NDArray[np.float64]]]:
    """Return the noises that differ in more than their scale, each with the scales of all frames that have it."""
    groups: dict[tuple[Any, ...], tuple[FrameNoise, list[float]]] = {}
    for noise in noises:
        key = noise.read_variance, noise.gain, noise.level, noise.dark_scale, id(noise.dark)
        groups.setdefault(key, (noise, []))[1].append(noise.scale)
    return [(noise, np.array(scales)) for noise, scales in groups.values()]


def average_variance(noises: Sequence[FrameNoise], signal: Image) -> Image:
    """Return the mean variance of frames where this signal is expected, in the precision of the signal."""
    total = np.zeros(signal.shape, signal.dtype)
    for noise, scales in group_alike(noises):
        pedestal = noise.find_pedestal()
        if len(scales) > 1 and scales.min() == scales.max():
            total += noise.variance(signal) * len(scales)
        elif _has_electrons(signal, scales, pedestal):
            # a sum over the frames of scale^2 (read_variance + (signal / scale + pedestal) / gain)
            total += signal * float(scales.sum() / noise.gain)
            total += (pedestal / float(noise.gain) + float(noise.read_variance)) * float(scales @ scales)
        else:
            for scale in scales:
                total += replace(noise, scale=float(scale)).variance(signal)
    total /= len(noises)
    return total


def _has_electrons(signal: Image, scales: Values, pedestal: Any) -> bool:
    """Return whether every pixel of every frame holds more than nothing, so that none counts as empty."""
    lowest = signal.min() if signal.size else 0  # NaN is not above zero
    return bool(lowest >= 0 and (lowest / scales.max() + np.min(pedestal, initial=0) >= 0))


def find_least_variance(noises: Sequence[FrameNoise], signal: Image) -> Image:
    """Return a variance that that of no frame is below where this signal is expected."""
    least: Image | None = None
    for noise, scales in group_alike(noises):
        low, high = float(scales.min()), float(scales.max())
        if low == high:
            found = noise.variance(signal)
        else:
            pedestal = noise.find_pedestal()
            light = np.maximum(signal, 0) * low + np.minimum(signal, 0) * high
            light += np.maximum(pedestal, 0) * low**2 + np.minimum(pedestal, 0) * high**2
            found = np.maximum(light, 0) / float(noise.gain) + float(noise.read_variance * low**2)
        least = found if least is None else np.minimum(least, found)
    assert least is not None, "there are frames"
    return least


def find_variance(
    combined: Image,
    around: Image,
    noises: Sequence[FrameNoise],
    heard: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None,
    steps: Values,
    settings: dict[str, Any],
) -> Image:
    """Return the variance of a combination; NaN where no value was kept.

    Parameters
    ----------
    combined, around : arrays of one shape
        What came out, and the means of its neighbourhoods.
    heard : arrays of bool, shape (images, ...), or None
        Which values there were, and which took part; None for all.
    steps : array
        See `find_steps`.
    """
    number = len(noises)
    if heard is None:
        count = finite_count = heard_count = np.array(number)
        weights: Any = [1] * number
    else:
        finite, kept = heard
        count, finite_count = kept.sum(axis=0), finite.sum(axis=0)
        # a clip drops hits wherever they are, minmax the noisy frames rather than the others: there all have a say
        weights = finite if settings["reject"] == "minmax" else kept
        heard_count = np.maximum(weights.sum(axis=0), 1)

    def average(signal: Image) -> Image:
        if heard is None:
            return average_variance(noises, signal)
        total = np.zeros(combined.shape)
        for noise, weight in zip(noises, weights, strict=True):
            total += noise.variance(signal) * weight
        return total / heard_count

    signal = choose_signal(combined, around, average(around) / heard_count)
    variance = np.maximum(average(signal) - ROUNDING_VARIANCE * steps**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = _look_up(lambda n: find_plain_efficiency(n, settings["method"]), count) / count
        result = variance * (left * _look_up(lambda n: measure_rejection(n, settings)[1], finite_count))
        if steps.any():
            result += steps**2 * round_median(np.sqrt(variance) / np.where(steps, steps, 1), heard_count)
    return result if heard is None else np.where(count > 0, result, np.nan)


def compare_unlike(
    images: Sequence[AnyImage], noises: Sequence[FrameNoise], levels: Values, settings: dict[str, Any]
) -> tuple[Image, Image, Values] | None:
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
    deviations = expect_noise(even, signals[None, :])[:, 0]
    if not deviations.all():
        return None
    middle = len(signals) // 2
    order = np.lexsort((deviations[:, middle], levels))  # whatever that of the frames is
    even, deviations, levels = [even[number] for number in order], deviations[order], levels[order]
    apart = (levels.max() - levels.min()) * np.abs(signals) / deviations.min(axis=0)
    if (deviations.max(axis=0) < (1 + UNLIKE) * deviations.min(axis=0)).all() and (apart < UNLIKE).all():
        return None
    allow = partial(expect_noise, even)
    plain = (deviations**2).mean(axis=0) * measure_rejection(len(noises), settings)[0] / len(noises)
    found = [simulate_unlike(signal, levels, deviations[:, n], settings, allow) for n, signal in enumerate(signals)]
    shares = np.empty(len(noises))
    shares[order] = found[middle][1]
    return signals, np.array([variance for variance, _ in found]) / plain, shares


def find_steps(stack: Values, noises: Sequence[FrameNoise]) -> Values:
    """Return the size of one ADU where all values of a pixel are whole ADU apart, so that their median is rounded too.

    Zero where they are not, since their levels or scales differ. Shape (rows, columns).
    """
    scale = noises[0].scale
    if any(noise.scale != scale for noise in noises):
        return np.zeros(stack.shape[1:])
    apart = (stack - np.fmin.reduce(stack, axis=0)) / scale
    apart -= np.rint(apart)
    return np.where((np.abs(apart) > WHOLE).any(axis=0), 0.0, scale)  # NaN is not


def _look_up(function: Callable[[int], float], numbers: NDArray[np.int_]) -> Values:
    """Return a function of whole numbers at each of an array, called once for each that is there."""
    found, where = np.unique(numbers, return_inverse=True)
    return np.array([function(number) for number in found.tolist()])[where].reshape(numbers.shape)
