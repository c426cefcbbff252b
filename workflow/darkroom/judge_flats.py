"""Judging flats: their level and gradient, how steady their light was, what changed since an earlier one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.blocks import Grid, average_blocks, fit_surface, measure_blocks, measure_spread
from darkroom.calibrate import measure_level
from darkroom.leave_one_out import Trial
from darkroom.limits import Limits, exceeds, name_limit, rank, say_percent
from darkroom.masters import Master
from darkroom.mosaics import cut_planes
from darkroom.stacks import Stack

FLOOR = 1e-6  # of a ratio of flats, far below what can be measured

Image = NDArray[np.floating[Any]]
Figures = dict[str, Any]


def judge_gradient(
    stack: Stack, samples: Sequence[Image], grid: Grid, usable: NDArray[np.bool_], master: Master, limits: Limits
) -> tuple[Figures, list[str]]:
    """Judge level and gradient: from end to end of the plane that fits best, relative to its middle.

    ``samples`` are the frames on the rows of the grid; ``usable`` says which of their pixels count.
    """
    sample = master.image[grid.rows]
    blocks = average_blocks(grid, sample, usable & np.isfinite(sample))
    (middle, along, up), _ = fit_surface(grid, blocks, 1)
    gradient = 2 * (abs(along) + abs(up)) / middle if middle > 0 else math.nan
    limit = limits.get("flat_gradient")
    line = f"a gradient of {say_percent(gradient)} from end to end of the field ({name_limit(limits, 'flat_gradient')})"
    return {"level": _measure_flat_level(stack, samples, sample, grid), "gradient": gradient}, [line] if exceeds(
        gradient, limit
    ) else []


def judge_steadiness(trials: list[Trial], limits: Limits) -> tuple[Figures, list[str]]:
    """Judge how much the illumination changed from frame to frame, by the same limit as from night to night."""
    if not trials:
        return {"illumination_change": None}, []
    worst, limit = max(trials, key=lambda trial: rank(trial.change)), limits.get("flat_change")
    differs = f"the illumination of {worst.name} differs from the others' by {say_percent(worst.change)} rms"
    line = f"{differs} ({name_limit(limits, 'flat_change')})"
    return {"illumination_change": worst.change}, [line] if exceeds(worst.change, limit) else []


def judge_change(grid: Grid, master: Master, previous: Master | None, limits: Limits) -> tuple[Figures, list[str]]:
    """Judge the ratio to the previous flat: the rms of its blocks, and that of its pixels beyond the noise."""
    if previous is None or previous.image.shape != master.image.shape:
        return {"change": None, "pixel_change": None}, []
    new, old = (flat.image[grid.rows] for flat in (master, previous))
    usable = (master.mask[grid.rows] == 0) & (previous.mask[grid.rows] == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        usable &= (new > 0) & (old > 0) & np.isfinite(new) & np.isfinite(old)
        ratio = np.where(usable, new / old, 1)
    ratio /= np.median(ratio[usable]) if usable.any() else 1
    blocks = measure_blocks(grid, ratio, usable, FLOOR)
    change, limit = measure_spread(blocks.level), limits.get("flat_change")
    pixels = math.nan
    if master.variance is not None and previous.variance is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = master.variance[grid.rows] / new**2 + previous.variance[grid.rows] / old**2
        expected = average_blocks(grid, variance, usable & np.isfinite(variance))
        beyond = blocks.deviation**2 - expected
        pixels = math.sqrt(max(float(np.nanmedian(beyond)), 0)) if np.isfinite(beyond).any() else math.nan
    line = f"changed by {say_percent(change)} rms since the previous flat ({name_limit(limits, 'flat_change')})"
    return {"change": change, "pixel_change": pixels}, [line] if exceeds(change, limit) else []


def _measure_flat_level(stack: Stack, samples: Sequence[Image], master: Image, grid: Grid) -> float:
    """Return the median level of flat frames in ADU where the master is one, whether or not they were divided by it."""

    def measure(sample: Image) -> float:
        planes = cut_planes(sample, grid.rows) if stack.mosaic else [sample]
        return float(np.mean([measure_level(plane[:, ::5], "median") for plane in planes]))

    levels = [measure(sample) / scale for sample, scale in zip(samples, stack.scales, strict=True)]
    here = measure(master)
    return float(np.median(levels)) / here if levels and here > 0 else math.nan
