"""Lights: one raw light through every step that its recipe names, with its error bars and its quality plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from numpy.typing import NDArray

from darkroom.calibrate import FULL_SCALE, divide_flat, find_slope, remove_pedestal
from darkroom.cosmic_rays import find_cosmic_rays
from darkroom.detector import Detector
from darkroom.masters import Master, MasterShelf
from darkroom.noise import estimate_signal, find_read_variance
from darkroom.overscan import subtract_overscan, trim_frame
from darkroom.products import JobProblem
from darkroom.quality import Bit, find_saturated, flag, has_any
from darkroom.repair import fill_pixels, repair_columns
from darkroom.sections import parse_section
from darkroom.uncertainty import add_pedestal_noise, divide_variance

# What says nothing of the sky; a saturated pixel does say that there is much.
DEFECT = Bit.BAD | Bit.HOT | Bit.COSMIC_RAY | Bit.LOW_FLAT | Bit.NO_DATA


@dataclass
class CalibratedLight:
    """A calibrated light: arrays of shape (rows, columns).

    ``data`` in electrons where ``gain`` (e-/ADU) is what it was multiplied by, in ADU where that is None; ``variance``
    in its unit squared, None where the noise is not known; ``mask`` the bits of `darkroom.quality`.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    mask: NDArray[np.uint8]
    gain: float | None


def calibrate_light(raw: CCDData, recipe: dict[str, Any], shelf: MasterShelf, detector: Detector) -> CalibratedLight:
    """Calibrate a raw light as its recipe says.

    Overscan, trim, bias, linearity, dark, flat, electrons, cosmic rays, columns, and what is to become of masked
    pixels; in this order.

    Raises
    ------
    JobProblem
        If a master cannot be read, or cosmic rays are sought where the noise is not known.
    """
    settings = recipe["settings"]
    bias, dark, flat = (shelf.read(recipe[kind]) for kind in ("bias", "dark", "flat"))
    scale = recipe["dark"]["scale"] if dark else 1.0
    counts, limit = trim_frame(raw, settings["overscan"]).data, recipe["saturation"] or FULL_SCALE

    signal = remove_pedestal(
        subtract_overscan(raw, settings["overscan"]), bias.image if bias else None, linearity=settings["linearity"]
    )
    light = remove_pedestal(signal, dark=dark.image if dark else None, scale=scale)
    variance = _find_variance(signal, light, recipe, (bias, dark, scale), detector) if detector.is_known else None
    mask = _inherit(light.data, [master for master in (bias, dark, flat) if master])
    saturated = find_saturated(counts, limit, settings["saturation_grow"], settings["saturation_bleed"])
    flag(mask, saturated, Bit.SATURATED)

    if flat:
        light, unflattened = divide_flat(light, flat.image, settings["flat_minimum"])
        flag(mask, unflattened, Bit.LOW_FLAT)
        if variance is not None:
            usable = np.where(unflattened, np.float32(1), flat.image.data)
            variance = divide_variance(variance, light.data, usable, flat.variance)
    gain = detector.gain if settings["unit"] == "electron" else None
    if gain:
        light = CCDData(light.data * np.float32(gain), unit=u.electron)
        variance = None if variance is None else variance * np.float32(gain**2)
    flag(mask, ~np.isfinite(light.data), Bit.NO_DATA)
    if settings["cosmic_rays"]:
        if variance is None:
            name = recipe["frames"][0]["name"]
            raise JobProblem(
                f"{name}: cosmic rays need a gain and a read noise, which the frames did not tell; "
                "detector.gain and detector.read_noise in config.yaml do"
            )
        light = _treat_cosmic_rays(light, variance, counts >= limit, mask, settings["cosmic_rays"])
    return _repair(CalibratedLight(light.data, variance, mask, gain), settings)


