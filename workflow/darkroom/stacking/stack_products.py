"""Stack products: a stack as FITS, with header, coverage, and a table of the lights that went in or were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time

from darkroom.cards import keep_common_cards, move_origin
from darkroom.history import NO_STACK, add_sentence
from darkroom.products import write_product
from darkroom.sky_cards import list_sky_cards, remove_sky_cards
from darkroom.stacking.light_files import LightFile
from darkroom.stacking.selection import Selection
from darkroom.stacking.stack_lights import Canvas, Stack
from darkroom.stacking.star_lists import StarList

# What is true of one light alone.
OF_LIGHT = (
    "RAWFILE",
    "RAWID",
    "EXPOSURE",
    "EXPTIME",
    "DATE-OBS",
    "BUNIT",
    "RECIPE",
    "CHECKSUM",
    "DATASUM",
    "BAYERPAT",
    "COLORTYP",
    "XBAYROFF",
    "YBAYROFF",
)
# Where the image lies on the chip, and in the pixels of the whole: not true of a larger canvas.
OF_FRAME = ("CCDSEC", "DETSEC", "DATASEC", "XORGSUBF", "YORGSUBF", "LTV1", "LTV2")


def describe_stack(
    lights: Sequence[LightFile], reference: LightFile, stack: Stack, canvas: Canvas, levels: Sequence[float]
) -> fits.Header:
    """Return a stack's header: what its lights agree on, the coordinates of the reference, times of the whole.

    EXPTIME is the exposure that the counts are those of, the reference's; LIVETIME what all lights have together.
    """
    header = reference.header.copy(strip=True)
    remove_sky_cards(header)
    keep_common_cards(header, [light.header for light in lights if light is not reference])
    same = canvas == Canvas(reference.shape)
    for keyword in OF_LIGHT if same else OF_LIGHT + OF_FRAME:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    header.extend(list_sky_cards(reference.header))
    move_origin(header, *canvas.origin)
    header["BUNIT"] = (reference.header.get("BUNIT", ""), "unit of the image")
    header["IMAGETYP"] = ("STACK", "kind of frame")
    header["EXPTIME"] = (reference.seconds, "[s] exposure that the counts are those of")
    header["LIVETIME"] = (round(stack.exposure, 6), "[s] exposure of all lights together")
    header["NCOMBINE"] = (len(lights), "number of lights")
    starts = [datetime.fromisoformat(light.start) for light in lights if light.start]
    if len(starts) == len(lights) and stack.middle:
        ends = [start + timedelta(seconds=light.seconds) for start, light in zip(starts, lights, strict=True)]
        header["DATE-OBS"] = (min(starts).isoformat(timespec="milliseconds"), "start of the first light, UTC")
        header["DATE-AVG"] = (stack.middle, "middle of all exposures, UTC")
        header["DATE-END"] = (max(ends).isoformat(timespec="milliseconds"), "end of the last light, UTC")
        header["MJD-AVG"] = (round(float(Time(stack.middle, scale="utc").mjd), 8), "[d] the same as DATE-AVG")
    header["STACKREF"] = ascii(reference.name.rsplit("/", 1)[-1])[1:-1]
    for name, level in zip(name_levels(levels), levels, strict=True):
        header[name] = (round(level, 4), "level of the sky, that of the reference")
    if levels[1:]:
        header["CTYPE3"] = ("RGB", "red, green and blue")
    header["NOISFACT"] = (round(stack.noise_factor, 4), "times UNCERT: error of a sum of many pixels")
    return header


def name_levels(levels: Sequence[float]) -> list[str]:
    """Return the keywords of the level of the sky: one, or one for each colour."""
    return [f"SKYLEV{number}" for number in range(1, len(levels) + 1)] if levels[1:] else ["SKYLEVEL"]


def write_stack(
    path: str,
    stack: Stack,
    header: fits.Header,
    recipe: dict[str, Any],
    table: fits.BinTableHDU,
) -> None:
    """Write a stack with error bars, quality plane, coverage (s), number of rejected lights, and the table of lights.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    coverage = fits.ImageHDU(np.asarray(stack.seconds, ">f4"), name="COVERAGE")
    coverage.header["BUNIT"] = ("s", "exposure that went into each pixel")
    counts = stack.rejected.astype(np.uint8 if stack.rejected.max(initial=0) < 256 else ">i4")
    rejected = fits.ImageHDU(counts, name="REJECTED")
    write_product(path, stack.data, header, recipe, stack.variance, stack.mask, [coverage, rejected, table])


def write_no_stack(path: str, problem: str, recipe: dict[str, Any], table: fits.BinTableHDU) -> None:
    """Write why there is no stack, in place of it: a file without an image, with the table of the lights.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    header = fits.Header()
    header["IMAGETYP"] = ("NO STACK", "kind of frame")
    add_sentence(header, f"{NO_STACK}{problem}")
    write_product(path, None, header, recipe, more=[table])


def tabulate_lights(
    lights: Mapping[str, tuple[LightFile, StarList]],
    selection: Selection | None,
    weights: Mapping[str, float],
    reasons: Mapping[str, str],
) -> fits.BinTableHDU:
    """Return the table LIGHTS: each light, whether it was used or why not, its weight and where it lies."""
    names = [name.encode("ascii", "backslashreplace") for name in lights]
    why = [reasons.get(name, "").encode("ascii", "backslashreplace") for name in lights]
    kinds = [
        ("light", f"S{max(map(len, names), default=1)}"), ("used", bool), ("reason", f"S{max(1, *map(len, why))}"),
        ("weight", ">f8"), ("scale", ">f8"), ("level", ">f8"), ("noise", ">f8"), ("fwhm", ">f8"), ("stars", ">i4"),
        ("matched", ">i4"), ("rms", ">f8"), ("matrix", ">f8", (2, 2)), ("shift", ">f8", (2,)),
    ]  # fmt: skip
    table = np.zeros(len(lights), kinds)
    for row, (name, (_, stars)) in zip(table, lights.items(), strict=True):
        for column in ("scale", "rms", "matrix", "shift"):
            row[column] = np.nan
        row["used"], row["weight"] = name in weights, weights.get(name, 0.0)
        row["level"], row["noise"], row["stars"] = stars.level, stars.noise, len(stars)
        row["fwhm"] = np.nan if stars.fwhm is None else stars.fwhm
        if selection and name in selection.used:
            registration, scale = selection.used[name]
            row["scale"], row["matched"], row["rms"] = scale.value, len(registration.pairs), registration.rms
            row["matrix"], row["shift"] = registration.transform.matrix, registration.transform.shift
    table["light"], table["reason"] = names, why
    return fits.BinTableHDU(table, name="LIGHTS")
