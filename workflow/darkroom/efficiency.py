"""Efficiency: how much of the noise of many values is left in their mean or median, some of them rejected."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.rejection import ExpectedNoise, average_kept, find_rejected

# A clip this wide, in standard deviations, leaves normal values alone: it changes the variance by less than 1e-4.
WIDE_CLIP = 5.0
TRIALS = 10**6  # values drawn where an efficiency has no closed form


def measure_rejection(number: int, settings: dict[str, Any]) -> tuple[float, float]:
    """Return the efficiency of a combination of ``number`` values, and how it compares to a plain one of those kept.

    The first is the variance of the combination of normal values of unit variance, times their number: one for the
    plain mean, up to pi/2 for the median. The second is that variance in units of the mean of what plain combinations
    of as many values as were kept have.

    Parameters
    ----------
    number : int
        Of values.
    settings : dict
        ``method`` (mean, median), ``reject`` (sigma, minmax, none) and what that needs (``sigma``; ``low``, ``high``).

    Notes
    -----
    Exact where nothing is rejected. Rejection is simulated with a fixed seed and the code that combines. Of
    the result only the difference to the plain mean is drawn: it is independent of the mean (Basu 1955, Sankhya 15,
    377), whose variance is known; and of the variance only the difference to the plain combination's, known as well.
    """
    kind = settings["reject"]
    if number < 1 or kind == "none" or (kind == "sigma" and settings["sigma"] >= WIDE_CLIP):
        return find_plain_efficiency(number, settings["method"]), 1.0
    if kind == "sigma":
        return _simulate_rejection(number, settings["method"], kind, float(settings["sigma"]), 0, 0)
    return _simulate_rejection(number, settings["method"], kind, 0.0, settings["low"], settings["high"])


def find_plain_efficiency(number: int, method: str) -> float:
    """Return the efficiency of a mean or median of all of ``number`` normal values."""
    return _find_median_efficiency(number) if method == "median" else 1.0


def simulate_unlike(
    signal: float,
    levels: NDArray[np.float64],
    deviations: NDArray[np.float64],
    settings: dict[str, Any],
    expect_noise: ExpectedNoise,
) -> tuple[float, NDArray[np.float64]]:
    """Return the variance of the combination of normal values of these standard deviations about signal times level.

    And by how much it follows each of them, in the mean; these shares sum to one. By simulation with a fixed seed, to
    about 1 %. Shapes (values,); ``expect_noise`` as in `find_rejected`.
    """
    count = len(levels)
    normal = np.random.default_rng(count).normal(size=(count, 1, max(TRIALS // (5 * count), 20000)))
    values = signal * levels[:, None, None] + deviations[:, None, None] * normal
    rejected = find_rejected(values / levels[:, None, None], settings, expect_noise)
    combined = average_kept(values, rejected, settings["method"])
    shares = (normal * (combined - combined.mean())).mean(axis=(1, 2)) / deviations
    return float(np.var(combined)), shares / shares.sum()


@cache
def _simulate_rejection(number: int, method: str, kind: str, sigma: float, low: int, high: int) -> tuple[float, float]:
    settings = {"method": method, "reject": kind, "sigma": sigma, "low": low, "high": high}
    values = np.random.default_rng(number).normal(size=(number, 1, max(TRIALS // number, 1000)))
    rejected = find_rejected(values, settings, np.ones_like)
    count = number - rejected.sum(axis=0)
    mean = values.mean(axis=0)
    plain = np.median(values, axis=0) if method == "median" else mean
    gained = np.var(average_kept(values, rejected, method) - mean) - np.var(plain - mean)
    result = find_plain_efficiency(number, method) + number * float(gained)
    kept, share = np.unique(count, return_counts=True)
    shares = zip(kept.tolist(), (share / count.size).tolist(), strict=True)
    return result, result / number / sum(part * find_plain_efficiency(n, method) / n for n, part in shares)


@cache
def _find_median_efficiency(number: int) -> float:
    """Return the variance of the median of ``number`` normal values of unit variance, times their number.

    From the density of the middle value, or of the halfway point of the two middle ones (David & Nagaraja 2003, Order
    Statistics, 2.1 and 2.2), summed on a grid.
    """
    if number < 3:
        return 1.0
    from scipy.stats import norm

    below = (number - 1) // 2  # values below the middle one, or two
    middle = np.linspace(-1, 1, 401)[:, None] * min(8.0, 12 / np.sqrt(number))
    if number % 2:
        apart, density = np.zeros((1, 1)), norm.logpdf(middle)
    else:
        apart = np.linspace(0, min(8.0, 40 / number), 401)[None, :]  # half the distance of the two
        density = norm.logpdf(middle - apart) + norm.logpdf(middle + apart)
    density = density + below * (norm.logcdf(middle - apart) + norm.logsf(middle + apart))
    weight = np.exp(density - density.max())
    weight[:, 0] /= 1 + (apart.size > 1)  # the trapezoidal rule's
    return float(number * (middle[:, 0] ** 2 @ weight.sum(axis=1)) / weight.sum())
