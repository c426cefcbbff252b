"""Star indexes: which of astrometry.net's index files are here, for what fields, and the stars in them.

An index holds the patterns ("quads") of four stars that are so many minutes of arc across. Its header tells how many,
its name in many cases (index-4107, index-tycho2-07: the scale is 07); docs: astrometry.net, "Getting index files".
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.solving.child_programs import run_child

# Where Debian, Homebrew, Fedora and astrometry.net itself keep them, and the configuration that may tell other places.
FOLDERS = ("/usr/share/astrometry", "/usr/local/astrometry/data", "/opt/homebrew/share/astrometry")
CONFIGURATIONS = ("/etc/astrometry.cfg", "/usr/local/astrometry/etc/astrometry.cfg")
SMALLEST_SCALE = 2.0  # minutes of arc, of scale 00; each next one is sqrt(2) larger
LARGEST_SCALE = 19
SMALLEST_QUAD, LARGEST_QUAD = 0.1, 1.0  # of the shorter side and of the diagonal: what solve-field tries
QUERY = "query-starkd"
QUERY_LIMIT = 60.0  # s
_SCALE_IN_NAME = re.compile(r"(?:index-(?:tycho2|2mass)-|index-(?:4[12]|5[0-9])|index-2)([01]\d)(?:\D|$)")


@dataclass(frozen=True, order=True)
class StarIndex:
    """An index file and the width of its patterns in minutes of arc."""

    low: float
    high: float
    path: str


def find_indexes(folders: Sequence[str] = ()) -> list[StarIndex]:
    """Return the index files in some folders, finest first; in those where they are usually kept, if none is named."""
    found: dict[str, StarIndex] = {}
    for folder in folders or list_usual_folders():
        for path in sorted(Path(folder).glob("index-*.fits")):
            if path.name not in found and "\n" not in str(path) and (index := _read_index(path)):
                found[path.name] = index
    return sorted(found.values())


def list_usual_folders() -> list[str]:
    """Return where index files are kept, by astrometry.net's configuration first."""
    folders = []
    for configuration in CONFIGURATIONS:
        path = Path(configuration)
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            folders += [line.split(None, 1)[1].strip() for line in lines if re.match(r"add_path\s+\S", line)]
    return [folder for folder in dict.fromkeys([*folders, *FOLDERS]) if Path(folder).is_dir()]


def choose_indexes(indexes: Sequence[StarIndex], low: float, high: float) -> list[StarIndex]:
    """Return those with patterns between two widths, in minutes of arc."""
    return [index for index in indexes if index.low < high and index.high > low]


def find_pattern_range(shape: tuple[int, int], scale: tuple[float, float]) -> tuple[float, float]:
    """Return how wide patterns in a field may be, in minutes of arc; ``scale`` is a range in seconds of arc a pixel."""
    return SMALLEST_QUAD * min(shape) * scale[0] / 60, LARGEST_QUAD * math.hypot(*shape) * scale[1] / 60


def name_missing_scales(indexes: Sequence[StarIndex], low: float, high: float) -> list[str]:
    """Return the scales (00 to 19) within two widths, in minutes of arc, of which there is no index."""
    missing = []
    for number in range(LARGEST_SCALE + 1):
        begin = SMALLEST_SCALE * 2 ** (number / 2)
        middle = begin * 2**0.25
        if low <= middle <= high and not any(index.low <= middle <= index.high for index in indexes):
            missing.append(f"{number:02d}")
    return missing


def advise_indexes(missing: Sequence[str]) -> str:
    """Return what to install for some scales; nothing for none."""
    if not missing:
        return ""
    packages = ["astrometry-data-tycho2"] if int(missing[-1]) >= 7 else []
    if narrow := [scale for scale in missing if int(scale) < 7]:
        packages.append(f"astrometry-data-2mass-{narrow[0]}" + (f" to -{narrow[-1]}" if len(narrow) > 1 else ""))
    scales = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
    return (
        f"install indexes of scale {scales} (Debian: {' and '.join(packages)}; "
        f"or index-41xx, 42xx or 52xx of data.astrometry.net)"
    )


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


def _read_index(path: Path) -> StarIndex | None:
    """Return what an index file is for by its header, else by its name; None if neither tells."""
    try:
        header = fits.getheader(path, 0)
        low, high = (math.degrees(float(header[card])) * 60 for card in ("SCALE_L", "SCALE_U"))
    except (OSError, KeyError, TypeError, ValueError):
        name = _SCALE_IN_NAME.match(path.name)
        if name is None or not path.is_file():
            return None
        low = SMALLEST_SCALE * 2 ** (int(name[1]) / 2)
        high = low * math.sqrt(2)
    return StarIndex(low, high, str(path.resolve())) if 0 < low < high < math.inf else None
