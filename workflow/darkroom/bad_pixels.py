"""Bad pixels: hot ones from master darks; dead, cold and non-linear ones from master flats."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.rejection import SIGMA_PER_MAD

HOT_SIGMA = 7.0  # a Poisson tail of few electrons stays below it, and noise does not hide 10 sigma
HOT_OWN = 0.5  # of that, in units of the pixel's own noise, which its own dark current raises
FLAT_SIGMA = 7.0
LEAST_DEVIATION = 0.1  # of the level around: what differs less is a response as others, for the flat to take out
LEAST_NONLINEARITY = 0.03
DEAD = 0.5  # of the level around: a group of pixels below this is no dust ring
LEAST_FLAT = 0.05  # of the median: what is darker tells nothing of a pixel
LEAST_RATIO = 0.1  # the same for the ratio of two flats, in which noise counts twice
STANDS_OUT = 0.7  # of its distance from the level around, beyond its neighbours, for a pixel that is no blur
NEAR = 3  # reach of the running median, seven pixels wide
CELL = 32  # pixels in which noise and levels are measured
BIN = 4  # for the level around groups of pixels
TILE = 24  # pixels; the blocks of ccdmask
GAP = 5  # a shorter run of good pixels between bad ones of a column is bad, as in ccdmask
SEGMENT = 64  # rows over which columns are compared

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
    excess = image - _smooth(image)
    noise = _measure_scatter(excess, finite)
    if variance is not None:
        own = np.sqrt(np.where(np.isfinite(variance) & (variance > 0), variance, 0)).astype(np.float32)
        noise = np.maximum(noise, _spread_cells(_take_medians(own, CELL), CELL, own.shape))
    hot = excess > sigma * noise
    if variance is not None:
        hot &= excess > HOT_OWN * sigma * own
    hot = _keep_sharp(image, excess, hot)
    return (hot | (_find_columns(excess, finite, noise, sigma, noise) > 0)) & finite


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
    least = LEAST_FLAT * float(np.median(image[finite]))
    away = image - _smooth(image)
    noise = _measure_scatter(away, finite)
    bad = _find_deviant(image, finite, away, noise, least, LEAST_DEVIATION)
    bad |= _find_dead_groups(image, noise, least) & finite
    if faint is not None and bright is not None:
        bad |= _find_nonlinear(faint, bright)
    return _close_gaps(bad) & finite


def _find_nonlinear(faint: Image, bright: Image) -> Mask:
    """Return where the ratio of two flats of unlike levels departs from that around it."""
    enough = np.isfinite(faint) & np.isfinite(bright)
    if not enough.any():
        return enough
    for flat in (faint, bright):
        middle = float(np.median(flat[np.isfinite(flat)]))
        enough &= np.where(np.isfinite(flat), flat, 0) > max(LEAST_RATIO * middle, 0)
    ratio = np.divide(faint, bright, out=np.full(faint.shape, np.nan, np.float32), where=enough, dtype=np.float32)
    image, finite = _fill_gaps(ratio)
    if not finite.any():
        return finite
    away = image - _smooth(image)
    least = LEAST_FLAT * float(np.median(image[finite]))
    return _find_deviant(image, finite, away, _measure_scatter(away, finite), least, LEAST_NONLINEARITY)


def _find_deviant(image: Image, finite: Mask, away: Image, noise: Image, least: float, deviation: float) -> Mask:
    """Return the pixels that ccdmask finds and that differ by ``deviation`` from a level above ``least``."""
    level = image - away
    judged = finite & (level > max(least, 0))
    candidates = (np.abs(away) > np.maximum(deviation * level, FLAT_SIGMA * noise)) & judged
    found = _keep_sharp(image, away, _run_ccdmask(image, candidates))
    scale = np.where(judged, level, 1)
    columns = _find_columns(np.where(judged, away / scale, 0), judged, noise / scale, FLAT_SIGMA, deviation)
    return found | ((columns != 0) & judged)


def _keep_sharp(image: Image, away: Image, found: Mask) -> Mask:
    """Return those of the pixels found that stand out of the median of their eight neighbours, or touch one that does.

    The edge of a shadow, the top of a glow and what a star left behind do not.
    """
    from scipy.ndimage import maximum_filter

    y, x = np.nonzero(found)
    step = np.array([0, 1, 2])
    near = np.pad(image, 1, mode="reflect")[y[:, None, None] + step[:, None], x[:, None, None] + step].reshape(-1, 9)
    sign = np.sign(away[y, x])
    around = np.median(sign[:, None] * np.delete(near, 4, axis=1), axis=1)
    sharp = np.zeros(found.shape, bool)
    sharp[y, x] = sign * image[y, x] - around > STANDS_OUT * np.abs(away[y, x])
    return found & maximum_filter(sharp, 3)


def _run_ccdmask(image: Image, candidates: Mask) -> Mask:
    """Return which candidates `ccdproc.ccdmask` calls bad.

    On 2048 x 2048 pixels it takes half a minute, so it sees only the tiles that hold candidates, one below the other;
    a tile is one of its blocks, in which it measures the noise, and the running median reaches no further than its
    margin. Its sigma, half the distance of the percentiles 30.9 and 69.1, is half a standard deviation.
    """
    import ccdproc
    from astropy import units as u
    from astropy.nddata import CCDData

    core = TILE - 2 * NEAR
    rows, columns = image.shape
    up, across = -(-rows // core), -(-columns // core)
    more = [(0, up * core - rows), (0, across * core - columns)]
    busy = np.pad(candidates, more).reshape(up, core, across, core).any(axis=(1, 3))
    if not busy.any():
        return candidates.copy()
    padded = np.pad(image, [(NEAR, NEAR + extra) for _, extra in more], mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (TILE, TILE))[::core, ::core]
    strip = CCDData(windows[busy].reshape(-1, TILE), unit=u.dimensionless_unscaled)
    found = ccdproc.ccdmask(strip, byblocks=True, nlsig=TILE, ncsig=TILE, lsigma=2 * FLAT_SIGMA, hsigma=2 * FLAT_SIGMA)
    tiles = np.zeros((up, across, core, core), bool)
    tiles[busy] = found.reshape(-1, TILE, TILE)[:, NEAR:-NEAR, NEAR:-NEAR]
    return tiles.swapaxes(1, 2).reshape(up * core, across * core)[:rows, :columns] & candidates


def _find_dead_groups(image: Image, noise: Image, least: float) -> Mask:
    """Return groups of dead pixels too wide for ccdmask: holes in a bright surrounding, not the edge of a shadow."""
    from scipy.ndimage import label, maximum_filter

    level = _spread_cells(_smooth(_take_medians(image, BIN)), BIN, image.shape)
    low = (image < np.minimum(DEAD * level, level - FLAT_SIGMA * noise)) & (level > least)
    groups, number = label(low, np.ones((3, 3)))
    if not number:
        return low
    ring = np.where(low, 0, maximum_filter(groups, 5))
    dim = np.bincount(ring[image < (1 + DEAD) / 2 * maximum_filter(level, 9)], minlength=number + 1)
    hole = dim < 0.2 * np.bincount(ring.ravel(), minlength=number + 1)
    # a shadow in a corner of the image has no other side to tell it by
    sides = [
        np.bincount(side, minlength=number + 1) > 0 for side in (groups[0], groups[-1], groups[:, 0], groups[:, -1])
    ]
    hole &= ~((sides[0] | sides[1]) & (sides[2] | sides[3]))
    hole[0] = False
    return hole[groups]


def _find_columns(residual: Image, finite: Mask, noise: Image, sigma: float, least: float | Image) -> NDArray[np.int8]:
    """Return 1 or -1 where the clipped mean of a stretch of column departs from the columns beside it.

    By more than ``sigma`` times its noise and the scatter of such columns, and by more than ``least``.
    """
    from scipy.ndimage import median_filter

    sign = np.zeros(residual.shape, np.int8)
    most = np.maximum(4 * noise, 2 * least)
    for start in range(0, len(residual), SEGMENT):
        part = slice(start, start + SEGMENT)
        height = len(residual[part])
        # clipped, not the median, which in whole counts moves in steps
        profile = np.clip(np.where(finite[part], residual[part], 0), -most[part], most[part]).mean(axis=0)
        profile -= median_filter(profile, 15, mode="mirror")
        scatter = SIGMA_PER_MAD * np.median(np.abs(profile))
        profile[:NEAR] = profile[-NEAR:] = 0  # where a slope has no other side
        limit = sigma * np.maximum(np.median(noise[part], axis=0) / height**0.5, scatter)
        floor = np.median(least[part], axis=0) if isinstance(least, np.ndarray) else least
        sign[part] = np.where(np.abs(profile) > np.maximum(limit, floor), np.sign(profile), 0)
    return sign


def _close_gaps(bad: Mask) -> Mask:
    """Return a mask in which runs of less than GAP good pixels between bad ones of a column are bad too."""
    from scipy.ndimage import binary_closing

    if not bad.any():
        return bad
    return binary_closing(np.pad(bad, [(GAP, GAP), (0, 0)]), np.ones((GAP, 1)))[GAP:-GAP]


def _fill_gaps(image: Image) -> tuple[NDArray[np.float32], Mask]:
    """Return the image in float32, its not finite pixels at the median around them, and which are finite."""
    finite = np.isfinite(image)
    if finite.all() or not finite.any():
        return image.astype(np.float32), finite
    hollow = np.where(finite, image, np.nan).astype(np.float32)
    return np.where(finite, hollow, _spread_cells(_take_medians(hollow, CELL), CELL, image.shape)), finite


def _smooth(image: Image) -> NDArray[np.float32]:
    """Return the running median over seven columns, then over seven rows (half a second faster than over both)."""
    from astroscrappy.utils import sepmedfilt7

    padded = np.ascontiguousarray(np.pad(image, NEAR, mode="reflect"), np.float32)
    smooth: NDArray[np.float32] = sepmedfilt7(padded)[NEAR:-NEAR, NEAR:-NEAR]
    return smooth


def _measure_scatter(residual: Image, finite: Mask) -> NDArray[np.float32]:
    """Return the robust standard deviation around each pixel."""
    from scipy.ndimage import maximum_filter

    distance = np.abs(residual)
    if not finite.all():
        distance[~finite] = np.nan
    scatter = np.float32(SIGMA_PER_MAD) * _take_medians(distance, CELL)
    if not scatter.all():  # where most whole counts agree the MAD is zero, though the others are no outliers
        known = distance[finite].astype(np.float64)
        scatter[scatter == 0] = np.sqrt(np.mean(known[known <= np.percentile(known, 99)] ** 2))
    # the greatest of the cells around: a step in the noise must not make outliers on its noisy side
    return _spread_cells(maximum_filter(scatter, 3), CELL, residual.shape)


def _take_medians(image: Image, size: int) -> NDArray[np.float32]:
    """Return the medians of square cells, NaN left out; where a cell has nothing, that of the others."""
    size = min(size, *image.shape)
    up, across = (length // size for length in image.shape)
    stack = image[: up * size, : across * size].reshape(up, size, across, size).swapaxes(1, 2).reshape(up, across, -1)
    if not np.isnan(stack).any():
        return np.median(stack, axis=-1).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell of NaN alone
        cells = np.nanmedian(stack, axis=-1).astype(np.float32)
        cells[np.isnan(cells)] = np.nanmedian(cells) if np.isfinite(cells).any() else 0
    return cells


def _spread_cells(cells: Image, size: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return an image of the cells' values; what is left over at the edges has the last cell's."""
    size = min(size, *shape)
    y, x = (
        np.minimum(np.arange(length) // size, number - 1) for length, number in zip(shape, cells.shape, strict=True)
    )
    return cells[y[:, None], x].astype(np.float32)
