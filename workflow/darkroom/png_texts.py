"""Texts of a PNG: what a picture says of itself, read without its pixels; as quick as a look at a FITS header.

See the PNG Specification (W3C, third edition), 5.3 (chunks) and 11.3.3 (tEXt, zTXt and iTXt).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FRAME = 12  # bytes of a chunk besides its data: length, type, check sum
LONGEST = 2**20  # bytes of one text, packed or unpacked; a recipe has some thousands
MOST_TEXTS, MOST_CHUNKS = 16, 10_000
KINDS = (b"tEXt", b"zTXt", b"iTXt")


class _Damaged(Exception):
    """What is read is no whole PNG."""


def read_texts(path: str | Path) -> dict[str, str] | None:
    """Return the texts of a PNG by keyword; None if it is no whole one, or a text cannot be unpacked.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    """
    try:
        return {keyword: _unpack(kind, rest) for keyword, kind, rest in reversed(_list_texts(path))}
    except (_Damaged, zlib.error, UnicodeDecodeError):
        return None


def read_text(path: str | Path, keyword: str) -> str | None:
    """Return the first text of a PNG with this keyword; None if there is none, or it is no whole PNG.

    No other text is unpacked.
    """
    with suppress(_Damaged, zlib.error, UnicodeDecodeError):
        for found, kind, rest in _list_texts(path):
            if found == keyword:
                return _unpack(kind, rest)
    return None


def _list_texts(path: str | Path) -> list[tuple[str, bytes, bytes]]:
    """Return keyword, kind of chunk and packed text of each text of a PNG that goes on to its end."""
    texts: list[tuple[str, bytes, bytes]] = []
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        for kind, length in _walk(file, size):
            if kind in KINDS:
                if length > LONGEST or len(texts) == MOST_TEXTS:
                    raise _Damaged
                data = file.read(length)
                check = file.read(4)
                if len(check) < 4 or zlib.crc32(data, zlib.crc32(kind)) != int.from_bytes(check, "big"):
                    raise _Damaged
                keyword, _, rest = data.partition(b"\0")
                texts.append((keyword.decode("latin-1"), kind, rest))
    return texts


def _walk(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield type and length of each chunk, with the file at its data, up to the IEND that must be its end."""
    if file.read(len(SIGNATURE)) != SIGNATURE:
        raise _Damaged
    start = len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        if start + FRAME > size:
            break
        file.seek(start)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = start + FRAME + length
        if (start == len(SIGNATURE)) != (kind == b"IHDR") or end > size:
            raise _Damaged
        if kind == b"IEND":
            if end == size and not length:
                return
            raise _Damaged
        yield kind, length
        start = end
    raise _Damaged


def _unpack(kind: bytes, rest: bytes) -> str:
    """Return the text of a chunk from what follows its keyword."""
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        if rest[:1] != b"\0":  # the only way of packing that there is
            raise _Damaged
        return _inflate(rest[1:]).decode("latin-1")
    packed, method, languages = rest[:1], rest[1:2], rest[2:].split(b"\0", 2)
    if len(languages) < 3 or packed not in (b"\0", b"\1") or method != b"\0":
        raise _Damaged
    text = languages[2]
    return (_inflate(text) if packed == b"\1" else text).decode()


def _inflate(packed: bytes) -> bytes:
    """Return what was packed, if it is no more than a text can be: a bomb is no text."""
    unpacker = zlib.decompressobj()
    text = unpacker.decompress(packed, LONGEST + 1)
    if len(text) > LONGEST or not unpacker.eof:
        raise _Damaged
    return text
