"""Pixel statistics of a master: a few robust numbers and a histogram, as plain values that a page can show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE = 2**20  # pixels looked at, of whole rows
BINS = 60  # of the histogram, about
REACH = 10.0  # robust standard deviations to each side that the histogram shows at most
SHOWN = 0.001  # part of the pixels that it leaves out at each side, where they reach that far
LARGEST = 1e30  # what lies beyond is no value
STEPS = (1.0, 0.5)  # of values that were never divided; bins are made of whole ones, else some would be twice as full

Values = NDArray[np.floating[Any]]


def describe_pixels(image: NDArray[Any]) -> dict[str, dict[str, Any]]:
    """Return statistics and a histogram of an image's pixels, those without a value left out.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Of any byte order; it may be a memory map, which is read once, a row after the other.

    Returns
    -------
    dict
        ``statistics``: ``median``, ``mean``, ``std`` (about the mean, outliers and all), ``robust_std`` (1.4826 times
        the median difference from the median), ``p01`` and ``p99`` (percentiles), of evenly spread rows of about a
        million pixels together; ``min`` and ``max`` of all pixels; ``blank``, the part of all that has no value.
        ``histogram``: ``edges`` of about 60 bins over what most pixels have, ``counts`` in them, and ``beyond``, how
        many of those looked at are below the first and above the last edge. Both are empty where no pixel has a value.
    """
    if not image.size:
        return {"statistics": {}, "histogram": {}}
    lowest, highest, blank = _find_extremes(image)
    values = _sample(image)
    if not values.size:
        return {"statistics": {}, "histogram": {}}
    median = _pick(values, 0.5)
    spread = 1.4826 * float(np.median(np.abs(values - values.dtype.type(median))))
    figures = {
        "min": lowest, "max": highest, "median": median, "mean": values.mean(dtype=np.float64),
        "std": values.std(dtype=np.float64), "robust_std": spread,
        "p01": _pick(values, 0.01), "p99": _pick(values, 0.99), "blank": blank,
    }  # fmt: skip
    statistics = {name: float(f"{value:.8g}") for name, value in figures.items()}
    return {"statistics": statistics, "histogram": _count(values, median, spread)}


def _sample(image: NDArray[Any]) -> Values:
    """Return the sorted values of evenly spread rows, an odd distance apart: all colours of a mosaic are there."""
    step = -(-image.size // SAMPLE) | 1 if image.size > SAMPLE else 1
    kind = np.float32 if image.dtype.kind == "f" and image.dtype.itemsize <= 4 else np.float64
    some = np.array(image[step // 2 % len(image) :: step], kind).ravel()
    some = some[np.abs(some) < LARGEST]  # NaN is not
    some.sort()
    return some


def _pick(values: Values, part: float) -> float:
    """Return the value below which that part of sorted values lies; the mean of the two next to it."""
    at = part * (len(values) - 1)
    return 0.5 * (float(values[int(np.floor(at))]) + float(values[int(np.ceil(at))]))


def _find_extremes(image: NDArray[Any]) -> tuple[float, float, float]:
    """Return the least and the greatest value, and the part of the pixels that have none."""
    lowest, highest, found = np.inf, -np.inf, 0
    step = max(1, SAMPLE // 4 * len(image) // image.size)
    for start in range(0, len(image), step):
        band = np.asarray(image[start : start + step], image.dtype.newbyteorder("="))
        if not (band.max() < LARGEST and band.min() > -LARGEST):
            band = band[np.abs(band) < LARGEST]
        found += band.size
        if band.size:
            lowest, highest = min(lowest, float(band.min())), max(highest, float(band.max()))
    return lowest, highest, 1 - found / image.size


def _count(values: Values, median: float, spread: float) -> dict[str, list[float]]:
    """Return the histogram of sorted values about their median."""
    left_out = int(SHOWN * len(values))
    low, high = float(values[left_out]), float(values[-1 - left_out])
    if spread > 0:
        low, high = max(low, median - REACH * spread), min(high, median + REACH * spread)
    unit = next((step for step in STEPS if _are_multiples(values, step)), 0.0)
    if unit:
        low, high = (round(each / unit) * unit for each in (low, high))
        width = unit * max(1, np.ceil(((high - low) / unit + 1) / BINS))
        first, number = low - unit / 2, int((high - low) // width) + 1
    else:
        if not high - low > 1e-6 * abs(low):  # nearly all are equal
            low, high = low - 1e-6 * (abs(low) or 1), high + 1e-6 * (abs(high) or 1)
        width, first, number = (high - low) / BINS, low, BINS
    edges = first + width * np.arange(number + 1)
    if not unit:
        edges[-1] = high
    below = np.searchsorted(values, edges)
    below[-1] = np.searchsorted(values, edges[-1], side="right")
    return {
        "edges": edges.tolist(),
        "counts": np.diff(below).tolist(),
        "beyond": [int(below[0]), len(values) - int(below[-1])],
    }


def _are_multiples(values: Values, step: float) -> bool:
    """Return whether all of some sorted values are whole multiples of a step, and not by their size alone."""
    if max(abs(float(values[0])), abs(float(values[-1]))) > 1e6 * step:
        return False
    some = values[:: max(1, len(values) // 1000)]  # most images are told by a few
    return all(np.array_equal(each, np.rint(each / step) * step) for each in (some, values))
