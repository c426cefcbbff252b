"""Sources: the bytes of a FITS file, on disk, in memory or decompressed, read piece by piece."""

from __future__ import annotations

import bz2
import gzip
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterable
from typing import IO, Protocol

import xxhash

LARGEST_FILE = 2**31  # bytes that a compressed frame may have once it is decompressed
LARGEST_RATIO = 250  # by which it may grow; the noise of a camera leaves no more than about ten
PIECE = 2**18  # bytes read at once, which the processor's cache holds
LARGE_PIECE = 2**22  # and of what is kept whole
_GZIP, _BZIP2 = b"\x1f\x8b", b"BZh"


class RawProblem(ValueError):
    """Why a file cannot serve as a raw frame, in one line."""


class DamagedFile(RawProblem):
    """It was whole once; a copy may be."""


class FileChanged(ValueError):
    """The file is not the one any more that it was."""


class Source(Protocol):
    """Bytes that can be read in pieces; ``size`` tells how many there are."""

    size: int

    def read(self, start: int, count: int) -> bytes | memoryview:
        """Return ``count`` bytes, less where the source ends."""


class FileSource:
    """A file as it was when ``status`` was asked for; it is opened for each piece, for there may be hundreds."""

    def __init__(self, path: str, status: os.stat_result):
        self.path = path
        self.size = status.st_size
        self._version = _name_version(status)

    def read(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes; raise FileChanged if the file has changed."""
        with open(self.path, "rb", buffering=0) as file:
            if _name_version(os.fstat(file.fileno())) != self._version:
                raise FileChanged
            return _read_fully(file, start, count)


class MemorySource:
    """Bytes in memory."""

    def __init__(self, content: bytes | memoryview):
        self._content = memoryview(content).cast("B")
        self.size = self._content.nbytes

    def read(self, start: int, count: int) -> memoryview:
        """Return a view of ``count`` bytes."""
        return self._content[start : start + count]

    def spill(self) -> SpilledSource:
        """Return the same bytes in a temporary file, which leaves no trace when it is closed or its process killed."""
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  closed with the source
        rest = self._content
        while rest:
            rest = rest[file.write(rest) :]
        return SpilledSource(file, self.size)


class SpilledSource:
    """Bytes in a temporary file without a name."""

    def __init__(self, file: IO[bytes], size: int):
        self._file = file
        self.size = size
        weakref.finalize(self, file.close)

    def read(self, start: int, count: int) -> bytes:
        """Return ``count`` bytes."""
        return _read_fully(self._file, start, count)


def open_source(path: str, status: os.stat_result) -> Source:
    """Return the bytes of a FITS file; those of a gzip or bzip2 file decompressed, in memory.

    What the file is tells its first bytes, not its name.

    Raises
    ------
    RawProblem
        If it is empty, its compression is damaged, or it is a bomb.
    OSError
        If it cannot be read.
    """
    if status.st_size == 0:
        raise DamagedFile("an empty file (0 bytes); copy it again")
    with open(path, "rb") as file:
        begin = file.read(len(_BZIP2))
        file.seek(0)
        if begin.startswith(_GZIP):
            return MemorySource(_decompress(gzip.GzipFile(fileobj=file), status.st_size))
        if begin == _BZIP2:
            return MemorySource(_decompress(bz2.BZ2File(file), status.st_size))
    return FileSource(path, status)


def digest_source(source: Source, parts: Iterable[tuple[int, int]] | None = None) -> str:
    """Return 32 hex digits that stand for the content of a source, or of the ``parts`` of it (start and end).

    XXH3 in 128 bits takes a tenth of the time of a cryptographic digest. It tells frames apart and sees what is
    damaged; it is no guard against a forger, whom nothing here is.
    """
    digest = xxhash.xxh3_128()
    for start, end in [(0, source.size)] if parts is None else parts:
        step = end - start if isinstance(source, MemorySource) else PIECE
        for place in range(start, end, max(step, 1)):
            digest.update(source.read(place, min(step, end - place)))
    return digest.hexdigest()


def _decompress(stream: gzip.GzipFile | bz2.BZ2File, size: int) -> memoryview:
    limit = min(LARGEST_FILE, max(LARGEST_RATIO * size, 2**20))
    content = bytearray()
    try:
        while len(content) <= limit and (piece := stream.read(LARGE_PIECE)):
            content += piece
    except (EOFError, zlib.error) as error:
        raise DamagedFile(f"its compression is truncated or damaged ({error}); copy it again") from None
    except OSError as error:
        if error.errno is not None:  # of the disk
            raise
        raise DamagedFile(f"its compression is damaged ({error}); copy it again") from None
    if len(content) > limit:
        raise DamagedFile(f"it grows to more than {limit} bytes when decompressed, as no frame does: damaged")
    return memoryview(content)


def _read_fully(file: IO[bytes], start: int, count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := os.pread(file.fileno(), count, start)):
        pieces.append(piece)
        start, count = start + len(piece), count - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _name_version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns
