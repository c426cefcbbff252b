"""Verify an installation: reduce a simulated night by the user's command and compare all of it with the truth.

Run as ``python -m tests.verify_installation [--size 512]``. It prints, for this machine, how true the fluxes of stars,
the sky, the noise and the error bars are. Exits 1 if one of them is out of tolerance, or if a product is missing.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tests.check_demo import NOISE_TOLERANCE, SKY_TOLERANCE, predict_noise, read_light
from tests.pulls import Product, clip, measure_center, measure_spread, tell_light, tell_master
from tests.running import REPOSITORY, find_lights, find_masters, run_snakemake
from tests.simulator import Light, Truth

FLUX_TOLERANCE = 0.1  # %, of all bright stars together
BRIGHT = 1.0  # %, expected error of a bright star at most
STAR_TOLERANCE = 0.15  # of the standard deviation of the pulls of stars
SPREAD_TOLERANCE = {"light": 0.02, "bias": 0.03, "dark": 0.03, "flat": 0.03}
CENTER_TOLERANCE = 0.1  # standard deviations
APERTURE = 7.0  # pixels; all but 3e-7 of a star with a FWHM of 3 pixels
ANNULUS = 12.0, 20.0  # pixels
CROWDED = 1e-4  # of a star's flux, that others may send into its aperture


@dataclass
class Fluxes:
    """Errors of the fluxes of bright stars and the errors that are expected, in % of the true flux."""

    errors: np.ndarray
    expected: np.ndarray

    @property
    def mean(self) -> tuple[float, float]:
        """Return the weighted mean error and what is expected of it."""
        weight = 1 / self.expected**2
        return float(np.sum(weight * self.errors) / weight.sum()), float(weight.sum() ** -0.5)


def measure_stars(product: Product, light: Light, scene: np.ndarray, unit: float) -> Fluxes:
    """Sum the light of stars in apertures, less the sky around, and compare with the truth.

    Parameters
    ----------
    product
        A calibrated light.
    light, scene
        What it shows, and the image (ny, nx) that it would be without noise, in ADU.
    unit
        What an ADU is in the light's unit.

    Stars near the edge or another star, with a pixel that is masked, or too faint are left out.
    """
    rows, columns = np.indices(scene.shape)
    errors, expected = [], []
    for star in light.stars:
        distance = np.hypot(rows - star["y"], columns - star["x"])
        inside = distance <= APERTURE
        around = (distance >= ANNULUS[0]) & (distance <= ANNULUS[1]) & (product.mask == 0)
        reach = min(star["x"], star["y"], scene.shape[1] - 1 - star["x"], scene.shape[0] - 1 - star["y"])
        others = abs((scene - light.sky)[inside].sum() - star["flux"]) if inside.any() else np.inf
        if reach < ANNULUS[1] or product.mask[inside].any() or others > CROWDED * star["flux"]:
            continue
        sky = clip((product.data[around] - np.median(product.data[around])) / product.uncertainty[around])
        level = np.median(product.data[around]) + sky.mean() * product.uncertainty[around].mean()
        found = product.data[inside].sum() - inside.sum() * level
        variance = (product.uncertainty[inside] ** 2).sum()
        variance += inside.sum() ** 2 * (product.uncertainty[around] ** 2).mean() / sky.size
        true = star["flux"] * unit
        if 100 * variance**0.5 < BRIGHT * true:
            errors.append(100 * (found / true - 1))
            expected.append(100 * variance**0.5 / true)
    return Fluxes(np.array(errors), np.array(expected))


def check_lights(truth: Truth, results: Path) -> tuple[Fluxes, list[str]]:
    """Print a row a light: its stars, sky and noise; return all fluxes, and what is out of tolerance."""
    print(f"{'light':22} {'stars':>5} {'flux error %':>12} {'expected':>9} {'sky error %':>12} {'noise ratio':>12}")
    every, failures, paths = [], [], find_lights(results)
    for stem, light in truth.lights.items():
        if stem not in paths:
            failures.append(f"no light {stem}")
            continue
        product, scene = Product.read(paths[stem]), truth.scenes[stem]
        unit = product.header["CALGAIN"] if product.header["BUNIT"] == "electron" else 1.0
        fluxes = measure_stars(product, light, scene, unit)
        every.append(fluxes)
        sky, noise = measure_sky(read_light(paths[stem]), truth, stem)
        mean, error = fluxes.mean if fluxes.errors.size else (np.nan, np.nan)
        print(f"{stem:22} {fluxes.errors.size:5} {mean:+12.3f} {error:9.3f} {sky:+12.3f} {noise:12.3f}")
        if not abs(sky) <= SKY_TOLERANCE:
            failures.append(f"sky of {stem}")
        if not abs(noise - 1) <= NOISE_TOLERANCE / 100:
            failures.append(f"noise of {stem}")
    if not every:
        return Fluxes(np.empty(0), np.empty(0)), failures
    return Fluxes(
        np.concatenate([each.errors for each in every]), np.concatenate([e.expected for e in every])
    ), failures


def measure_sky(data: np.ndarray, truth: Truth, stem: str) -> tuple[float, float]:
    """Return the sky error in % and measured over expected noise of a light in ADU, stars and hot pixels left out."""
    light, scene, rate = truth.lights[stem], truth.scenes[stem], truth.camera.dark_rate()
    used = (scene - light.sky < 1) & (rate < 10 * np.median(rate)) & np.isfinite(data)
    record = {"camera": vars(truth.camera), "biases": truth.biases, "darks": truth.darks, "flats": truth.flats}
    expected = predict_noise(
        record | {"flat_signal": truth.flat_signal}, vars(light), scene, rate, truth.camera.flat(light.filter)
    )
    pulls = ((data - scene) / expected)[used]
    return 100 * measure_center(pulls) * float(expected[used].mean()) / light.sky, measure_spread(pulls)


def check_error_bars(truth: Truth, results: Path) -> list[str]:
    """Print the pulls (value - truth) / UNCERT of each kind of product; return what is out of tolerance."""
    pulls: dict[str, list[np.ndarray]] = {kind: [] for kind in ("bias", "dark", "flat", "light")}
    for stem, path in {**find_masters(results), **find_lights(results)}.items():
        product = Product.read(path)
        kind = stem.split("_")[1] if stem.startswith("master") else "light"
        known = tell_light(truth, stem, product.header) if kind == "light" else tell_master(truth, product.header)
        pulls[kind].append(product.pulls(known))
    failures = []
    print(f"\n{'product':22} {'files':>5} {'mean pull':>12} {'':9} {'sd of pulls':>12} {'tolerance':>12}")
    for kind, found in pulls.items():
        if not found:
            failures.append(f"no {kind}")
            continue
        center, spread = measure_center(np.array(found)), measure_spread(np.array(found))
        print(f"{kind:22} {len(found):5} {center:+12.3f} {'':9} {spread:12.3f} {SPREAD_TOLERANCE[kind]:12.3f}")
        if not (abs(spread - 1) <= SPREAD_TOLERANCE[kind] and abs(center) <= CENTER_TOLERANCE):
            failures.append(f"error bars of {kind}")
    return failures


def check_fluxes(fluxes: Fluxes) -> list[str]:
    """Print the pulls and the mean error of all bright stars; return what is out of tolerance."""
    if fluxes.errors.size < 10:
        return ["too few stars"]
    pulls = fluxes.errors / fluxes.expected
    spread, (mean, error) = measure_spread(pulls), fluxes.mean
    print(f"{'flux of a star':22} {'':5} {measure_center(pulls):+12.3f} {'':9} {spread:12.3f} {STAR_TOLERANCE:12.3f}")
    print(f"\nMean flux error of {pulls.size} bright stars: {mean:+.3f} % ({error:.3f} % is expected)")
    failures = [] if abs(mean) <= FLUX_TOLERANCE else ["fluxes of stars"]
    return failures if abs(spread - 1) <= STAR_TOLERANCE else [*failures, "error bars of fluxes"]


def check_night(folder: Path) -> list[str]:
    """Print how true the products in ``folder``/results are; return what is out of tolerance."""
    truth = Truth.load(folder / "truth")
    fluxes, failures = check_lights(truth, folder / "results")
    return failures + check_error_bars(truth, folder / "results") + check_fluxes(fluxes)


def reduce_night(folder: Path, size: int) -> None:
    """Simulate the demonstration night in ``folder``/raw and reduce it as an observer does."""
    simulate = [sys.executable, "-m", "tests.simulator", folder / "raw", "--size", str(size)]
    subprocess.run(simulate, cwd=REPOSITORY, check=True, capture_output=True)
    cores = os.cpu_count() or 1
    start = time.monotonic()
    run_snakemake(folder, cores=cores)
    seconds = time.monotonic() - start
    frames = len(list((folder / "raw").iterdir()))
    print(f"{frames} frames of {size} x {size} pixels reduced in {seconds:.0f} s: snakemake --cores {cores}\n")


def main() -> None:
    """Verify this installation."""
    parser = argparse.ArgumentParser(description="Reduce a simulated night and compare it with the truth.")
    parser.add_argument("--size", type=int, default=512, help="rows and columns of a frame, pixels; 256 at least")
    options = parser.parse_args()
    if options.size < 256:
        parser.error("--size: fewer than 256 pixels do not tell a standard deviation well enough")
    print(f"Darkroom {version('darkroom')} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    print(f"python {platform.python_version()}", end="")
    print("".join(f", {name} {version(name)}" for name in ("numpy", "astropy", "ccdproc", "snakemake")))
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        reduce_night(Path(folder), options.size)
        failures = check_night(Path(folder))
    print("FAILED, out of tolerance: " + "; ".join(failures) if failures else "PASSED: all is within tolerance")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
