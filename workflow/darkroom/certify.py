"""Certification: a master held against frames that did not make it, and against what a master of its kind should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.blocks import lay_grid, measure_spread
from darkroom.calibrate import measure_level
from darkroom.judge_flats import judge_change, judge_gradient, judge_steadiness
from darkroom.leave_one_out import Trial, measure_departures, try_frames
from darkroom.limits import Limits, exceeds, name_limit, rank, say_percent
from darkroom.masters import Master
from darkroom.quality import Bit
from darkroom.stacks import Stack

SURE = 3.0  # standard errors by which a figure must lie above its limit
SURE_OF_BLOCK = 5.0  # the same for the worst of many blocks
TOO_QUIET = -0.8  # of the expected noise; a gain would have to be wrong by a factor of 25
LINES = 33  # rows or columns that tell what one in their middle should be
BAND = 64  # rows that are summed at once

Image = NDArray[np.floating[Any]]
Values = NDArray[np.float64]
Figures = dict[str, Any]


def certify_stack(
    stack: Stack, recipe: dict[str, Any], master: Master, previous: Master | None, limits: Limits
) -> tuple[Figures, list[str]]:
    """Hold a master against the frames it was made of, each against the others alone, and against its limits.

    Parameters
    ----------
    stack : Stack
        The prepared frames, in order of time.
    recipe : dict
        The master's.
    master, previous : Master
        The one in question, and the flat of the night before; None for none.
    limits : dict
        ``residual``, in standard deviations of a pixel; ``noise_excess``, ``flat_gradient`` and ``flat_change``,
        relative; ``bias_structure``, in read noises; ``dark_temperature``, deg C. None, or none, for no limit.

    Returns
    -------
    figures : dict
        Ready for JSON; None where something cannot be told. ``proven`` is false if no frame could be left out.
    failures : list of str
        A line for each limit that is not held.
    """
    grid = lay_grid(master.image.shape)
    usable = master.mask[grid.rows] == 0
    samples = [image[grid.rows] for image in stack.images]
    sample = master.image[grid.rows]
    trials = try_frames(stack, samples, recipe, sample, grid, usable)
    figures, failures = _judge_trials(trials, limits)
    judgements = []
    if recipe["kind"] == "flat":
        judgements.append(judge_steadiness(trials, limits))
        judgements.append(judge_gradient(stack, samples, grid, usable, master, limits))
        judgements.append(judge_change(grid, master, previous, limits))
    else:
        if trials and not any("from the master" in line for line in failures):
            judgements.append(_judge_levels(stack, measure_departures(samples, stack.scales, sample, usable), limits))
        if recipe["kind"] == "bias":
            judgements.append(_judge_bias(stack, samples, master, limits))
        else:
            judgements.append(_judge_dark(stack, recipe, master, limits))
    for more, lines in judgements:
        figures |= more
        failures += lines
    common = {"frames": len(stack.images), "proven": bool(trials)}
    return {name: _tidy(value) for name, value in (common | figures).items()}, failures


def _judge_trials(trials: list[Trial], limits: Limits) -> tuple[Figures, list[str]]:
    """Judge what all kinds have in common: the frames' residuals, in the mean and in places, and their noise."""
    figures: Figures = dict.fromkeys(("residual", "local_residual", "noise_excess", "noise_excess_error"))
    failures: list[str] = []
    if not trials:
        return figures, failures
    limit = limits.get("residual")
    far = max(trials, key=lambda trial: trial.residual)
    odd = max(trials, key=lambda trial: rank(trial.local))
    figures |= {"residual": far.residual, "local_residual": odd.local}
    if exceeds(far.residual - SURE * far.residual_error, limit):
        lies = f"{far.name} lies {far.residual:.2f} times its noise"
        failures.append(f"{lies} from the master of the others ({name_limit(limits, 'residual')})")
    if exceeds(odd.local - SURE_OF_BLOCK * odd.local_error, limit):
        differs = f"{odd.name} differs from the others by {odd.local:.2f} times its noise"
        failures.append(f"{differs} around x = {odd.x}, y = {odd.y} ({name_limit(limits, 'residual')})")
    loud = max(trials, key=lambda trial: rank(trial.excess))
    figures |= {"noise_excess": loud.excess, "noise_excess_error": loud.error}
    limit = limits.get("noise_excess")
    if exceeds(loud.excess - SURE * loud.error, limit):
        above = "above what read-out and photons explain"
        failures.append(f"{loud.name}: noise {say_percent(loud.excess)} {above} ({name_limit(limits, 'noise_excess')})")
    quiet = min(trials, key=lambda trial: trial.excess if math.isfinite(trial.excess) else math.inf)
    if quiet.excess + SURE * quiet.error < TOO_QUIET:
        below = "below what read-out and photons explain: saturated, clipped, or its gain is not as told"
        failures.append(f"{quiet.name}: noise {say_percent(-quiet.excess)} {below}")
    return figures, failures


