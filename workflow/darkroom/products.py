"""Products of a job: images and figures written whole or not at all, the same content as the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.planned import PlannedRecipe
from darkroom.problems import JobProblem
from darkroom.provenance import stamp_header
from darkroom.quality import describe_bits
from darkroom.stamps import BLOCK, STAMP, TABLE, digest_recipe
from darkroom.whole_files import replace_whole, say_unwritable

Image = NDArray[np.floating[Any]]


def write_product(
    path: str,
    image: Image | None,
    header: fits.Header,
    recipe: dict[str, Any],
    variance: Image | None = None,
    mask: NDArray[np.uint8] | None = None,
    more: Sequence[fits.ImageHDU | fits.BinTableHDU] = (),
) -> None:
    """Write an image as float32 (or bytes) with error bars, quality plane, recipe and checksums; whole or not at all.

    The same content gives the same bytes: no time of day is written.

    Parameters
    ----------
    image, variance : arrays, shape (rows, columns)
        No image is a file that tells why there is none.
        The variance in the image's unit squared; its root goes to the extension UNCERT, as CCDData reads it.
    mask : array of uint8, shape (rows, columns)
        The bits of `darkroom.quality`, for the extension MASK.
    more : sequence of HDU
        Extensions of its own that a kind of product has, for the place before the recipe.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    pixels = None if image is None else _as_stored(image)
    planes: list[Any] = [fits.PrimaryHDU(pixels, header=stamp_header(header, recipe))]
    if mask is not None:  # first: Siril 1.0 takes planes of floats behind the image for more frames, bytes for the end
        planes.append(fits.ImageHDU(mask, name="MASK"))
        describe_bits(planes[-1].header)
    if variance is not None:
        planes.append(fits.ImageHDU(_as_stored(np.sqrt(variance, dtype=np.float32)), name="UNCERT"))
        planes[-1].header["UTYPE"] = ("StdDevUncertainty", "one standard deviation")
        planes[-1].header["BUNIT"] = (header.get("BUNIT", ""), "unit of the image")
    write_hdus(path, [*planes, *more], recipe)


def write_hdus(path: str, planes: list[Any], recipe: dict[str, Any]) -> None:
    """Write HDUs, of which the first bears the recipe's stamp, with the recipe and checksums; whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    hdus = fits.HDUList([*planes, _tabulate_recipe(recipe)])
    for hdu in hdus:
        hdu.add_datasum(when="data unit checksum")
        hdu.add_checksum(when="HDU checksum", override_datasum=True)
    with replace_product(path, recipe) as temporary:
        hdus.writeto(temporary, overwrite=True, output_verify="exception")


def _tabulate_recipe(recipe: dict[str, Any]) -> fits.BinTableHDU:
    """Return a table of one cell, the recipe as JSON (FITS Standard 4.0, 7.3).

    Written out: to make a table of columns, astropy imports all that it knows of tables, for a tenth of a second.
    """
    text = json.dumps(recipe, sort_keys=True).encode("ascii")
    header = fits.Header(
        [
            ("XTENSION", "BINTABLE", "binary table extension"),
            ("BITPIX", 8, "array data type"),
            ("NAXIS", 2, "number of array dimensions"),
            ("NAXIS1", len(text), "length of dimension 1"),
            ("NAXIS2", 1, "length of dimension 2"),
            ("PCOUNT", 0, "number of group parameters"),
            ("GCOUNT", 1, "number of groups"),
            ("TFIELDS", 1, "number of table fields"),
            ("TTYPE1", "json"),
            ("TFORM1", f"{len(text)}A"),
            ("EXTNAME", TABLE, "extension name"),
        ]
    )
    padding = bytes(-len(text) % BLOCK)
    return fits.BinTableHDU.fromstring(header.tostring().encode("ascii") + text + padding)


def _as_stored(image: NDArray[Any]) -> NDArray[Any]:
    """Return bytes as they are, numbers as float32 in the byte order of FITS, or astropy would turn them four times."""
    return image if image.dtype == np.uint8 else np.asarray(image, dtype=">f4")


def write_figures(path: str, figures: dict[str, Any], recipe: dict[str, Any]) -> None:
    """Write what was measured as JSON, stamped with its recipe; the file appears whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    content = {STAMP: digest_recipe(recipe), **figures, "recipe": recipe}
    with replace_product(path, recipe) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_text(path: str, text: str, recipe: dict[str, Any]) -> None:
    """Write a page or a table; the file appears whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    with replace_product(path, recipe) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextmanager
def replace_product(path: str, recipe: dict[str, Any]) -> Iterator[Path]:
    """Give a temporary file that takes the place of a product at the end, if that is still planned then.

    Raises
    ------
    JobProblem
        If it cannot be written, or was planned anew.
    """
    try:
        with replace_whole(Path(path)) as temporary:
            yield temporary
            if isinstance(recipe, PlannedRecipe):
                recipe.demand_in_force(path)
    except OSError as error:
        raise JobProblem(say_unwritable(path, error)) from None
