"""Stack judgement: which light is the reference, on which scale the others are, and which are left out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from darkroom.stacking.register import FEWEST, Registration
from darkroom.stacking.star_lists import StarList

MOST_STARS = 0.8  # of the most, that a reference must show: a sharp light through clouds is none
CLEAR_SNR = 15.0  # of stars whose flux tells a scale
SCATTER = 0.01  # part of a flux that flats and seeing make of it, however bright the star
OUTLIER = 4.0  # standard deviations
ROUNDS = 5
TELLING = 3  # stars that tell a scale


@dataclass(frozen=True)
class Limits:
    """What leaves a light out, compared with the median of all: clouds, focus, and trails; None leaves none out."""

    least_flux: float = 0.5
    most_fwhm: float | None = 1.5
    most_elongation: float | None = 1.4


@dataclass(frozen=True)
class Scale:
    """What a light's counts times give those of the reference, pixel for pixel: by so many stars, or by exposures.

    ``error`` is its standard deviation; NaN where no star told.
    """

    value: float
    error: float
    stars: int


def choose_reference(lights: Mapping[str, StarList], times: Mapping[str, str | None]) -> str | None:
    """Return the name of the light on which others are put: the sharpest of those that show enough stars.

    Enough is 0.8 of the most that any shows (all that are listed). Of equal ones it is the earliest, then the first by
    name. None where none shows four stars.
    """
    seen = {name: stars for name, stars in lights.items() if len(stars) >= FEWEST}
    if not seen:
        return None
    most = max(len(stars) for stars in seen.values())

    def rank(name: str) -> tuple[float, int, str, str]:
        stars = seen[name]
        return stars.fwhm or float("inf"), -len(stars), times.get(name) or "~", name

    return min((name for name, stars in seen.items() if len(stars) >= MOST_STARS * most), key=rank)


def measure_scale(
    light: StarList, reference: StarList, registration: Registration, seconds: tuple[float, float]
) -> Scale:
    """Return the scale of a light by the stars that both show clearly, in apertures without a bad pixel.

    Parameters
    ----------
    light, reference : StarList
        Each in its own unit.
    registration : Registration
        Of the light on the reference.
    seconds : tuple of float
        Exposures of light and reference, which tell where stars do not.
    """
    own, other = registration.pairs[:, 0], registration.pairs[:, 1]
    errors = np.hypot(light.errors[own] / light.fluxes[own], reference.errors[other] / reference.fluxes[other])
    clear = light.clean[own] & reference.clean[other] & (errors < 1 / CLEAR_SNR)
    area = registration.transform.area
    if np.count_nonzero(clear) < TELLING:
        known = min(seconds) > 0
        return Scale((seconds[1] / seconds[0] if known else 1.0) / area, float("nan"), 0)
    ratio = np.log(reference.fluxes[other][clear] / light.fluxes[own][clear])
    spread = np.hypot(errors[clear], SCATTER)
    kept = np.ones(len(ratio), bool)
    middle = float(np.median(ratio))
    for _ in range(ROUNDS):
        wide = max(1.0, 1.4826 * float(np.median(np.abs(ratio - middle) / spread)))
        kept = np.abs(ratio - middle) <= OUTLIER * wide * spread
        middle = float(np.average(ratio[kept], weights=spread[kept] ** -2.0))
    error = float(np.sqrt(1 / (spread[kept] ** -2.0).sum()))
    return Scale(float(np.exp(middle)) / area, float(np.exp(middle)) / area * error, int(np.count_nonzero(kept)))


def judge_light(
    stars: StarList, scale: Scale, others: Sequence[tuple[StarList, Scale]], seconds: Sequence[float], limits: Limits
) -> str | None:
    """Return why a registered light is left out of the stack, in words; None where it is not.

    Parameters
    ----------
    stars, scale : StarList, Scale
        Those of the light.
    others : sequence
        Those of all lights, itself among them.
    seconds : sequence of float
        Exposures: that of the light, then those of all.
    limits : Limits
        From the configuration.
    """
    brightness = [1 / each.value / max(time, 1e-9) for (_, each), time in zip(others, seconds[1:], strict=True)]
    part = 1 / scale.value / max(seconds[0], 1e-9) / float(np.median(brightness))
    if scale.stars and part < limits.least_flux:
        limit = f"(limit {limits.least_flux:g})"
        return f"clouds: its stars have {part:.2f} of the light that they have in the median of all {limit}"
    usual = _take_median([each.elongation for each, _ in others])
    if limits.most_elongation and stars.elongation and usual and stars.elongation > limits.most_elongation * usual:
        limit = f"(limit {limits.most_elongation:g} times that)"
        return f"trailed: stars {stars.elongation:.2f} times as long as wide, {usual:.2f} in the median {limit}"
    usual = _take_median([each.fwhm for each, _ in others])
    if limits.most_fwhm and stars.fwhm and usual and stars.fwhm > limits.most_fwhm * usual:
        part, limit = stars.fwhm / usual, f"(limit {limits.most_fwhm:g})"
        return f"out of focus, or bad seeing: FWHM {stars.fwhm:.2f} pixels, {part:.2f} of the median {limit}"
    return None


def _take_median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value]
    return float(np.median(known)) if known else None
