"""Links: plain names for raw frames whose own paths Snakemake would misread."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from darkroom.whole_files import replace_whole

LINKS = ".links"


UNSAFE = "'\"$`\\!"  # what a shell reads in names that hold quotes, which Snakemake puts into others


def is_awkward(path: str) -> bool:
    """Whether Snakemake would take part of a path for a wildcard ({word}), or refuse it (line breaks, no UTF-8)."""
    return "{" in path or not path.isprintable()


def is_unsafe(path: str) -> bool:
    """Whether a path is awkward, or the shell of a cluster's job would execute a part of it."""
    return is_awkward(path) or any(character in path for character in UNSAFE)


def link_awkward(paths: list[str], results: Path) -> list[str]:
    """Return paths that name the same files, those that are awkward or unsafe by way of a link below results.

    Raises
    ------
    OSError
        If a link cannot be made.
    """
    return [_link(path, results / LINKS) if is_unsafe(path) else path for path in paths]


def name_target(path: str) -> str:
    """Return what a path is called to a person: where it leads, if it is such a link."""
    return os.readlink(path) if Path(path).parent.name == LINKS and os.path.islink(path) else path


def _link(target: str, folder: Path) -> str:
    name = hashlib.blake2b(os.fsencode(target), digest_size=8).hexdigest()
    link = folder / f"{name}.fits"
    if not link.is_symlink():
        with replace_whole(link) as temporary:
            os.symlink(target, temporary)
    return str(link)
