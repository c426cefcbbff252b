"""Pixels: figures of one raw image that tell whether it is sound, and what it may show.

They depend on the image alone, so that they are kept with the reading of its file; what is too much or too little is
judged elsewhere. Of a large image some rows and some windows are looked at.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from darkroom.star_peaks import LARGEST, MOST_KEPT, Image, Pixels, clean, estimate_sigma, find_stars

SAMPLE = 150_000  # pixels, of whole rows
FEWEST_ROWS = 32
LARGEST_STEP = 2**22  # pixels looked at in one go, for the memory
GRID = 4  # the image is divided into so many parts, each way
BRIGHT = 0.1  # of the level, from which a star counts as bright
DEPTHS = (8, 10, 12, 14, 16)  # bits of the converters that there are


def measure_pixels(
    image: Image, saturation: float | None = None, depth: int | None = None, stars: bool = True
) -> dict[str, Any]:
    """Return figures of a raw image: numbers and lists of numbers, none of them NaN.

    Parameters
    ----------
    image : array or RawImage
        In ADU, NaN where a pixel has no value.
    saturation : float, optional
        ADU of a full pixel by the header.
    depth : int, optional
        Bits of the converter by the header.
    stars : bool
        Whether to look for them, which takes half of the time.

    Returns
    -------
    dict
        ``pixels`` and ``searched`` (in how many of them stars were sought), ``blank`` (share without a value),
        ``blank_rows`` (rows at the end that all have one value, ``blank_value``); and where there are values ``level``
        and ``noise`` (of single pixels, from differences along the rows), ``lowest``, ``highest``, ``one_value``,
        ``full`` (share of full pixels), ``full_from`` (ADU, None where no pixel is known to be full), ``parts`` (levels
        of 4 x 4 parts, row by row), ``parts_noise`` (of each, that noise explains); of stars, ``stars``,
        ``bright_stars`` (a tenth of the level and more), and ``peaks``, row and
        column of the brightest of them. In ADU.
    """
    rows, columns = image.shape
    figures: dict[str, Any] = {"pixels": rows * columns, "searched": 0, "blank": 1.0, "blank_rows": 0}
    if not rows * columns:
        return figures
    sample = clean(image[_choose_rows(rows, columns), slice(None)])
    values = sample[np.isfinite(sample)]
    figures["blank"] = _round(1 - values.size / sample.size)
    figures |= _measure_end(image)
    if not values.size:
        return figures
    level, noise = float(np.median(values)), measure_noise(sample)
    lowest, highest = float(values.min()), float(values.max())
    if one_value := lowest == highest:
        one_value = _has_one_value(image, lowest)
    full, full_from = _count_full(values, level, noise, saturation, depth)
    figures |= {"level": _round(level), "noise": _round(noise), "lowest": _round(lowest), "highest": _round(highest)}
    figures |= {"one_value": one_value, "full": _round(full), "full_from": full_from}
    figures |= _measure_parts(sample, level, noise)
    if not stars:
        return figures
    peaks, searched = find_stars(image) if not one_value else ([], 0)
    brightest = [[y, x] for _, y, x in sorted(peaks, reverse=True)[:MOST_KEPT]]
    bright = sum(height > BRIGHT * abs(level) for height, _, _ in peaks)
    return figures | {"stars": len(peaks), "bright_stars": bright, "peaks": brightest, "searched": searched}


def measure_noise(lines: Pixels) -> float:
    """Return the standard deviation of single pixels, by differences along the rows; what is rare does not count.

    Of every second pixel, as neighbours have different colours in a mosaic.
    """
    lag = 2 if lines.shape[1] > 4 else 1
    differences = np.abs(lines[::2, lag:] - lines[::2, :-lag]).ravel()
    rough = estimate_sigma(differences)
    # of whole ADU the median is one; a mean tells noise apart that differs by less
    usual = differences[differences <= 4 * rough]
    return 1.2542 * float(usual.mean(dtype=np.float64)) / math.sqrt(2) if usual.size else 0.0


def _choose_rows(rows: int, columns: int) -> slice:
    """Return rows from one end to the other, by an odd step: those of a mosaic are of two colours."""
    number = max(FEWEST_ROWS, SAMPLE // columns)
    return slice(None, None, max(1, rows // number) | 1) if rows > number else slice(None)


def _count_full(
    values: Pixels, level: float, noise: float, saturation: float | None, depth: int | None
) -> tuple[float, float | None]:
    """Return the share of full pixels, and the ADU from which they are."""
    highest = float(values.max())
    if saturation is not None and 0 < saturation < LARGEST:
        full = values[values >= saturation]
        # where most of them lie far beyond, the header's number is of something else
        if not full.size or float(np.median(full)) <= 1.1 * saturation:
            return full.size / values.size, saturation
    tops = {2.0**bits - 1 for bits in (*DEPTHS, depth or 16)}
    tops |= {(2.0**bits - 1) * 2.0 ** (16 - bits) for bits in (*DEPTHS, depth or 16) if bits < 16}  # stretched to 16
    tops |= {2.0**15 - 1}  # signed
    share = np.count_nonzero(values == highest) / values.size
    # values pile up at the end of the range, or at one far beyond the noise
    if share > 0.001 and (highest in tops or highest > level + 20 * noise > level):
        return share, _round(highest)
    return 0.0, None


def _measure_parts(sample: Pixels, level: float, noise: float) -> dict[str, Any]:
    """Return the levels of parts of the image, row by row, and by how much noise alone makes them differ."""
    parts = []
    size = sample.size
    for lines in np.array_split(sample, GRID):
        for part in np.array_split(lines, GRID, axis=1):
            known = part[np.isfinite(part)]
            if known.size:
                size = min(size, known.size)
            parts.append(_round(float(np.median(known)) if known.size else level))
    return {"parts": parts, "parts_noise": _round(1.2533 * noise / math.sqrt(size))}


def _measure_end(image: Image) -> dict[str, Any]:
    """Return how many of the last rows all have one value, and the value (None: no value at all)."""
    rows = image.shape[0]
    last = clean(image[slice(rows - 1, rows), slice(None)])[0]
    value = float(last[0])
    if not _is_all(last, value):
        return {"blank_rows": 0}
    number, step = 1, 16
    while number < rows:
        lines = clean(image[slice(max(0, rows - number - step), rows - number), slice(None)])
        same = [_is_all(line, value) for line in lines[::-1]]
        if not all(same):
            number += same.index(False)
            break
        number, step = number + len(lines), min(2 * step, max(1, LARGEST_STEP // image.shape[1]))
    return {"blank_rows": number, "blank_value": None if math.isnan(value) else _round(value)}


def _has_one_value(image: Image, value: float) -> bool:
    """Whether all pixels that have a value have this one."""
    step = max(1, SAMPLE // image.shape[1])
    for start in range(0, image.shape[0], step):
        lines = clean(image[slice(start, start + step), slice(None)])
        if not np.all((lines == value) | np.isnan(lines)):
            return False
    return True


def _is_all(line: Pixels, value: float) -> bool:
    return bool(np.isnan(line).all() if math.isnan(value) else (line == value).all())


def _round(value: float) -> float:
    """Return a number of six digits, which is shorter in the cache."""
    return float(f"{value:.6g}")
