"""Checksums: whether the bytes of an HDU are those of its DATASUM and CHECKSUM (FITS Standard 4.0, appendix J)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

WORD = 2**32
PIECE = 2**20  # bytes summed at once


def find_broken_checksum(header: Mapping[str, Any], content: bytes | memoryview, data: int) -> str:
    """Return which card the bytes of an HDU contradict: ``DATASUM`` (its data are damaged), ``CHECKSUM`` or neither.

    A wrong CHECKSUM says no more than that a program changed the header since, and maybe the data, and left the sums
    as they were: such as one that cuts a piece out of an image.

    Parameters
    ----------
    header : mapping
        Card to value.
    content : bytes
        The HDU as it lies in the file, with the padding; what the file lacks of that counts as zeros.
    data : int
        The number of bytes of the header, padding included, after which the data begin.
    """
    told = _read_sum(header.get("DATASUM"))
    check = header.get("CHECKSUM")
    checked = isinstance(check, str) and bool(check.strip().strip("0"))  # nothing or zeros: not made
    if told is None and not checked:
        return ""
    view = memoryview(content).cast("B")
    sum_of_data = add_up(view[data:])
    if told is not None and told % (WORD - 1) != sum_of_data % (WORD - 1):
        # the header is still the one that was written beside other data; else a program wrote both and left the sums
        return "DATASUM" if not checked or (add_up(view[:data]) + told) % (WORD - 1) == 0 else "CHECKSUM"
    return "CHECKSUM" if checked and (add_up(view[:data]) + sum_of_data) % (WORD - 1) else ""


def add_up(content: memoryview) -> int:
    """Return the sum of 32-bit words, to be taken in ones' complement, where WORD - 1 is zero."""
    whole = len(content) // 4 * 4
    total = int.from_bytes(bytes(content[whole:]).ljust(4, b"\0"), "big")
    for start in range(0, whole, PIECE):
        words = np.frombuffer(content[start : min(start + PIECE, whole)], ">u4")
        total += int(words.sum(dtype=np.uint64))
    return total


def _read_sum(value: Any) -> int | None:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdecimal() and int(text) < WORD else None
