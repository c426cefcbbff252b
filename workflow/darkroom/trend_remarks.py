"""What changed over nights: a step, or a drift, of a series that is steady otherwise; nothing if that is not sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

LEAST = 4  # nights on each side of a step
LEAST_OF_DRIFT = 10  # nights
SURE = 6.0  # scatters of a night by which a step must stand out
MAD = 1.4826  # of a normal distribution's standard deviation over its median absolute deviation

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """A step: the first night after it, the medians on both sides, and how many nights these are of."""

    night: str
    before: float
    after: float
    nights_before: int
    nights_after: int


@dataclass(frozen=True)
class Drift:
    """A drift from the first night to the last, by the line through the values."""

    first: str
    last: str
    start: float
    end: float


def find_change(
    nights: Sequence[str], values: Sequence[float], errors: Sequence[float], least: float
) -> Step | Drift | None:
    """Return the step or drift that a series shows, the one that leaves less scatter; None if neither is sure.

    Parameters
    ----------
    nights, values, errors : sequences
        ISO dates in order, a value and its standard error (0: unknown) of each.
    least : float
        The smallest change that matters, as a fraction of the value.

    Notes
    -----
    Medians and the median absolute deviation: one odd night, or three of ten, are no change. The line is that of Theil
    and Sen.
    """
    found, sure = np.asarray(values, float), float(np.median(errors)) if len(errors) else 0.0
    if len(found) < 2 * LEAST or not np.isfinite(found).all():
        return None
    floor = max(sure, 1e-6 * float(np.median(np.abs(found))))
    step, scatter = _find_step(nights, found, floor, least)
    drift, scatter_of_drift = _find_drift(nights, found, floor, least)
    if step and drift:
        return step if scatter <= 1.1 * scatter_of_drift else drift
    return step or drift


def _find_step(nights: Sequence[str], values: Values, floor: float, least: float) -> tuple[Step | None, float]:
    splits = range(LEAST, len(values) - LEAST + 1)
    split = min(splits, key=lambda at: _sum_deviations(values[:at]) + _sum_deviations(values[at:]))
    before, after = float(np.median(values[:split])), float(np.median(values[split:]))
    spread = max(MAD * max(_deviate(values[:split] - before), _deviate(values[split:] - after)), floor)
    if abs(after - before) <= max(SURE * spread, least * abs(before)):
        return None, spread
    return Step(nights[split], before, after, split, len(values) - split), spread


def _find_drift(nights: Sequence[str], values: Values, floor: float, least: float) -> tuple[Drift | None, float]:
    days = np.array([date.fromisoformat(night).toordinal() for night in nights], float)
    one, other = np.triu_indices(len(days), 1)
    apart = days[other] - days[one]
    if len(values) < LEAST_OF_DRIFT or not apart.any():
        return None, np.inf
    slope = float(np.median((values[other] - values[one])[apart > 0] / apart[apart > 0]))
    middle = float(np.median(values - slope * days))
    start, end = middle + slope * days[0], middle + slope * days[-1]
    spread = max(MAD * _deviate(values - middle - slope * days), floor)
    if abs(end - start) <= max(SURE * spread, least * abs(start)):
        return None, spread
    return Drift(nights[0], nights[-1], float(start), float(end)), spread


def _deviate(residuals: Values) -> float:
    return float(np.median(np.abs(residuals)))


def _sum_deviations(values: Values) -> float:
    return float(np.abs(values - np.median(values)).sum())
