"""Stamps: the recipe that a product was made by, read from the product itself."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any, BinaryIO

from darkroom.png_texts import read_text

STAMP = "RECIPE"  # the primary header's card: the recipe's digest
TABLE = "RECIPE"  # the extension that holds the recipe itself, as JSON
BLOCK, CARD = 2880, 80
PAGE_HEAD, PAGE_END = 4096, b"</html>\n"  # bytes of a page in which its stamp is, and its end
REFUSED = ".failed.json"  # how the verdict on a master that failed ends
ENCODER = json.JSONEncoder(sort_keys=True)  # json.dumps makes one each time


def name_certificate(master: str) -> str:
    """Return where a master's certificate is."""
    folder, _, name = master.rpartition("/")
    return f"{folder}/certificates/{name.removesuffix('.fits')}.json"


def name_refusal(certificate: str) -> str:
    """Return where the verdict on a master that failed is kept: the certificate itself is given to good ones only."""
    return certificate.removesuffix(".json") + REFUSED


def digest_recipe(recipe: dict[str, Any]) -> str:
    """Return 32 hex digits that stand for the recipe's content."""
    return hashlib.blake2b(ENCODER.encode(recipe).encode(), digest_size=16).hexdigest()


def read_stamp(path: Path) -> str | None:
    """Return the digest of the recipe that a product was made by; None if it bears none or is not whole."""
    match path.suffix:
        case ".json":
            return read_json(path).get(STAMP)
        case ".png":
            return read_text(path, STAMP)
        case ".html":
            return _read_page_stamp(path)
    stamp = None
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        end = 0
        while end < size:
            file.seek(end)
            cards = _read_cards(file)
            if cards is None:
                return None
            stamp = stamp or cards.get(STAMP)
            end = file.tell() + _padded_data_size(cards)
    return stamp if end == size else None


def _read_cards(file: BinaryIO) -> dict[str, str] | None:
    """Return a header's cards as text and leave the file at its data; None if the header does not end."""
    cards: dict[str, str] = {}
    while len(block := file.read(BLOCK)) == BLOCK:
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD].decode("ascii", "replace")
            if card.startswith("END     "):
                return cards
            if card[8:10] == "= ":
                cards.setdefault(card[:8].rstrip(), card[10:].split("/")[0].strip(" '"))
    return None


def _padded_data_size(cards: dict[str, str]) -> int:
    """Return the bytes that an HDU's data take, in whole blocks (FITS Standard 4.0, equation 2)."""
    try:
        axes = [int(cards[f"NAXIS{axis}"]) for axis in range(1, int(cards["NAXIS"]) + 1)]
        pixels = math.prod(axes) if axes else 0
        size = abs(int(cards["BITPIX"])) // 8 * int(cards.get("GCOUNT", 1)) * (int(cards.get("PCOUNT", 0)) + pixels)
    except (KeyError, ValueError):
        return 1  # no size at all, so that the product does not pass for whole
    return -(-size // BLOCK) * BLOCK


def read_recipe(path: Path) -> dict[str, Any] | None:
    """Return the recipe that a product holds, or None."""
    match path.suffix:
        case ".json":
            return read_json(path).get("recipe")
        case ".png":
            return _load(read_text(path, "recipe"))
        case ".html":
            return _load(_read_page_recipe(path))
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            return json.loads(str(hdus[TABLE].data["json"][0]))
    except (OSError, KeyError, ValueError):
        return None


def _read_page_stamp(path: Path) -> str | None:
    """Return the digest that a page bears; None if it bears none or is not whole."""
    with path.open("rb") as file:
        found = re.search(rb'<meta name="darkroom-recipe" content="([0-9a-f]{32})">', file.read(PAGE_HEAD))
        file.seek(max(0, file.seek(0, os.SEEK_END) - len(PAGE_END)))
        return found[1].decode() if found and file.read() == PAGE_END else None


def _read_page_recipe(path: Path) -> str:
    found = re.search(rb'<script type="application/json" id="recipe">(.*?)</script>', path.read_bytes(), re.DOTALL)
    return found[1].decode() if found else ""


def _load(text: str | None) -> dict[str, Any] | None:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a file of figures or a cache; nothing if it is missing or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class StampCache:
    """The stamps of products, read again only when a product's size or time of change differs."""

    def __init__(self, stored: dict[str, list[Any]]):
        self.stored = stored
        self.seen: dict[str, tuple[str | None, os.stat_result | None]] = {}

    def find(self, path: str | Path, key: str) -> tuple[str | None, os.stat_result | None]:
        """Return a product's stamp and status; both None where there is no product. It is looked at once."""
        if key not in self.seen:
            self.seen[key] = self._look_at(path, key)
        return self.seen[key]

    def forget(self, key: str) -> None:
        """Look at a product again, since it was touched."""
        self.seen.pop(key, None)

    def _look_at(self, path: str | Path, key: str) -> tuple[str | None, os.stat_result | None]:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            self.stored.pop(key, None)
            return None, None
        known = self.stored.get(key)
        if not known or known[:2] != [status.st_size, status.st_mtime_ns]:
            known = [status.st_size, status.st_mtime_ns, read_stamp(Path(path))]
            self.stored[key] = known
        return known[2], status
