"""Gather what a page shows of stacks: what the files tell of themselves, their lights and why some were left out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from astropy.io import fits

from darkroom.history import NO_STACK, read_reason
from darkroom.report_model import StackedLight, StackShown


def gather_stack(told: dict[str, Any], results: Path) -> StackShown:
    """Return what a page shows of a stack but its picture; of one that cannot be read, what was planned."""
    names = ("path", "setup", "object", "filter", "exposure")
    stack = StackShown(**{name: told[name] for name in names}, lights=[StackedLight(p, False) for p in told["lights"]])
    try:
        with fits.open(results / told["path"], memmap=True) as hdus:
            header, table = hdus[0].header, hdus["LIGHTS"].data
            stack.lights = [_read_light(row) for row in table]
    except (OSError, KeyError, ValueError):
        return stack
    stack.problem = read_reason(header, NO_STACK)
    if not stack.problem:
        folder = told["path"].rpartition("/stacks/")[0]
        stack.reference = f"{folder}/lights/{header.get('STACKREF', '')}"
        stack.seconds, stack.middle = header.get("LIVETIME"), str(header.get("DATE-AVG", ""))
        stack.unit, stack.noise_factor = str(header.get("BUNIT", "")), header.get("NOISFACT")
    return stack


def _read_light(row: Any) -> StackedLight:
    return StackedLight(
        path=str(row["light"]),
        used=bool(row["used"]),
        reason=str(row["reason"]),
        weight=_know(row["weight"]),
        fwhm=_know(row["fwhm"]),
        stars=int(row["stars"]),
        rms=_know(row["rms"]),
        scale=_know(row["scale"]),
    )


def _know(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
