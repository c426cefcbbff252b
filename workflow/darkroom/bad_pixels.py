"""Bad pixels: hot ones from master darks; dead, cold and non-linear ones from master flats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.ccdmask import mask_tiles
from darkroom.holes import find_holes
from darkroom.medians import NEAR, smooth, smooth_lines, spread_cells, take_cell_medians
from darkroom.rejection import SIGMA_PER_MAD

HOT_SIGMA = 7.0  # a Poisson tail of few electrons stays below it, and noise does not hide 10 sigma
HOT_OWN = 0.5  # of that, in units of the pixel's own noise, which its own dark current raises
FLAT_SIGMA = 7.0
LEAST_DEVIATION = 0.1  # of the level around: what differs less is a response as others, for the flat to take out
LEAST_NONLINEARITY = 0.03
LEAST_FLAT = 0.05  # of the median: what is darker tells nothing of a pixel
LEAST_RATIO = 0.1  # the same for the ratio of two flats, in which noise counts twice
STANDS_OUT = 0.7  # of its distance from the level around, beyond its neighbours, for a pixel that is no blur
CELL = 32  # pixels in which noise and levels are measured
GAP = 5  # a shorter run of good pixels between bad ones of a column is bad, as in ccdmask
SEGMENT = 64  # rows over which columns are compared
COLUMNS = 7  # to each side of one with which it is compared
MEASURED = 2**18  # pixels that tell the level of an image
CHUNK = 2**16  # pixels looked at one by one, for the memory

Image = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def find_hot_pixels(dark: Image, variance: Image | None = None, sigma: float = HOT_SIGMA) -> Mask:
    """Return where a dark is hot: above the level around it by more than ``sigma`` times the noise around it.

    The level is a running median, which follows amplifier glow, gradients and a bias that the dark still holds. A
    column whose mean stands out of the columns beside it is hot too.

    Parameters
    ----------
    dark : array, shape (rows, columns)
        A master dark in any unit. Not finite pixels are not hot.
    variance : array, shape (rows, columns), optional
        Square of the dark's unit. The noise is the scatter around a pixel or what this tells of the pixels around,
        whichever is greater. The pixel's own noise counts with half of ``sigma``: a hot pixel's is greater for its
        heat, but one that was combined of fewer frames is no outlier.
    sigma : float
        The default finds what is 10 sigma above, and takes less than one in 100 000 good pixels for hot.
    """
    image, finite = _fill_gaps(dark)
    if not finite.any():
        return finite
    excess = _subtract_level(image)
    cells = _measure_scatter(excess, finite)
    if variance is not None:
        own = np.sqrt(take_cell_medians(lambda rows: _clean(variance[rows]), image.shape, CELL))
        cells = np.maximum(cells, own)
    hot = np.empty(image.shape, bool)
    columns = []
    for rows in _list_segments(image.shape):
        noise = spread_cells(cells, CELL, image.shape, rows)
        hot[rows] = excess[rows] > sigma * noise
        if variance is not None:
            y, x = np.nonzero(hot[rows])
            hot[rows][y, x] = excess[rows][y, x] > HOT_OWN * sigma * np.sqrt(_clean(variance[rows][y, x]))
        columns.append(_find_columns(np.where(finite[rows], excess[rows], 0), noise, sigma, noise) > 0)
    hot = _keep_sharp(image, excess, hot)
    for rows, found in zip(_list_segments(image.shape), columns, strict=True):
        hot[rows] |= found
    return hot & finite


def _clean(variance: Image) -> Image:
    """Return a variance that is zero where it is not known."""
    return np.where(np.isfinite(variance) & (variance > 0), variance, 0)


def find_bad_pixels(flat: Image, faint: Image | None = None, bright: Image | None = None) -> Mask:
    """Return where a normalised master flat shows dead or cold pixels, and two of unlike levels non-linear ones.

    Single pixels, groups up to three wide and columns are those of `ccdproc.ccdmask` that differ by a tenth from the
    level around; larger groups must be below half of it. What the flat corrects is not bad: vignetting, dust, the
    response of a pixel; nor is what a star left behind, or what is too dark to tell.

    Parameters
    ----------
    flat : array, shape (rows, columns)
        Normalised. Not finite pixels are not called bad.
    faint, bright : arrays, shape (rows, columns), optional
        Flats of the same filter whose levels differ by half or more. A pixel, or a column, is non-linear where their
        ratio differs from that around it by more than 7 sigma and 3 %.
    """
    image, finite = _fill_gaps(flat)
    if not finite.any():
        return finite
    least = LEAST_FLAT * _measure_level(image, finite)
    bad, cells = _find_deviant(image, finite, least, LEAST_DEVIATION)
    bad |= find_holes(
        image, lambda rows: FLAT_SIGMA * spread_cells(cells, CELL, image.shape, rows), least, bad | ~finite
    )
    if faint is not None and bright is not None:
        bad |= _find_nonlinear(faint, bright)
    return _close_gaps(bad) & finite


def _find_nonlinear(faint: Image, bright: Image) -> Mask:
    """Return where the ratio of two flats of unlike levels departs from that around it."""
    ratio, finite = _fill_gaps(_divide(faint, bright))
    if not finite.any():
        return finite
    return _find_deviant(ratio, finite, LEAST_FLAT * _measure_level(ratio, finite), LEAST_NONLINEARITY)[0]


def _divide(faint: Image, bright: Image) -> NDArray[np.float32]:
    """Return the ratio of two flats, NaN where one of them is too dark to tell."""
    enough = np.ones(faint.shape, bool)
    for flat in (faint, bright):
        finite = np.isfinite(flat)
        limit = max(LEAST_RATIO * _measure_level(flat, finite), 0) if finite.any() else np.inf
        with np.errstate(invalid="ignore"):
            enough &= finite & (flat > limit)
    return np.divide(faint, bright, out=np.full(faint.shape, np.nan, np.float32), where=enough, dtype=np.float32)


def _find_deviant(image: Image, finite: Mask, least: float, deviation: float) -> tuple[Mask, Image]:
    """Return the pixels that ccdmask finds and that differ by ``deviation`` from a level above ``least``.

    And the noise around them, by cells.
    """
    away = _subtract_level(image)
    cells = _measure_scatter(away, finite)
    candidates, columns = np.empty(image.shape, bool), np.empty(image.shape, bool)
    for rows in _list_segments(image.shape):
        noise = spread_cells(cells, CELL, image.shape, rows)
        level = image[rows] - away[rows]
        judged = finite[rows] & (level > max(least, 0))
        candidates[rows] = (np.abs(away[rows]) > np.maximum(deviation * level, FLAT_SIGMA * noise)) & judged
        scale = np.where(judged, level, 1)
        residual = np.where(judged, away[rows] / scale, 0)
        columns[rows] = (_find_columns(residual, noise / scale, FLAT_SIGMA, deviation) != 0) & judged
    return _keep_sharp(image, away, mask_tiles(image, candidates, 2 * FLAT_SIGMA)) | columns, cells


def _keep_sharp(image: Image, away: Image, found: Mask) -> Mask:
    """Return those of the pixels found that stand out of the median of their eight neighbours, or touch one that does.

    The edge of a shadow, the top of a glow and what a star left behind do not.
    """
    rows, columns = image.shape
    step = np.array([-1, 0, 1])
    mirrored = [np.pad(np.arange(length), 1, mode="reflect") for length in image.shape]
    places = np.flatnonzero(found)
    sharp = np.zeros((rows + 2, columns + 2), bool)
    for start in range(0, places.size, CHUNK):
        y, x = np.divmod(places[start : start + CHUNK], columns)
        near = image[mirrored[0][y[:, None, None] + 1 + step[:, None]], mirrored[1][x[:, None, None] + 1 + step]]
        distance = away[y, x]
        sign = np.sign(distance)
        around = np.median(sign[:, None] * np.delete(near.reshape(-1, 9), 4, axis=1), axis=1)
        sharp[y + 1, x + 1] = sign * image[y, x] - around > STANDS_OUT * np.abs(distance)
    for start in range(0, places.size, CHUNK):
        y, x = np.divmod(places[start : start + CHUNK], columns)
        touched = sharp[y[:, None, None] + 1 + step[:, None], x[:, None, None] + 1 + step]
        found[y, x] = touched.any(axis=(1, 2))
    return found


def _find_columns(residual: Image, noise: Image, sigma: float, least: float | Image) -> NDArray[np.int8]:
    """Return 1 or -1 where the clipped mean of a column of a segment departs from the columns beside it.

    By more than ``sigma`` times its noise and the scatter of such columns, and by more than ``least``.

    Parameters
    ----------
    residual, noise : arrays, shape (rows of the segment, columns)
        The residual is zero where it is not known.
    """
    most = np.maximum(4 * noise, 2 * least)
    # clipped, not the median, which in whole counts moves in steps
    profile = np.clip(residual, -most, most).mean(axis=0)
    profile -= smooth_lines(profile[None], COLUMNS)[0]
    scatter = SIGMA_PER_MAD * np.median(np.abs(profile))
    profile[:NEAR] = profile[-NEAR:] = 0  # where a slope has no other side
    sign = np.zeros(profile.shape, np.int8)
    far = np.flatnonzero(np.abs(profile) > sigma * scatter)  # the few for which the rest is worth its while
    if far.size:
        limit = np.maximum(sigma * np.median(noise[:, far], axis=0) / len(residual) ** 0.5, sigma * scatter)
        floor = np.median(least[:, far], axis=0) if isinstance(least, np.ndarray) else least
        sign[far] = np.where(np.abs(profile[far]) > np.maximum(limit, floor), np.sign(profile[far]), 0)
    return sign


def _close_gaps(bad: Mask) -> Mask:
    """Return a mask in which runs of less than GAP good pixels between bad ones of a column are bad too."""
    columns = np.flatnonzero(bad.any(axis=0))
    if not columns.size:
        return bad
    rows, reach = len(bad), GAP // 2
    chosen = np.pad(bad[:, columns], [(2 * reach, 2 * reach), (0, 0)])
    grown = np.logical_or.reduce([chosen[shift : shift + rows + 2 * reach] for shift in range(GAP)])
    closed = bad.copy()
    closed[:, columns] = np.logical_and.reduce([grown[shift : shift + rows] for shift in range(GAP)])
    return closed


def _subtract_level(image: Image) -> NDArray[np.float32]:
    level = smooth(image)
    return np.subtract(image, level, out=level)


def _list_segments(shape: tuple[int, ...]) -> list[slice]:
    return [slice(start, start + SEGMENT) for start in range(0, shape[0], SEGMENT)]


def _measure_level(image: Image, finite: Mask) -> float:
    """Return the median of the finite pixels."""
    return float(np.median(_take_sample(image, finite)))


def _take_sample(image: Image, finite: Mask) -> Image:
    """Return the finite pixels, of a large image those of every n-th row and column."""
    step = int((image.size / MEASURED) ** 0.5) | 1  # an odd step meets every colour of a mosaic
    sample = image[::step, ::step][finite[::step, ::step]]
    return sample if sample.size else image[finite]


def _fill_gaps(image: Image) -> tuple[NDArray[np.float32], Mask]:
    """Return the image in float32, its not finite pixels at the median around them, and which are finite."""
    finite = np.isfinite(image)
    if finite.all() or not finite.any():
        return np.asarray(image, np.float32), finite
    filled = np.where(finite, image, np.nan).astype(np.float32, copy=False)
    cells = take_cell_medians(lambda rows: filled[rows], image.shape, CELL)
    for rows in _list_segments(image.shape):
        np.copyto(filled[rows], spread_cells(cells, CELL, image.shape, rows), where=~finite[rows])
    return filled, finite


def _measure_scatter(residual: Image, finite: Mask) -> NDArray[np.float32]:
    """Return the robust standard deviation around the pixels of each cell."""

    def read_distance(rows: slice) -> Image:
        distance = np.abs(residual[rows])
        distance[~finite[rows]] = np.nan
        return distance

    scatter = np.float32(SIGMA_PER_MAD) * take_cell_medians(read_distance, residual.shape, CELL)
    if not scatter.all():  # where most whole counts agree the MAD is zero, though the others are no outliers
        known = np.abs(_take_sample(residual, finite)).astype(np.float64)
        scatter[scatter == 0] = np.sqrt(np.mean(known[known <= np.percentile(known, 99)] ** 2))
    # the greatest of the cells around: a step in the noise must not make outliers on its noisy side
    wide = np.pad(scatter, 1, mode="edge")
    for axis in (0, 1):
        length = scatter.shape[axis]
        wide = np.maximum.reduce([wide.take(range(shift, shift + length), axis) for shift in range(3)])
    return wide
