"""Light files: calibrated lights of which a stack reads some rows and columns at a time, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.mosaics import find_mosaic
from darkroom.product_files import read_product
from darkroom.stacking.colours import list_colour_stars
from darkroom.stacking.resample import Read
from darkroom.stacking.star_lists import StarList, list_stars


@dataclass(frozen=True)
class Plane:
    """Where in a file a plane lies; it is opened anew for each part, as open files are limited and lights are not."""

    path: str
    offset: int
    shape: tuple[int, ...]
    kind: str

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return some of its pixels, in the byte order of this machine."""
        whole = np.memmap(self.path, np.dtype(self.kind), "r", self.offset, self.shape)
        part = whole[..., rows, columns]
        return np.array(part, part.dtype.newbyteorder("="))


@dataclass(frozen=True, eq=False)
class LightFile:
    """A calibrated light: its header, its recipe and where its planes are; None of those that it lacks."""

    path: str
    header: fits.Header
    recipe: dict[str, Any]
    data: Plane
    uncertainty: Plane | None
    mask: Plane | None

    @property
    def name(self) -> str:
        """Its path below results."""
        return str(self.recipe["product"])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.data.shape[0], self.data.shape[1]

    @property
    def seconds(self) -> float:
        """Its exposure; 0 where nobody knows."""
        return float(self.recipe["frames"][0]["exposure"] or 0)

    @property
    def start(self) -> str | None:
        """When it began, ISO UTC."""
        return self.recipe["frames"][0]["start"]

    @property
    def middle(self) -> str | None:
        """When half of its exposure was over, ISO UTC."""
        if not self.start:
            return None
        return (datetime.fromisoformat(self.start) + timedelta(seconds=self.seconds / 2)).isoformat()

    @property
    def is_solved(self) -> bool:
        """Whether its coordinates were solved from stars."""
        return self.header.get("SOLVED") is True

    @property
    def mosaic(self) -> str | None:
        """The colours of the first two pixels of its first two rows; None of a monochrome camera."""
        return find_mosaic(self.recipe)

    def find_stars(self, colour: str = "G") -> StarList:
        """Return its stars; of a mosaic, those of one colour."""
        whole = slice(None), slice(None)
        bars = None if self.uncertainty is None else self.uncertainty.read(*whole)
        mask = None if self.mask is None else self.mask.read(*whole)
        if self.mosaic:
            return list_colour_stars(self.data.read(*whole), bars, mask, self.mosaic, colour)
        return list_stars(self.data.read(*whole), bars, mask)

    def make_reader(self, noise: float) -> Read:
        """Return what reads its planes for resampling; ``noise`` is that of the sky, where it bears no error bars."""

        def read(rows: slice, columns: slice) -> tuple[NDArray[Any], NDArray[Any] | float, NDArray[np.uint8] | None]:
            bars = None if self.uncertainty is None else self.uncertainty.read(rows, columns)
            mask = None if self.mask is None else self.mask.read(rows, columns)
            return self.data.read(rows, columns), noise**2 if bars is None else bars**2, mask

        return read


def open_light(path: str, digest: str) -> LightFile:
    """Return the light of this file, if it was made by the recipe of this digest.

    Raises
    ------
    JobProblem
        If it is gone, damaged or made by another recipe.
    """
    product = read_product(path, digest)
    with fits.open(path, memmap=True) as hdus:
        planes = {hdu.name: _find_plane(path, hdu) for hdu in hdus if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU)}
    data = planes[fits.PrimaryHDU().name]
    return LightFile(path, product.header, product.recipe, data, planes.get("UNCERT"), planes.get("MASK"))


def _find_plane(path: str, hdu: Any) -> Plane:
    shape = tuple(hdu.header[f"NAXIS{axis}"] for axis in range(hdu.header["NAXIS"], 0, -1))
    kind = {-32: ">f4", 8: "u1"}[hdu.header["BITPIX"]]
    return Plane(str(Path(path).absolute()), hdu.fileinfo()["datLoc"], shape, kind)
