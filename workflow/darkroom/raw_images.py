"""Raw images: the pixels of a raw frame in ADU, whole or a few rows at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.amplifiers import Placed, place_amplifiers
from darkroom.cards import correct_header, move_to_mosaic
from darkroom.hdus import Hdu, find_plane, list_hdus, list_images, merge_headers, read_tiles
from darkroom.links import name_target
from darkroom.problems import JobProblem
from darkroom.sources import (
    DamagedFile,
    FileChanged,
    FileSource,
    MemorySource,
    RawProblem,
    Source,
    digest_source,
    open_source,
)
from darkroom.texts import make_printable

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
        self._stored = np.dtype(STORED[header["BITPIX"]]) if held is None else held.dtype
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
        if self._scale != 1:
            image *= self._scale
        if self._zero != 0:
            image += self._zero
        if self._blank is not None:
            image[stored == self._blank] = np.nan
        with np.errstate(over="ignore"):  # beyond what float32 holds is infinite
            return image.astype(np.float32, copy=False)


def _read_number(header: fits.Header, card: str, default: float) -> float:
    try:
        number = header.get(card, default)
        if not isinstance(number, bool) and math.isfinite(number):
            return number
    except (fits.VerifyError, TypeError):
        pass
    raise DamagedFile(f"its {card}, which tells what the stored numbers mean, is none: damaged")


@dataclass(frozen=True)
class _Tile:
    """Stored pixels, and where on the image they belong."""

    pixels: StoredPixels
    placed: Placed


class RawImage:
    """The image of a raw frame; ``image[rows]`` and ``image[rows, columns]`` give new arrays of float32, in ADU.

    Rows are a slice or an array of row numbers, columns a slice. Pixels with the value BLANK are NaN, and so are those
    between stitched amplifiers. In float32 from the first step on: uint16 arithmetic would wrap below zero.
    """

    def __init__(self, path: str, header: fits.Header, shape: tuple[int, int], tiles: list[_Tile]):
        self.path = path
        self.header = header
        self.shape = shape
        self._tiles = tiles

    @property
    def amplifiers(self) -> list[tuple[StoredPixels, Placed]]:
        """The stored pixels of each amplifier, with its overscan, and where its part of the image lies."""
        return [(tile.pixels, tile.placed) for tile in self._tiles]

    def release(self) -> None:
        """Hold the pixels no longer; rows that are asked for from now on are read again."""

        def let_go() -> None:
            for tile in self._tiles:
                tile.pixels.release()

        guard_reading(self.path, let_go)

    def __getitem__(self, key: Rows | tuple[Rows, slice]) -> NDArray[np.float32]:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        return guard_reading(self.path, lambda: self._read(rows, columns))

    def _read(self, rows: Rows, columns: slice) -> NDArray[np.float32]:
        if len(self._tiles) == 1 and self._tiles[0].placed.is_whole(self._tiles[0].pixels.shape):
            return self._tiles[0].pixels[rows, columns]
        numbers = np.arange(self.shape[0])[rows]
        image = np.full((len(numbers), self.shape[1]), np.nan, np.float32)
        for tile in self._tiles:
            placed = tile.placed
            here = np.flatnonzero((numbers >= placed.row) & (numbers < placed.row + placed.rows))
            if here.size:
                pixels = tile.pixels[placed.find_rows(numbers[here]), placed.columns_stored]
                image[here, placed.column : placed.column + placed.columns] = placed.turn(pixels)
        return image[:, columns]


def read_planned(path: str, frame: dict[str, Any]) -> RawImage:
    """Return the image of a raw file that a recipe names as a frame; see `read_raw`."""
    return read_raw(path, frame["digest"], frame.get("image"), frame.get("fixes"))


def read_raw(path: str, digest: str, image: dict[str, Any] | None = None, fixes: Any = None) -> RawImage:
    """Return an image of a raw file, with its header; the pixels are held in memory until they are released.

    Parameters
    ----------
    path : str
        The file.
    digest : str
        What the plan was made for, see `digest_image`.
    image : dict or None
        Which image of several: its ``hdu``, maybe ``plane``; or the ``amplifiers`` to stitch. None for the only one.
    fixes : dict or None
        Card to value, what the settings say in place of the header's.

    Raises
    ------
    JobProblem
        If the frame is gone, damaged, or no longer the one that the plan was made for.
    """

    def read() -> RawImage:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
        try:
            source = open_source(path, status)
        except RawProblem:  # it was sound when it was planned
            raise FileChanged from None
        disk = source if isinstance(source, FileSource) else None
        if disk and (image is None or "amplifiers" in image):
            source = MemorySource(disk.read(0, disk.size))  # digest and pixels in one reading
        whole = image is None or "amplifiers" in image
        if whole and digest_source(source) != digest:
            raise FileChanged
        hdus = list_hdus(source)
        if not whole and digest_image(source, hdus, image) != digest:
            raise FileChanged
        raw = open_image(path, source, hdus, image, disk, keep=True)
        if fixes:
            raw.header = correct_header(raw.header, fixes)
        return raw

    return guard_reading(path, read)


def open_image(
    path: str,
    source: Source,
    hdus: list[Hdu],
    image: dict[str, Any] | None,
    disk: FileSource | None = None,
    keep: bool = False,
) -> RawImage:
    """Return an image of a file whose HDUs are known; its pixels in memory if it is to ``keep`` them.

    ``disk`` is where the bytes of a ``source`` in memory come from, if they lie there as they are.

    Raises
    ------
    RawProblem
        If it cannot be decompressed.
    """

    def read_pixels(hdu: Hdu, plane: int | None) -> StoredPixels:
        rows, columns = hdu.shape[-2:]
        if hdu.compressed:
            tiles = read_tiles(source, hdu)
            return StoredPixels(tiles if plane is None else tiles[plane - 1], None, 0, (rows, columns), hdu.header)
        begin, end = (hdu.data, hdu.end) if plane is None else find_plane(hdu, plane)
        held = None
        if keep or isinstance(source, MemorySource):
            content = source.read(begin, end - begin)
            held = np.frombuffer(content, np.dtype(STORED[hdu.header["BITPIX"]]), rows * columns).reshape(rows, columns)
        behind = disk or (source if isinstance(source, FileSource) else None)
        return StoredPixels(held, behind, begin, (rows, columns), hdu.header)

    if image is not None and "amplifiers" in image:
        shape, places = place_amplifiers(image["amplifiers"])
        used = [hdus[each["hdu"]] for each in image["amplifiers"]]
        tiles = [_Tile(read_pixels(hdu, None), place) for hdu, place in zip(used, places, strict=True)]
        first = places[0]
        corner = first.row - first.first_row, first.column - first.first_column
        header = move_to_mosaic(merge_headers(hdus, used[0]), *corner, turned=any(first.turned))
        return RawImage(path, header, shape, tiles)
    hdu = list_images(hdus)[0] if image is None else hdus[image["hdu"]]
    pixels = read_pixels(hdu, (image or {}).get("plane"))
    return RawImage(path, merge_headers(hdus, hdu), pixels.shape, [_Tile(pixels, Placed(0, 0, *pixels.shape))])


def digest_image(source: Source, hdus: list[Hdu], image: dict[str, Any] | None) -> str:
    """Return 32 hex digits for all that an image depends on: of one among several its own bytes and the first header.

    So each of sixty chips in a file can be read by itself.
    """
    if image is None or "amplifiers" in image:
        return digest_source(source)
    hdu = hdus[image["hdu"]]
    pixels = (hdu.data, hdu.end)
    if "plane" in image and not hdu.compressed:
        pixels = find_plane(hdu, image["plane"])
    first = [(hdus[0].start, hdus[0].data)] if hdu.number else []
    return digest_source(source, [*first, (hdu.start, hdu.data), pixels])


def guard_reading(path: str, read: Callable[[], Any]) -> Any:
    """Return what a function reads from a raw frame; what it finds wrong is said in one line."""
    try:
        return read()
    except FileChanged:
        raise JobProblem(
            f"{_show(path)}: the raw frame has changed since the plan was made; run snakemake again"
        ) from None
    except FileNotFoundError:
        gone = "the raw frame is gone since the plan was made; run snakemake again"
        raise JobProblem(f"{_show(path)}: {gone}") from None
    except (OSError, EOFError, TypeError, ValueError, LookupError, AttributeError, fits.VerifyError) as error:
        if isinstance(error, JobProblem):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        mend = "mend it or name it in exclude"
        raise JobProblem(f"{_show(path)}: the raw frame cannot be read ({reason}); {mend}") from None


def _show(path: str) -> str:
    return make_printable(name_target(path))
