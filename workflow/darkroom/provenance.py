"""Provenance: what a product's header says of how it was made and of what it holds."""

from __future__ import annotations

import json
from typing import Any

from astropy.io import fits

from darkroom.cards import clean_header
from darkroom.stamps import STAMP, digest_recipe

# What a product holds (see `darkroom.contracts`); its unit stands in BUNIT.
HOLDS = {
    "HOLDBIAS": ("bias", "is the bias still in it?"),
    "HOLDDARK": ("dark", "is the dark current still in it?"),
    "OVERSUB": ("overscan", "was the level of the overscan taken off?"),
    "LINEARIS": ("linear", "was it corrected for linearity?"),
}


def stamp_header(header: fits.Header, recipe: dict[str, Any]) -> fits.Header:
    """Return the header with the recipe's digest, what was applied, and the night."""
    header = header.copy()
    header[STAMP] = (digest_recipe(recipe), "digest of RECIPE")
    if "frames" in recipe:  # a stack has what its lights agree on
        header["CALSTAT"] = (_list_steps(recipe), "Overscan Trim Bias Dark Flat Cosmics")
    header["NIGHT"] = (recipe["night"], "date of the evening at the site")
    header["SETUP"] = recipe["setup"]
    for kind in ("bias", "dark", "flat"):
        for number, used in enumerate(_masters_applied(recipe, kind), start=1):
            suffix = "" if number == 1 else str(number)
            header[f"{kind.upper()}FIL{suffix}"] = used["path"]  # a comment would not fit
            header[f"{kind.upper()}ID{suffix}"] = (used["digest"], "its recipe")
    for keyword, (key, comment) in HOLDS.items():
        if holds := recipe.get("holds"):
            header[keyword] = (holds[key], comment)
    if recipe.get("dark"):
        header["DARKSCAL"] = (recipe["dark"]["scale"], "factor of the master dark")
    header["HISTORY"] = f"settings {json.dumps(recipe['settings'], sort_keys=True)}"
    return clean_header(header)


def _masters_applied(recipe: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the masters of a kind that went into a product, each once; flats may have a dark for each frame."""
    uses = [recipe.get(kind), *(frame.get(kind) for frame in recipe.get("frames", []))]
    return list({used["path"]: used for used in uses if used}.values())[:9]


def _list_steps(recipe: dict[str, Any]) -> str:
    """Return a letter for each step done, in the manner of CALSTAT (AAVSO, MaxIm DL)."""
    overscan = recipe["settings"]["overscan"] or {}
    done = {
        "O": overscan.get("section"),
        "T": overscan.get("trim") or overscan.get("amplifiers"),
        "B": recipe.get("bias"),
        "D": _masters_applied(recipe, "dark"),
        "F": recipe.get("flat"),
        "C": recipe["settings"].get("cosmic_rays"),
    }
    return "".join(letter for letter, step in done.items() if step)
