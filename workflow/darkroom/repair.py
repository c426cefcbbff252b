"""Repairs: values for bad pixels from their good neighbours. The good ones stay as they are, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.mosaics import treat_planes
from darkroom.quality import grow_mask, join_runs
from darkroom.sections import Section

REACH = 2  # pixels from which a bad one is filled; the Gaussian of a pixel's width has faded there
WIDEST = 2 * REACH  # a region that holds a larger square of bad pixels has a middle that nothing near tells of
FEWEST = 3  # good neighbours that a filled pixel must have
SIDE_REACH = 10  # pixels from a section's side within which a good pixel must lie
CHUNK = 2**16  # pixels filled at once, for the memory

Image = NDArray[np.floating[Any]]
Repaired = tuple[Image, Image | None, NDArray[np.bool_]]


def fill_pixels(image: Image, bad: NDArray[np.bool_], variance: Image | None = None, step: int = 1) -> Repaired:
    """Fill bad pixels with the mean of the good ones near them, in Gaussian weights.

    The same as `astropy.convolution.interpolate_replace_nans` with a Gaussian of one pixel in a box of five, but
    computed only where it is needed, together with the variance.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Not finite pixels take no part; they are filled where they are ``bad``.
    bad : array of bool, shape (rows, columns)
        What is to be filled. Squares of more than four bad pixels a side, and pixels with less than three good
        neighbours, stay as they are.
    variance : array, shape (rows, columns), optional
        Square of the image's unit.
    step : int
        2 for a mosaic, in which pixels of one colour are each other's neighbours; what is said of squares holds for
        the plane of each colour.

    Returns
    -------
    image, variance : arrays, shape (rows, columns)
        Copies. A filled pixel's variance is the mean one of its neighbours or their spread, whichever is greater: a
        mean of several is less noisy than that, but nobody knows what the pixel would have seen.
    interpolated : array of bool
        What was filled.
    """
    if step > 1:
        filled, spread, interpolated = treat_planes(fill_pixels, image, bad, variance)
        return filled, spread, interpolated
    filled = image.copy()
    spread = None if variance is None else variance.copy()
    interpolated = np.zeros(image.shape, bool)
    rows, columns = np.nonzero(bad & ~_find_wide(bad))
    if not rows.size:
        return filled, spread, interpolated
    good = np.pad(~bad & np.isfinite(image), REACH)
    for start in range(0, rows.size, CHUNK):
        y, x = rows[start : start + CHUNK], columns[start : start + CHUNK]
        level, error, count = _average_around(image, good, variance, y, x)
        enough = count >= FEWEST
        y, x = y[enough], x[enough]
        filled[y, x] = level[enough]
        interpolated[y, x] = True
        if spread is not None:
            spread[y, x] = np.minimum(error[enough], np.finfo(spread.dtype).max)
    return filled, spread, interpolated


def _find_wide(bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the bad pixels that belong to a square of bad ones wider than can be filled."""
    size, wide = WIDEST + 1, np.zeros(bad.shape, bool)
    if min(bad.shape) < size:
        return wide
    whole = join_runs(join_runs(bad, size, 0, np.logical_and), size, 1, np.logical_and)
    if whole.any():
        wide[REACH:-REACH, REACH:-REACH] = whole  # the middles of such squares
        wide = grow_mask(wide, REACH, REACH)
    return wide


