"""Image sections in FITS notation: ``[x1:x2,y1:y2]``, counted from one, both ends included, x first."""

from __future__ import annotations

import re
from typing import NamedTuple

_SECTION = re.compile(r"\[?\s*(\d{1,9})\s*:\s*(\d{1,9})\s*,\s*(\d{1,9})\s*:\s*(\d{1,9})\s*\]?")


class Section(NamedTuple):
    """A rectangle of pixels in FITS notation (first and last column, first and last row)."""

    x1: int
    x2: int
    y1: int
    y2: int

    def __str__(self) -> str:
        return f"[{self.x1}:{self.x2},{self.y1}:{self.y2}]"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.y2 - self.y1 + 1, self.x2 - self.x1 + 1

    @property
    def slices(self) -> tuple[slice, slice]:
        """The section as an index into an array of shape (rows, columns)."""
        return slice(self.y1 - 1, self.y2), slice(self.x1 - 1, self.x2)

    def spans_rows_of(self, image: Section) -> bool:
        """Whether the section has pixels in every row of ``image``; as an overscan, it then gives each its level."""
        return self.y1 <= image.y1 and self.y2 >= image.y2

    def spans_columns_of(self, image: Section) -> bool:
        """Whether the section has pixels in every column of ``image``."""
        return self.x1 <= image.x1 and self.x2 >= image.x2

    def fits_into(self, shape: tuple[int, int]) -> bool:
        """Whether an image of shape (rows, columns) holds the whole section."""
        return self.y2 <= shape[0] and self.x2 <= shape[1]


def parse_section(text: str) -> Section:
    """Read a section in FITS notation.

    Raises
    ------
    ValueError
        If the text has another form, counts from zero, or runs backwards.
    """
    match = _SECTION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a section such as [1:1024,1:1024]")
    section = Section(*map(int, match.groups()))
    if min(section) < 1 or section.x1 > section.x2 or section.y1 > section.y2:
        raise ValueError(f"{text!r} must count from 1 and run upwards")
    return section
