"""Raw images: the pixels of a raw frame in ADU, whole or a few rows at a time."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.links import name_target
from darkroom.problems import JobProblem
from darkroom.raw import digest_file
from darkroom.texts import make_printable

STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX

Rows = slice | NDArray[np.int_]


class RawImage:
    """The image of a raw frame; ``image[rows]`` and ``image[rows, columns]`` give new arrays of float32, in ADU.

    Rows are a slice or an array of row numbers, columns a slice. Pixels with the value BLANK are NaN. In float32
    from the first step on: uint16 arithmetic would wrap below zero.
    """

    def __init__(self, path: str, content: bytes, status: os.stat_result):
        self.path = path
        start = io.BytesIO(content)
        self.header = fits.Header.fromfile(start)
        self._offset = start.tell()
        self._written = _name_version(status)
        self.shape = int(self.header["NAXIS2"]), int(self.header["NAXIS1"])
        self._stored = np.dtype(STORED[self.header["BITPIX"]])
        self._scale, self._zero = (float(self.header.get(card, value)) for card, value in (("BSCALE", 1), ("BZERO", 0)))
        self._blank = int(self.header["BLANK"]) if "BLANK" in self.header and self._stored.kind != "f" else None
        pixels = math.prod(self.shape)
        self._held: NDArray[Any] | None = np.frombuffer(content, self._stored, pixels, self._offset).reshape(self.shape)

    def release(self) -> None:
        """Forget the pixels; rows that are asked for from now on are read from the file again."""
        self._held = None

    def __getitem__(self, key: Rows | tuple[Rows, slice]) -> NDArray[np.float32]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if self._held is not None:
            return self._decode(self._held[rows, columns])
        numbers = np.arange(self.shape[0])[rows]
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
        parts = [self._read_rows(int(run[0]), len(run))[:, columns] for run in runs if run.size]
        return self._decode(np.concatenate(parts) if parts else np.empty((0, self.shape[1]), self._stored)[:, columns])

    def _read_rows(self, first: int, count: int) -> NDArray[Any]:
        columns = self.shape[1]

        def read() -> NDArray[Any]:
            with open(self.path, "rb") as file:
                if _name_version(os.fstat(file.fileno())) != self._written:
                    raise JobProblem(_say_changed(self.path))
                file.seek(self._offset + first * columns * self._stored.itemsize)
                return np.fromfile(file, self._stored, count * columns).reshape(count, columns)

        return _guard(self.path, read)

    def _decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the stored numbers stand for (FITS Standard 4.0, 4.4.2.5)."""
        precise = stored.dtype.itemsize > 2 and stored.dtype != np.dtype(">f4")  # than float32 can hold
        image: NDArray[Any] = stored.astype(np.float64 if precise else np.float32)
        if self._scale != 1:
            image *= self._scale
        if self._zero != 0:
            image += self._zero
        if self._blank is not None:
            image[stored == self._blank] = np.nan
        return image.astype(np.float32, copy=False)


def read_raw(path: str, digest: str) -> RawImage:
    """Return the image of a raw frame, with its header.

    Raises
    ------
    JobProblem
        If the frame is gone, damaged, or no longer the one with this ``digest`` that the plan was made for.
    """

    def read() -> RawImage:
        with open(path, "rb") as file:
            content, status = file.read(), os.fstat(file.fileno())
        if digest_file(content) != digest:
            raise JobProblem(_say_changed(path))
        return RawImage(path, content, status)

    return _guard(path, read)


def _guard(path: str, read: Callable[[], Any]) -> Any:
    """Return what a function reads from a raw frame; what it finds wrong is said in one line."""
    try:
        return read()
    except FileNotFoundError:
        gone = "the raw frame is gone since the plan was made; run snakemake again"
        raise JobProblem(f"{_show(path)}: {gone}") from None
    except (OSError, EOFError, TypeError, ValueError, LookupError, AttributeError, fits.VerifyError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        mend = "mend it or name it in exclude"
        raise JobProblem(f"{_show(path)}: the raw frame cannot be read ({reason}); {mend}") from None


def _say_changed(path: str) -> str:
    return f"{_show(path)}: the raw frame has changed since the plan was made; run snakemake again"


def _show(path: str) -> str:
    return make_printable(name_target(path))


def _name_version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
