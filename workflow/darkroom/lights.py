"""Lights: one raw light through every step that its recipe names, with its error bars and its quality plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.calibrate import FULL_SCALE, find_slope, subtract_pedestal
from darkroom.detector import Detector
from darkroom.light_masters import LightMasters
from darkroom.mosaics import find_step
from darkroom.noise import NEIGHBOURHOOD, estimate_signal, find_read_variance
from darkroom.prepared_images import prepare_image
from darkroom.problems import JobProblem
from darkroom.quality import Bit, find_saturated, flag, has_any
from darkroom.raw_images import RawImage
from darkroom.repair import fill_pixels, repair_columns
from darkroom.sections import parse_section
from darkroom.uncertainty import divide_variance

BAND_PIXELS = 2**16  # so that a band and what is made of it stay in the cache
MARGIN = NEIGHBOURHOOD // 2
# What says nothing of the sky; a saturated pixel does say that there is much.
DEFECT = Bit.BAD | Bit.HOT | Bit.COSMIC_RAY | Bit.LOW_FLAT | Bit.NO_DATA

Image = NDArray[np.float32]


@dataclass
class CalibratedLight:
    """A calibrated light: arrays of shape (rows, columns).

    ``data`` in electrons where ``gain`` (e-/ADU) is what it was multiplied by, in ADU where that is None; ``variance``
    in its unit squared, None where the noise is not known or not wanted; ``mask`` the bits of `darkroom.quality`;
    where nobody wants it, that of the masters alone.
    """

    data: Image
    variance: Image | None
    mask: NDArray[np.uint8]
    gain: float | None


def calibrate_light(
    raw: RawImage | Image, recipe: dict[str, Any], masters: LightMasters, detector: Detector
) -> CalibratedLight:
    """Calibrate a raw light as its recipe says.

    Overscan, trim, bias, linearity, dark, flat, electrons, cosmic rays, columns, and what is to become of masked
    pixels; in this order. A colour mosaic stays one: pixels are compared with, and filled from, those of their colour.

    Raises
    ------
    JobProblem
        If cosmic rays are sought where the noise is not known.
    """
    settings = recipe["settings"]
    image = prepare_image(raw, settings["overscan"], masters.bias, linearity=settings["linearity"])
    rows, columns = image.shape
    limit = recipe["saturation"] or FULL_SCALE
    wanted = settings["uncertainty"] or settings["cosmic_rays"]
    noise = _LightNoise(recipe, masters, detector, image.shape) if detector.is_known and wanted else None
    light = CalibratedLight(
        data=np.empty((rows, columns), np.float32),
        variance=np.empty((rows, columns), np.float32) if noise else None,
        mask=np.broadcast_to(masters.mask, (rows, columns)),
        gain=detector.gain if settings["unit"] == "electron" else None,
    )
    marked = _has_use_of_marks(settings)
    full = np.empty((rows, columns), bool) if marked else None
    step = max(1, BAND_PIXELS // columns)
    margin = MARGIN * find_step(recipe)
    for start in range(0, rows, step):
        own = slice(start, min(start + step, rows))
        # with the rows around that tell what signal to expect
        band = slice(max(start - margin, 0), own.stop + margin) if noise else own
        inner = slice(start - band.start, own.stop - band.start)
        counts = image.read_counts(band)
        if full is not None:
            np.greater_equal(counts[inner], limit, out=full[own])
        signal = image.prepare(counts, band)
        data = signal
        if masters.dark is not None:
            own_copy = signal.copy() if noise else signal  # the noise is that of what still holds the dark
            data = subtract_pedestal(own_copy, dark=masters.dark[band], scale=masters.dark_scale)
        variance = noise.find_variance(signal, data, band)[inner] if noise else None
        data = data[inner]
        if masters.flat is not None:
            data /= masters.flat[own]
            if variance is not None:
                spread = None if masters.flat_variance is None else masters.flat_variance[own]
                variance = divide_variance(variance, data, masters.flat[own], spread)
        if light.gain:
            data *= np.float32(light.gain)
        light.data[own] = data
        if light.variance is not None and variance is not None:
            light.variance[own] = variance * np.float32(light.gain**2) if light.gain else variance
    if full is not None:
        light.mask = light.mask.copy()
        flag(light.mask, ~np.isfinite(light.data), Bit.NO_DATA)
        saturated = find_saturated(full, True, settings["saturation_grow"], settings["saturation_bleed"])
        flag(light.mask, saturated, Bit.SATURATED)
        if settings["cosmic_rays"]:
            _treat_cosmic_rays(light, full, recipe)
    light.data[has_any(light.mask, Bit.LOW_FLAT | Bit.NO_DATA)] = np.nan  # a pixel that the flat cannot serve, too
    if marked:
        _repair(light, settings, find_step(recipe))
    if not settings["uncertainty"]:  # it served the search for cosmic rays
        light.variance = None
    if light.variance is not None:
        light.variance[~np.isfinite(light.data)] = np.nan
    return light


def _has_use_of_marks(settings: dict[str, Any]) -> bool:
    """Return whether it matters which pixels are full or without data: the masters tell where there is no value."""
    repaired = settings["cosmic_rays"] or settings["repair_columns"] or settings["masked"] != "keep"
    return bool(settings["mask"] or repaired)


class _LightNoise:
    """The noise of a light before its flat, in ADU."""

    def __init__(self, recipe: dict[str, Any], masters: LightMasters, detector: Detector, shape: tuple[int, int]):
        assert detector.read_noise is not None, "the detector is known"
        assert detector.gain is not None, "the detector is known"
        settings = recipe["settings"]
        slope = find_slope(settings["linearity"])
        of_pixel = slope**2 * find_read_variance(detector.read_noise, settings["overscan"], shape)
        self.read_variance = masters.frame_variance or of_pixel
        self.gain = detector.gain
        self.pedestal = masters.pedestal_variance
        self.uneven_signal = masters.uneven_signal
        self.step = find_step(recipe)

    def find_variance(self, signal: Image, data: Image, band: slice) -> Image:
        """Return the variance of a band of rows, in ADU^2.

        ``signal`` still holds its dark, whose electrons are as noisy as those of the sky. Where it holds its bias as
        well, the electrons of ``data`` count, and what a frame of the dark has by way of noise.
        """
        electrons = signal if self.uneven_signal is None else data + self.uneven_signal[band]
        variance = self._expect(estimate_signal(electrons, self._expect, self.step))
        if self.pedestal is not None:
            variance += self.pedestal[band]
        return variance

    def _expect(self, signal: NDArray[np.floating[Any]]) -> Image:
        variance = np.maximum(signal, np.float32(0))
        variance /= np.float32(self.gain)
        variance += np.float32(self.read_variance)
        return variance


def _treat_cosmic_rays(light: CalibratedLight, full: NDArray[np.bool_], recipe: dict[str, Any]) -> None:
    """Flag hits, and clean the light of them where that is wanted; known defects are no hits."""
    settings = recipe["settings"]["cosmic_rays"]
    if light.variance is None:
        name = recipe["frames"][0]["name"]
        raise JobProblem(
            f"{name}: cosmic rays need a gain and a read noise, which the frames did not tell; "
            "detector.gain and detector.read_noise in config.yaml do"
        )
    from darkroom.cosmic_rays import find_cosmic_rays, find_in_mosaic

    # the good pixels around a defect that lies too low would look like hits
    image = np.where(has_any(light.mask, DEFECT), np.float32(np.nan), light.data)
    seek = find_in_mosaic if recipe.get("mosaic") else find_cosmic_rays
    hits, cleaned = seek(image, light.variance, full, settings)
    hits &= ~has_any(light.mask, DEFECT)
    flag(light.mask, hits, Bit.COSMIC_RAY)
    if settings["action"] == "clean":
        flag(light.mask, hits, Bit.INTERPOLATED)
        light.data = np.where(hits, cleaned, light.data)


def _repair(light: CalibratedLight, settings: dict[str, Any], step: int) -> None:
    """Repair columns, then keep, fill or blank what is masked."""
    interpolated = np.zeros(light.mask.shape, bool)
    if settings["repair_columns"]:
        sections = [parse_section(text) for text in settings["repair_columns"]]
        for text, section in zip(settings["repair_columns"], sections, strict=True):
            if section.y2 > light.data.shape[0] or section.x2 > light.data.shape[1]:
                size = f"{light.data.shape[1]} x {light.data.shape[0]}"
                raise JobProblem(f"lights.repair_columns: {text} reaches beyond the trimmed frame of {size} pixels")
        light.data, light.variance, interpolated = repair_columns(light.data, sections, light.variance, step)
        flag(light.mask, interpolated, Bit.BAD)
    if settings["masked"] == "fill":
        wanted = has_any(light.mask, DEFECT) & ~has_any(light.mask, Bit.INTERPOLATED) & ~interpolated
        light.data, light.variance, filled = fill_pixels(light.data, wanted, light.variance, step)
        interpolated |= filled
    flag(light.mask, interpolated, Bit.INTERPOLATED)
    if settings["masked"] == "nan":
        doubtful = has_any(light.mask, DEFECT | Bit.SATURATED) & ~has_any(light.mask, Bit.INTERPOLATED)
        light.data[doubtful] = np.nan
