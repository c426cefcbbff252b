"""Index advice: which of astrometry.net's indexes a field needs, and what to install for them.

An index holds the patterns ("quads") of four stars that are so many minutes of arc across; its scale is a number from
00 to 19; docs: astrometry.net, "Getting index files".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALLEST_SCALE = 2.0  # minutes of arc, of scale 00; each next one is sqrt(2) larger
LARGEST_SCALE = 19
SMALLEST_QUAD, LARGEST_QUAD = 0.1, 1.0  # of the shorter side and of the diagonal: what solve-field tries
TYCHO = 7  # the finest scale of Debian's package of Tycho-2; finer ones are of 2MASS, a package each


def find_scale_range(number: int) -> tuple[float, float]:
    """Return how wide the patterns of a scale are, in minutes of arc."""
    low = SMALLEST_SCALE * 2 ** (number / 2)
    return low, low * math.sqrt(2)


def find_pattern_range(shape: tuple[int, int], scale: tuple[float, float]) -> tuple[float, float]:
    """Return how wide patterns in a field may be, in minutes of arc; ``scale`` is a range in seconds of arc a pixel."""
    return SMALLEST_QUAD * min(shape) * scale[0] / 60, LARGEST_QUAD * math.hypot(*shape) * scale[1] / 60


def name_missing_scales(present: Sequence[tuple[float, float]], low: float, high: float) -> list[str]:
    """Return the scales (00 to 19) within two widths, in minutes of arc, of which no range of widths is present."""
    missing = []
    for number in range(LARGEST_SCALE + 1):
        begin, end = find_scale_range(number)
        middle = math.sqrt(begin * end)
        if low <= middle <= high and not any(narrow <= middle <= wide for narrow, wide in present):
            missing.append(f"{number:02d}")
    return missing


def advise_indexes(missing: Sequence[str]) -> str:
    """Return what to install for some scales; nothing for none."""
    if not missing:
        return ""
    packages = ["astrometry-data-tycho2"] if int(missing[-1]) >= TYCHO else []
    if narrow := [scale for scale in missing if int(scale) < TYCHO]:
        last = f" to -{narrow[-1]}" if len(narrow) > 1 else ""
        packages.append(f"astrometry-data-2mass-{narrow[0]}{last} of contrib")
    scales = missing[0] if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
    return (
        f"install indexes of scale {scales} (Debian: {' and '.join(packages)}; "
        f"or index-41xx, 42xx or 52xx of data.astrometry.net)"
    )
