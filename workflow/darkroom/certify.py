"""Certification: a master held against frames that did not make it, and against what a master of its kind should be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from darkroom.blocks import Grid, average_blocks, fit_surface, lay_grid, measure_blocks, measure_spread
from darkroom.leave_one_out import Trial, measure_departures, try_frames
from darkroom.masters import Master
from darkroom.quality import Bit
from darkroom.stacks import Stack

SURE = 3.0  # standard errors by which a figure must lie above its limit
SURE_OF_BLOCK = 5.0  # the same for the worst of many blocks
TOO_QUIET = -0.8  # of the expected noise; a gain would have to be wrong by a factor of 25
LINES = 33  # rows or columns that tell what one in their middle should be
FLOOR = 1e-6  # of a ratio of flats, far below what can be measured

Image = NDArray[np.floating[Any]]
Figures = dict[str, Any]
Limits = dict[str, Any]


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
    grid = lay_grid(master.image.data.shape)
    usable = master.mask[grid.rows] == 0
    trials = try_frames(stack, recipe, master.image.data, grid, usable)
    figures, failures = _judge_trials(trials, limits)
    judgements = []
    if recipe["kind"] == "flat":
        judgements.append(_judge_steadiness(trials, limits))
        judgements.append(_judge_flat(stack, grid, usable, master, limits))
        judgements.append(_judge_change(grid, master, previous, limits))
    else:
        if trials and not any("from the master" in line for line in failures):
            judgements.append(_judge_levels(stack, master, grid, usable, limits))
        bias = recipe["kind"] == "bias"
        judgements.append(_judge_bias(stack, master, limits) if bias else _judge_dark(stack, recipe, master, limits))
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
    odd = max(trials, key=lambda trial: _rank(trial.local))
    figures |= {"residual": far.residual, "local_residual": odd.local}
    if _exceeds(far.residual - SURE * far.residual_error, limit):
        lies = f"{far.name} lies {far.residual:.2f} times its noise"
        failures.append(f"{lies} from the master of the others ({_limit(limits, 'residual')})")
    if _exceeds(odd.local - SURE_OF_BLOCK * odd.local_error, limit):
        differs = f"{odd.name} differs from the others by {odd.local:.2f} times its noise"
        failures.append(f"{differs} around x = {odd.x}, y = {odd.y} ({_limit(limits, 'residual')})")
    loud = max(trials, key=lambda trial: _rank(trial.excess))
    figures |= {"noise_excess": loud.excess, "noise_excess_error": loud.error}
    limit = limits.get("noise_excess")
    if _exceeds(loud.excess - SURE * loud.error, limit):
        above = "above what read-out and photons explain"
        failures.append(f"{loud.name}: noise {_percent(loud.excess)} {above} ({_limit(limits, 'noise_excess')})")
    quiet = min(trials, key=lambda trial: trial.excess if math.isfinite(trial.excess) else math.inf)
    if quiet.excess + SURE * quiet.error < TOO_QUIET:
        below = "below what read-out and photons explain: saturated, clipped, or its gain is not as told"
        failures.append(f"{quiet.name}: noise {_percent(-quiet.excess)} {below}")
    return figures, failures


def _judge_levels(
    stack: Stack, master: Master, grid: Grid, usable: NDArray[np.bool_], limits: Limits
) -> tuple[Figures, list[str]]:
    """Judge the level of every frame, those that were not left out as well."""
    departures = measure_departures(stack, master.image.data, grid, usable)
    worst = max(range(len(departures)), key=lambda number: _rank(departures[number]))
    name, departure, limit = stack.frames[worst]["name"], departures[worst], limits.get("residual")
    line = f"{name} lies {departure:.2f} times its noise from the master ({_limit(limits, 'residual')})"
    return {"departure": departure}, [line] if _exceeds(departure, limit) else []


def _judge_bias(stack: Stack, master: Master, limits: Limits) -> tuple[Figures, list[str]]:
    image = np.where(master.mask == 0, master.image.data, np.nan).astype(np.float64)
    structure = _measure_structure(image)
    noise = math.sqrt(stack.noises[0].read_variance) if stack.noises else _measure_frame_noise(stack)
    relative, limit = structure / noise if noise > 0 else math.nan, limits.get("bias_structure")
    line = (
        f"columns and rows vary by {structure:.1f} ADU, {relative:.1f} read noises ({_limit(limits, 'bias_structure')})"
    )
    level = float(np.nanmedian(image)) if np.isfinite(image).any() else math.nan
    figures = {"level": level, "structure": structure, "structure_read_noises": relative}
    return figures, [line] if _exceeds(relative, limit) else []


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
        "hot_fraction": float(np.mean((master.mask & Bit.HOT) > 0)),
    }
    return figures, [line] if _exceeds(departure, limit) else []


def _judge_flat(
    stack: Stack, grid: Grid, usable: NDArray[np.bool_], master: Master, limits: Limits
) -> tuple[Figures, list[str]]:
    """Judge level and gradient: from end to end of the plane that fits best, relative to its middle."""
    sample = master.image.data[grid.rows]
    blocks = average_blocks(grid, sample, usable & np.isfinite(sample))
    (middle, along, up), _ = fit_surface(grid, blocks, 1)
    gradient = 2 * (abs(along) + abs(up)) / middle if middle > 0 else math.nan
    limit = limits.get("flat_gradient")
    line = f"a gradient of {_percent(gradient)} from end to end of the field ({_limit(limits, 'flat_gradient')})"
    return {"level": _measure_flat_level(stack), "gradient": gradient}, [line] if _exceeds(gradient, limit) else []


def _judge_steadiness(trials: list[Trial], limits: Limits) -> tuple[Figures, list[str]]:
    """Judge how much the illumination changed from frame to frame, by the same limit as from night to night."""
    if not trials:
        return {"illumination_change": None}, []
    worst, limit = max(trials, key=lambda trial: _rank(trial.change)), limits.get("flat_change")
    differs = f"the illumination of {worst.name} differs from the others' by {_percent(worst.change)} rms"
    line = f"{differs} ({_limit(limits, 'flat_change')})"
    return {"illumination_change": worst.change}, [line] if _exceeds(worst.change, limit) else []


def _judge_change(grid: Grid, master: Master, previous: Master | None, limits: Limits) -> tuple[Figures, list[str]]:
    """Judge the ratio to the previous flat: the rms of its blocks, and that of its pixels beyond the noise."""
    if previous is None or previous.image.data.shape != master.image.data.shape:
        return {"change": None, "pixel_change": None}, []
    new, old = (flat.image.data[grid.rows] for flat in (master, previous))
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
    line = f"changed by {_percent(change)} rms since the previous flat ({_limit(limits, 'flat_change')})"
    return {"change": change, "pixel_change": pixels}, [line] if _exceeds(change, limit) else []


def _measure_structure(image: Image) -> float:
    """Return the robust rms of the means of columns and of rows, less what their noise makes of it, in ADU.

    About a running median: a step from one amplifier to the next, a slope, a glow are taken off with the bias as well
    as any level; lines that stand out are what interference and bad read-outs leave.
    """
    if not np.isfinite(image).any():
        return math.nan
    kept = np.isfinite(image)
    filled = np.where(kept, image - np.nanmean(image), 0)
    columns, rows = (filled.sum(axis=axis) / np.maximum(kept.sum(axis=axis), 1) for axis in (0, 1))
    sparse = slice(None, None, max(1, image.shape[0] // 256))
    pixel = measure_spread((image[sparse] - columns - rows[sparse, None]).ravel())
    noise = pixel**2 * (1 / image.shape[0] + 1 / image.shape[1])
    lines = [profile - median_filter(profile, min(LINES, profile.size), mode="nearest") for profile in (columns, rows)]
    spread = sum(measure_spread(line) ** 2 for line in lines)
    return math.sqrt(max(spread - noise, 0))


def _measure_frame_noise(stack: Stack) -> float:
    """Return the noise of a frame from the difference of the first two; NaN of one."""
    if len(stack.images) < 2:
        return math.nan
    return measure_spread((stack.images[0] - stack.images[1])[::3, ::3].astype(np.float64).ravel()) / math.sqrt(2)


def _measure_rate(stack: Stack, recipe: dict[str, Any], master: Master) -> float:
    """Return the median dark current in ADU/s; NaN where the bias is still in."""
    good = master.image.data[(master.mask == 0) & np.isfinite(master.image.data)]
    exposures = [frame["exposure"] for frame in stack.frames if frame.get("exposure")]
    if recipe["holds_bias"] or not good.size or not (exposures or recipe["per_second"]):
        return math.nan
    return float(np.median(good)) / (1 if recipe["per_second"] else float(np.mean(exposures)))


def _measure_flat_level(stack: Stack) -> float:
    """Return the median level of flat frames in ADU, whether or not they were divided by it."""
    levels = [np.median(image[::5, ::5][np.isfinite(image[::5, ::5])]) / scale for image, scale in _pair(stack)]
    return float(np.median(levels)) if levels else math.nan


def _pair(stack: Stack) -> Iterable[tuple[Image, float]]:
    return zip(stack.images, stack.scales, strict=True)


def _exceeds(value: float, limit: float | None) -> bool:
    return limit is not None and math.isfinite(value) and value > limit


def _rank(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _limit(limits: Limits, key: str) -> str:
    """Return a limit as the key of config.yaml that sets it."""
    limit = limits.get(key)
    return f"certification.{key}: {'none' if limit is None else f'{limit:g}'}"


def _percent(limit: float | None) -> str:
    return "none" if limit is None else f"{100 * limit:.3g} %"


def _tidy(value: Any) -> Any:
    """Return a figure with four digits, None for what is no number."""
    if value is None or isinstance(value, bool | int):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None
