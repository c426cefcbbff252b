"""Amplifiers: where the parts of a chip that several amplifiers read out lie on one image, by DETSEC and DATASEC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.sections import Section, parse_section
from darkroom.texts import make_printable

MOST_GAPS = 4  # how much larger than its pixels a mosaic may be; more is a damaged card
_TURNED = re.compile(r"\[?\s*(\d{1,9})\s*:\s*(\d{1,9})\s*,\s*(\d{1,9})\s*:\s*(\d{1,9})\s*\]?")


@dataclass(frozen=True)
class Placed:
    """Where stored pixels belong on an image: at ``row`` and ``column``, so many of them, from a corner that is stored.

    ``turned`` tells that they are read out backwards, in y and in x.
    """

    row: int
    column: int
    rows: int
    columns: int
    first_row: int = 0
    first_column: int = 0
    turned: tuple[bool, bool] = (False, False)

    def is_whole(self, shape: tuple[int, int]) -> bool:
        """Whether it is all of what is stored, as it is stored."""
        return self == Placed(0, 0, *shape)

    def find_rows(self, numbers: NDArray[np.int_]) -> NDArray[np.int_]:
        """Return the stored rows of rows of the image."""
        below = numbers - self.row
        return self.first_row + (self.rows - 1 - below if self.turned[0] else below)

    @property
    def columns_stored(self) -> slice:
        """The stored columns."""
        return slice(self.first_column, self.first_column + self.columns)

    def turn(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return pixels of such columns in the order of the image."""
        return pixels[:, ::-1] if self.turned[1] else pixels


def describe_amplifiers(
    parts: Sequence[tuple[int, dict[str, Any], tuple[int, ...]]],
) -> list[dict[str, Any]]:
    """Return what is to be stitched: of each part its HDU, its DATASEC, where it lies and which way it runs.

    Parameters
    ----------
    parts : sequence of (int, dict, (int, int))
        The number of an HDU, what its header says (`darkroom.headers.describe_header`) and its rows and columns.

    Raises
    ------
    ValueError
        In one line, if a part does not say where it lies, or they do not fit together.
    """
    found: list[dict[str, Any]] = []
    for number, known, shape in parts:
        if not known.get("place"):
            raise ValueError(f"cannot be stitched: extension {number} has no DETSEC")
        data = parse_section(known["trim"] or known.get("data") or f"[1:{shape[1]},1:{shape[0]}]")
        corner, size, turned = _read_place(str(known["place"]), number)
        binning = _read_binning(known.get("binning"))
        if (data.shape[1] * binning[0], data.shape[0] * binning[1]) != size:
            raise ValueError(
                f"cannot be stitched: DETSEC {known['place']} of extension {number} does not fit the "
                f"{data.shape[1]} x {data.shape[0]} pixels of its DATASEC"
            )
        place = [(low - 1) // step for low, step in zip(corner, binning, strict=True)]
        found.append({"hdu": number, "data": str(data), "place": place, "turned": turned})
    for axis in (0, 1):
        low = min(each["place"][axis] for each in found)
        for each in found:
            each["place"][axis] -= low
    shape, places = place_amplifiers(found)
    covered = sum(place.rows * place.columns for place in places)
    if shape[0] * shape[1] > MOST_GAPS * covered:
        raise ValueError(f"cannot be stitched: by DETSEC its parts lie far apart on {shape[1]} x {shape[0]} pixels")
    if any(_overlap(one, other) for number, one in enumerate(places) for other in places[:number]):
        raise ValueError("cannot be stitched: by DETSEC two of its parts lie upon each other")
    return found


def place_amplifiers(amplifiers: Sequence[dict[str, Any]]) -> tuple[tuple[int, int], list[Placed]]:
    """Return rows and columns of the stitched image, and the place of each part as `describe_amplifiers` gave it."""
    places = []
    for each in amplifiers:
        data: Section = parse_section(each["data"])
        (column, row), (turned_x, turned_y) = each["place"], each["turned"]
        places.append(Placed(row, column, *data.shape, data.y1 - 1, data.x1 - 1, (turned_y, turned_x)))
    rows = max(place.row + place.rows for place in places)
    columns = max(place.column + place.columns for place in places)
    return (rows, columns), places


def _read_place(text: str, number: int) -> tuple[tuple[int, int], tuple[int, int], list[bool]]:
    """Return the lower corner, the size and the sense of a section that may run backwards; x first."""
    match = _TURNED.fullmatch(text.strip())
    if not match:
        shown = make_printable(text)[:40]
        raise ValueError(f"cannot be stitched: DETSEC {shown} of extension {number} is no section such as [1:9,1:9]")
    x1, x2, y1, y2 = map(int, match.groups())
    return (min(x1, x2), min(y1, y2)), (abs(x2 - x1) + 1, abs(y2 - y1) + 1), [x1 > x2, y1 > y2]


def _read_binning(binning: str | None) -> tuple[int, int]:
    x, _, y = (binning or "1x1").partition("x")
    return (int(x), int(y)) if x.isdigit() and y.isdigit() and int(x) and int(y) else (1, 1)


def _overlap(one: Placed, other: Placed) -> bool:
    return (
        one.row < other.row + other.rows
        and other.row < one.row + one.rows
        and one.column < other.column + other.columns
        and other.column < one.column + one.columns
    )
