"""Tiles: images that are compressed in the rows of a table, as fpack writes them (FITS Standard 4.0, chapter 10)."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from darkroom.sources import LARGEST_RATIO, DamagedFile, RawProblem
from darkroom.whole_cards import read_axes, read_text, read_whole

if TYPE_CHECKING:
    from astropy.io import fits

ALGORITHMS = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "NOCOMPRESS")  # what raw frames come in


def check_tiles(header: fits.Header, held: int) -> list[int]:
    """Return the axes of a compressed image, in the order of NumPy; ``held`` are the bytes of its table.

    Raises
    ------
    RawProblem
        If they are none that this table can hold, or it is compressed in a way that raw frames are not.
    """
    axes = read_axes(header, "ZNAXIS")
    sides = [read_whole(header, f"ZTILE{axis}", 1) for axis in range(len(axes), 0, -1)]
    algorithm = read_text(header, "ZCMPTYPE")
    if algorithm not in ALGORITHMS:
        raise RawProblem(f"compressed by {algorithm!a}, which is not read; decompress it first (funpack)")
    size = math.prod(axes) * abs(read_whole(header, "ZBITPIX")) // 8
    if min([*axes, *sides], default=0) < 1 or size > LARGEST_RATIO * held:
        raise DamagedFile(f"its header asks for {' x '.join(map(str, axes[::-1]))} pixels: damaged")
    if any(side > length for side, length in zip(sides, axes, strict=True)):
        raise DamagedFile("its header asks for tiles larger than the image: damaged")
    return axes


def open_tiles(extension: bytes, take: Callable[[Any], Any], as_table: bool = False) -> Any:
    """Return what is taken of a compressed image that astropy has opened; ``extension`` are the bytes of its HDU.

    It is opened as the image, unscaled, or ``as_table`` of tiles. Of damaged tiles astropy raises nearly anything, and
    an exception of a private module.

    Raises
    ------
    RawProblem
        If they cannot be decompressed.
    """
    from astropy.io import fits

    how = {"disable_image_compression": True} if as_table else {"do_not_scale_image_data": True}
    try:
        with fits.open(io.BytesIO(_put_first(extension)), **how) as opened:
            return take(opened[1])
    except Exception as error:
        raise DamagedFile(f"its compression is damaged ({' '.join(str(error).split())}); copy it again") from None


def demand_bounded_tiles(extension: bytes, header: fits.Header) -> None:
    """Raise DamagedFile if a tile of gzip grows beyond its pixels, which astropy would let it do.

    ``header`` is that of the table. To be asked once of a file; whoever reads it later knows its digest.
    """
    if not read_text(header, "ZCMPTYPE").startswith("GZIP"):
        return
    axes = read_axes(header, "ZNAXIS")
    sides = [read_whole(header, f"ZTILE{axis}", 1 if axis > 1 else axes[-1]) for axis in range(len(axes), 0, -1)]
    most = math.prod(sides) * 8  # bytes; the widest pixels

    def grows(tile: Any) -> bool:
        return len(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(bytes(tile), most + 1)) > most

    if open_tiles(extension, lambda table: any(map(grows, table.data["COMPRESSED_DATA"])), as_table=True):
        raise DamagedFile("a tile grows beyond its pixels when decompressed: damaged")


def _put_first(extension: bytes) -> bytes:
    """Return a FITS file that holds nothing but one extension."""
    from astropy.io import fits

    return fits.PrimaryHDU().header.tostring().encode() + extension
