"""Temperatures: which frames are near enough to be one master, and how far a master is from what is wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

# Degrees that are worth a word, and among darks a preference. A cooler holds, and a thermometer tells, less than one;
# a bias or flat hardly feels a few.
NOTEWORTHY = {"dark": 1.0, "bias": 5.0, "flat": 5.0}
_ROUNDING = 1e-6


def split_by_temperature(frames: Sequence[Any], tolerance: float | None) -> list[list[Any]]:
    """Return frames in groups that may be combined, coldest first, those of unknown temperature last.

    A gap wider than ``tolerance`` (degrees; None: any) divides two groups. So does the widest gap of a sensor that
    cooled down or warmed up by more than twice the tolerance: no frame is far from the middle of its group. In a
    group the order of the frames is kept.
    """
    if tolerance is None:
        return [list(frames)]
    known = sorted({frame.temperature for frame in frames if frame.temperature is not None})
    groups = [
        [frame for frame in frames if frame.temperature is not None and low <= frame.temperature <= high]
        for low, high in _divide(known, tolerance)
    ]
    unknown = [frame for frame in frames if frame.temperature is None]
    return groups + ([unknown] if unknown else [])


def _divide(values: list[float], tolerance: float) -> list[tuple[float, float]]:
    """Return the ranges into which sorted values fall."""
    if not values:
        return []
    middle = (values[0] + values[-1]) / 2
    # of gaps as wide as each other the one nearest the middle
    gaps = [(round(b - a, 6), -abs((a + b) / 2 - middle), n) for n, (a, b) in enumerate(pairwise(values), start=1)]
    widest, _, cut = max(gaps, default=(0.0, 0.0, 0))
    if widest <= tolerance + _ROUNDING and values[-1] - values[0] <= 2 * tolerance + _ROUNDING:
        return [(values[0], values[-1])]
    return _divide(values[:cut], tolerance) + _divide(values[cut:], tolerance)


def mean_temperature(frames: Sequence[Any]) -> float | None:
    """Return the mean temperature of those frames that have one, in deg C, or None."""
    known = [frame.temperature for frame in frames if frame.temperature is not None]
    return math.fsum(known) / len(known) if known else None


def name_temperatures(temperatures: Sequence[float | None]) -> list[str]:
    """Return a short name for each of several temperatures, such as ``-10C``, with decimals where that takes it.

    What is not known (None) is ``unknown``.
    """
    for decimals in range(4):
        names = ["unknown" if t is None else f"{round(t, decimals) + 0.0:.{decimals}f}C" for t in temperatures]
        if len(set(names)) == len(names):
            return names
    return [f"{name}-{number}" for number, name in enumerate(names, start=1)]


def is_near(temperature: float | None, wanted: float | None, tolerance: float | None) -> bool:
    """Whether two temperatures agree; what is unknown may."""
    if temperature is None or wanted is None or tolerance is None:
        return True
    return abs(temperature - wanted) <= tolerance + _ROUNDING


def describe_difference(temperature: float, wanted: float) -> str:
    """Return such as ``40 degrees warmer``."""
    number = f"{abs(temperature - wanted):.3g}"
    return f"{number} degree{'s' * (number != '1')} {'warmer' if temperature > wanted else 'colder'}"


def round_up(degrees: float) -> float:
    """Return a tolerance of at most one decimal that lets two temperatures so far apart agree."""
    return math.ceil(degrees * 10 - _ROUNDING) / 10
