"""The recipes of the two cameras in the guide to CCD reduction with ccdproc."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.camera import Camera
from tests.running import find_lights, find_masters, read_header, read_image
from tests.simulator import simulate_night
from tests.workflow.plain import (
    CAMERA,
    ROUNDING,
    add_hits,
    assert_agrees,
    clip_mean,
    expect_deviation,
    read_stack,
    reduce_by_recipe,
)

SEED = 4  # of nights on which no value lies at the limit of the clip
ROWS, COLUMNS = CAMERA.shape
OVERSCAN = 16  # columns
WIDE = Camera(
    shape=CAMERA.shape,
    overscan=OVERSCAN,
    dark_current=CAMERA.dark_current,
    hot_fraction=CAMERA.hot_fraction,
    seed=CAMERA.seed,
)
KEPT = f"[1:{COLUMNS},1:{ROWS}]"
SECTIONS = {"BIASSEC": f"[{COLUMNS + 1}:{COLUMNS + OVERSCAN},1:{ROWS}]", "TRIMSEC": KEPT}
CARDS = {**SECTIONS, "RDNOISE": CAMERA.read_noise}


def strike_calibrations(raw: Path) -> None:
    """Let cosmic rays hit one frame in each set of biases, darks and flats, for the clipping to reject."""
    rng = np.random.default_rng(7)
    for path in sorted(path for kind in ("bias", "dark", "flat") for path in raw.glob(f"{kind}_*002.fits")):
        add_hits(path, rng)


def clip_flats(frames: np.ndarray, dark: np.ndarray, read_variance: float = 0.0) -> np.ndarray:
    """Combine flats (n, ny, nx) that this dark, in ADU, was taken off: each in units of its median, all of mean 1.

    The electrons of the dark are gone, their noise is not.
    """
    levels = np.median(frames, axis=(1, 2), keepdims=True)

    def expect(flat: np.ndarray) -> np.ndarray:
        return expect_deviation(flat * levels + dark, read_variance) / levels

    flat = clip_mean(frames / levels, expect)
    return flat / np.mean(flat)


def masters_by_filter(results: Path) -> dict[str, Path]:
    """Return the master flats by what their headers say: g' is no name for every file system."""
    return {read_header(path)["FILTER"]: path for path in results.glob("*/*/master_flat_*.fits")}


@pytest.mark.slow
def test_cryogenic(tmp_path: Path) -> None:
    raw, results = tmp_path / "raw", tmp_path / "results"
    exposures = (300.0, 300.4, 300.6)
    simulate_night(
        raw,
        camera=WIDE,
        seed=SEED,
        darks={8.0: 6, 300.0: 7},
        flats={"g'": 6, "r'": 5},
        lights={(name, exposure): 1 for name in ("g'", "r'") for exposure in exposures},
        flat_exposure=8.3,
        light_signal=(2000, 3000),
        bias_drift=5.0,
        cards=CARDS,
    )
    strike_calibrations(raw)

    nights = reduce_by_recipe(tmp_path, "cryogenic")

    def less_overscan(stack: np.ndarray) -> np.ndarray:
        return (stack - np.median(stack[..., COLUMNS:], axis=-1, keepdims=True))[..., :COLUMNS]

    def expect(dark: np.ndarray) -> np.ndarray:
        return expect_deviation(dark - (WIDE.bias_pattern() - WIDE.bias_level), level_variance)

    # the median of a strip is as much noisier than its mean as that of many values
    level_variance = np.pi / 2 * (WIDE.read_noise / WIDE.gain) ** 2 / OVERSCAN + ROUNDING
    darks = {name: less_overscan(read_stack(raw.glob(f"dark_{name}s_*"))) for name in (8, 300)}
    darks = {exposure: clip_mean(stack, expect) for exposure, stack in darks.items()}
    masters, lights = find_masters(results), find_lights(results)
    made = {read_header(path)["RAWFILE"].removesuffix(".fits"): path for path in lights.values()}
    assert "master_bias" not in masters, "a bias is subtracted twice"
    for exposure, dark in darks.items():
        assert_agrees(masters[f"master_dark_{exposure}s"], dark, "adu")
        assert read_header(masters[f"master_dark_{exposure}s"])["HOLDBIAS"]
    flats = masters_by_filter(results)
    assert set(flats) == {"g'", "r'"}
    for name, path in flats.items():
        frames = less_overscan(read_stack(raw.glob(f"flat_{name}_*"))) - darks[8]
        flat = clip_flats(frames, darks[8] - np.median(darks[8]), level_variance)
        assert_agrees(path, flat, "")
        for exposure in (300, 300.4):
            light = read_image(raw / f"light_{name}_{exposure}s_001.fits")
            product = made[f"light_{name}_{exposure}s_001"]
            assert_agrees(product, (less_overscan(light) - darks[300]) / flat, "electron")
            assert read_header(product)["CALSTAT"] == "OTDF"
            assert read_header(product)["DARKSCAL"] == 1

    # 0.6 s from the dark is too far, and a whole dark is not scaled
    assert len(made) == 4
    assert nights.summary["skipped"] == 2
    said = " ".join(nights.warnings)
    assert "near 300.6 s" in said
    assert "dark.exposure_tolerance" in said


@pytest.mark.slow
def test_thermoelectric(tmp_path: Path) -> None:
    raw, results = tmp_path / "raw", tmp_path / "results"
    simulate_night(
        raw,
        camera=WIDE,
        seed=SEED,
        biases=8,
        darks={30.0: 5, 90.0: 6},
        flats={"V": 6},
        lights={("V", exposure): 1 for exposure in (30.0, 50.0, 75.0, 120.0)},
        flat_exposure=5.0,
        light_signal=(2000, 3000),
        cards=CARDS,
    )
    strike_calibrations(raw)
    for path in raw.glob("*.fits"):  # the overscan sees light, so that its level is wrong
        with fits.open(path, mode="update") as hdus:
            hdus[0].data[:, COLUMNS:] += 200

    reduce_by_recipe(tmp_path, "thermoelectric")

    def trim(paths: object) -> np.ndarray:
        return read_stack(paths)[..., :COLUMNS]

    bias = clip_mean(trim(raw.glob("bias_*")), lambda bias: expect_deviation(np.zeros_like(bias)))
    darks = {exposure: trim(raw.glob(f"dark_{exposure}s_*")) - bias for exposure in (30, 90)}
    darks = {exposure: clip_mean(stack, expect_deviation) for exposure, stack in darks.items()}
    dark = 5 / 30 * darks[30]
    flat = clip_flats(trim(raw.glob("flat_*")) - bias - dark, dark)
    masters, made = find_masters(results), find_lights(results)
    assert_agrees(masters["master_bias"], bias, "adu")
    assert_agrees(masters["master_dark_30s"], darks[30], "adu")
    assert_agrees(masters["master_dark_90s"], darks[90], "adu")
    assert_agrees(masters["master_flat_V"], flat, "")
    assert len(made) == 4
    for exposure, nearest in {30: 30, 50: 30, 75: 90, 120: 90}.items():
        stem = f"light_V_{exposure}s_001"
        light = trim([raw / f"{stem}.fits"])[0]
        assert_agrees(made[stem], (light - bias - exposure / nearest * darks[nearest]) / flat, "electron")
        assert read_header(made[stem])["CALSTAT"] == "TBDF"
