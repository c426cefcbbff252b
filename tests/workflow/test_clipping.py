"""Clipping on whole nights: hits and moving stars leave the masters, hot pixels stay."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.camera import Camera
from tests.pulls import Product, measure_center, measure_spread, tell_master
from tests.running import find_masters
from tests.simulator import Truth, render_stars, simulate_night
from tests.workflow.jobs import plan_night, run_job

CAMERA = Camera(shape=(160, 170), seed=31)
HIT = 5000.0  # electrons
HITS = 3000  # so many that the mean of their pulls is known to 0.02
HOT = 2  # bit of MASK


def make_masters(folder: Path, truth: Truth, **config: Any) -> dict[str, tuple[Product, np.ndarray]]:
    """Make the masters of a night in this process; return them and what they would be without noise, by kind."""
    nights = plan_night(folder, certification={"use": False}, **config)
    for job in nights.jobs.values():
        if job.kind != "calibrate_lights":
            run_job(nights, job)
    made = {stem.split("_")[1]: Product.read(path) for stem, path in find_masters(folder / "results").items()}
    return {kind: (product, tell_master(truth, product.header)) for kind, product in made.items()}


def add_charge(path: Path, charge: np.ndarray) -> None:
    """Add ADU (ny, nx) to a raw frame."""
    header, data = fits.getheader(path), fits.getdata(path)
    fits.PrimaryHDU(np.clip(np.rint(data + charge), 0, 65535).astype(np.uint16), header).writeto(path, overwrite=True)


def hit_frames(raw: Path, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Let HITS pixels be hit, each in one of the frames of a kind; return which (ny, nx)."""
    paths = sorted(raw.glob(f"{kind}_*.fits"))
    pixels = rng.choice(CAMERA.shape[0] * CAMERA.shape[1], HITS, replace=False)
    which = rng.integers(0, len(paths), HITS)
    for number, path in enumerate(paths):
        charge = np.zeros(CAMERA.shape)
        charge.flat[pixels[which == number]] = HIT / CAMERA.gain
        add_charge(path, charge)
    hit = np.zeros(CAMERA.shape, bool)
    hit.flat[pixels] = True
    return hit


def make_hit_night(folder: Path, number: int, **config: Any) -> dict[str, float]:
    """Return by how many of its standard deviations each master is higher where one of its frames was hit."""
    night = {
        "biases": number,
        "darks": {60.0: number},
        "flats": {"V": number},
        "seed": number,
        "lights": {("V", 60.0): 1},
    }
    # so many hits are no matter for pairs of frames: the noise is told
    truth = simulate_night(folder / "raw", camera=CAMERA, cards={"RDNOISE": CAMERA.read_noise}, **night)
    rng = np.random.default_rng(number)
    hits = {kind: hit_frames(folder / "raw", kind, rng) for kind in ("bias", "dark", "flat")}
    biases = {}
    for kind, (master, noiseless) in make_masters(folder, truth, **config).items():
        # a pixel that was hit in a bias is not to count for the dark that is freed of it
        own = hits[kind] & ~np.any([hit for other, hit in hits.items() if other != kind], axis=0)
        none = ~np.any(list(hits.values()), axis=0)
        pulls = (master.data - noiseless) / master.uncertainty
        assert np.isfinite(pulls[own]).all()
        biases[kind] = float(np.mean(pulls[own])) - measure_center(pulls[none])
    return biases


@pytest.mark.parametrize("number", [3, 4, 5, 6, 8, 12, 20])
def test_a_hit_in_one_frame_leaves_the_masters(number: int, tmp_path: Path) -> None:
    biases = make_hit_night(tmp_path, number)
    assert biases == pytest.approx(dict.fromkeys(("bias", "dark", "flat"), 0.0), abs=0.1)


def test_without_a_clip_a_hit_stays(tmp_path: Path) -> None:
    plain = {kind: {"combine": {"reject": "none"}} for kind in ("bias", "dark", "flat")}
    biases = make_hit_night(tmp_path, 5, **plain)
    expected = HIT / 5 / (CAMERA.read_noise / 5**0.5)
    assert biases["bias"] == pytest.approx(expected, rel=0.02)
    assert min(biases.values()) > 5


@pytest.mark.parametrize("number", [3, 7])
def test_a_stable_hot_pixel_survives_into_the_dark(number: int, tmp_path: Path) -> None:
    camera = Camera(shape=(160, 170), hot_fraction=0.005, seed=32)
    night = {"biases": number, "darks": {60.0: number}, "lights": {("V", 60.0): 1}}
    truth = simulate_night(tmp_path / "raw", camera=camera, **night)
    dark, noiseless = make_masters(tmp_path, truth)["dark"]
    rate = camera.dark_rate()
    hot = rate > 100 * np.median(rate)  # 400 ADU in 60 s
    assert hot.sum() > 50
    pulls = ((dark.data - noiseless) / dark.uncertainty)[hot]
    assert np.abs(pulls).max() < 5
    assert pulls.std() == pytest.approx(1, abs=0.25)
    assert ((dark.mask[hot] & HOT) != 0).all()


