"""Stacks: the frames of a master, each freed of what the master shall not hold, and how noisy each then is."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.calibrate import FULL_SCALE, find_slope, judge_flat, measure_level, thin_out
from darkroom.detector import Detector
from darkroom.illumination import Illumination, measure_illumination
from darkroom.masters import Master, MasterShelf
from darkroom.mosaics import find_mosaic
from darkroom.noise import ROUNDING_VARIANCE, FrameNoise, find_read_variance
from darkroom.prepared_images import PreparedImage, prepare_image
from darkroom.raw_images import RawImage, read_planned
from darkroom.read_out import measure_read_out
from darkroom.uncertainty import add_pedestal_noise

# How far the levels of faint and bright flats must differ to tell how linear a pixel is.
LEVELS_APART = 1.5
BAND = 64  # rows that are worked on at once, for the memory

Image = NDArray[np.floating[Any]]


@dataclass
class Stack:
    """The frames that a master is combined of.

    ``images`` in ADU times ``scales``, of shape (rows, columns), prepared row by row when they are asked for;
    ``levels`` of flats in ADU; ``saturated`` how many frames were full at each pixel; ``frames`` the recipe's entries
    of those that were kept, and ``left_out`` why the others were not. ``bias`` and ``darks``, with the factors they
    had, are what was taken off them. ``mosaic`` are the colours of flats, None of a monochrome camera.
    """

    images: list[PreparedImage] = field(default_factory=list)
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
    mosaic: str | None = None

    @cached_property
    def illumination(self) -> list[Illumination] | None:
        """How flats were lit, as they are combined; None for all else."""
        if not self.levels:
            return None
        scaled = np.array(self.levels) * self.scales
        return measure_illumination(self.images, list(scaled / np.median(scaled)), self.mosaic is not None)

    def add_pedestal_noise(
        self, variance: Image, shares: NDArray[np.float64], rows: NDArray[np.int_] | None = None
    ) -> Image:
        """Add that of their bias and darks to the variance of a sum of frames, each times its share; in place."""
        scales = shares * self.scales
        darks: dict[int, tuple[Master, float]] = {}
        for (dark, factor), scale in zip(self.darks, scales, strict=bool(self.darks)):
            _, before = darks.get(id(dark), (dark, 0.0))
            darks[id(dark)] = dark, before + factor * float(scale)
        share = self.bias_factor * float(scales.sum())
        for start in range(0, len(variance), BAND):
            band = slice(start, start + BAND)
            own = band if rows is None else rows[band]
            variance[band] = add_pedestal_noise(variance[band], self.bias, darks.values(), share, own)
        return variance

    @property
    def mostly_saturated(self) -> NDArray[np.bool_]:
        """Where at least half of the frames were full, so that the master tells nothing."""
        assert self.saturated is not None, "a stack has frames"
        return 2 * self.saturated >= len(self.images)


@dataclass(frozen=True, eq=False)
class _Entry:
    """A frame of a stack as it was read: what it is, how bright, where it was full."""

    frame: dict[str, Any]
    header: fits.Header
    image: PreparedImage
    dark: tuple[Master, float] | None
    level: float
    full: NDArray[np.bool_] | None
    left_out: str


def prepare_stack(
    recipe: dict[str, Any],
    raw_paths: Sequence[str],
    shelf: MasterShelf,
    detector: Detector,
    threads: int = 1,
    find_full: bool = True,
) -> Stack:
    """Read the raw frames of a master and find out what is to be taken off them, as its recipe says.

    Biases are as they are, less their overscan; darks less their bias, per second where the master is a rate; flats
    less bias and dark, each divided by its level. Flats that are too faint or saturated are left out. Each frame is
    read whole once, to see that it is the one of the plan, and row by row when frames are combined. Saturated pixels
    are sought if ``find_full`` says so.

    Raises
    ------
    JobProblem
        If a frame or a master cannot be read.
    """
    bias = shelf.read(recipe["bias"])
    stack = Stack(bias=bias, bias_factor=find_slope(recipe["settings"].get("linearity")))
    if recipe["kind"] == "flat":
        stack.mosaic = find_mosaic(recipe)
    if not _is_noise_known(recipe["kind"], detector):
        stack.noises = None
    for frame in recipe["frames"]:
        _find_dark(frame, shelf)  # one thread reads the masters

    def read(item: tuple[dict[str, Any], str]) -> _Entry:
        frame, path = item
        raw = read_planned(path, frame)
        entry = _look_at(frame, raw, recipe, bias, _find_dark(frame, shelf), find_full, stack.mosaic)
        raw.release()
        return entry

    with ThreadPoolExecutor(threads) as pool:
        for entry in pool.map(read, zip(recipe["frames"], raw_paths, strict=True)):
            _add_frame(stack, entry, recipe, detector)
    if stack.noises and recipe["holds_bias"]:
        _measure_whole_darks(stack)
    return stack


def _look_at(
    frame: dict[str, Any],
    raw: RawImage,
    recipe: dict[str, Any],
    bias: Master | None,
    dark: tuple[Master, float] | None,
    find_full: bool,
    mosaic: str | None,
) -> _Entry:
    """Measure the level of a frame, find where it is full, and judge it if it is a flat."""
    settings = recipe["settings"]
    image = prepare_image(raw, settings["overscan"], bias.image if bias else None, linearity=settings.get("linearity"))
    if dark is not None:
        image = replace(image, dark=dark[0].image, dark_scale=dark[1])
    level, reason = 1.0, ""
    if recipe["kind"] == "flat" or (recipe["kind"] == "dark" and recipe["holds_bias"]):
        sample = thin_out(image)
        level = measure_level(sample, settings.get("scale", "median"), mosaic)
        if recipe["kind"] == "flat":
            mosaics = recipe.get("mosaic"), mosaic
            reason = judge_flat(thin_out(raw), sample, settings, recipe["saturation"], mosaics)
    full = image.read_counts(slice(None)) >= (recipe["saturation"] or FULL_SCALE) if find_full else None
    return _Entry(frame, raw.header, image, dark, level, full if np.any(full) else None, reason)


def _add_frame(stack: Stack, entry: _Entry, recipe: dict[str, Any], detector: Detector) -> None:
    """Add a frame to a stack, or why it is left out."""
    frame, scale = entry.frame, 1.0
    if entry.left_out:
        stack.left_out.append(f"{frame['name']}: {entry.left_out}")
        return
    if recipe["kind"] == "flat":
        stack.levels.append(entry.level)
        scale = 1.0 if recipe["settings"]["scale"] == "none" else 1 / entry.level
    elif recipe["kind"] == "dark" and recipe["per_second"]:
        scale = 1 / frame["exposure"]
    stack.images.append(entry.image.times(scale))
    stack.scales.append(scale)
    stack.frames.append(frame)
    stack.headers.append(entry.header)
    if entry.dark is not None:
        stack.darks.append(entry.dark)
    if stack.saturated is None:
        stack.saturated = np.zeros(entry.image.shape, np.uint16)
    if entry.full is not None:
        stack.saturated += entry.full
    if stack.noises is not None:
        stack.noises.append(_describe_noise(entry, scale, recipe, detector))


def _measure_whole_darks(stack: Stack) -> None:
    """Replace the noise of darks that hold their bias by that of pairs: their even dark current cannot be told."""
    measured = measure_read_out(image[:] for image in stack.images)
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
    total = np.zeros(stack.images[0].shape, np.float32)
    for number in chosen:
        total += stack.images[number].times(1 / (stack.levels[number] * stack.scales[number]))[:]
    total /= np.float32(len(chosen))
    return total


def _is_noise_known(kind: str, detector: Detector) -> bool:
    return detector.read_noise is not None if kind == "bias" else detector.is_known


def _describe_noise(entry: _Entry, scale: float, recipe: dict[str, Any], detector: Detector) -> FrameNoise:
    """Return the noise of a frame, with that of the dark that was taken off it."""
    assert detector.read_noise is not None, "the noise is known"
    read_variance = find_read_variance(detector.read_noise, recipe["settings"]["overscan"], entry.image.shape)
    read_variance *= find_slope(recipe["settings"].get("linearity")) ** 2
    if recipe["kind"] == "bias":
        return FrameNoise(read_variance, gain=np.inf)  # it holds no electrons
    assert detector.gain is not None, "the noise is known"
    noise = FrameNoise(read_variance, detector.gain, scale, entry.level if recipe["holds_bias"] else 0.0)
    if entry.dark is None:
        return noise
    dark, factor = entry.dark
    if dark.holds_bias:
        return replace(noise, read_variance=dark.frame_variance or read_variance, dark=dark.uneven_signal)
    return replace(noise, dark=dark.image, dark_scale=factor)


def _find_dark(frame: dict[str, Any], shelf: MasterShelf) -> tuple[Master, float] | None:
    used = frame.get("dark")
    dark = shelf.read(used)
    return (dark, used["scale"]) if used and dark else None
