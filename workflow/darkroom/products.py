"""Files of a job: raw frames read, products and figures written whole or not at all, and true."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.typing import NDArray

from darkroom.links import name_target
from darkroom.provenance import stamp_header
from darkroom.quality import describe_bits
from darkroom.raw import digest_file
from darkroom.stamps import STAMP, TABLE, digest_recipe
from darkroom.texts import make_printable

Image = NDArray[np.floating[Any]]


class JobProblem(RuntimeError):
    """Why a product cannot be made, in one line for a person."""


def read_raw(path: str, digest: str) -> CCDData:
    """Return a raw frame in ADU as float32 (uint16 arithmetic would wrap below zero), with its header.

    Raises
    ------
    JobProblem
        If the frame is gone, damaged, or no longer the one with this ``digest`` that the plan was made for.
    """
    shown = make_printable(name_target(path))
    try:
        content = io.BytesIO(Path(path).read_bytes())
        if digest_file(content) != digest:
            raise JobProblem(f"{shown}: the raw frame has changed since the plan was made; run snakemake again")
        with warnings.catch_warnings(), fits.open(content, memmap=False) as hdus:
            warnings.simplefilter("ignore")  # odd cards were dealt with when the frame was listed
            data, header = hdus[0].data, hdus[0].header
            return CCDData(np.asarray(data, dtype=np.float32), unit=u.adu, meta=header)
    except FileNotFoundError:
        raise JobProblem(f"{shown}: the raw frame is gone since the plan was made; run snakemake again") from None
    except (OSError, TypeError, ValueError, LookupError, AttributeError, fits.VerifyError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise JobProblem(f"{shown}: the raw frame cannot be read ({reason}); mend it or name it in exclude") from None


def write_product(
    path: str,
    image: Image,
    header: fits.Header,
    recipe: dict[str, Any],
    variance: Image | None = None,
    mask: NDArray[np.uint8] | None = None,
) -> None:
    """Write an image as float32 (or bytes) with error bars, quality plane, recipe and checksums; whole or not at all.

    The same content gives the same bytes: no time of day is written.

    Parameters
    ----------
    image, variance : arrays, shape (rows, columns)
        The variance in the image's unit squared; its root goes to the extension UNCERT, as CCDData reads it.
    mask : array of uint8, shape (rows, columns)
        The bits of `darkroom.quality`, for the extension MASK.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    text = json.dumps(recipe, sort_keys=True)
    table = fits.BinTableHDU.from_columns([fits.Column("json", f"{len(text)}A", array=[text])], name=TABLE)
    planes: list[Any] = [fits.PrimaryHDU(_as_stored(image), header=stamp_header(header, recipe))]
    if variance is not None:
        planes.append(fits.ImageHDU(np.sqrt(variance, dtype=np.float32), name="UNCERT"))
        planes[-1].header["UTYPE"] = ("StdDevUncertainty", "one standard deviation")
        planes[-1].header["BUNIT"] = (header.get("BUNIT", ""), "unit of the image")
    if mask is not None:
        planes.append(fits.ImageHDU(mask, name="MASK"))
        describe_bits(planes[-1].header)
    hdus = fits.HDUList([*planes, table])
    for hdu in hdus:
        hdu.add_datasum(when="data unit checksum")
        hdu.add_checksum(when="HDU checksum", override_datasum=True)
    with _replace(path) as temporary:
        hdus.writeto(temporary, overwrite=True, output_verify="exception")


def _as_stored(image: NDArray[Any]) -> NDArray[Any]:
    """Return bytes as they are, numbers as float32."""
    return image if image.dtype == np.uint8 else np.asarray(image, dtype=np.float32)


def write_figures(path: str, figures: dict[str, Any], recipe: dict[str, Any]) -> None:
    """Write what was measured as JSON, stamped with its recipe; the file appears whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    content = {STAMP: digest_recipe(recipe), **figures, "recipe": recipe}
    with _replace(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


@contextmanager
def _replace(path: str) -> Iterator[Path]:
    """Give a temporary file beside ``path`` that takes its place at the end."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise JobProblem(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