def make_twilight_night(folder: Path) -> tuple[Truth, np.ndarray, np.ndarray]:
    """Simulate flats between which the field is shifted, so that a star falls on a pixel once at most.

    Return the truth, and where (ny, nx) the cores of stars fall (8 sigma of a frame), and their wings (1 sigma).
    """
    number = 9
    night = {"biases": 9, "darks": {60.0: 9}, "flats": {"V": number}, "flat_signal": 20000.0}
    truth = simulate_night(folder / "raw", camera=CAMERA, cards={"RDNOISE": CAMERA.read_noise}, **night)
    rng = np.random.default_rng(33)
    rows, columns = np.meshgrid(np.arange(12, 160, 34.0), np.arange(12, 170, 34.0), indexing="ij")
    cores = np.zeros(CAMERA.shape, bool)
    wings = np.zeros(CAMERA.shape, bool)
    for turn, path in enumerate(sorted((folder / "raw").glob("flat_V_*.fits"))):
        y, x = rows.ravel() + 11 * (turn // 3), columns.ravel() + 11 * (turn % 3)
        stars = [{"y": b, "x": a, "flux": 4e5, "fwhm": 4.0} for b, a in zip(y, x, strict=True)]
        light = render_stars(CAMERA.shape, stars) * CAMERA.flat("V")  # 22 000 ADU at the peak
        add_charge(path, rng.poisson(light * CAMERA.gain) / CAMERA.gain)
        noise = np.sqrt(20000 / CAMERA.gain)
        cores |= light > 8 * noise
        wings |= (light > noise) & (light <= 8 * noise)
    return truth, cores, wings & ~cores


def test_a_star_that_moves_does_not_survive_into_the_flat(tmp_path: Path) -> None:
    truth, cores, wings = make_twilight_night(tmp_path)
    assert cores.sum() > 5000
    flat, noiseless = make_masters(tmp_path, truth)["flat"]
    residue = flat.data / noiseless - np.median(flat.data / noiseless)
    pulls = residue / (flat.uncertainty / noiseless)
    away = ~(cores | wings)
    # the stars shift the level of a frame, which is a median; wings of less than five sigma are no outliers
    assert pulls[cores].mean() - pulls[away].mean() == pytest.approx(0, abs=0.15)
    assert pulls[wings].mean() - pulls[away].mean() < 0.6
    assert residue.max() < 0.012  # 6 sigma; unclipped it is 0.12


def test_a_star_that_moves_stays_in_a_flat_without_a_clip(tmp_path: Path) -> None:
    truth, _, _ = make_twilight_night(tmp_path)
    flat, noiseless = make_masters(tmp_path, truth, flat={"combine": {"reject": "none"}})["flat"]
    assert (flat.data / noiseless).max() > 1.08


@pytest.mark.parametrize("drift", [0.01, 0.03, 0.1])
def test_a_sky_that_turns_while_flats_are_taken_is_no_outlier(drift: float, tmp_path: Path) -> None:
    """Twilight: the slope runs from one side to the other, to this much at the edges, and is none on the average."""
    night = {"biases": 9, "darks": {60.0: 9}, "flats": {"V": 6}, "flat_signal": 20000.0}
    truth = simulate_night(tmp_path / "raw", camera=CAMERA, lights={("V", 60.0): 1}, **night)
    across = np.linspace(-1, 1, CAMERA.shape[1])
    hit = hit_frames(tmp_path / "raw", "flat", np.random.default_rng(8))
    for turn, path in zip(np.linspace(-1, 1, 6), sorted((tmp_path / "raw").glob("flat_V_*.fits")), strict=True):
        add_charge(path, turn * drift * across * (fits.getdata(path) - 1000.0))
    flat, noiseless = make_masters(tmp_path, truth)["flat"]
    pulls = flat.pulls(noiseless)
    edges = np.broadcast_to(np.abs(across) > 0.7, CAMERA.shape) & ~hit
    assert measure_spread(pulls[edges]) == pytest.approx(1, abs=0.05)
    assert measure_spread(pulls[~edges & ~hit]) == pytest.approx(1, abs=0.03)
    assert measure_center(pulls[hit]) == pytest.approx(measure_center(pulls[~hit]), abs=0.1)
