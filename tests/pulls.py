"""Pulls: how far the pixels of a reduced, simulated night lie from the truth, in units of their own error bars."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.simulator import Truth

SIGMA_PER_MAD = 1.482602218505602


@dataclass
class Product:
    """A product as it is stored: images (ny, nx) of its values, of their standard deviations, and of quality bits."""

    header: fits.Header
    data: np.ndarray
    uncertainty: np.ndarray
    mask: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> "Product":
        """Read a master or a light."""
        with fits.open(path, memmap=False) as hdus:
            planes = [hdus[name].data for name in (0, "UNCERT", "MASK")]
            return cls(hdus[0].header, *(plane.astype(float) for plane in planes[:2]), planes[2])

    def pulls(self, truth: np.ndarray) -> np.ndarray:
        """Return (value - truth) / uncertainty of each pixel (ny, nx); NaN where the mask says anything."""
        return np.where(self.mask == 0, (self.data - truth) / self.uncertainty, np.nan)


def tell_master(truth: Truth, header: fits.Header) -> np.ndarray:
    """Return the image (ny, nx) that a master would be without noise, by what its header says that it holds."""
    camera = truth.camera
    bias = camera.bias_pattern() - (camera.bias_level if "O" in header["CALSTAT"] else 0)
    if header["IMAGETYP"] == "MASTER BIAS":
        return bias
    if header["IMAGETYP"] == "MASTER DARK":
        seconds = 1.0 if header["BUNIT"] == "adu/s" else header["EXPTIME"]
        return camera.dark_rate() * seconds + (bias if header["HOLDBIAS"] else 0)
    return camera.flat(header["FILTER"])


def tell_light(truth: Truth, stem: str, header: fits.Header) -> np.ndarray:
    """Return the image (ny, nx) that a light would be without noise, in its unit; a dark not taken off is in it."""
    image = truth.scenes[stem]
    if "D" not in header["CALSTAT"]:
        image = image + truth.camera.dark_rate() * header["EXPTIME"] / truth.camera.flat(header["FILTER"])
    return image * (header["CALGAIN"] if header["BUNIT"] == "electron" else 1.0)


def clip(pulls: np.ndarray) -> np.ndarray:
    """Return the finite pulls within five of their robust standard deviations (or 5) of their median.

    The MAD may be zero: medians of whole ADU go in steps.
    """
    values = pulls[np.isfinite(pulls)]
    distance = np.abs(values - np.median(values))
    return values[distance <= 5 * max(1.0, SIGMA_PER_MAD * float(np.median(distance)))]


def measure_center(pulls: np.ndarray) -> float:
    """Return the clipped mean of pulls; the median of skewed photon noise is not its mean."""
    return float(clip(pulls).mean())


def measure_spread(pulls: np.ndarray) -> float:
    """Return the robust standard deviation of pulls: that of what is left by a clip that normal values survive.

    Its relative error is 1 / sqrt(2 n) for n normal values, that of the MAD 1.65 times as large.
    """
    return float(clip(pulls).std())