def _judge_levels(stack: Stack, departures: list[float], limits: Limits) -> tuple[Figures, list[str]]:
    """Judge the level of every frame, those that were not left out as well."""
    worst = max(range(len(departures)), key=lambda number: rank(departures[number]))
    name, departure, limit = stack.frames[worst]["name"], departures[worst], limits.get("residual")
    line = f"{name} lies {departure:.2f} times its noise from the master ({name_limit(limits, 'residual')})"
    return {"departure": departure}, [line] if exceeds(departure, limit) else []


def _judge_bias(stack: Stack, samples: Sequence[Image], master: Master, limits: Limits) -> tuple[Figures, list[str]]:
    image = np.where(master.mask == 0, master.image, np.float32(np.nan))
    level = measure_level(image, "median")
    structure = _measure_structure(image, level)
    noise = math.sqrt(stack.noises[0].read_variance) if stack.noises else _measure_frame_noise(samples)
    relative, limit = structure / noise if noise > 0 else math.nan, limits.get("bias_structure")
    vary = f"columns and rows vary by {structure:.1f} ADU, {relative:.1f} read noises"
    line = f"{vary} ({name_limit(limits, 'bias_structure')})"
    figures = {"level": level, "structure": structure, "structure_read_noises": relative}
    return figures, [line] if exceeds(relative, limit) else []


def _judge_dark(stack: Stack, recipe: dict[str, Any], master: Master, limits: Limits) -> tuple[Figures, list[str]]:
    frames = [frame for frame in stack.frames if frame.get("temperature") is not None]
    told = [(float(frame["temperature"]), frame["name"]) for frame in frames]
    mean = sum(temperature for temperature, _ in told) / len(told) if told else math.nan
    departure, limit, name = math.nan, limits.get("dark_temperature"), ""
    if told:
        departure, name = max((abs(temperature - mean), name) for temperature, name in told)
    off = f"{name} was {departure:.1f} deg C off the mean temperature of {mean:.1f} deg C"
    line = f"{off} (dark.temperature_tolerance: {limit})"
    figures = {
        "temperature": mean,
        "temperature_departure": departure,
        "rate": _measure_rate(stack, recipe, master),
        "hot_fraction": np.count_nonzero(master.mask & np.uint8(Bit.HOT)) / master.mask.size,
    }
    return figures, [line] if exceeds(departure, limit) else []


def _measure_structure(image: Image, level: float) -> float:
    """Return the robust rms of the means of columns and of rows, less what their noise makes of it, in ADU.

    About a running median: a step from one amplifier to the next, a slope, a glow are taken off with the bias as well
    as any level; lines that stand out are what interference and bad read-outs leave.
    """
    if not math.isfinite(level):
        return math.nan
    columns, rows = _average_lines(image, np.float32(level))
    sparse = slice(None, None, max(1, image.shape[0] // 256))
    pixel = measure_spread((image[sparse] - columns.astype(np.float32) - rows[sparse, None].astype(np.float32)).ravel())
    noise = pixel**2 * (1 / image.shape[0] + 1 / image.shape[1])
    spread = sum(measure_spread(profile - _smooth_profile(profile)) ** 2 for profile in (columns, rows))
    return math.sqrt(max(spread - noise, 0))


def _average_lines(image: Image, level: np.float32) -> tuple[Values, Values]:
    """Return the means of the columns and of the rows of an image less a level, NaN left out; zero where all is NaN."""
    total, count = np.zeros(image.shape[1]), np.zeros(image.shape[1], int)
    rows = []
    for start in range(0, len(image), BAND):
        band = image[start : start + BAND] - level
        kept = np.isfinite(band)
        band[~kept] = 0
        total += band.sum(axis=0)  # of few rows, so that float32 is enough
        count += np.count_nonzero(kept, axis=0)
        rows.append(band.sum(axis=1, dtype=np.float64) / np.maximum(np.count_nonzero(kept, axis=1), 1))
    return total / np.maximum(count, 1), np.concatenate(rows)


def _smooth_profile(profile: Values) -> Values:
    """Return the running median of a profile, which goes on beyond its ends with what it has there."""
    lines = min(LINES, profile.size)
    wide = np.pad(profile, (lines // 2, (lines - 1) // 2), mode="edge")
    return np.partition(np.lib.stride_tricks.sliding_window_view(wide, lines), lines // 2, axis=1)[:, lines // 2]


def _measure_frame_noise(samples: Sequence[Image]) -> float:
    """Return the noise of a frame from the difference of the first two; NaN of one."""
    if len(samples) < 2:
        return math.nan
    return measure_spread((samples[0] - samples[1])[:, ::3].ravel()) / math.sqrt(2)


def _measure_rate(stack: Stack, recipe: dict[str, Any], master: Master) -> float:
    """Return the median dark current in ADU/s; NaN where the bias is still in."""
    exposures = [frame["exposure"] for frame in stack.frames if frame.get("exposure")]
    if recipe["holds_bias"] or not (exposures or recipe["per_second"]):
        return math.nan
    level = measure_level(np.where(master.mask == 0, master.image, np.float32(np.nan)), "median")
    return level / (1 if recipe["per_second"] else float(np.mean(exposures)))


def _tidy(value: Any) -> Any:
    """Return a figure with four digits, None for what is no number."""
    if value is None or isinstance(value, bool | int):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None
