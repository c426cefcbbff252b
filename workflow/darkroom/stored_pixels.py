"""Stored pixels: the numbers that a raw file holds, and what they stand for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.sources import DamagedFile, MemorySource, Source
from darkroom.whole_cards import read_whole

STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX

Rows = slice | NDArray[np.int_]


class StoredPixels:
    """Pixels as a file holds them, in rows; what they stand for is told by the header's BSCALE, BZERO and BLANK.

    They are ``held`` in memory, or read from ``source`` at ``offset``; what has no source is kept in a temporary file
    once it is released.
    """

    def __init__(
        self,
        held: NDArray[Any] | None,
        source: Source | None,
        offset: int,
        shape: tuple[int, int],
        header: fits.Header,
    ):
        self.shape = shape
        self._held, self._source, self._offset = held, source, offset
        self._stored = np.dtype(STORED[read_whole(header, "BITPIX")]) if held is None else held.dtype
        self._scale, self._zero = (_read_number(header, card, value) for card, value in (("BSCALE", 1), ("BZERO", 0)))
        has_blank = "BLANK" in header and self._stored.kind != "f"
        self._blank = int(_read_number(header, "BLANK", 0)) if has_blank else None

    def release(self) -> None:
        """Hold the pixels no longer."""
        if self._held is not None and self._source is None:
            pixels = np.ascontiguousarray(self._held)
            self._source, self._offset = MemorySource(pixels.view(np.uint8).reshape(-1).data).spill(), 0
        self._held = None

    def __getitem__(self, key: tuple[Rows, slice]) -> NDArray[np.float32]:
        rows, columns = key
        if self._held is not None:
            return self._decode(self._held[rows, columns])
        numbers = np.arange(self.shape[0])[rows]
        order = np.argsort(numbers, kind="stable")
        ascending = numbers[order]
        runs = np.split(ascending, np.flatnonzero(np.diff(ascending) != 1) + 1)
        parts = [self._read_rows(int(run[0]), len(run))[:, columns] for run in runs if run.size]
        stored = np.concatenate(parts) if parts else np.empty((0, self.shape[1]), self._stored)[:, columns]
        image = self._decode(stored)
        if (ascending == numbers).all():
            return image
        back = np.empty_like(image)
        back[order] = image
        return back

    def _read_rows(self, first: int, count: int) -> NDArray[Any]:
        size = self.shape[1] * self._stored.itemsize
        assert self._source is not None, "what is not held has a source"
        content = self._source.read(self._offset + first * size, count * size)
        return np.frombuffer(content, self._stored).reshape(count, self.shape[1])

    def _decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the stored numbers stand for (FITS Standard 4.0, 4.4.2.5)."""
        precise = stored.dtype.itemsize > 2 and stored.dtype.newbyteorder("=") != np.float32  # than float32 can hold
        image: NDArray[Any] = stored.astype(np.float64 if precise else np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond what float32 holds is infinite
            if self._scale != 1:
                image *= self._scale
            if self._zero != 0:
                image += self._zero
            if self._blank is not None:
                image[stored == self._blank] = np.nan
            return image.astype(np.float32, copy=False)


def _read_number(header: fits.Header, card: str, default: float) -> float:
    try:
        number = header.get(card, default)
        if not isinstance(number, bool) and math.isfinite(number):
            return number
    except (fits.VerifyError, TypeError):
        pass
    raise DamagedFile(f"its {card}, which tells what the stored numbers mean, is none: damaged")
