"""Cosmic rays by L.A.Cosmic: which pixels of one image were hit, and what their surroundings say instead."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import ccdproc
import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt

from darkroom.mosaics import SIDE, name_planes, treat_planes

SPILL = 2  # pixels around a spared one that are spared too: charge spills over
MARGIN = 8  # pixels added at each edge, where the filters would see nothing
REACH = 10  # pixels that a hit may extend from where it is certain: not on and on into a star that it touches
NARROW = 2.0  # pixels, FWHM: what is narrower than this is told from a star by its shape alone ...
SHAPE = 0.41  # ... with this part of the contrast: an undersampled star (FWHM 1.5) has 1.53, a lone pixel 4.5
STAR = 5.0  # standard deviations that a star stands out by in all colours of a mosaic
FEWEST = 10  # places that tell of which colour the stars are

Image = NDArray[np.float32]
Pixels = NDArray[np.bool_]


def find_cosmic_rays(
    image: CCDData | Image, variance: NDArray[np.floating[Any]], spared: Pixels, settings: dict[str, Any]
) -> tuple[Pixels, Image]:
    """Find the pixels hit by cosmic rays and replace them (L.A.Cosmic, van Dokkum 2001, PASP 113, 1420).

    Where a hit is certain, it stands out by ``sigma`` and is sharper than any star, as far as two measures of the
    fine structure tell: the median of 3 x 3 pixels, and a narrow Gaussian. From there it extends over neighbours
    that stand out less and are no sharper than a star, since the middle of a thick track is not.

    Parameters
    ----------
    image : CCDData or array, shape (rows, columns)
        Calibrated, in any unit.
    variance : array, shape (rows, columns)
        Of each pixel, in that unit squared; NaN where it is not known, which then takes that of the nearest pixel.
    spared : array of bool, shape (rows, columns)
        Pixels neither judged nor touched, such as full ones; so are those within ``SPILL`` pixels of them, and
        astroscrappy judges none that touches one of these. Pixels that
        are not finite are spared by themselves.
    settings : dict
        ``sigma``, the limit of a hit in standard deviations; ``neighbour_fraction`` of it for the neighbours of a hit;
        ``contrast``, how much sharper than the fine structure around it a hit is at least.

    Returns
    -------
    hits : array of bool
    cleaned : array of float32
        The image with the median of the good pixels around in place of each hit, all others to the bit as they were.
    """
    data = np.asarray(image.data if isinstance(image, CCDData) else image, np.float32)
    missing = ~np.isfinite(data)
    spared = binary_dilation(spared, iterations=SPILL) | missing
    hits = np.zeros(data.shape, bool)
    if spared.all():
        return hits, data.copy()
    noise = fill_from_nearest(variance, ~np.isfinite(variance))
    # in units of the noise: astroscrappy takes no variance below 1e-5
    scale = float(np.sqrt(np.median(noise[~spared]))) or 1.0
    level = fill_from_nearest(data, missing) / np.float32(scale)
    hits = _search(level, noise / np.float32(scale**2), spared, settings)
    return hits, replace_by_median(data, hits, ~hits & ~spared)


def find_in_mosaic(
    image: Image, variance: NDArray[np.floating[Any]], spared: Pixels, settings: dict[str, Any]
) -> tuple[Pixels, Image]:
    """Find hits in a mosaic, as `find_cosmic_rays` does in an image, and replace them by medians of their colour.

    Among pixels of other colours each is sharper than a star, and in the plane of its colour a star is only half as
    wide. So a hit is what is one both in its plane and among all pixels, once these are of the stars' mean colour.
    Stars narrower than four pixels whose colour is another may still be lost; a higher ``contrast`` keeps them.
    """
    hits, cleaned = treat_planes(partial(find_cosmic_rays, settings=settings), image, variance, spared)
    grey, spread = _bring_to_grey(np.asarray(image), np.asarray(variance))
    hits &= find_cosmic_rays(grey, spread, spared, settings)[0]
    return hits, np.where(hits, cleaned, image)


def _bring_to_grey(image: Image, variance: NDArray[np.floating[Any]]) -> tuple[Image, Image]:
    """Return a mosaic less its sky, in which the stars are grey on the average, and its variance."""
    grey, spread = image.astype(np.float32), variance.astype(np.float32)
    planes, spreads = ([plane for _, plane in name_planes(each, "RGGB")] for each in (grey, spread))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a plane without a finite pixel
        for plane in planes:
            plane -= np.nanmedian(plane)
    rows, columns = (length // SIDE for length in image.shape)
    cells, errors = (np.stack([each[:rows, :columns] for each in four]) for four in (planes, spreads))
    with np.errstate(invalid="ignore"):
        bright = (cells > STAR * np.sqrt(errors)).all(axis=0)  # in all colours, as a star and hardly a hit is
    if np.count_nonzero(bright) >= FEWEST:
        levels = np.median(cells[:, bright] / cells[:, bright].mean(axis=0), axis=1)
        for plane, of_plane, level in zip(planes, spreads, levels, strict=True):
            plane /= level
            of_plane /= level**2
    return grey, spread


def _search(image: Image, variance: Image, spared: Pixels, settings: dict[str, Any]) -> Pixels:
    """Return where hits are: grown from certain ones, on an image that goes on beyond its edges."""
    wide = CCDData(np.pad(image, MARGIN, mode="reflect"), unit=u.electron, mask=np.pad(spared, MARGIN, mode="reflect"))
    noise = np.pad(variance, MARGIN, mode="reflect").astype(np.float32)
    sigma, contrast = settings["sigma"], settings["contrast"]
    certain = _run_lacosmic(wide, noise, sigma, contrast, sepmed=False)
    narrow = {"fsmode": "convolve", "psfmodel": "gauss", "psffwhm": NARROW, "psfsize": 7}
    certain |= _run_lacosmic(wide, noise, sigma, SHAPE * contrast, **narrow)
    possible = _run_lacosmic(wide, noise, settings["neighbour_fraction"] * sigma, 1.0)
    hits = binary_dilation(certain, np.ones((3, 3)), iterations=REACH, mask=certain | possible)
    return hits[MARGIN:-MARGIN, MARGIN:-MARGIN]


def _run_lacosmic(image: CCDData, variance: Image, sigma: float, contrast: float, **options: Any) -> Pixels:
    # Electrons are a formality: with a gain of 1 and a variance given, nothing depends on them.
    found = ccdproc.cosmicray_lacosmic(
        image,
        invar=variance,
        gain=1.0,
        gain_apply=False,
        satlevel=np.inf,
        sigclip=sigma,
        sigfrac=1.0,
        objlim=contrast,
        **options,
    )
    return found.mask & ~image.mask


def fill_from_nearest(array: NDArray[np.floating[Any]], missing: Pixels) -> Image:
    """Return an array in float32 with the value of the nearest other pixel wherever one is missing; 0 if all are."""
    if missing.all():
        return np.zeros(array.shape, np.float32)
    if not missing.any():
        return array.astype(np.float32, copy=False)
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return array[tuple(nearest)].astype(np.float32)


def replace_by_median(image: Image, hits: Pixels, good: Pixels) -> Image:
    """Return an image with the median of the good ones among 5 x 5 pixels in place of each hit.

    Where none of these is good the window widens; where none is good anywhere the pixel stays.
    """
    cleaned = image.copy()
    if not good.any():
        return cleaned
    left, reach = np.argwhere(hits), 2
    while len(left):
        padded = np.pad(np.where(good, image, np.nan), reach, constant_values=np.nan)
        size = 2 * reach + 1
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
        around = windows[left[:, 0], left[:, 1]].reshape(len(left), -1)
        found = np.isfinite(around).any(axis=1)
        cleaned[tuple(left[found].T)] = np.nanmedian(around[found], axis=1)
        left, reach = left[~found], 2 * reach
    return cleaned
