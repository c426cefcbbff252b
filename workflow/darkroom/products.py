"""Products on disk: raw frames and masters read, masters and lights written whole or not at all, and true."""

from __future__ import annotations

import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from numpy.typing import NDArray

from darkroom.cards import clean_header
from darkroom.links import name_target
from darkroom.raw import digest_file
from darkroom.stamps import STAMP, TABLE, digest_recipe, read_stamp
from darkroom.texts import make_printable


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


class MasterShelf:
    """The masters below the results folder, each read once and held to the recipe that the plan names."""

    def __init__(self, results: str):
        self.results = Path(results)
        self._read: dict[str, CCDData] = {}

    @classmethod
    def beside(cls, product: str, recipe: dict[str, Any]) -> MasterShelf:
        """Return the shelf of the results folder that a product belongs to, by the path that its recipe names."""
        return cls(product.removesuffix(recipe["product"]))

    def read(self, wanted: dict[str, Any] | None) -> CCDData | None:
        """Return the master with this ``path`` and recipe ``digest``, in ADU as float32; None for None.

        Raises
        ------
        JobProblem
            If it is gone, damaged or made by another recipe.
        """
        if wanted is None:
            return None
        path = self.results / wanted["path"]
        if wanted["path"] not in self._read:
            try:
                if read_stamp(path) != wanted["digest"]:
                    raise JobProblem(f"{path}: made by another recipe than the plan's; run snakemake again")
                with fits.open(path, memmap=False) as hdus:
                    self._read[wanted["path"]] = CCDData(np.asarray(hdus[0].data, dtype=np.float32), unit=u.adu)
            except (OSError, TypeError, ValueError) as error:
                raise JobProblem(f"{path}: the master cannot be read ({error}); delete it and run again") from None
        return self._read[wanted["path"]]


def write_product(path: str, image: NDArray[np.floating[Any]], header: fits.Header, recipe: dict[str, Any]) -> None:
    """Write an image as float32 with its header, its recipe and checksums; the file appears whole or not at all.

    The same content gives the same bytes: no time of day is written.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    target = Path(path)
    text = json.dumps(recipe, sort_keys=True)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(np.asarray(image, dtype=np.float32), header=_stamp_header(header, recipe)),
            fits.BinTableHDU.from_columns([fits.Column("json", f"{len(text)}A", array=[text])], name=TABLE),
        ]
    )
    for hdu in hdus:
        hdu.add_datasum(when="data unit checksum")
        hdu.add_checksum(when="HDU checksum", override_datasum=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        hdus.writeto(temporary, overwrite=True, output_verify="exception")
        temporary.replace(target)
    except OSError as error:
        raise JobProblem(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)


def _stamp_header(header: fits.Header, recipe: dict[str, Any]) -> fits.Header:
    """Return the header with the recipe's digest, what was applied, and the night."""
    header = header.copy()
    header[STAMP] = (digest_recipe(recipe), "digest of RECIPE")
    header["CALSTAT"] = (_list_steps(recipe), "Overscan Trim Bias Dark Flat Cosmics")
    header["NIGHT"] = (recipe["night"], "date of the evening at the site")
    header["SETUP"] = recipe["setup"]
    for kind in ("bias", "dark", "flat"):
        for number, used in enumerate(_masters_applied(recipe, kind), start=1):
            suffix = "" if number == 1 else str(number)
            header[f"{kind.upper()}FIL{suffix}"] = used["path"]  # a comment would not fit
            header[f"{kind.upper()}ID{suffix}"] = (used["digest"], "its recipe")
    if recipe.get("dark"):
        header["DARKSCAL"] = (recipe["dark"]["scale"], "factor of the master dark")
    header["HISTORY"] = f"settings {json.dumps(recipe['settings'], sort_keys=True)}"
    return clean_header(header)


def _masters_applied(recipe: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the masters of a kind that went into a product, each once; flats may have a dark for each frame."""
    uses = [recipe.get(kind), *(frame.get(kind) for frame in recipe["frames"])]
    return list({used["path"]: used for used in uses if used}.values())[:9]


def _list_steps(recipe: dict[str, Any]) -> str:
    """Return a letter for each step done, in the manner of CALSTAT (AAVSO, MaxIm DL)."""
    overscan = recipe["settings"]["overscan"] or {}
    done = {
        "O": overscan.get("section"),
        "T": overscan.get("trim"),
        "B": recipe.get("bias"),
        "D": _masters_applied(recipe, "dark"),
        "F": recipe.get("flat"),
        "C": recipe["settings"].get("cosmic_rays"),
    }
    return "".join(letter for letter, step in done.items() if step)
