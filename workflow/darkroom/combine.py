"""Combining: many frames of one kind into one, with outliers rejected pixel by pixel, and the noise that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.combined_noise import compare_unlike, expect_noise, find_steps, find_variance, list_unlike
from darkroom.illumination import Illumination
from darkroom.noise import NEIGHBOURHOOD, ROUNDING_NOISE, FrameNoise, average_around
from darkroom.rejection import Values, average_kept, find_rejected

BAND_PIXELS = 2**16  # so that a band of one frame, and what is summed of all, stay in the cache
CERTAIN = 1 - 1e-5  # of a limit, for what float32 loses

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
    unlike = None if noises is None else compare_unlike(images, noises, levels, settings)
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

    def expect_noise(self, signal: Image) -> Values:
        """Return the standard deviation of each image where this signal is expected."""
        assert self.noises is not None, "the noise is known"
        return expect_noise(self.noises, signal)


def _combine_band(
    band: _Band, settings: dict[str, Any], rounding: float
) -> tuple[Values, Values | None, NDArray[np.int_]]:
    """Return the combination, its variance if the noise is known, and how many values were kept."""
    combined, quiet = _average_quiet(band, settings)
    number = np.full(combined.shape, len(band.images))
    if quiet.all():
        return combined, _find_quiet_variance(combined, average_around(combined), band, settings), number
    pixels: tuple[Any, ...] = np.nonzero(~quiet) if quiet.any() else (slice(None),)
    some = band.cut(pixels)
    stack = np.stack(some.images).astype(np.float64)
    stack[~np.isfinite(stack)] = np.nan
    alike = stack if some.surfaces is None else stack / np.stack(some.surfaces)
    kept = ~find_rejected(alike, settings, None if some.noises is None else some.expect_noise, rounding)
    combined[pixels], number[pixels] = average_kept(stack, ~kept, settings["method"]), kept.sum(axis=0)
    if some.noises is None:
        return combined, None, number
    around = average_around(combined)
    variance = _find_quiet_variance(combined, around, band, settings) if quiet.any() else np.empty_like(combined)
    assert variance is not None, "the noise is known"
    steps = find_steps(stack, some.noises) if settings["method"] == "median" else np.zeros(())
    heard = (np.isfinite(stack), kept)
    variance[pixels] = find_variance(combined[pixels], around[pixels], some.noises, heard, steps, settings)
    return combined, variance, number


def _find_quiet_variance(combined: Values, around: Image, band: _Band, settings: dict[str, Any]) -> Values | None:
    """Return the variance where all values were kept; None where the noise is not known."""
    if band.noises is None:
        return None
    return find_variance(combined, around, band.noises, None, np.zeros(()), settings)


def _average_quiet(band: _Band, settings: dict[str, Any]) -> tuple[Values, NDArray[np.bool_]]:
    """Return the mean of a band, and where it is the combination for certain, since nothing can be rejected there."""
    first = band.images[0]
    clipped = settings["reject"] == "sigma"
    if settings["method"] != "mean" or settings["reject"] == "minmax" or (clipped and not band.noises):
        return np.zeros(first.shape), np.zeros(first.shape, bool)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.zeros(first.shape, np.float32)
        for image in band.images[1:]:
            total += image - first
        combined = first + total.astype(np.float64) / len(band.images)
        quiet = np.isfinite(combined)
        return combined, quiet & _is_within_limits(band, settings["sigma"]) if clipped else quiet


def _is_within_limits(band: _Band, sigma: float) -> NDArray[np.bool_]:
    """Return where all values lie nearer than a clip's limit to any place where their median can be.

    It is within one standard deviation of the values from their mean (Mallows 1991, The American Statistician 45, 257).
    """
    alike = band.images
    if band.surfaces is not None:
        alike = [image / surface for image, surface in zip(alike, band.surfaces, strict=True)]
    first, number = alike[0], len(alike)
    total, squares, low, high = (np.zeros(first.shape, np.float32) for _ in range(4))
    for image in alike[1:]:
        apart = np.asarray(image - first, np.float32)
        total += apart
        squares += apart * apart
        np.minimum(low, apart, out=low)
        np.maximum(high, apart, out=high)
    middle = total / number
    spread = np.sqrt(np.maximum(squares / number - middle * middle, 0))
    assert band.noises is not None, "a limit needs the noise"
    least = np.sqrt(np.min([noise.variance(first + low) for noise in list_unlike(band.noises)], axis=0))
    limit = CERTAIN * sigma * least - spread
    return (high - middle <= limit) & (middle - low <= limit)
