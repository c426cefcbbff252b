"""Folders: every file below the raw folders that may be a frame."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".fits", ".fit", ".fts")
UNREAD = (".z", ".zip", ".xz", ".zst", ".7z")
_LABEL = re.compile(r"\[[\d,]+\]$")
Found = tuple[str, str, os.stat_result]
# What stands for the status of what lies in a folder that may not be entered, or whose path is too long.
CLOSED = os.stat_result((stat.S_IFDIR, *[0] * 9), {"st_mtime_ns": 0})
COMPRESSED = (".gz", ".bz2", ".fz", *UNREAD)


def list_files(raw: list[Path], results: Path) -> Iterator[Found]:
    """Yield path, name below its raw folder and status of every file with a FITS suffix, in a stable order.

    The results folder, hidden folders, and folders seen before (loops of links) are passed over. A folder that cannot
    be read is yielded itself.
    """
    seen: set[tuple[int, int]] = set()
    if results.exists():
        seen.add(_identify(os.stat(results)))
    for root, prefix in zip(raw, _name_roots(raw), strict=True):
        yield from _walk(str(root), prefix, seen)


def _walk(root: str, prefix: str, seen: set[tuple[int, int]]) -> Iterator[Found]:
    """Yield the frames of a folder and those below it; there may be more levels than Python recurses."""
    waiting: list[tuple[str, str, os.DirEntry[str] | None]] = [(root, prefix, None)]
    while waiting:
        path, name, entry = waiting.pop()
        if entry is not None:
            if status := _find_status(entry):
                yield path, name, status
            continue
        try:
            identity = _identify(os.stat(path))
            entries = [] if identity in seen else sorted(os.scandir(path), key=lambda e: e.name, reverse=True)
        except FileNotFoundError:  # gone since its name was read
            continue
        except OSError:
            yield path, name.rstrip("/"), CLOSED
            continue
        seen.add(identity)
        for entry in entries:
            if _is_folder(entry):
                if not entry.name.startswith("."):
                    waiting.append((entry.path, f"{name}{entry.name}/", None))
            elif _is_frame(entry.name):
                waiting.append((entry.path, name + entry.name, entry))


def _find_status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what a file is, of a link that leads nowhere its own status so that it is named; None if it is gone."""
    for follow in (True, False):
        try:
            return entry.stat(follow_symlinks=follow)
        except FileNotFoundError:
            found = None
        except OSError:
            found = CLOSED
    return found


def _name_roots(raw: list[Path]) -> list[str]:
    """Return what the names of frames begin with: of several raw folders, the last parts that tell them apart."""
    if len(raw) == 1:
        return [""]
    for count in range(1, max(len(root.parts) for root in raw) + 1):
        names = ["/".join(root.parts[-count:]).lstrip("/") + "/" for root in raw]
        if len(set(names)) == len(set(raw)):
            break
    return names


def _is_frame(name: str) -> bool:
    """Whether a file has a FITS suffix, under a compression's or not; a suffix alone is none."""
    plain = name.lower().removesuffix(find_compression(name))
    return plain.endswith(SUFFIXES) and plain not in SUFFIXES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identify(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def find_stem(name: str) -> str:
    """Return a frame's file name without its folders and suffixes; which image of the file it is comes last."""
    name = name.rpartition("/")[2]
    file = _LABEL.sub("", name)
    stem = file[: len(file) - len(find_compression(file))].rsplit(".", 1)[0]
    return "_".join([stem, *re.findall(r"\d+", name[len(file) :])])


def find_compression(name: str) -> str:
    """Return the suffix by which a file says that it is compressed, or nothing."""
    lower = name.lower()
    return next((ending for ending in COMPRESSED if lower.endswith(ending)), "")
