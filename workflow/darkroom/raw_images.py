"""Raw images: the pixels of a raw frame in ADU, whole or a few rows at a time."""

from __future__ import annotations

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
    FileChanged,
    FileSource,
    MemorySource,
    RawProblem,
    Source,
    digest_source,
    open_source,
)
from darkroom.stored_pixels import STORED, Rows, StoredPixels
from darkroom.texts import make_printable
from darkroom.whole_cards import read_whole


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
            return StoredPixels(read_tiles(source, hdu, plane), None, 0, (rows, columns), hdu.header)
        begin, end = (hdu.data, hdu.end) if plane is None else find_plane(hdu, plane)
        held = None
        if keep or isinstance(source, MemorySource):
            content = source.read(begin, end - begin)
            held = np.frombuffer(content, np.dtype(STORED[read_whole(hdu.header, "BITPIX")]), rows * columns).reshape(
                rows, columns
            )
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
    except MemoryError as error:
        problem = "the raw frame does not fit into the memory there is; give the job more, or name it in exclude"
        raise JobProblem(f"{_show(path)}: {problem}") from error
    except (OSError, EOFError, TypeError, ValueError, LookupError, AttributeError, fits.VerifyError) as error:
        if isinstance(error, JobProblem):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        mend = "mend it or name it in exclude"
        raise JobProblem(f"{_show(path)}: the raw frame cannot be read ({reason}); {mend}") from None


def _show(path: str) -> str:
    return make_printable(name_target(path))
