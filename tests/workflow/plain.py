"""What the tests of the recipes share: runs, raw frames to arrange and to read, a clipped mean, and the comparison."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import yaml
from astropy.io import fits

from darkroom.prepared import Prepared
from tests.camera import Camera
from tests.running import RECIPES, read_header, read_image
from tests.workflow.engine import run_due

# A flat that falls below 0.8 in the corners; three hot pixels, bright but far from saturation.
CAMERA = Camera(shape=(64, 80), dark_current=2.0, hot_fraction=0.0006, seed=3)
TOLERANCE = 1e-5  # of an image's level
SIGMA_PER_MAD = 1.482602218505602
ROUNDING = 1 / 12  # ADU^2: whole ADU are off by up to a half


def reduce_by_recipe(folder: Path, name: str) -> Prepared:
    """Reduce the night in `folder` by a recipe alone, in this process; no job and no certification may fail."""
    nights, _, failed = run_due(folder, **yaml.safe_load((RECIPES / f"{name}.yaml").read_text()))
    assert not nights.refusal
    assert not failed
    assert not nights.failed, "a master failed its certification"
    masters = {path.stem for path in folder.glob("results/*/*/master_*.fits")}
    assert {path.stem for path in folder.glob("results/*/*/certificates/*.json")} == masters != set()
    return nights


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


def expect_deviation(counts: np.ndarray, read_variance: float = 0.0) -> np.ndarray:
    """Return the standard deviation, in ADU, of a pixel that holds these ADU of electrons when it is read by CAMERA.

    `read_variance` comes on top of read noise and rounding, ADU^2.
    """
    read_noise = CAMERA.read_noise / CAMERA.gain
    return np.sqrt(read_noise**2 + ROUNDING + read_variance + np.maximum(counts, 0) / CAMERA.gain)


def clip_mean(stack: np.ndarray, expect: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Mean of what lies within 5 standard deviations of the median (n, ny, nx).

    The deviation is that which is expected where the median is, or that of the MAD once it is 1 + 20/n times as large;
    values within the MAD stay. Gain and read noise may be known a little better or worse than by the camera's own
    numbers: no value may lie where that decides.
    """
    middle = np.median(stack, axis=0)
    distance = abs(stack - middle)
    spread = np.median(distance, axis=0)
    deviation = np.maximum(expect(middle), SIGMA_PER_MAD * spread / (1 + 20 / len(stack)))
    kept = distance <= np.maximum(5 * deviation, spread)
    assert not kept.all(), "nothing to reject"
    for close in (4.8, 5.2):
        assert (kept == (distance <= np.maximum(close * deviation, spread))).all(), "a value lies at the limit"
    return np.nanmean(np.where(kept, stack, np.nan), axis=0)


def assert_agrees(product: Path, expected: np.ndarray, unit: str) -> None:
    """Compare an image pixel by pixel, NaN with NaN; the level is the median of what is expected.

    In electrons it is to be what is expected, in ADU, times the camera's gain.
    """
    made, header = read_image(product), read_header(product)
    assert header["BUNIT"] == unit
    if unit == "electron":
        expected = expected * CAMERA.gain
    assert made.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(made), np.isnan(expected))
    level = np.nanmedian(abs(expected))
    worst = np.nanmax(abs(made - expected)) / level
    assert worst <= TOLERANCE, f"{product.name}: differs by {worst:.2g} of its level {level:.4g}"
