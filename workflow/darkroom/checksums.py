"""Checksums: whether the bytes of an HDU are those of its DATASUM and CHECKSUM (FITS Standard 4.0, appendix J)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from darkroom.sources import Source
from darkroom.values import find_value

WORD = 2**32
PIECE = 2**20  # bytes summed at once


def find_broken_checksum(header: Mapping[str, Any], source: Source, start: int, data: int, end: int) -> str:
    """Return which card the bytes of an HDU contradict: ``DATASUM`` (its data are damaged), ``CHECKSUM`` or neither.

    A wrong CHECKSUM says no more than that a program changed the header since, and maybe the data, and left the sums
    as they were: such as one that cuts a piece out of an image.

    Parameters
    ----------
    header : mapping
        Card to value.
    source : Source
        The file; what it lacks of the padding counts as zeros.
    start, data, end : int
        Where the HDU, its data and what follows it begin.
    """
    told = _read_sum(find_value(header, ["DATASUM"]))
    check = find_value(header, ["CHECKSUM"])
    checked = isinstance(check, str) and bool(check.strip().strip("0"))  # nothing or zeros: not made
    if told is None and not checked:
        return ""
    sum_of_data = add_up(source, data, end)
    if told is not None and told % (WORD - 1) != sum_of_data % (WORD - 1):
        # the header is still the one that was written beside other data; else a program wrote both and left the sums
        return "DATASUM" if not checked or (add_up(source, start, data) + told) % (WORD - 1) == 0 else "CHECKSUM"
    return "CHECKSUM" if checked and (add_up(source, start, data) + sum_of_data) % (WORD - 1) else ""


def add_up(source: Source, start: int, end: int) -> int:
    """Return the sum of 32-bit words, to be taken in ones' complement, where WORD - 1 is zero."""
    total = 0
    for place in range(start, end, PIECE):
        piece = source.read(place, min(PIECE, end - place))
        if len(piece) % 4:
            piece = bytes(piece).ljust(len(piece) + -len(piece) % 4, b"\0")
        total += int(np.frombuffer(piece, ">u4").sum(dtype=np.uint64))
    return total


def _read_sum(value: Any) -> int | None:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and int(text) < WORD else None
