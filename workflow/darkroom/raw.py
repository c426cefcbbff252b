"""Raw frames on disk: the header of the image, and whether the file is whole."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    from astropy.io import fits

BLOCK = 2880
BITPIX = (8, 16, 32, 64, -32, -64)
LARGEST_IMAGE = 2**33  # bytes; more is a damaged header, not a camera
PIECE = 2**18  # bytes read at once, which the processor's cache holds


class RawProblem(ValueError):
    """Why a file cannot serve as a raw frame, in one line."""


def read_raw_header(path: str, size: int) -> fits.Header:
    """Return the primary header of a raw frame of ``size`` bytes.

    Raises
    ------
    RawProblem
        If the file is no FITS file, holds no two-dimensional image or is shorter than its header says.
    OSError
        If it cannot be read.
    """
    from astropy.io import fits  # half a second, which a run that knows all its frames already can do without

    if size == 0:
        raise RawProblem("an empty file (0 bytes); copy it again")
    with open(path, "rb") as file:
        if file.read(9) != b"SIMPLE  =":
            raise RawProblem("no FITS file (it does not begin with SIMPLE); convert it or name it in exclude")
        if size < BLOCK:
            raise RawProblem(f"truncated: {size} bytes hold no header; copy it again")
        file.seek(0)
        try:
            header = fits.Header.fromfile(file)
            shape = [int(header[f"NAXIS{axis}"]) for axis in range(int(header["NAXIS"]), 0, -1)]
            item = abs(int(header["BITPIX"])) // 8
        except (OSError, EOFError, fits.VerifyError):
            raise RawProblem("its header does not end: truncated or damaged; copy it again") from None
        except (KeyError, ValueError, TypeError, OverflowError):
            raise RawProblem("its header lacks BITPIX or NAXIS, or they are no numbers") from None
        start = file.tell()
    if len(shape) != 2 or min(shape) < 1:
        raise RawProblem(f"no two-dimensional image in the first HDU (NAXIS = {len(shape)})")
    needed = start + math.prod(shape) * item
    if needed > LARGEST_IMAGE or header["BITPIX"] not in BITPIX:
        raise RawProblem(f"its header asks for {shape[1]} x {shape[0]} pixels of {8 * item} bits: damaged")
    if size < needed:
        raise RawProblem(f"truncated: {size} of {needed} bytes; copy it again")
    return header


def digest_file(content: io.BufferedReader | io.BytesIO | bytes | memoryview) -> str:
    """Return 32 hex digits that stand for the content of a file that was opened for reading, or for bytes in memory.

    XXH3 in 128 bits takes a tenth of the time of a cryptographic digest. It tells frames apart and sees what is
    damaged; it is no guard against a forger, whom nothing here is.
    """
    if isinstance(content, io.BytesIO):
        content = content.getbuffer()
    if isinstance(content, bytes | memoryview):
        return xxhash.xxh3_128_hexdigest(content)
    digest = xxhash.xxh3_128()
    buffer = memoryview(bytearray(PIECE))
    while count := content.readinto(buffer):
        digest.update(buffer[:count])
    return digest.hexdigest()
