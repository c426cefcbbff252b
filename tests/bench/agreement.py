"""Are they the same lights? Each competitor's are held against Darkroom's, so that none is fast by doing less."""

from pathlib import Path

import numpy as np

from tests.bench.competitors import FLOOR, Competitor
from tests.bench.night import Night

TOLERANCE = 0.01  # of the sky
MAJORITY = 0.95  # of the pixels; the rest are hot, or noisy in a master that was combined in another way


def sample_lights(night: Night) -> list[str]:
    """Return the file stems of the first, the middle and the last light through each filter."""
    numbers = sorted({1, (night.lights + 1) // 2, night.lights})
    return [f"light_{name}_{number:03d}" for name in night.filters for number in numbers]


def read_sample(night: Night, competitor: Competitor, folder: Path) -> dict[str, np.ndarray]:
    """Return a few of a competitor's lights in ADU, by stem.

    Raises
    ------
    RuntimeError
        If not every light was made.
    """
    made = competitor.find(folder)
    wanted = {f"light_{name}_{number:03d}" for name in night.filters for number in range(1, night.lights + 1)}
    if set(made) != wanted:
        raise RuntimeError(f"{competitor.name}: made {len(set(made) & wanted)} of {len(wanted)} lights")
    if competitor.name == FLOOR:  # its files are not lights
        return {}
    return {stem: competitor.read(made[stem]).astype(np.float32) for stem in sample_lights(night)}


def compare(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Return how far two lights are apart: the median difference, and what 95 % of the pixels do not exceed.

    Both as parts of the sky, which is the median of ours. A pixel without a value in one of them differs without limit.
    """
    sky = float(np.nanmedian(ours))
    differences = (theirs - ours) / np.float32(sky)
    differences[~np.isfinite(differences)] = np.inf
    return float(np.median(differences)), float(np.quantile(abs(differences), MAJORITY, method="higher"))


def check_agreement(name: str, ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Return the largest difference of 95 % of the pixels, as part of the sky; zero if there is nothing to compare.

    Raises
    ------
    RuntimeError
        If a light differs by more than 1 % of the sky.
    """
    largest = 0.0
    for stem, light in theirs.items():
        offset, difference = compare(ours[stem], light)
        if difference > TOLERANCE or abs(offset) > TOLERANCE:
            raise RuntimeError(
                f"{name}: {stem} differs from Darkroom's by {100 * offset:+.2f} % of the sky, and 5 % of its pixels by "
                f"more than {100 * difference:.2f} %"
            )
        largest = max(largest, difference)
    return largest
