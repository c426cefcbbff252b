"""Bayer: which colour filters lie on a sensor's pixels, as its header says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from darkroom.quantities import read_number
from darkroom.texts import make_printable
from darkroom.values import find_value

_PATTERN = re.compile(r"(?:BAYER|CFA)?[\s_:-]*(RGGB|BGGR|GRBG|GBRG)", re.IGNORECASE)
# What is said of sensors without a matrix: monochrome ones (ASCOM's SensorType 0), and images of three colours (1).
_MONOCHROME = re.compile(r"|mono(chrome)?|none|no|false|rgb|colou?r|raw|0+|1|n/?a", re.IGNORECASE)
_RGGB = 2  # ASCOM's SensorType of a matrix that begins with it; the offsets say where


def read_pattern(text: Any) -> str | None:
    """Return the mosaic that a text names, four letters such as RGGB; None if it names none."""
    parts = _PATTERN.fullmatch(text.strip().strip("'\" ").strip()) if isinstance(text, str) else None
    return parts[1].upper() if parts else None


def find_mosaic(
    header: Mapping[str, Any], cards: list[str], filter_name: str | None, dialect: dict[str, Any]
) -> tuple[str | None, str]:
    """Return the mosaic in the order of the file's pixels, the first row first, and a note on what is none.

    None is a monochrome camera. The pattern is that of the picture: where ROWORDER says that the first row is the
    lowest of it, it is turned over. Then the offsets are how many columns and rows of it are left out. (As Siril and
    N.I.N.A. understand these cards; without ROWORDER, the first row is the uppermost.)
    """
    values = [value for card in cards if (value := find_value(header, [card])) is not None]
    pattern = next((found for value in values if (found := _read_card(value))), None)
    odd = [value for value in values if not _read_card(value) and not _is_monochrome(value)]
    note = f"mosaic {make_printable(str(odd[0]))!r} is none of RGGB, BGGR, GRBG and GBRG: not used" if odd else ""
    pattern = pattern or (None if odd else read_pattern(filter_name))
    if pattern is None:
        return None, note
    rows = [pattern[:2], pattern[2:]]
    order = find_value(header, dialect["mosaic"]["row_order"])
    height = read_number(find_value(header, ["NAXIS2"]))
    if re.sub(r"\W|_", "", str(order)).casefold() == "bottomup" and int(height or 0) % 2 == 0:
        rows.reverse()
    column, row = (_read_offset(header, dialect["mosaic"][axis]) for axis in ("offset_x", "offset_y"))
    return "".join(rows[(row + y) % 2][(column + x) % 2] for y in range(2) for x in range(2)), ""


def _read_card(value: Any) -> str | None:
    return "RGGB" if read_number(value) == _RGGB else read_pattern(value)


def _is_monochrome(value: Any) -> bool:
    return value is False or (value is not True and _MONOCHROME.fullmatch(str(value).strip()) is not None)


def _read_offset(header: Mapping[str, Any], cards: list[str]) -> int:
    number = read_number(find_value(header, cards))
    return round(number) % 2 if number is not None else 0
