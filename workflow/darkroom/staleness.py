"""Staleness: which products differ from the plan, and the recipe files by which Snakemake sees it.

A recipe file is an ordinary input of its job. It is kept newer than a stale product and not newer than a fresh one,
so that Snakemake's rule of time says what the contents say, with its metadata lost or not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from darkroom.recipe_changes import compare_recipes
from darkroom.stamps import REFUSED, StampCache, digest_recipe, read_recipe
from darkroom.whole_files import write_whole

RECIPES = ".recipes"
MOST_EXPLAINED = 100
END = b"}\n"  # of a recipe file that was written to its end


class Planned(Protocol):
    """What the plan has a recipe for: its product below results, the recipe and the digest of that."""

    recipe: dict[str, Any]
    digest: str

    @property
    def path(self) -> str:
        """The product, below results."""


class Products:
    """The products on disk, held against the plan."""

    def __init__(self, results: Path, stored: dict[str, list[Any]]):
        self.results = results
        self.stamps = StampCache(stored)

    def find(self, path: str) -> tuple[str | None, os.stat_result | None]:
        """Return the stamp and the status of a product; both None where there is none."""
        return self.stamps.find(f"{self.results}/{path}", path)

    def find_item(self, item: Planned) -> tuple[str | None, os.stat_result | None]:
        """Return the stamp and the status of what is planned; no stamp where something that belongs to it is gone."""
        stamp, status = self.find(item.path)
        companions = getattr(item, "companions", ())
        whole = not companions or all(self.exists(path) for path in companions)
        return stamp if whole else None, status

    def exists(self, path: str) -> bool:
        """Whether there is a product, whatever it was made by."""
        return self.find(path)[1] is not None

    def is_fresh(self, item: Planned) -> bool:
        """Whether the product is there and was made by the very recipe of the plan."""
        return self.find_item(item)[0] == item.digest

    def find_leftovers(self, wanted: set[str], nights: Iterable[str] = ()) -> list[str]:
        """Return the products of earlier plans that nothing makes now, of these nights only if there are any."""
        kinds = ("master_*.fits", "bad_pixels.fits", "lights/*.fits", "solutions/*.wcs", "stacks/*.fits")
        folders = sorted(nights) or ["[0-9]*"]
        found = [path for night in folders for kind in kinds for path in self.results.glob(f"{night}/*/{kind}")]
        return sorted({str(path.relative_to(self.results)) for path in found} - wanted)

    def find_figures(self, nights: set[str], known: Iterable[str]) -> dict[str, str]:
        """Return the stamps of figures that earlier runs left, by path: of those ``known``, and of other nights."""
        folders = [folder for folder in self.results.glob("????-??-??") if folder.name not in nights]
        found = [path for folder in folders for end in ("certificates/*", "*") for path in folder.glob(f"*/{end}.json")]
        others = [str(path.relative_to(self.results)) for path in found if not path.name.endswith(REFUSED)]
        return {path: stamp for path in sorted({*known, *others}) if (stamp := self.find(path)[0])}

    def explain_all(self, items: Sequence[Planned]) -> dict[str, str]:
        """Return for each product why it is stale, nothing where it is fresh.

        What changed in a recipe is read from the products themselves, of the first few; that takes its time.
        """
        reasons: dict[str, str] = {}
        explained = 0
        for item in items:
            stamp, status = self.find_item(item)
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

    def _compare(self, item: Planned, stamp: str | None) -> str:
        old = read_recipe(self.results / item.path) if stamp else None
        if old is None:
            return "bears no recipe, or is not whole"
        return "; ".join(dict.fromkeys(compare_recipes(old, item.recipe))) or "its recipe and its stamp differ"

    def settle(self, name: str, items: Sequence[Planned], content: Any) -> tuple[str, bool]:
        """Bring a job's recipe file up to date in content and time; return its path and whether the job is stale.

        Other recipes have other files, so that a dry run with other settings leaves those of a running one alone.
        """
        found = [self._find_dated(item) for item in items]
        fresh = all(stamp == item.digest for item, (stamp, _) in zip(items, found, strict=True))
        digest = digest_recipe({"jobs": [item.digest for item in items]})
        recipe = f"{RECIPES}/{name}.{digest[:16]}.json"
        path = self.results / recipe
        head: dict[str, Any] = {"digest": digest}
        if fresh:
            oldest = min(status.st_mtime_ns for _, status in self._find_files(items) if status)
            changed = _write_recipe(path, head, content)
            if changed or path.stat().st_mtime_ns > oldest:
                os.utime(path, ns=(oldest, oldest))
            return recipe, False
        # what is replaced is part of the file, so that Snakemake's memory of its checksum cannot hide a change; the
        # time is that of the inode, since a product can be put back with its old time of change
        head["replaces"] = [[stamp, status.st_ctime_ns] if status else None for stamp, status in found]
        newest = max((status.st_mtime_ns for _, status in self._find_files(items) if status), default=0)
        if not _write_recipe(path, head, content) and path.stat().st_mtime_ns <= newest:
            os.utime(path)
        written = path.stat().st_mtime_ns
        for product, status in self._find_files(items):
            if status and status.st_mtime_ns >= written:  # of the same tick of a coarse clock
                os.utime(self.results / product, ns=(written - 2 * 10**9, written - 2 * 10**9))
                self.stamps.forget(product)
        return recipe, True

    def _find_files(self, items: Sequence[Planned]) -> Iterator[tuple[str, os.stat_result | None]]:
        """Yield paths and status of products, and of what is made with them: Snakemake looks at the times of all."""
        for item in items:
            for path in (item.path, *getattr(item, "companions", ())):
                yield path, self.find(path)[1]

    def _find_dated(self, item: Planned) -> tuple[str | None, os.stat_result | None]:
        """Return a product's stamp and status. One from the future is of now: else Snakemake fails what follows it."""
        for path, status in self._find_files([item]):
            if status and status.st_mtime_ns > time.time_ns():
                os.utime(self.results / path)
                self.stamps.forget(path)
        return self.find_item(item)


def _write_recipe(path: Path, head: dict[str, Any], content: Any) -> bool:
    """Write a job's recipe file unless it is there already; return whether it was written.

    The digest stands for the content, so that only how the file begins is read, and whether it ends.
    """
    begin = json.dumps(head).removesuffix("}").encode()
    try:
        with path.open("rb") as file:
            if file.read(len(begin)) == begin and file.seek(-len(END), os.SEEK_END) and file.read() == END:
                return False
    except OSError:  # not there, or too short
        pass
    write_whole(path, json.dumps({**head, "recipe": content}) + "\n")
    return True
