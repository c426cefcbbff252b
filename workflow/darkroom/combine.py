"""Combining: many frames of one kind into one, with outliers rejected pixel by pixel, and the noise that is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.efficiency import find_plain_efficiency, measure_rejection, simulate_unlike
from darkroom.illumination import Illumination
from darkroom.noise import (
    NEIGHBOURHOOD,
    ROUNDING_NOISE,
    ROUNDING_VARIANCE,
    FrameNoise,
    average_around,
    choose_signal,
    round_median,
)
from darkroom.rejection import Cube, average_kept, find_rejected

WHOLE = 0.01  # ADU that float32 may be off by
BAND_PIXELS = 2**16  # so that a band of one frame, and what is summed of all, stay in the cache
CERTAIN = 1 - 1e-5  # of a limit, for what float32 loses
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
    step = max(1, BAND_PIXELS // columns)
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
        frames = _Band(
            [image[band] for image in images],
            None if noises is None else [noise.cut(band) for noise in noises],
            None if illumination is None else [one.cut(band) for one in illumination],
        )
        combined, spread, kept = _combine_band(frames, settings, rounding)
        data[own], count[own] = combined[inner], kept[inner]
        if variance is not None and spread is not None:
            variance[own] = (spread if unlike is None else spread * np.interp(combined, *unlike[:2]))[inner]
    return Combined(data, variance, count, np.full(len(images), 1 / len(images)) if unlike is None else unlike[2])


@dataclass(frozen=True, eq=False)
class _Band:
    """A band of rows of the images that are combined, or some of its pixels, with their noise and illumination."""

    images: list[Image]
    noises: list[FrameNoise] | None
    surfaces: list[Image] | None

    def cut(self, pixels: tuple[Any, ...]) -> _Band:
        """Return these pixels alone."""
        return _Band(
            [image[pixels] for image in self.images],
            None if self.noises is None else [noise.cut(pixels) for noise in self.noises],
            None if self.surfaces is None else [surface[pixels] for surface in self.surfaces],
        )

    def expect_noise(self, signal: Image) -> Cube:
        """Return the standard deviation of each image where this signal is expected."""
        assert self.noises is not None, "the noise is known"
        return np.sqrt(np.stack([noise.variance(signal) for noise in self.noises]))


def _combine_band(band: _Band, settings: dict[str, Any], rounding: float) -> tuple[Cube, Cube | None, NDArray[np.int_]]:
    """Return the combination, its variance if the noise is known, and how many values were kept."""
    number = len(band.images)
    combined, doubtful = _average_quiet(band, settings)
    kept_number = np.full(combined.shape, number)
    pixels: tuple[Any, ...] = (slice(None),) if doubtful.all() else np.nonzero(doubtful)
    some, careful = None, doubtful.any()
    if careful:
        some = band.cut(pixels)
        stack = np.stack(some.images).astype(np.float64)
        stack[~np.isfinite(stack)] = np.nan
        alike = stack if some.surfaces is None else stack / np.stack(some.surfaces)
        kept = ~find_rejected(alike, settings, None if some.noises is None else some.expect_noise, rounding)
        combined[pixels], kept_number[pixels] = average_kept(stack, ~kept, settings["method"]), kept.sum(axis=0)
    if band.noises is None:
        return combined, None, kept_number
    around = average_around(combined)
    if some is None or not doubtful.all():
        variance = _find_variance(combined, around, band.noises, None, np.zeros(()), settings)
    else:
        variance = np.empty_like(combined)
    if some is not None and some.noises is not None:
        steps = _find_steps(stack, some.noises) if settings["method"] == "median" else np.zeros(())
        heard = (np.isfinite(stack), kept)
        variance[pixels] = _find_variance(combined[pixels], around[pixels], some.noises, heard, steps, settings)
    return combined, variance, kept_number


def _average_quiet(band: _Band, settings: dict[str, Any]) -> tuple[Cube, NDArray[np.bool_]]:
    """Return the mean of a band, and where it is not the combination for certain, as something may be rejected.

    No clip rejects a value that lies within the limit from any place where the median can be: it is within one
    standard deviation of the values from their mean (Mallows 1991, The American Statistician 45, 257).
    """
    first, number = band.images[0], len(band.images)
    if (
        settings["method"] != "mean"
        or settings["reject"] == "minmax"
        or (settings["reject"] == "sigma" and not band.noises)
    ):
        return np.zeros(first.shape), np.ones(first.shape, bool)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.zeros(first.shape, np.float32)
        for image in band.images[1:]:
            total += image - first
        combined = first + total.astype(np.float64) / number
        if settings["reject"] != "sigma" or band.noises is None:
            return combined, ~np.isfinite(combined)
        alike = (
            band.images if band.surfaces is None else [i / s for i, s in zip(band.images, band.surfaces, strict=True)]
        )
        low, high = np.zeros(first.shape, np.float32), np.zeros(first.shape, np.float32)
        squares, total = np.zeros(first.shape, np.float32), np.zeros(first.shape, np.float32)
        for image in alike[1:]:
            apart = np.asarray(image - alike[0], np.float32)
            total += apart
            squares += apart * apart
            np.minimum(low, apart, out=low)
            np.maximum(high, apart, out=high)
        middle = total / number
        spread = np.sqrt(np.maximum(squares / number - middle * middle, 0))
        faintest = alike[0] + low
        noise = np.sqrt(np.min([noise.variance(faintest) for noise in _list_unlike(band.noises)], axis=0))
        limit = settings["sigma"] * noise * CERTAIN - spread
        return combined, ~((high - middle <= limit) & (middle - low <= limit) & np.isfinite(combined))


def _list_unlike(noises: Sequence[FrameNoise]) -> list[FrameNoise]:
    """Return the noises that differ from each other, for all of those without a dark."""
    plain = {(n.read_variance, n.gain, n.scale, n.level): n for n in noises if n.dark is None}
    return [*plain.values(), *(noise for noise in noises if noise.dark is not None)]


def _find_variance(
    combined: Cube,
    around: Image,
    noises: Sequence[FrameNoise],
    heard: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None,
    steps: Cube,
    settings: dict[str, Any],
) -> Cube:
    """Return the variance of a combination; NaN where no value was kept.

    Parameters
    ----------
    combined, around : arrays of one shape
        What came out, and the means of its neighbourhoods.
    heard : arrays of bool, shape (images, ...), or None
        Which values there were, and which took part; None for all.
    steps : array
        See `_find_steps`.
    """
    number = len(noises)
    if heard is None:
        count = finite_count = heard_count = np.full(combined.shape, number)
        weights: Any = [1] * number
    else:
        finite, kept = heard
        count, finite_count = kept.sum(axis=0), finite.sum(axis=0)
        # a clip drops hits wherever they are, minmax the noisy frames rather than the others: there all have a say
        weights = finite if settings["reject"] == "minmax" else kept
        heard_count = np.maximum(weights.sum(axis=0), 1)

    def average_variance(signal: Image) -> Cube:
        if heard is None and len(_list_unlike(noises)) == 1:
            return np.asarray(noises[0].variance(signal), np.float64)
        total = np.zeros(combined.shape)
        for noise, weight in zip(noises, weights, strict=True):
            total += noise.variance(signal) * weight
        return total / heard_count

    signal = choose_signal(combined, around, average_variance(around) / heard_count)
    variance = np.maximum(average_variance(signal) - ROUNDING_VARIANCE * steps**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = variance / count * _look_up(lambda n: find_plain_efficiency(n, settings["method"]), count)
        result *= _look_up(lambda n: measure_rejection(n, settings)[1], finite_count)
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
    deviations = np.sqrt(np.stack([noise.variance(signals[None, :])[0] for noise in even]))
    if not deviations.all():
        return None
    middle = len(signals) // 2
    order = np.lexsort((deviations[:, middle], levels))  # whatever that of the frames is
    even, deviations, levels = [even[number] for number in order], deviations[order], levels[order]
    apart = (levels.max() - levels.min()) * np.abs(signals) / deviations.min(axis=0)
    if (deviations.max(axis=0) < (1 + UNLIKE) * deviations.min(axis=0)).all() and (apart < UNLIKE).all():
        return None
    allow = _Band([], even, None).expect_noise
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
