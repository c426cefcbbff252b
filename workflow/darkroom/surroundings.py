"""Surroundings of jobs: what their processes find in their environment."""

from __future__ import annotations

import os
from pathlib import Path

# To hand memory back and to ask for it anew, page by page, takes longer than to work on it. These are settings of
# glibc (mallopt(3)), and nothing to others: blocks up to 32 MB, its limit, come from the heap, which does not shrink.
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def prepare_surroundings() -> None:
    """Have scripts import the library that made the plan, even where another one is installed, and work fast."""
    library = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    for name, value in KEEP_FREED_MEMORY.items():
        os.environ.setdefault(name, value)
