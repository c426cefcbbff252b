"""Running a tool, and the stars of a file that its results are held against."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.quality import Bit
from tests.tools.night import Night

TIMEOUT = 200  # s
ALONE = 18.0  # pixels from a star to the next
EDGE = 28  # pixels from the edge
REACH = 9  # pixels around a star that must be good


@dataclass(frozen=True)
class Known:
    """Stars by themselves on good pixels of a file: x and y (from 0), right ascension and declination, electrons."""

    pixels: np.ndarray
    places: np.ndarray
    fluxes: np.ndarray


def run_tool(command: list[str | Path], folder: Path, **environment: str) -> str:
    """Run a program in a folder, which is its home too, and return what it said."""
    own = os.environ | {"HOME": str(folder), "LC_ALL": "C"} | environment
    done = subprocess.run(
        [str(each) for each in command], cwd=folder, env=own, capture_output=True, text=True, timeout=TIMEOUT
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def list_known(night: Night, path: Path) -> Known:
    """Return the stars of a light or a stack, where the truth has them; no astropy in the lights' places."""
    with fits.open(path) as hdus:
        header, mask = hdus[0].header, hdus["MASK"].data
    places = np.array([[star.ra, star.dec] for star in night.stars])
    # the camera's own projection, moved as the reference pixel was
    middle = (np.array(night.sky.shape[::-1]) + 1) / 2
    pixels = night.sky.project(places) + np.array([header["CRPIX1"], header["CRPIX2"]]) - middle
    kept = []
    for number, (x, y) in enumerate(pixels):
        near = np.sort(np.hypot(*(pixels - pixels[number]).T))[1]
        inside = EDGE < x < mask.shape[1] - EDGE and EDGE < y < mask.shape[0] - EDGE
        i, j = round(y), round(x)
        around = mask[max(i - REACH, 0) : i + REACH + 1, max(j - REACH, 0) : j + REACH + 1]
        if inside and near > ALONE and not (around & ~np.uint8(Bit.INTERPOLATED)).any():
            kept.append(number)
    fluxes = np.array([night.stars[number].flux for number in kept])
    return Known(pixels[kept], places[kept], fluxes)


def find_offsets(places: np.ndarray, truth: np.ndarray, scale: float) -> np.ndarray:
    """Return how far places (degrees) lie from the truth, in pixels of so many seconds of arc."""
    east = (places[:, 0] - truth[:, 0]) * np.cos(np.radians(truth[:, 1]))
    return np.hypot(east, places[:, 1] - truth[:, 1]) * 3600 / scale


def look_at_sky(header: fits.Header, pixels: np.ndarray) -> np.ndarray:
    """Return places on the sky by the cards of a header."""
    return WCS(header).all_pix2world(pixels, 0)


def average(errors: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Return the weighted mean of errors, and what is expected of it."""
    weight = 1 / expected**2
    return float((errors * weight).sum() / weight.sum()), float(weight.sum() ** -0.5)