def _find_variance(
    signal: CCDData,
    light: CCDData,
    recipe: dict[str, Any],
    masters: tuple[Master | None, Master | None, float],
    detector: Detector,
) -> NDArray[np.float32]:
    """Return the variance of a light before its flat, in ADU^2.

    ``signal`` still holds its dark, whose electrons are as noisy as those of the sky. Where it holds its bias as well,
    the light's own electrons count, and what a frame of the dark has by way of noise.
    """
    bias, dark, scale = masters
    assert detector.read_noise is not None, "the detector is known"
    assert detector.gain is not None, "the detector is known"
    slope = find_slope(recipe["settings"]["linearity"])
    read_variance = slope**2 * find_read_variance(detector.read_noise, recipe["settings"]["overscan"], signal.shape)
    electrons = signal.data
    if dark and dark.holds_bias:
        read_variance = dark.frame_variance or read_variance
        electrons = light.data + dark.uneven_signal

    def find_variance(expected: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        return np.float32(read_variance) + np.maximum(expected, 0) / np.float32(detector.gain)

    variance = find_variance(estimate_signal(electrons, find_variance))
    return add_pedestal_noise(variance, bias, [(dark, scale)] if dark else [], slope).astype(np.float32)


def _inherit(image: NDArray[np.float32], masters: list[Master]) -> NDArray[np.uint8]:
    """Return the quality plane that a light has from its masters."""
    mask = np.zeros(image.shape, np.uint8)
    for master in masters:
        mask |= master.mask
    return mask


def _treat_cosmic_rays(
    light: CCDData,
    variance: NDArray[np.float32],
    full: NDArray[np.bool_],
    mask: NDArray[np.uint8],
    settings: dict[str, Any],
) -> CCDData:
    """Flag hits in ``mask``, and clean the light of them where that is wanted; known defects are no hits."""
    # the good pixels around a defect that lies too low would look like hits
    image = np.where(has_any(mask, DEFECT), np.float32(np.nan), light.data)
    hits, cleaned = find_cosmic_rays(image, variance, full, settings)
    hits &= ~has_any(mask, DEFECT)
    flag(mask, hits, Bit.COSMIC_RAY)
    if settings["action"] == "mask":
        return light
    flag(mask, hits, Bit.INTERPOLATED)
    return CCDData(np.where(hits, cleaned, light.data), unit=light.unit)


def _repair(light: CalibratedLight, settings: dict[str, Any]) -> CalibratedLight:
    """Repair columns, then keep, fill or blank what is masked; a pixel that the flat cannot serve has no value."""
    light.data = np.where(has_any(light.mask, Bit.LOW_FLAT | Bit.NO_DATA), np.float32(np.nan), light.data)
    interpolated = np.zeros(light.mask.shape, bool)
    if settings["repair_columns"]:
        sections = [parse_section(text) for text in settings["repair_columns"]]
        for text, section in zip(settings["repair_columns"], sections, strict=True):
            if section.y2 > light.data.shape[0] or section.x2 > light.data.shape[1]:
                size = f"{light.data.shape[1]} x {light.data.shape[0]}"
                raise JobProblem(f"lights.repair_columns: {text} reaches beyond the trimmed frame of {size} pixels")
        light.data, light.variance, interpolated = repair_columns(light.data, sections, light.variance)
        flag(light.mask, interpolated, Bit.BAD)
    if settings["masked"] == "fill":
        wanted = has_any(light.mask, DEFECT) & ~has_any(light.mask, Bit.INTERPOLATED) & ~interpolated
        light.data, light.variance, filled = fill_pixels(light.data, wanted, light.variance)
        interpolated |= filled
    flag(light.mask, interpolated, Bit.INTERPOLATED)
    if settings["masked"] == "nan":
        doubtful = has_any(light.mask, DEFECT | Bit.SATURATED) & ~has_any(light.mask, Bit.INTERPOLATED)
        light.data[doubtful] = np.nan
    if light.variance is not None:
        light.variance[~np.isfinite(light.data)] = np.nan
    return light
