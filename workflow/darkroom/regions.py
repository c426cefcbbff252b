"""Regions: which parts of a frame its header calls overscan, data or what to trim to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from darkroom.quantities import read_number
from darkroom.sections import Section, parse_section
from darkroom.texts import make_printable
from darkroom.values import find_value


def read_regions(header: Mapping[str, Any], raw: dict[str, Any]) -> tuple[dict[str, str | None], list[str]]:
    """Return sections by concept, and notes on those that make no sense for this image and are passed over.

    ``raw`` are the values of the cards that may hold them, by concept.
    """
    height, width = (int(read_number(find_value(header, [f"NAXIS{axis}"])) or 0) for axis in (2, 1))
    shape = (height, width)
    found = {concept: _valid_section(raw[concept], shape) for concept in ("trim", "overscan", "data")}
    notes = [
        f"{concept} section {make_printable(str(raw[concept]))} does not fit {shape[1]} x {shape[0]} pixels: not used"
        for concept in ("trim", "overscan")
        if raw[concept] is not None and found[concept] is None
    ]
    columns = int(read_number(raw.get("overscan_columns")) or 0)
    if found["overscan"] is None and 0 < columns < shape[1]:  # the last columns of every row
        found["overscan"] = str(Section(shape[1] - columns + 1, shape[1], 1, shape[0]))
    if found["trim"] is None and found["overscan"] is not None:
        found["trim"] = found["data"]
    return found, notes


def _valid_section(value: Any, shape: tuple[int, int]) -> str | None:
    try:
        section = parse_section(str(value))
    except ValueError:
        return None
    return str(section) if section.fits_into(shape) else None
