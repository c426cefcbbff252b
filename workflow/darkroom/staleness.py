"""Staleness: which products differ from the plan, and the recipe files by which Snakemake sees it.

A recipe file is an ordinary input of its job. It is kept newer than a stale product and not newer than a fresh one,
so that Snakemake's rule of time says what the contents say, with its metadata lost or not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkroom.recipe_changes import compare_recipes
from darkroom.recipes import Item
from darkroom.stamps import StampCache, digest_recipe, read_recipe

RECIPES = ".recipes"
MOST_EXPLAINED = 100


def write_atomically(path: Path, text: str) -> None:
    """Write a text file by way of a temporary one, so that no reader ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_if_changed(path: Path, text: str) -> bool:
    """Write a text file only where its content differs; return whether it did."""
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    write_atomically(path, text)
    return True


class Products:
    """The products on disk, held against the plan."""

    def __init__(self, results: Path, stored: dict[str, list[Any]]):
        self.results = results
        self.stamps = StampCache(stored)

    def exists(self, path: str) -> bool:
        """Whether there is a product, whatever it was made by."""
        return self.stamps.find(self.results / path, path)[1] is not None

    def is_fresh(self, item: Item) -> bool:
        """Whether the product is there and was made by the very recipe of the plan."""
        return self.stamps.find(self.results / item.path, item.path)[0] == item.digest

    def find_leftovers(self, wanted: set[str]) -> list[str]:
        """Return the products of earlier plans that nothing makes now."""
        kinds = ("master_*.fits", "bad_pixels.fits", "lights/*.fits")
        found = [path for kind in kinds for path in self.results.glob(f"[0-9]*/*/{kind}")]
        return sorted({str(path.relative_to(self.results)) for path in found} - wanted)

    def explain_all(self, items: Sequence[Item]) -> dict[str, str]:
        """Return for each product why it is stale, nothing where it is fresh.

        What changed in a recipe is read from the products themselves, of the first few; that takes its time.
        """
        reasons: dict[str, str] = {}
        explained = 0
        for item in items:
            stamp, status = self.stamps.find(self.results / item.path, item.path)
            if stamp == item.digest:
                reasons[item.path] = ""
            elif status is None:
                reasons[item.path] = "not there"
            elif explained < MOST_EXPLAINED:
                reasons[item.path] = self._compare(item, stamp)
                explained += 1
            else:
                reasons[item.path] = "its recipe has changed"
        return reasons

    def _compare(self, item: Item, stamp: str | None) -> str:
        old = read_recipe(self.results / item.path) if stamp else None
        if old is None:
            return "bears no recipe"
        return "; ".join(dict.fromkeys(compare_recipes(old, item.recipe))) or "its recipe and its stamp differ"

    def settle(self, kind: str, name: str, items: Sequence[Item], content: Any) -> tuple[str, bool]:
        """Bring a job's recipe file up to date in content and time; return its path and whether the job is stale.

        Other recipes have other files, so that a dry run with other settings leaves those of a running one alone.
        A job's benchmark counts as one of its products, as it does for Snakemake: it is older than the lights of a
        batch once each of them was made anew by a job of fewer, or where results were copied in another order.
        """
        found = [self._find_dated(item) for item in items]
        fresh = all(stamp == item.digest for item, (stamp, _) in zip(items, found, strict=True))
        digest = digest_recipe({"jobs": [item.digest for item in items]})
        recipe = f"{RECIPES}/{name}.{digest[:16]}.json"
        path = self.results / recipe
        body = {"digest": digest, "recipe": content}
        if fresh:
            benchmark = self.results / "benchmarks" / kind / f"{name}.tsv"
            times = [status.st_mtime_ns for _, status in found if status]
            oldest = min([*times, benchmark.stat().st_mtime_ns] if benchmark.exists() else times)
            changed = _read_digest(path) != body["digest"] and write_if_changed(path, _dump(body))
            if changed or path.stat().st_mtime_ns > oldest:
                os.utime(path, ns=(oldest, oldest))
            return recipe, False
        # what is replaced is part of the file, so that Snakemake's memory of its checksum cannot hide a change; the
        # time is that of the inode, since a product can be put back with its old time of change
        body["replaces"] = [[stamp, status.st_ctime_ns] if status else None for stamp, status in found]
        newest = max((status.st_mtime_ns for _, status in found if status), default=0)
        if not write_if_changed(path, _dump(body)) and path.stat().st_mtime_ns <= newest:
            os.utime(path)
        written = path.stat().st_mtime_ns
        for item, (_, status) in zip(items, found, strict=True):
            if status and status.st_mtime_ns >= written:  # of the same tick of a coarse clock
                os.utime(self.results / item.path, ns=(written - 2 * 10**9, written - 2 * 10**9))
        return recipe, True

    def _find_dated(self, item: Item) -> tuple[str | None, os.stat_result | None]:
        """Return a product's stamp and status. One from the future is of now: else Snakemake fails what follows it."""
        path = self.results / item.path
        stamp, status = self.stamps.find(path, item.path)
        if status and status.st_mtime_ns > time.time_ns():
            os.utime(path)
            stamp, status = self.stamps.find(path, item.path)
        return stamp, status


def _read_digest(path: Path) -> str | None:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("digest")
    except (OSError, ValueError, AttributeError):
        return None


def _dump(content: Any) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
