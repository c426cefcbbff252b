"""Files that are no frames, or ask for more than there is: each is made by a function of its path."""

import bz2
import gzip
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

BLOCK = 2880
TOLD = {"IMAGETYP": "'Light Frame'", "EXPTIME": 60, "FILTER": "'V'", "DATE-OBS": "'2024-03-11T02:00:00'"}
PIXELS = bytes(range(96)).ljust(BLOCK, b"\0")  # 6 x 8 of 16 bits


def write_header(*cards: str, end: bool = True, **values: Any) -> bytes:
    """A header of cards as they are and of values, with what tells of a light."""
    lines = [*cards, *(f"{name:<8}= {value:>20}" for name, value in (values | TOLD).items())]
    content = b"".join(line.encode("latin-1").ljust(80)[:80] for line in [*lines, *(["END"] if end else [])])
    return content.ljust(-(-len(content) // BLOCK) * BLOCK)


def primary(*axes: int, bits: int = 16, end: bool = True, cards: tuple[str, ...] = (), **values: Any) -> bytes:
    """The header of a file with so many pixels."""
    shape = {"SIMPLE": "T", "BITPIX": bits, "NAXIS": len(axes)} | {f"NAXIS{n}": each for n, each in enumerate(axes, 1)}
    return write_header(*(f"{name:<8}= {value:>20}" for name, value in shape.items()), *cards, end=end, **values)


def extension(*axes: int, kind: str = "IMAGE", bits: int = 16, extra: int = 0, groups: int = 1, **values: Any) -> bytes:
    """The header of an extension."""
    shape: dict[str, Any] = {"XTENSION": f"'{kind:<8}'", "BITPIX": bits, "NAXIS": len(axes)}
    shape |= {f"NAXIS{n}": each for n, each in enumerate(axes, 1)} | {"PCOUNT": extra, "GCOUNT": groups}
    return write_header(*(f"{name:<8}= {value:>20}" for name, value in shape.items()), **values)


def tiles(heap: bytes, entry: tuple[int, int], axes: tuple[int, int], way: str = "GZIP_1") -> bytes:
    """A compressed image whose tiles, one a row, all lie in one place of the heap."""
    columns, rows = axes
    cards = {"TFIELDS": 1, "TTYPE1": "'COMPRESSED_DATA'", "TFORM1": f"'1PB({len(heap)})'", "ZIMAGE": "T", "ZBITPIX": 16}
    cards |= {"ZNAXIS": 2, "ZNAXIS1": columns, "ZNAXIS2": rows, "ZTILE1": columns, "ZTILE2": 1, "ZCMPTYPE": f"'{way}'"}
    data = struct.pack(">ii", *entry) * rows + heap
    header = extension(8, rows, kind="BINTABLE", bits=8, extra=len(heap), **cards)
    return primary(bits=8) + header + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def content(*parts: bytes) -> Callable[[Path], object]:
    """A file of these bytes."""
    return lambda path: path.write_bytes(b"".join(parts))


def sparse(begin: bytes, size: int) -> Callable[[Path], None]:
    """A file that goes on with zeros and takes no room on the disk."""

    def make(path: Path) -> None:
        path.write_bytes(begin)
        os.truncate(path, len(begin) + size)

    return make


def make_socket(path: Path) -> None:
    folder = os.getcwd()
    os.chdir(path.parent)  # the whole path may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(folder)


def make_deep(path: Path) -> None:
    """Four thousand folders, each in the one before; deeper than a path may be long."""
    folder = os.getcwd()
    try:
        os.chdir(path.parent)
        for _ in range(4000):
            os.mkdir("d")
            os.chdir("d")
        Path("bad.fits").write_bytes(b"")
    finally:
        os.chdir(folder)


def remove_deep(folder: Path) -> None:
    """Remove those folders again, whose paths are longer than rmtree takes."""
    here = os.getcwd()
    try:
        os.chdir(folder)
        depth = 0
        while os.path.isdir("d"):
            os.chdir("d")
            depth += 1
        Path("bad.fits").unlink(missing_ok=True)
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")
    finally:
        os.chdir(here)


FIRST = primary(bits=8)
NOISE = os.urandom(2**20)
LARGE = primary(32768, 65536)
ZEROS = bytes(2**28)
SWOLLEN = gzip.compress(ZEROS)
SHORT = gzip.compress(bytes(2 * 10**6))
NOT_REGULAR, DAMAGED = r"not a regular file", r".*: damaged"
# What is made, and the line that it gets; a file that is told to be as large as this is read by nobody.
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "fifo": (os.mkfifo, NOT_REGULAR),
    "socket": (make_socket, NOT_REGULAR),
    "zeros without end": (lambda path: path.symlink_to("/dev/zero"), NOT_REGULAR),
    "memory": (lambda path: path.symlink_to("/proc/self/mem"), r"an empty file \(0 bytes\); .*"),
    "link to itself": (lambda path: path.symlink_to(path.name), NOT_REGULAR),
    "dangling": (lambda path: path.symlink_to("nowhere"), NOT_REGULAR),
    "nothing": (content(), r"an empty file \(0 bytes\); .*"),
    "one row": (sparse(primary(10**9, 1), 2 * 10**9), DAMAGED),
    "one column": (sparse(primary(1, 10**9), 2 * 10**9), DAMAGED),
    "8 GB": (sparse(primary(65536, 65535), 2**33), DAMAGED),
    "8 GB with sums": (sparse(primary(65536, 65535, DATASUM="'1'", CHECKSUM="'x'"), 2**33), DAMAGED),
    "no such pixels": (content(primary(10**9, 10**9)), DAMAGED),
    "more than 64 bits": (content(primary(2**40, 2**40), PIXELS), DAMAGED),
    "negative": (content(primary(-8, -6), PIXELS), DAMAGED),
    "axes without end": (content(write_header("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 1000000000")), DAMAGED),
    "999 axes": (content(write_header("SIMPLE  = T", "BITPIX  = 16", "NAXIS   = 999")), DAMAGED),
    "parameters": (content(FIRST, extension(8, 6, extra=2**62), PIXELS), DAMAGED),
    "groups": (content(FIRST, extension(8, 6, groups=2**62), PIXELS), DAMAGED),
    "less than no parameters": (content(FIRST, extension(8, 6, extra=-5), PIXELS), DAMAGED),
    "header without end": (sparse(primary(8, 6, end=False), 5 * 10**9), r"its header does not end: .*"),
    "million cards": (content(primary(8, 6, cards=("FILTER  = 'V'",) * 10**6), PIXELS), r"its header does not end: .*"),
    "fields": (content(FIRST, extension(8, 6, kind="BINTABLE", TFIELDS=10**9), PIXELS), r"no two-dimensional .*"),
    "many extensions": (content(FIRST, (extension(8, 6) + PIXELS) * 2000), r"more than 1000 extensions: .*"),
    "million planes": (content(primary(1, 1, 10**6), NOISE, NOISE), r"a cube of 1000000 planes, .*"),
    "gzip of gzip": (content(gzip.compress(SWOLLEN)), r"no FITS file .*|it grows to more than .*"),
    "gzip bomb": (content(gzip.compress(LARGE + ZEROS)), r"it grows to more than \d+ bytes .*"),
    "bzip2 bomb": (content(bz2.compress(LARGE + ZEROS[: 2**26])), r"it grows to more than \d+ bytes .*"),
    "gzip and rubbish": (content(gzip.compress(primary(8, 6) + PIXELS), b"x"), r"its compression is damaged .*"),
    "zip": (content(b"PK\3\4", bytes(5000)), r"no FITS file .*"),
    "no tiles": (content(tiles(NOISE, (10, 0), (10**9, 1))), DAMAGED),
    "no axes of tiles": (content(FIRST, extension(8, 6, kind="BINTABLE", bits=8, ZIMAGE="T", ZNAXIS=0), PIXELS), r".*"),
    "heap of others": (content(tiles(NOISE, (100, 2**31 - 2), (8, 6))), r"its compression is damaged .*"),
    "before the heap": (content(tiles(NOISE, (-5, -100), (8, 6))), r"its compression is damaged .*"),
    "rice of noise": (content(tiles(NOISE, (10, 0), (8, 6), "RICE_1")), r"its compression is damaged .*"),
    "lists of lines": (content(tiles(NOISE, (1000, 0), (8, 6), "PLIO_1")), r".*PLIO_1.*"),
    "tile that grows": (content(tiles(SWOLLEN, (len(SWOLLEN), 0), (8, 6))), r".*damaged.*"),
    "tiles of 4 GB": (content(tiles(SHORT.ljust(8 * 10**6), (len(SHORT), 0), (10**6, 2000))), DAMAGED),
}  # fmt: skip
