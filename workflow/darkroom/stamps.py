"""Stamps: the recipe that a product was made by, read from the product itself."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

STAMP = "RECIPE"  # the primary header's card: the recipe's digest
TABLE = "RECIPE"  # the extension that holds the recipe itself, as JSON
_BLOCK, _CARD = 2880, 80


def digest_recipe(recipe: dict[str, Any]) -> str:
    """Return 32 hex digits that stand for the recipe's content."""
    text = json.dumps(recipe, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_stamp(path: Path) -> str | None:
    """Return the digest of the recipe that a product was made by, or None if it bears none."""
    with path.open("rb") as file:
        while len(block := file.read(_BLOCK)) == _BLOCK:
            for start in range(0, _BLOCK, _CARD):
                card = block[start : start + _CARD]
                if card.startswith(STAMP.ljust(8).encode() + b"= '"):
                    return card[11:].split(b"'")[0].decode("ascii", "replace").strip()
                if card.startswith(b"END     "):
                    return None
    return None


def read_recipe(path: Path) -> dict[str, Any] | None:
    """Return the recipe that a product holds, or None."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            return json.loads(str(hdus[TABLE].data["json"][0]))
    except (OSError, KeyError, ValueError):
        return None


class StampCache:
    """The stamps of products, read again only when a product's size or time of change differs."""

    def __init__(self, stored: dict[str, list[Any]]):
        self.stored = stored

    def find(self, path: Path, key: str) -> tuple[str | None, os.stat_result | None]:
        """Return a product's stamp and status; both None where there is no product."""
        try:
            status = path.stat()
        except FileNotFoundError:
            self.stored.pop(key, None)
            return None, None
        known = self.stored.get(key)
        if not known or known[:2] != [status.st_size, status.st_mtime_ns]:
            known = [status.st_size, status.st_mtime_ns, read_stamp(path)]
            self.stored[key] = known
        return known[2], status
