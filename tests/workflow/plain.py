"""What the tests of the recipes share: raw frames to arrange and to read, a clipped mean, and the comparison."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.camera import Camera
from tests.running import read_header, read_image

# A flat that falls below 0.8 in the corners; three hot pixels, bright but far from saturation.
CAMERA = Camera(shape=(64, 80), dark_current=2.0, hot_fraction=0.0006, seed=3)
TOLERANCE = 1e-5  # of an image's level


def read_stack(paths: Iterable[Path]) -> np.ndarray:
    """Read frames as one array (n, ny, nx) of float64, in the order of their names."""
    paths = sorted(paths)
    assert paths, "no frames"
    return np.array([read_image(path) for path in paths])


def arrange(raw: Path, folders: Mapping[str, str]) -> dict[str, Path]:
    """Move frames whose names match a glob to a folder, as n01.fits and so on: the names tell nothing.

    Returns the new paths by the old file stems.
    """
    moved = {}
    for pattern, folder in folders.items():
        for path in sorted(raw.glob(pattern)):
            moved[path.stem] = raw / folder / f"n{len(moved) + 1:02d}.fits"
            moved[path.stem].parent.mkdir(parents=True, exist_ok=True)
            path.rename(moved[path.stem])
    assert not list(raw.glob("*.fits")), "a frame stays behind"
    return moved


def add_hits(path: Path, rng: np.random.Generator, count: int = 12) -> np.ndarray:
    """Let cosmic rays hit a raw frame, each in one or two pixels and not at the edges; return where (ny, nx)."""
    header, data = read_header(path), fits.getdata(path)
    hit = np.zeros(data.shape, bool)
    ny, nx = data.shape
    hit[rng.integers(4, ny - 5, count), rng.integers(4, nx - 4, count)] = True
    hit[1:][hit[:-1] & (rng.random(hit[1:].shape) < 0.5)] = True
    charge = rng.uniform(3000, 9000, data.shape)  # ADU
    fits.PrimaryHDU(np.where(hit, data + charge, data).astype(np.uint16), header).writeto(path, overwrite=True)
    return hit


def clip_mean(stack: np.ndarray, quantum: float = 1.0) -> np.ndarray:
    """Mean of what lies within 5 standard deviations of the median, estimated by the MAD.

    Rounding to whole ADU (`quantum`, after scaling) alone spreads values by 12**-0.5: no limit is tighter than that.
    """
    distance = abs(stack - np.median(stack, axis=0))
    deviation = np.maximum(1.482602218505602 * np.median(distance, axis=0), 12**-0.5 * quantum)
    return np.nanmean(np.where(distance > 5 * deviation, np.nan, stack), axis=0)


def assert_agrees(product: Path, expected: np.ndarray) -> None:
    """Compare an image pixel by pixel, NaN with NaN; the level is the median of what is expected."""
    made = read_image(product)
    assert made.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(made), np.isnan(expected))
    level = np.nanmedian(abs(expected))
    worst = np.nanmax(abs(made - expected)) / level
    assert worst <= TOLERANCE, f"{product.name}: differs by {worst:.2g} of its level {level:.4g}"
