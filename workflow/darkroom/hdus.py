"""HDUs: the headers of a FITS file and where their data lie, and which of them are images."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from darkroom.sources import DamagedFile, RawProblem, Source
from darkroom.tiles import check_tiles, open_tiles
from darkroom.whole_cards import LONGEST_AXIS, find_card, read_axes, read_text, read_whole

if TYPE_CHECKING:
    from astropy.io import fits

BLOCK = 2880
BITPIX = (8, 16, 32, 64, -32, -64)
LARGEST_IMAGE = 2**31  # bytes of a plane; more is a damaged header, not a camera
LARGEST_DATA = 2**36  # bytes of an HDU
SHORT_HEADER, LARGEST_HEADER = 2**16, 2**22  # bytes that nearly all headers fit into, and that all do
MOST_HDUS = 1000
MOST_PLANES = 5000  # of a cube, each a frame
# What stands in the primary header for its own data, or for the file.
_STRUCTURE = {"SIMPLE", "BITPIX", "NAXIS", "EXTEND", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM", "NEXTEND"}
# Extensions that go with an image of the same file and are none of their own, as pipelines name them.
COMPANIONS = {"UNCERT", "ERR", "ERROR", "SIGMA", "VAR", "VARIANCE", "MASK", "DQ", "BPM", "QUALITY", "WEIGHT", "WHT"}
PREVIEWS = {"PREVIEW", "THUMBNAIL", "THUMB"}  # small pictures for a look at what is in the file


@dataclass(frozen=True)
class Hdu:
    """A header, and where it and its data lie: from ``start`` on, ``data`` on, until ``end`` without the padding.

    ``shape`` is that of the image in the order of NumPy, without leading axes of one; empty if there is none.
    ``compressed`` tells that the image lies in the tiles of a table.
    """

    number: int
    header: fits.Header
    start: int
    data: int
    end: int
    shape: tuple[int, ...]
    compressed: bool = False

    @property
    def is_image(self) -> bool:
        """Whether there are pixels in rows and columns."""
        return len(self.shape) in (2, 3)

    @property
    def name(self) -> str:
        """Its EXTNAME, in capitals."""
        return read_text(self.header, "EXTNAME").upper()


def list_hdus(source: Source) -> list[Hdu]:
    """Return all HDUs of a FITS file.

    Raises
    ------
    RawProblem
        If it is no FITS file, or ends before its headers or their data do.
    """
    begin = bytes(source.read(0, 9))
    if begin != b"SIMPLE  =":
        raise RawProblem("no FITS file (it does not begin with SIMPLE); convert it or name it in exclude")
    if source.size < BLOCK:
        raise DamagedFile(f"truncated: {source.size} bytes hold no header; copy it again")
    hdus: list[Hdu] = []
    start = 0
    while not hdus or bytes(source.read(start, 8)) == b"XTENSION":
        if len(hdus) == MOST_HDUS:
            raise RawProblem(f"more than {MOST_HDUS} extensions: no camera's")
        hdu = _read_hdu(source, len(hdus), start)
        hdus.append(hdu)
        start = math.ceil(hdu.end / BLOCK) * BLOCK
    if 0 < source.size - start < 8:
        raise DamagedFile("truncated: it ends within a header; copy it again")
    return hdus


def list_images(hdus: list[Hdu]) -> list[Hdu]:
    """Return the HDUs that hold images of their own.

    Raises
    ------
    RawProblem
        If there is none, or there are less than the primary header says.
    """
    told = find_card(hdus[0].header, "NEXTEND")
    if isinstance(told, int) and not isinstance(told, bool) and told > len(hdus) - 1:
        raise DamagedFile(f"truncated: {len(hdus) - 1} of {told} extensions; copy it again")
    images = [hdu for hdu in hdus if hdu.is_image]
    for hdu in images:
        size = math.prod(hdu.shape[-2:]) * abs(read_whole(hdu.header, "BITPIX")) // 8
        if size > LARGEST_IMAGE or max(hdu.shape) > LONGEST_AXIS:
            raise DamagedFile(f"its header asks for {' x '.join(map(str, hdu.shape[::-1]))} pixels: damaged")
        if len(hdu.shape) == 3 and hdu.shape[0] > MOST_PLANES:
            raise RawProblem(f"a cube of {hdu.shape[0]} planes, more than {MOST_PLANES}: split it")
    images = [hdu for hdu in images if hdu.name not in PREVIEWS] or images
    own = [hdu for hdu in images if hdu.name not in COMPANIONS]
    if len(own) < len(images) and own:
        others = ", ".join(hdu.name for hdu in images if hdu.name in COMPANIONS)
        raise RawProblem(f"no raw frame: it has been worked on (it comes with {others}); give the raw frame")
    if not images:
        shape = hdus[0].shape
        more = " or in its extensions" if len(hdus) > 1 else ""
        raise RawProblem(f"no two-dimensional image in the first HDU{more} (NAXIS = {len(shape)})")
    return images


def is_structural(card: str) -> bool:
    """Whether a card of the primary header is true of that alone."""
    return card in _STRUCTURE or card.startswith("NAXIS")


def merge_headers(hdus: list[Hdu], hdu: Hdu) -> fits.Header:
    """Return the cards of an image, and those of the primary header that it does not give anew."""
    if hdu.number == 0:
        return hdu.header
    merged = hdus[0].header.copy()
    own = {keyword for keyword in hdu.header if keyword not in ("", "COMMENT", "HISTORY")}
    for keyword in {name for name in merged if name in own or is_structural(name)}:
        merged.remove(keyword, ignore_missing=True, remove_all=True)
    for card in hdu.header.cards:
        merged.append(card, end=True)
    return merged


def _read_hdu(source: Source, number: int, start: int) -> Hdu:
    header, data = read_header(source, start)
    axes = read_axes(header, "NAXIS")
    bits, groups, extra = (
        read_whole(header, "BITPIX"),
        read_whole(header, "GCOUNT", 1),
        read_whole(header, "PCOUNT", 0),
    )
    item = abs(bits) // 8
    held = item * abs(groups) * (extra + math.prod(axes)) if axes else 0
    if min(axes, default=0) < 0 or extra < 0 or held > LARGEST_DATA or bits not in BITPIX:
        size = " x ".join(str(length) for length in reversed(axes)) or "no"
        raise DamagedFile(f"its header asks for {size} pixels of {8 * item} bits: damaged")
    if source.size < data + held:
        raise DamagedFile(f"truncated: {source.size} of {data + held} bytes; copy it again")
    hdu = Hdu(number, header, start, data, data + held, ())
    if number and find_card(header, "ZIMAGE") is True:
        axes = check_tiles(header, held)
        header = open_tiles(read_extension(source, hdu), lambda image: image.header.copy())
        return Hdu(number, header, start, data, data + held, _drop_single_axes(axes), compressed=True)
    if number and read_text(header, "XTENSION") != "IMAGE":
        return hdu
    return Hdu(number, header, start, data, data + held, _drop_single_axes(axes))


def read_header(source: Source, start: int) -> tuple[fits.Header, int]:
    """Return a header and where it ends; the END is sought in as many bytes as any header has."""
    from astropy.io import fits  # half a second, which a run that knows all its frames already can do without

    for count in (SHORT_HEADER, LARGEST_HEADER):
        file = io.BytesIO(source.read(start, count))
        try:
            return fits.Header.fromfile(file), start + file.tell()
        except (OSError, EOFError, fits.VerifyError, ValueError):
            continue
    raise DamagedFile("its header does not end: truncated or damaged; copy it again")


def _drop_single_axes(axes: list[int]) -> tuple[int, ...]:
    while len(axes) > 2 and axes[0] == 1:
        axes = axes[1:]
    return tuple(axes) if axes and min(axes) > 0 else ()


def read_tiles(source: Source, hdu: Hdu, plane: int | None = None) -> Any:
    """Return the stored pixels of a compressed image, or of a plane of it, as they were before scaling.

    Raises
    ------
    RawProblem
        If they cannot be decompressed.
    """
    extension = read_extension(source, hdu)
    if plane is not None:  # the others stay compressed
        return open_tiles(extension, lambda image: image.section[plane - 1].reshape(hdu.shape[1:]))
    return open_tiles(extension, lambda image: image.data.reshape(hdu.shape))


def read_extension(source: Source, hdu: Hdu) -> bytes:
    """Return the bytes of an HDU, padded to whole blocks."""
    length = math.ceil((hdu.end - hdu.start) / BLOCK) * BLOCK
    return bytes(source.read(hdu.start, length)).ljust(length, b"\0")


def find_plane(hdu: Hdu, plane: int) -> tuple[int, int]:
    """Return where a plane of a cube begins and ends; planes count from one."""
    size = (hdu.end - hdu.data) // hdu.shape[0]
    return hdu.data + (plane - 1) * size, hdu.data + plane * size


def iterate_planes(hdu: Hdu) -> Iterator[int | None]:
    """Yield the numbers of a cube's planes, from one; None for an image that is no cube."""
    yield from range(1, hdu.shape[0] + 1) if len(hdu.shape) == 3 else [None]
