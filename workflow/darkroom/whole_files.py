"""Whole files: written beside their place and renamed into it, so that no reader ever sees a part of one.

The temporary name is nobody else's, on no host: jobs on several nodes may write the same product at once, after a node
was thought dead, and each renames what it wrote itself.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = ".cache"  # the folder below results of what can be made again at any time
END = ".tmp"
LONGEST_NAME = 255  # bytes, of most file systems
PROBE = 2**16  # bytes, more than what is left in a file's last block


def name_temporary(path: Path) -> Path:
    """Return a hidden name beside a path that no other process has."""
    end = f".{secrets.token_hex(6)}{END}"
    stem = f".{path.name}".encode()[: LONGEST_NAME - len(end)].decode(errors="ignore")
    return path.with_name(stem + end)


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path`` at the end, unless something is raised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = name_temporary(path)
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno is None:
                _ask_for_reason(temporary)
            raise
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _ask_for_reason(temporary: Path) -> None:
    """Raise what the system says of more that is written to a file: NumPy tells only that less was than it should."""
    with temporary.open("ab", buffering=0) as file:
        file.write(bytes(PROBE))
        os.fsync(file.fileno())


def say_unwritable(path: str | Path, error: OSError) -> str:
    """Return in one line what cannot be written, why, and what is to be done."""
    return f"{path}: cannot be written ({error.strerror or error}); make way or room there, and run again"


def write_whole(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replace_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_if_changed(path: Path, text: str) -> bool:
    """Write a text file only where its content differs; return whether it did."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    write_whole(path, text)
    return True
