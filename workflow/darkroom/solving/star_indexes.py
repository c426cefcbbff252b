"""Star indexes: for what fields astrometry.net's index files on this machine are, and the stars in them.

An index tells by its header how wide its patterns are, in many cases by its name (index-4107, index-tycho2-07: the
scale is 07).
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.solving.child_programs import run_child
from darkroom.solving.index_advice import find_scale_range
from darkroom.solving.tools import QUERY, IndexFile, list_index_files

QUERY_LIMIT = 60.0  # s
_SCALE_IN_NAME = re.compile(r"(?:index-(?:tycho2|2mass)-|index-(?:4[12]|5[0-9])|index-2)([01]\d)(?:\D|$)")


@dataclass(frozen=True, order=True)
class StarIndex:
    """An index file and the width of its patterns in minutes of arc."""

    low: float
    high: float
    path: str


def find_indexes(folders: Sequence[str] = ()) -> list[StarIndex]:
    """Return the indexes in some folders, finest first; in those where they are usually kept, if none is named."""
    return read_indexes(list_index_files(folders))


def read_indexes(files: Sequence[IndexFile]) -> list[StarIndex]:
    """Return what index files are for, finest first, without those that are none."""
    return sorted(index for file in files if (index := _read_index(file)))


def choose_indexes(indexes: Sequence[StarIndex], low: float, high: float) -> list[StarIndex]:
    """Return those with patterns between two widths, in minutes of arc."""
    return [index for index in indexes if index.low < high and index.high > low]


def read_index_stars(
    index: StarIndex, right_ascension: float, declination: float, radius: float, folder: Path
) -> NDArray[np.float64]:
    """Return the stars of an index around a place, shape (stars, 2): right ascension and declination (ICRS, degrees).

    ``folder`` is for what astrometry.net's own tool writes. No stars, if the tool is not there or fails.
    """
    program = shutil.which(QUERY)
    if program is None:
        return np.empty((0, 2))
    output = folder / "index-stars.fits"
    output.unlink(missing_ok=True)
    place = ["-r", f"{right_ascension:.8f}", "-d", f"{declination:.8f}", "-R", f"{radius:.8f}"]
    ended = run_child([program, "-o", output.name, *place, index.path], folder, QUERY_LIMIT)
    if ended.status != 0 or not output.exists():
        return np.empty((0, 2))
    try:
        with fits.open(output) as hdus:
            table = hdus[1].data
            names = {name.upper(): name for name in table.names or []}
            stars = np.column_stack([table[names["RA"]], table[names["DEC"]]]).astype(np.float64)
    except (OSError, KeyError, IndexError, AttributeError, TypeError, ValueError):
        return np.empty((0, 2))
    return stars[np.isfinite(stars).all(axis=1)]


@cache  # for all lights of a job; another size or time of change makes it another file
def _read_index(file: IndexFile) -> StarIndex | None:
    """Return what an index file is for by its header, else by its name; None if neither tells."""
    path = Path(file.path)
    try:
        header = fits.getheader(path, 0)
        low, high = (math.degrees(float(header[card])) * 60 for card in ("SCALE_L", "SCALE_U"))
    except (OSError, KeyError, TypeError, ValueError):
        name = _SCALE_IN_NAME.match(path.name)
        if name is None:
            return None
        low, high = find_scale_range(int(name[1]))
    return StarIndex(low, high, file.path) if 0 < low < high < math.inf else None
