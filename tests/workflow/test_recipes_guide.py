"""The recipes of the two cameras in the guide to CCD reduction with ccdproc."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.camera import Camera
from tests.running import RECIPES, find_lights, find_masters, read_header, read_image, run_snakemake
from tests.simulator import simulate_night
from tests.workflow.plain import CAMERA, add_hits, assert_agrees, clip_mean, read_stack

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


def strike_calibrations(raw: Path) -> None:
    """Let cosmic rays hit one frame in each set of darks and flats, for the clipping to reject."""
    rng = np.random.default_rng(7)
    for path in [*raw.glob("dark_*_002.fits"), *raw.glob("flat_*_002.fits")]:
        add_hits(path, rng)


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
        darks={8.0: 6, 300.0: 7},
        flats={"g'": 6, "r'": 5},
        lights={(name, exposure): 1 for name in ("g'", "r'") for exposure in exposures},
        flat_exposure=8.3,
        light_signal=(2000, 3000),
        bias_drift=5.0,
        cards=SECTIONS,
    )
    strike_calibrations(raw)

    run = run_snakemake(tmp_path, configfile=RECIPES / "cryogenic.yaml")

    def less_overscan(stack: np.ndarray) -> np.ndarray:
        return (stack - np.median(stack[..., COLUMNS:], axis=-1, keepdims=True))[..., :COLUMNS]

    darks = {exposure: clip_mean(less_overscan(read_stack(raw.glob(f"dark_{exposure}s_*")))) for exposure in (8, 300)}
    masters, lights = find_masters(results), find_lights(results)
    made = {read_header(path)["RAWFILE"].removesuffix(".fits"): path for path in lights.values()}
    assert "master_bias" not in masters, "a bias is subtracted twice"
    for exposure, dark in darks.items():
        assert_agrees(masters[f"master_dark_{exposure}s"], dark)
        assert read_header(masters[f"master_dark_{exposure}s"])["HOLDBIAS"]
    flats = masters_by_filter(results)
    assert set(flats) == {"g'", "r'"}
    for name, path in flats.items():
        frames = less_overscan(read_stack(raw.glob(f"flat_{name}_*"))) - darks[8]
        levels = np.median(frames, axis=(1, 2), keepdims=True)
        flat = clip_mean(frames / levels, quantum=float(np.median(1 / levels)))
        flat /= np.mean(flat)
        assert_agrees(path, flat)
        for exposure in (300, 300.4):
            light = read_image(raw / f"light_{name}_{exposure}s_001.fits")
            product = made[f"light_{name}_{exposure}s_001"]
            assert_agrees(product, (less_overscan(light) - darks[300]) / flat)
            assert read_header(product)["CALSTAT"] == "OTDF"
            assert read_header(product)["DARKSCAL"] == 1

    # 0.6 s from the dark is too far, and a whole dark is not scaled
    assert len(made) == 4
    said = " ".join(run.stderr.split())
    assert "2 light(s) skipped" in said
    assert "near 300.6 s" in said
    assert "dark.exposure_tolerance" in said


@pytest.mark.slow
def test_thermoelectric(tmp_path: Path) -> None:
    raw, results = tmp_path / "raw", tmp_path / "results"
    simulate_night(
        raw,
        camera=WIDE,
        biases=8,
        darks={30.0: 5, 90.0: 6},
        flats={"V": 6},
        lights={("V", exposure): 1 for exposure in (30.0, 50.0, 75.0, 120.0)},
        flat_exposure=5.0,
        light_signal=(2000, 3000),
        cards=SECTIONS,
    )
    strike_calibrations(raw)
    for path in raw.glob("*.fits"):  # the overscan sees light, so that its level is wrong
        with fits.open(path, mode="update") as hdus:
            hdus[0].data[:, COLUMNS:] += 200

    run_snakemake(tmp_path, configfile=RECIPES / "thermoelectric.yaml")

    def trim(paths: object) -> np.ndarray:
        return read_stack(paths)[..., :COLUMNS]

    bias = clip_mean(trim(raw.glob("bias_*")))
    darks = {exposure: clip_mean(trim(raw.glob(f"dark_{exposure}s_*")) - bias) for exposure in (30, 90)}
    frames = trim(raw.glob("flat_*")) - bias - 5 / 30 * darks[30]
    levels = np.median(frames, axis=(1, 2), keepdims=True)
    flat = clip_mean(frames / levels, quantum=float(np.median(1 / levels)))
    flat /= np.mean(flat)
    masters, made = find_masters(results), find_lights(results)
    assert_agrees(masters["master_bias"], bias)
    assert_agrees(masters["master_dark_30s"], darks[30])
    assert_agrees(masters["master_dark_90s"], darks[90])
    assert_agrees(masters["master_flat_V"], flat)
    assert len(made) == 4
    for exposure, nearest in {30: 30, 50: 30, 75: 90, 120: 90}.items():
        stem = f"light_V_{exposure}s_001"
        light = trim([raw / f"{stem}.fits"])[0]
        assert_agrees(made[stem], (light - bias - exposure / nearest * darks[nearest]) / flat)
        assert read_header(made[stem])["CALSTAT"] == "TBDF"
