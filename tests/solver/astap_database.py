"""A star database of ASTAP's (.290, five bytes a star), written of other stars: it comes in no package of Debian.

The sky is in 290 areas, each in a file; a star has three bytes of right ascension and the lower two of declination
(low byte first). Records of right ascension FFFFFF tell the magnitude and the highest byte of the declination of those
that follow (format: Han Kleijn's description in HNSKY).
"""

import math
from pathlib import Path

import numpy as np

BANDS = (1, 4, 8, 12, 16, 20, 24, 28, 32, 32, 28, 24, 20, 16, 12, 8, 4, 1)  # areas of each, from the south pole
RECORD = 5
CELLS = 289  # of equal area, of a hemisphere


def write_database(folder: Path, places: np.ndarray, magnitudes: np.ndarray, name: str = "v17") -> None:
    """Write a database of the stars; all areas are there, most of them empty."""
    for band, areas in enumerate(BANDS):
        for area in range(areas):
            header = f"{name} of a test".ljust(109).encode() + bytes([RECORD])
            low, high = _find_edges(band)
            ra, dec = places.T
            own = (dec >= low) & (dec < high) & (np.floor(ra / 360 * areas).astype(int) == area)
            order = np.argsort(magnitudes[own], kind="stable")
            records = _encode(places[own][order], magnitudes[own][order])
            (folder / f"{name}_{band + 1:02d}{area + 1:02d}.290").write_bytes(header + records)


def _find_edges(band: int) -> tuple[float, float]:
    """Declinations between which a band lies."""

    def edge(number: int) -> float:  # from the south pole
        if number == 0 or number == len(BANDS):
            return math.copysign(90.0, number - 1)
        south = min(number, len(BANDS) - number)
        return math.copysign(math.degrees(math.asin(1 - (2 * south - 1) ** 2 / CELLS)), number - len(BANDS) / 2)

    return edge(band), edge(band + 1)


def _encode(places: np.ndarray, magnitudes: np.ndarray) -> bytes:
    content, told = b"", None
    for (ra, dec), magnitude in zip(places, magnitudes, strict=True):
        right = min(round(ra / 360 * (2**24 - 1)), 2**24 - 2)
        north = round(dec / 90 * (2**23 - 1))
        marks = (north >> 16) + 128, round(magnitude * 10) + 16
        if marks != told:
            content += b"\xff\xff\xff" + bytes(marks)
            told = marks
        content += right.to_bytes(3, "little") + (north & 0xFFFF).to_bytes(2, "little")
    return content
