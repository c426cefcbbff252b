"""The quality plane: a byte for each pixel, in which each bit names a reason not to trust it."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray


class Bit(IntFlag):
    """Why a pixel is not to be trusted; a plane of these is of uint8, zero where nothing is wrong."""

    BAD = 1
    HOT = 2
    SATURATED = 4
    COSMIC_RAY = 8
    LOW_FLAT = 16
    NO_DATA = 32
    INTERPOLATED = 64


MEANINGS = {
    Bit.BAD: "dead, cold or non-linear",
    Bit.HOT: "far more dark current than around it",
    Bit.SATURATED: "full in the raw frame, or near one",
    Bit.COSMIC_RAY: "hit by a cosmic ray",
    Bit.LOW_FLAT: "too little flat to divide by",
    Bit.NO_DATA: "no value could be computed",
    Bit.INTERPOLATED: "filled in from its neighbours",
}


def describe_bits(header: fits.Header) -> None:
    """Write the name of each bit into the header of a quality plane.

    ``BIT0 = 'BAD'`` with the comment ``value 1: dead, cold or non-linear``, and so on: bit n has the value 2**n.
    """
    for bit, meaning in MEANINGS.items():
        header[f"BIT{bit.value.bit_length() - 1}"] = (bit.name, f"value {bit.value}: {meaning}")


def flag_no_data(image: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return a quality plane in which only what is not finite is flagged."""
    return ~np.isfinite(image) * np.uint8(Bit.NO_DATA)


def flag(mask: NDArray[np.uint8], where: NDArray[np.bool_], bits: int) -> None:
    """Set bits in a quality plane, in place."""
    mask |= where * np.uint8(bits)


def has_any(mask: NDArray[np.uint8], bits: int) -> NDArray[np.bool_]:
    """Return where at least one of these bits is set."""
    return (mask & np.uint8(bits)) != 0


def find_saturated(raw: NDArray[np.number[Any]], level: float, grow: int = 0, bleed: int = 0) -> NDArray[np.bool_]:
    """Return where a raw frame is full, or so close to full pixels that their charge may have reached it.

    Parameters
    ----------
    raw : array, shape (rows, columns)
        ADU, before any calibration: after bias and flat each pixel's full level is another. NaN is not full.
    level : float
        ADU; full is what reaches it.
    grow : int
        Pixels all around a full one (a square of 2 grow + 1) that count as full.
    bleed : int
        Pixels up and down the column of a full one that count as full; charge spills along columns.
    """
    full = raw >= level
    if not full.any() or max(grow, bleed) < 1:
        return full
    return grow_mask(full, grow, grow) | grow_mask(full, bleed, 0)


def grow_mask(mask: NDArray[np.bool_], up: int, across: int) -> NDArray[np.bool_]:
    """Return a mask that is set, too, within so many rows up and down, and columns to both sides, of where it was."""
    for axis, reach in ((0, up), (1, across)):
        if reach > 0:
            wide = np.pad(mask, [(reach, reach) if each == axis else (0, 0) for each in (0, 1)])
            mask = join_runs(wide, 2 * reach + 1, axis, np.logical_or)
    return mask


def join_runs(mask: NDArray[np.bool_], length: int, axis: int, join: np.ufunc) -> NDArray[np.bool_]:
    """Return what a logical operation makes of each run of so many pixels along an axis, which gets shorter by it."""
    joined, done = np.moveaxis(mask, axis, 0), 1
    while done < length:  # doubled, as each is what two shorter ones make
        step = min(done, length - done)
        joined = join(joined[:-step], joined[step:])
        done += step
    return np.moveaxis(joined, 0, axis)
