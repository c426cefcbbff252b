"""Stacks: the frames of a master, each freed of what the master shall not hold, and how noisy each then is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.typing import NDArray

from darkroom.calibrate import FULL_SCALE, find_slope, judge_flat, measure_level, remove_pedestal
from darkroom.detector import Detector
from darkroom.illumination import Illumination, measure_illumination
from darkroom.masters import Master, MasterShelf
from darkroom.noise import ROUNDING_VARIANCE, FrameNoise, find_read_variance
from darkroom.overscan import subtract_overscan, trim_frame
from darkroom.products import read_raw
from darkroom.read_out import measure_read_out
from darkroom.uncertainty import add_pedestal_noise

# How far the levels of faint and bright flats must differ to tell how linear a pixel is.
LEVELS_APART = 1.5

Image = NDArray[np.floating[Any]]


@dataclass
class Stack:
    """The frames that a master is combined of.

    ``images`` in ADU times ``scales``, arrays of shape (rows, columns); ``levels`` of flats in ADU; ``saturated`` how
    many frames were full at each pixel; ``frames`` the recipe's entries of those that were kept, and ``left_out`` why
    the others were not. ``bias`` and ``darks``, with the factors they had, are what was taken off them.
    """

    images: list[Image] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=list)
    headers: list[fits.Header] = field(default_factory=list)
    noises: list[FrameNoise] | None = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    bias: Master | None = None
    bias_factor: float = 1.0
    darks: list[tuple[Master, float]] = field(default_factory=list)
    saturated: NDArray[np.uint16] | None = None

    @cached_property
    def illumination(self) -> list[Illumination] | None:
        """How flats were lit, as they are combined; None for all else."""
        if not self.levels:
            return None
        scaled = np.array(self.levels) * self.scales
        return measure_illumination(self.images, list(scaled / np.median(scaled)))

    def add_pedestal_noise(
        self, variance: Image, shares: NDArray[np.float64], rows: slice | NDArray[np.int_] = slice(None)
    ) -> Image:
        """Return the variance of a sum of frames, each times its share, with that of their bias and darks."""
        scales = shares * self.scales
        darks: dict[int, tuple[Master, float]] = {}
        for (dark, factor), scale in zip(self.darks, scales, strict=bool(self.darks)):
            _, before = darks.get(id(dark), (dark, 0.0))
            darks[id(dark)] = dark, before + factor * float(scale)
        return add_pedestal_noise(variance, self.bias, darks.values(), self.bias_factor * float(scales.sum()), rows)

    @property
    def mostly_saturated(self) -> NDArray[np.bool_]:
        """Where at least half of the frames were full, so that the master tells nothing."""
        assert self.saturated is not None, "a stack has frames"
        return 2 * self.saturated >= len(self.images)


def prepare_stack(recipe: dict[str, Any], raw_paths: Sequence[str], shelf: MasterShelf, detector: Detector) -> Stack:
    """Read the raw frames of a master and take off them what its recipe says.

    Biases are as they are, less their overscan; darks less their bias, per second where the master is a rate; flats
    less bias and dark, each divided by its level. Flats that are too faint or saturated are left out.

    Raises
    ------
    JobProblem
        If a frame or a master cannot be read.
    """
    settings = recipe["settings"]
    bias = shelf.read(recipe["bias"])
    stack = Stack(bias=bias, bias_factor=find_slope(settings.get("linearity")))
    if not _is_noise_known(recipe["kind"], detector):
        stack.noises = None
    signals: dict[tuple[int, float], Image] = {}  # of darks, one for all frames that had it
    for frame, path in zip(recipe["frames"], raw_paths, strict=True):
        raw = read_raw(path, frame["digest"])
        dark, factor = _find_dark(frame, shelf)
        image = _calibrate(raw, recipe, bias, dark, factor)
        scale = 1.0
        if recipe["kind"] == "flat":
            if reason := judge_flat(raw.data, image, settings, recipe["saturation"]):
                stack.left_out.append(f"{frame['name']}: {reason}")
                continue
            level = measure_level(image, "mean" if settings["scale"] == "mean" else "median")
            stack.levels.append(level)
            scale = 1.0 if settings["scale"] == "none" else 1 / level
        elif recipe["kind"] == "dark" and recipe["per_second"]:
            scale = 1 / frame["exposure"]
        stack.images.append(image * np.float32(scale))
        stack.scales.append(scale)
        stack.frames.append(frame)
        stack.headers.append(raw.header)
        if dark is not None:
            stack.darks.append((dark, factor))
            if (id(dark), factor) not in signals:
                signals[id(dark), factor] = (
                    dark.uneven_signal if dark.holds_bias else dark.image.data * np.float32(factor)
                )
        _count_saturated(stack, raw, recipe)
        if stack.noises is not None:
            noise = _describe_noise(image, scale, recipe, detector)
            if dark is not None:
                variance = (dark.holds_bias and dark.frame_variance) or noise.read_variance
                noise = replace(noise, read_variance=variance, dark=signals[id(dark), factor])
            stack.noises.append(noise)
    if stack.noises and recipe["holds_bias"]:
        _measure_whole_darks(stack)
    return stack


def _measure_whole_darks(stack: Stack) -> None:
    """Replace the noise of darks that hold their bias by that of pairs: their even dark current cannot be told."""
    measured = measure_read_out(stack.images)
    if measured and stack.noises:
        variance = measured.find_noise().value ** 2 + ROUNDING_VARIANCE
        stack.noises = [replace(noise, read_variance=variance) for noise in stack.noises]


def split_by_level(stack: Stack) -> tuple[Image, Image] | tuple[None, None]:
    """Return the means of the fainter and of the brighter half of flat frames, if their levels tell them apart.

    Their ratio is one where a pixel is linear.
    """
    faint, bright = np.array_split(np.argsort(stack.levels), 2)
    if not bright.size or np.mean(np.take(stack.levels, bright)) < LEVELS_APART * np.mean(np.take(stack.levels, faint)):
        return None, None
    return _average(stack, faint), _average(stack, bright)


def _average(stack: Stack, chosen: NDArray[np.intp]) -> Image:
    """Return the mean of some flats, each divided by its level."""
    total = np.zeros_like(stack.images[0])
    for number in chosen:
        total += stack.images[number] / np.float32(stack.levels[number] * stack.scales[number])
    return total / np.float32(len(chosen))


def _is_noise_known(kind: str, detector: Detector) -> bool:
    return detector.read_noise is not None if kind == "bias" else detector.is_known


def _describe_noise(image: Image, scale: float, recipe: dict[str, Any], detector: Detector) -> FrameNoise:
    """Return the noise of a frame from which no dark was taken."""
    assert detector.read_noise is not None, "the noise is known"
    read_variance = find_read_variance(detector.read_noise, recipe["settings"]["overscan"], image.shape)
    read_variance *= find_slope(recipe["settings"].get("linearity")) ** 2
    if recipe["kind"] == "bias":
        return FrameNoise(read_variance, gain=np.inf)  # it holds no electrons
    assert detector.gain is not None, "the noise is known"
    level = measure_level(image, "median") if recipe["holds_bias"] else 0.0
    return FrameNoise(read_variance, detector.gain, scale, level)


def _find_dark(frame: dict[str, Any], shelf: MasterShelf) -> tuple[Master | None, float]:
    used = frame.get("dark")
    return (shelf.read(used), used["scale"]) if used else (None, 1.0)


def _calibrate(raw: CCDData, recipe: dict[str, Any], bias: Master | None, dark: Master | None, factor: float) -> Image:
    settings = recipe["settings"]
    return remove_pedestal(
        subtract_overscan(raw, settings["overscan"]),
        bias.image if bias else None,
        dark.image if dark else None,
        factor,
        settings.get("linearity"),
    ).data


def _count_saturated(stack: Stack, raw: CCDData, recipe: dict[str, Any]) -> None:
    full = trim_frame(raw, recipe["settings"]["overscan"]).data >= (recipe["saturation"] or FULL_SCALE)
    if stack.saturated is None:
        stack.saturated = np.zeros(full.shape, np.uint16)
    stack.saturated += full
