"""Lights and masters as their files hold them: header, recipe and planes, of which what is looked at is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.mosaics import SIDE, find_mosaic
from darkroom.problems import JobProblem
from darkroom.stamps import TABLE, read_stamp

COLOURED = ("light", "flat")  # kinds of frames that saw light

GREEN = 1  # plane of a stack in red, green and blue

Image = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Product:
    """A light, stack or master as its file holds it: arrays of shape (rows, columns), mapped and not read.

    ``mosaic`` is in the order of its pixels, None of a monochrome camera and of what saw no light. A stack of mosaics
    has arrays of shape (colours, rows, columns), in red, green and blue.
    """

    header: fits.Header
    recipe: dict[str, Any]
    data: Image
    uncertainty: Image | None
    mask: NDArray[np.uint8] | None

    @property
    def mosaic(self) -> str | None:
        """The colours of the first two pixels of the first two rows."""
        return find_mosaic(self.recipe) if self.recipe["kind"] in COLOURED and min(self.data.shape) >= SIDE else None

    @property
    def of_one_colour(self) -> Product:
        """Itself; of a stack of mosaics, its green plane."""
        if self.data.ndim == 2:
            return self
        bars, mask = (None if each is None else each[GREEN] for each in (self.uncertainty, self.mask))
        return replace(self, data=self.data[GREEN], uncertainty=bars, mask=mask)

    @property
    def unit(self) -> str:
        """What its numbers are."""
        return str(self.header.get("BUNIT") or "")


def read_product(path: str, digest: str | None = None) -> Product:
    """Return a light, stack or master; if a digest is told, that of this recipe.

    Of one that tells why there is no image, the data are one pixel without a value.

    Raises
    ------
    JobProblem
        If it is gone, damaged or made by another recipe.
    """
    try:
        stamp = read_stamp(Path(path))
        if stamp is None:
            raise ValueError("it is not whole, or no product of Darkroom")
        if digest not in (None, stamp):
            raise JobProblem(f"{path}: made by another recipe than the plan's; run snakemake again")
        with fits.open(path, memmap=True) as hdus:
            told = hdus[0].header["NAXIS"] == 0 and hdus[0].header.get("IMAGETYP") == "NO STACK"
            if not told and hdus[0].header["NAXIS"] not in (2, 3):
                raise ValueError("it holds no image")
            return Product(
                hdus[0].header,
                json.loads(str(hdus[TABLE].data["json"][0])),
                np.full((1, 1), np.nan, np.float32) if told else hdus[0].data,
                hdus["UNCERT"].data if "UNCERT" in hdus else None,
                hdus["MASK"].data if "MASK" in hdus else None,
            )
    except (OSError, TypeError, ValueError, LookupError, AttributeError, fits.VerifyError) as error:
        reason = getattr(error, "strerror", None) or error
        raise JobProblem(f"{path}: cannot be shown ({reason}); delete it and run again") from None
