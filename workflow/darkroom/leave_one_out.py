"""Leave one out: frames of a stack, each held against the combination of all the others, and against the master."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.blocks import Grid, average_blocks, fit_surface, measure_blocks, measure_spread
from darkroom.combine import combine_images
from darkroom.combined_noise import cut_noises
from darkroom.mosaics import lay_pattern, measure_pattern
from darkroom.noise import ROUNDING_NOISE
from darkroom.stacks import Stack

TRIED = 3  # frames left out, one at a time

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Trial:
    """How a frame compares with the combination of all the others.

    Attributes
    ----------
    residual, residual_error : float
        Its mean departure, in units of the residual's noise, and the error of that.
    local, local_error : float
        That of the block which departs most from the master, whatever of the rest, and its error. Of flats only the
        darker ones, about a surface of the second degree: the sky's gradient may change, and stars may be in a frame,
        but not in the master, which is why it is that and not the others, too few of which reject nothing.
    x, y : int
        Where that block is, pixels from 1.
    excess, error : float
        The residual's noise beyond what is expected, relative, and its error.
    change : float
        The rms of the blocks' departures, relative to the combination.
    """

    name: str
    residual: float
    residual_error: float
    local: float
    local_error: float
    x: int
    y: int
    excess: float
    error: float
    change: float


def try_frames(
    stack: Stack,
    samples: Sequence[Image],
    recipe: dict[str, Any],
    master: Image,
    grid: Grid,
    usable: NDArray[np.bool_],
) -> list[Trial]:
    """Return the trials of up to three frames: the first, the middle and the last.

    Parameters
    ----------
    stack, recipe
        The prepared frames, in order of time, and the recipe of their master.
    samples : sequence of arrays, shape (rows of the grid, columns)
        The frames, on the sample on which they are compared.
    master : array, shape (rows of the grid, columns)
        The combination of them all; a flat's level is of no account.
    grid : Grid
        Where the sample lies.
    usable : array of bool, shape (rows of the grid, columns)
        Which pixels count.
    """
    count = len(samples)
    if count < 2:
        return []
    noises = None if stack.noises is None else cut_noises(stack.noises, grid.rows)
    flat = recipe["kind"] == "flat"
    illumination = stack.illumination and [replace(one, rows=grid.rows) for one in stack.illumination]
    trials = []
    for number in sorted({round(place) for place in np.linspace(0, count - 1, min(count, TRIED))}):
        others = [other for other in range(count) if other != number]
        combined = combine_images(
            [samples[other] for other in others],
            recipe["settings"]["combine"],
            None if noises is None else [noises[other] for other in others],
            [stack.scales[other] for other in others],
            illumination and [illumination[other] for other in others],
        )
        image, scale = samples[number], stack.scales[number]
        expected, variance, whole, ratio = combined.data, combined.variance, master, 1.0
        if flat:
            whole = master * np.float32(_find_ratio(image, master, usable))
        if flat and recipe["settings"]["scale"] == "none":  # they are alike but for their level
            ratio = _find_ratio(image, expected, usable)
            expected = expected * np.float32(ratio)
        if stack.mosaic:  # its planes have their own levels in the master, and so has the light of each frame
            expected = expected * _find_pattern(image, expected, usable, grid)
            whole = master * _find_pattern(image, master, usable, grid)
        deviation = np.full(image.shape, ROUNDING_NOISE * scale, np.float32)
        if noises is not None and variance is not None:
            # what the frame and the others have of their bias and darks, and not alike
            shares = np.insert(-ratio * combined.shares, number, 1.0)
            variance = noises[number].variance(expected) + variance * np.float32(ratio**2)
            deviation = np.sqrt(stack.add_pedestal_noise(variance, shares, grid.rows))
        trial = _compare(
            image, expected, whole, deviation, ROUNDING_NOISE * scale, grid, usable, flat, bool(stack.mosaic)
        )
        if trial is not None:
            local = trial.local * count / len(others)  # for what the frame itself did to the master
            trial = replace(trial, name=str(stack.frames[number]["name"]), local=local)
            trials.append(trial if noises else replace(trial, excess=float("nan"), error=float("nan")))
    return trials


def measure_departures(
    samples: Sequence[Image], scales: Sequence[float], master: Image, usable: NDArray[np.bool_]
) -> list[float]:
    """Return by how many times its noise each frame's level lies from the master, of frames that are not normalised.

    A frame less the mean of all is (N - 1) / N of what it is less the mean of the others, and so is its noise.
    """
    departures = []
    good = usable[:, ::5]  # an odd step meets every colour of a mosaic
    for sample, scale in zip(samples, scales, strict=True):
        apart = (sample[:, ::5] - master[:, ::5])[good]
        apart = apart[np.isfinite(apart)]
        if apart.size:
            departures.append(abs(float(np.median(apart))) / max(measure_spread(apart), ROUNDING_NOISE * scale))
        else:
            departures.append(float("nan"))
    return departures


def _compare(
    image: Image,
    expected: Image,
    master: Image,
    deviation: Image,
    rounding: float,
    grid: Grid,
    usable: NDArray[np.bool_],
    flat: bool,
    mosaic: bool,
) -> Trial | None:
    """Compare a frame with what the others make ``expected``, by this ``deviation``; None where no block can tell."""
    usable = usable & np.isfinite(image) & np.isfinite(expected) & np.isfinite(master) & (deviation > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        blocks = measure_blocks(grid, (image - expected) / deviation, usable, 1.0)
        local = measure_blocks(grid, (image - master) / deviation, usable, 1.0).level
        relative = blocks.level * average_blocks(grid, deviation, usable) / average_blocks(grid, expected, usable)
        if mosaic:  # whose colours are not of one noise
            relative = blocks.level / average_blocks(grid, expected / deviation, usable)
    measured, error = blocks.find_noise()
    if not np.isfinite(measured):
        return None
    # frames that agree to the last digit still have their rounding
    spread = max(measured, rounding / float(np.median(deviation[usable])))
    away = fit_surface(grid, local, 2)[1] - local if flat else np.abs(local - np.nanmedian(local))
    worst = int(np.nanargmax(away)) if np.isfinite(away).any() else 0
    return Trial(
        name="",
        residual=abs(float(np.nanmedian(blocks.level))) / spread,
        residual_error=float(np.sqrt(np.pi / 2 / blocks.freedom.sum())),  # of a median of block means
        local=float(away[worst]) / spread,
        local_error=1 / float(np.sqrt(max(blocks.freedom[worst], 1))),
        x=round(grid.x[worst]) + 1,
        y=round(grid.y[worst]) + 1,
        excess=measured - 1,
        error=error,
        change=measure_spread(relative),
    )


def _find_pattern(image: Image, other: Image, usable: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    """Return by which factor each colour of an image is brighter than in another, laid over it."""
    good = usable & np.isfinite(image) & (other > 0)
    ratio = np.divide(image, other, out=np.ones(image.shape, np.float32), where=good)
    return lay_pattern(measure_pattern(ratio, good, grid.rows), grid.rows, image.shape[1])


def _find_ratio(image: Image, other: Image, usable: NDArray[np.bool_]) -> float:
    """Return by which factor an image is brighter than another, one if that cannot be told."""
    good = usable & np.isfinite(image) & (other > 0)
    return float(np.median(image[good] / other[good])) if good.any() else 1.0