def _average_around(
    image: Image, good: NDArray[np.bool_], variance: Image | None, y: NDArray[np.intp], x: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Return weighted mean, variance and number of the good neighbours of pixels; ``good`` is padded by REACH."""
    step = np.arange(2 * REACH + 1)
    near = good[y[:, None, None] + step[:, None], x[:, None, None] + step]
    # where nothing is good beyond the edges, it does not matter what stands there
    rows, columns = (
        np.clip(each[:, None] + step - REACH, 0, length - 1) for each, length in zip((y, x), image.shape, strict=True)
    )
    around = (rows[:, :, None], columns[:, None, :])
    kernel = np.exp(-((step[:, None] - REACH) ** 2 + (step - REACH) ** 2) / 2.0)
    weight = kernel * near
    total = weight.sum(axis=(1, 2))
    total[total == 0] = 1.0
    value = np.where(near, image[around], 0).astype(np.float64)
    level = (weight * value).sum(axis=(1, 2)) / total
    error = (weight * (value - level[:, None, None]) ** 2).sum(axis=(1, 2)) / total
    if variance is not None:
        errors = variance[around]
        known = np.isfinite(errors) & (errors >= 0)
        mean = (weight * np.where(known, errors, 0).astype(np.float64)).sum(axis=(1, 2))
        error = np.maximum(error, mean / np.maximum((weight * known).sum(axis=(1, 2)), np.finfo(float).tiny))
    return level, error, np.count_nonzero(near, axis=(1, 2))


def repair_columns(image: Image, sections: Sequence[Section], variance: Image | None = None, step: int = 1) -> Repaired:
    """Replace rectangles of bad columns or rows by straight lines between the good pixels on both of their long sides.

    Parameters
    ----------
    image, variance : arrays, shape (rows, columns)
        As in `fill_pixels`.
    sections : sequence of Section
        All within the image. One that is higher than wide, or square, is crossed from left to right, else from below
        to above. At an edge, or where no good pixel lies within ten, the other side alone gives the value. Where two
        rectangles cross, the pixels are filled as in `fill_pixels`.
    step : int
        2 for a mosaic, whose colours are repaired one by one.

    Returns
    -------
    image, variance, interpolated
        As in `fill_pixels`; the variance is the greater one of the two pixels used (NaN where neither is known).
    """
    filled = image.copy()
    spread = None if variance is None else variance.copy()
    bad = np.zeros(image.shape, bool)
    interpolated = bad.copy()
    for section in sections:
        bad[section.slices] = True
    good = ~bad & np.isfinite(image)
    for section in sections:
        crossed = section.shape[0] >= section.shape[1]  # from left to right; else turned, and so done all the same
        (lines, columns), turn = (section.slices, np.asarray) if crossed else (section.slices[::-1], np.transpose)
        for offsets in np.ndindex(step, step):
            own, across = (_thin_out(part, at, step) for part, at in zip((lines, columns), offsets, strict=True))
            if own.start == own.stop or across.start == across.stop:
                continue
            plane = slice(offsets[0], None, step), slice(offsets[1], None, step)
            image_band, good_band, done_band = (turn(each)[plane][own] for each in (filled, good, interpolated))
            spread_band = None if spread is None else turn(spread)[plane][own]
            _bridge(image_band, good_band, done_band, spread_band, across.start, across.stop)  # views, written into
    left = bad & ~interpolated
    if left.any():
        filled, spread, late = fill_pixels(filled, left, spread, step)
        interpolated |= late
    return filled, spread, interpolated


def _thin_out(part: slice, offset: int, step: int) -> slice:
    """Return what a part of some lines is of every so many of them, counted from this one."""
    return slice(-((offset - part.start) // step), -((offset - part.stop) // step))


def _bridge(
    image: Image, good: NDArray[np.bool_], done: NDArray[np.bool_], variance: Image | None, first: int, last: int
) -> None:
    """Draw a line in each row from the last good pixel before column ``first`` to the first good one from ``last``."""
    lines = np.arange(len(image))
    before = good[:, max(first - SIDE_REACH, 0) : first][:, ::-1]
    after = good[:, last : last + SIDE_REACH]
    nothing = np.zeros(len(image), bool)
    has_left, left = (before.any(1), first - 1 - before.argmax(1)) if before.size else (nothing, lines * 0)
    has_right, right = (after.any(1), last + after.argmax(1)) if after.size else (nothing, lines * 0)
    found = has_left | has_right
    lines = lines[found]
    left, right = np.where(has_left, left, right)[found], np.where(has_right, right, left)[found]
    start, end = image[lines, left].astype(np.float64), image[lines, right].astype(np.float64)
    share = (np.arange(first, last) - left[:, None]) / np.maximum(right - left, 1)[:, None]
    share[left == right] = 0
    image[lines, first:last] = start[:, None] * (1 - share) + end[:, None] * share
    done[lines, first:last] = True
    if variance is not None:
        pair = np.stack([variance[lines, left], variance[lines, right]])
        pair[~(np.isfinite(pair) & (pair >= 0))] = np.nan
        variance[lines, first:last] = np.fmax(*pair)[:, None]
