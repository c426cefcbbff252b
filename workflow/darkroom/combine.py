"""Combining: many frames of one kind into one, with outliers rejected pixel by pixel, and the noise that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.combined_noise import (
    compare_unlike,
    cut_noises,
    expect_noise,
    find_least_variance,
    find_steps,
    find_variance,
)
from darkroom.illumination import Illumination
from darkroom.medians import take_median
from darkroom.noise import NEIGHBOURHOOD, ROUNDING_NOISE, FrameNoise, average_around
from darkroom.prepared_images import AnyImage
from darkroom.rejection import Values, average_kept, find_rejected

BAND_PIXELS = 2**16  # so that a band of one frame, and what is summed of all, stay in the cache
ALL_PIXELS = 2**22  # of the bands of all frames, so that many frames take no more memory than some
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
    count : array of int
        How many values were kept.
    shares : array, shape (images,)
        By how much the combination follows each image, where nothing is rejected; their sum is one.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    count: NDArray[np.unsignedinteger[Any]]
    shares: NDArray[np.float64]


def combine_images(
    images: Sequence[AnyImage],
    settings: dict[str, Any],
    noises: Sequence[FrameNoise] | None = None,
    quanta: Sequence[float] | None = None,
    illumination: Sequence[Illumination] | None = None,
    threads: int = 1,
) -> Combined:
    """Combine images of one shape by mean or median after rejection.

    The memory that it takes depends on a band of rows of each image and on the result, not on the whole of them.

    Parameters
    ----------
    images : sequence of arrays or PreparedImage, shape (rows, columns)
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
    threads : int
        Bands that are worked on at once; they make no difference to the result.
    """
    levels = np.array([one.level for one in illumination] if illumination else np.ones(len(images)))
    rounding = ROUNDING_NOISE * float(np.median(quanta if quanta is not None else 1.0))
    rows, columns = images[0].shape
    data = np.empty((rows, columns), np.float32)
    variance = None if noises is None else np.empty_like(data)
    count = np.empty(data.shape, np.min_scalar_type(len(images)))
    margin = 0 if noises is None else NEIGHBOURHOOD // 2
    unlike = None if noises is None else compare_unlike(images, noises, levels, settings)
    step = max(1, min(BAND_PIXELS // columns, max(ALL_PIXELS // len(images) // columns, 4 * margin)))

    def combine_rows(start: int) -> None:
        # where the noise is known, with the rows around that tell what signal to expect
        band = slice(max(start - margin, 0), start + step + margin)
        inner = slice(start - band.start, start - band.start + step)
        own = slice(start, start + step)
        frames = _Band(
            [_as_float(image[band]) for image in images],
            None if noises is None else cut_noises(noises, band),
            None if illumination is None else [partial(one.cut, band) for one in illumination],
        )
        combined, spread, kept = _combine_band(frames, settings, rounding)
        data[own], count[own] = combined[inner], kept[inner]
        if variance is not None and spread is not None:
            variance[own] = (spread if unlike is None else spread * np.interp(combined, *unlike[:2]))[inner]

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(combine_rows, range(0, rows, step)))
    return Combined(data, variance, count, np.full(len(images), 1 / len(images)) if unlike is None else unlike[2])


def _as_float(image: NDArray[Any]) -> Image:
    """Return whole numbers as floating point ones, in which differences do not wrap."""
    return image if image.dtype.kind == "f" else image.astype(np.float32 if image.dtype.itemsize < 4 else np.float64)


@dataclass(frozen=True, eq=False)
class _Band:
    """A band of rows of the images that are combined, or some of its pixels, with their noise.

    ``surfaces`` give the illumination of each when they are called: all at once would take as much as the images.
    """

    images: list[Image]
    noises: list[FrameNoise] | None
    surfaces: list[Callable[[], Image]] | None

    def cut(self, pixels: tuple[Any, ...]) -> _Band:
        """Return these pixels alone."""
        return _Band(
            [image[pixels] for image in self.images],
            None if self.noises is None else cut_noises(self.noises, pixels),
            None if self.surfaces is None else [partial(_take, surface, pixels) for surface in self.surfaces],
        )

    def list_alike(self) -> Iterator[Image]:
        """Yield each image as it would be had it been lit like the others."""
        for number, image in enumerate(self.images):
            yield image if self.surfaces is None else image / self.surfaces[number]()

    def expect_noise(self, signal: Image) -> Values:
        """Return the standard deviation of each image where this signal is expected."""
        assert self.noises is not None, "the noise is known"
        return expect_noise(self.noises, signal)


def _take(surface: Callable[[], Image], pixels: tuple[Any, ...]) -> Image:
    return surface()[pixels]


def _combine_band(
    band: _Band, settings: dict[str, Any], rounding: float
) -> tuple[Image, Image | None, NDArray[np.int_]]:
    """Return the combination, its variance if the noise is known, and how many values were kept."""
    combined, quiet = _combine_quiet(band, settings)
    number = np.full(combined.shape, len(band.images))
    doubtful: tuple[Any, ...] = np.nonzero(~quiet) if quiet.any() else (slice(None),)
    rest = None if quiet.all() else _combine_carefully(band.cut(doubtful), settings, rounding)
    if rest is not None:
        combined[doubtful], number[doubtful] = rest.combined, np.count_nonzero(rest.kept, axis=0)
    if band.noises is None:
        return combined, None, number
    around = average_around(combined)
    variance = np.empty_like(combined)
    if quiet.any():
        steps = _find_steps(band.images, band.noises, settings)
        variance = find_variance(combined, around, band.noises, None, steps, settings)
    if rest is not None:
        noises, heard = cut_noises(band.noises, doubtful), (np.isfinite(rest.stack), rest.kept)
        steps = _find_steps(rest.stack, noises, settings)
        variance[doubtful] = find_variance(combined[doubtful], around[doubtful], noises, heard, steps, settings)
    return combined, variance, number


@dataclass(frozen=True, eq=False)
class _Rest:
    """Pixels that were combined carefully: their values (images, ...), which of them were kept, what came out."""

    stack: Values
    kept: NDArray[np.bool_]
    combined: Values


def _combine_carefully(band: _Band, settings: dict[str, Any], rounding: float) -> _Rest:
    """Combine pixels of which some values may have to be rejected."""
    stack = np.stack(band.images).astype(np.float64)
    stack[~np.isfinite(stack)] = np.nan
    alike = stack
    if band.surfaces is not None:
        alike = np.stack([layer / surface() for layer, surface in zip(stack, band.surfaces, strict=True)])
    rejected = find_rejected(alike, settings, None if band.noises is None else band.expect_noise, rounding)
    return _Rest(stack, ~rejected, average_kept(stack, rejected, settings["method"]))


def _find_steps(values: Sequence[Image] | Values, noises: list[FrameNoise], settings: dict[str, Any]) -> Values:
    """Return `find_steps` of medians; means have none."""
    return find_steps(np.asarray(values), noises) if settings["method"] == "median" else np.zeros(())


def _combine_quiet(band: _Band, settings: dict[str, Any]) -> tuple[Image, NDArray[np.bool_]]:
    """Return a band combined without rejection, and where that is the combination for certain, as none can be."""
    first = band.images[0]
    clipped = settings["reject"] == "sigma"
    if settings["reject"] == "minmax" or (clipped and not band.noises):
        return np.zeros(first.shape, np.float32), np.zeros(first.shape, bool)
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.zeros(first.shape, np.float32)
        for image in band.images[1:]:
            total += image - first
        combined = first + total / np.float32(len(band.images))
        quiet = np.isfinite(combined)
        if clipped:
            quiet &= _is_within_limits(band, settings["sigma"])
        if settings["method"] == "median" and quiet.any():
            finite = [np.where(quiet, image, 0) for image in band.images]
            combined = np.asarray(take_median(finite), np.float32)
        return combined, quiet


def _is_within_limits(band: _Band, sigma: float) -> NDArray[np.bool_]:
    """Return where all values lie nearer than a clip's limit to any place where their median can be.

    It is within one standard deviation of the values from their mean (Mallows 1991, The American Statistician 45, 257).
    """
    alike, number = band.list_alike(), len(band.images)
    first = next(alike)
    total, squares, low, high = (np.zeros(first.shape, np.float32) for _ in range(4))
    for image in alike:
        apart = np.asarray(image - first, np.float32)
        total += apart
        np.minimum(low, apart, out=low)
        np.maximum(high, apart, out=high)
        apart *= apart
        squares += apart
    middle = total / np.float32(number)
    spread = np.sqrt(np.maximum(squares / np.float32(number) - middle * middle, 0))
    assert band.noises is not None, "a limit needs the noise"
    limit = np.float32(CERTAIN * sigma) * np.sqrt(find_least_variance(band.noises, first + low)) - spread
    return (high - middle <= limit) & (middle - low <= limit)
