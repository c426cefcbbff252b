"""Compare the calibrated lights of a simulated night with the truth about it.

Run as ``python -m tests.check_demo RAW RESULTS`` after ``python -m tests.simulator RAW`` and the
workflow. The truth is read from ``RAW/../truth``, each calibrated light from
``RESULTS/<night>/<setup>/lights/<raw stem>.fits``. A light of a filter that nobody took flats of has to be skipped.
Exits 1 if a light is missing or out of tolerance, or there where it should not be.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

SKY_TOLERANCE = 0.1  # %
NOISE_TOLERANCE = 3.0  # %
PATH_WIDTH = 56  # characters, so that a row fits in 80


def read_light(path: Path) -> np.ndarray:
    """Read a calibrated light (ny, nx) in ADU, with NaN wherever its MASK, if it has one, is set.

    Of a light in electrons the gain is taken off again that its header says it was multiplied by.
    """
    with fits.open(path) as hdus:
        data = hdus[0].data.astype(float)
        if hdus[0].header["BUNIT"] == "electron":
            data /= hdus[0].header["CALGAIN"]
        if "MASK" in hdus:
            data[hdus["MASK"].data != 0] = np.nan
    return data


def predict_noise(truth: dict, light: dict, scene: np.ndarray, dark_rate: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Predict the standard deviation in ADU of each pixel (ny, nx) of a perfectly calibrated light.

    With gain g, read noise R, scene S, flat f, dark rate r, Nb biases, Nd darks of t_d s, Nf flats of
    level F, and k = t / t_d for a light of t s, the variance of (light - bias - k (dark - bias)) / flat is

        [v + (S f + r t) / g + (1 - k)^2 v / Nb + k^2 (v + r t_d / g) / Nd] / f^2
            + S^2 (v + F f / g) / (F f)^2 / Nf

    where v = (R / g)^2 + 1/12 is read noise and rounding to whole ADU. With a dark of the light's own
    exposure k = 1 and the bias cancels. Masters count as means: a median has up to pi/2 times the
    variance, which adds less than 1 % to the noise of the demonstration's lights.
    """
    camera, exposure = truth["camera"], light["exposure"]
    gain = camera["gain"]
    darks = {float(seconds): count for seconds, count in truth["darks"].items()}
    dark_exposure = min(darks, key=lambda seconds: abs(seconds - exposure))
    scale = exposure / dark_exposure
    frame = (camera["read_noise"] / gain) ** 2 + 1 / 12
    light_variance = frame + (scene * flat + dark_rate * exposure) / gain
    bias_variance = frame / truth["biases"]
    dark_variance = (frame + dark_rate * dark_exposure / gain) / darks[dark_exposure]
    level = truth["flat_signal"] * flat
    flat_variance = (frame + level / gain) / level**2 / truth["flats"][light["filter"]]
    subtracted = light_variance + (1 - scale) ** 2 * bias_variance + scale**2 * dark_variance
    return np.sqrt(subtracted / flat**2 + scene**2 * flat_variance)


def measure_light(data: np.ndarray, truth_folder: Path, truth: dict, stem: str) -> tuple[float, float]:
    """Measure the sky error in % and the ratio of the noise to the expected noise of a light.

    Stars (and with them all saturated pixels) and hot pixels are left out. Both are NaN if the shape is
    wrong or if less than half of the remaining pixels have a value.
    """
    light = truth["lights"][stem]
    scene = np.load(truth_folder / f"scene_{stem}.npy")
    dark_rate = np.load(truth_folder / "dark_rate.npy")
    flat = np.load(truth_folder / f"flat_{light['filter']}.npy")
    if data.shape != scene.shape:
        return np.nan, np.nan
    plain = (scene - light["sky"] < 1) & (dark_rate < 10 * np.median(dark_rate))
    used = plain & np.isfinite(data)
    if used.sum() < plain.sum() / 2:
        return np.nan, np.nan
    residual = (data - scene)[used]
    pull = residual / predict_noise(truth, light, scene, dark_rate, flat)[used]
    # A clipped mean and not a median: photon noise is skewed, so its median is 1/6 e- below its mean,
    # up to 0.04 % of this sky.
    clipped = np.abs(pull - np.median(pull)) < 5 * 1.4826 * np.median(np.abs(pull - np.median(pull)))
    return 100 * float(residual[clipped].mean()) / light["sky"], float(pull[clipped].std())


def check_night(raw: Path, results: Path) -> bool:
    """Print a row for each light of the night and a verdict; return whether all are right."""
    truth_folder = raw.resolve().parent / "truth"
    truth = json.loads((truth_folder / "truth.json").read_text())
    failed, skipped = set(), set()
    print(f"{'calibrated light':{PATH_WIDTH}} {'sky error %':>11} {'noise ratio':>11}")
    for stem in truth["lights"]:
        paths = sorted(results.glob(f"*/*/lights/{stem}.fits"))
        if truth["lights"][stem]["filter"] not in truth["flats"]:
            skipped.add(stem)
            if paths:
                print(f"ERROR: {stem}.fits is calibrated, and there is no flat for it")
                failed.add(stem)
            continue
        if not paths:
            print(f"ERROR: no calibrated light {stem}.fits")
            failed.add(stem)
        for path in paths:
            name = str(path.relative_to(results))
            shown = name if len(name) <= PATH_WIDTH else "..." + name[3 - PATH_WIDTH :]
            sky_error, noise_ratio = measure_light(read_light(path), truth_folder, truth, stem)
            print(f"{shown:{PATH_WIDTH}} {sky_error:11.3f} {noise_ratio:11.3f}")
            # Written so that NaN fails.
            if not (abs(sky_error) <= SKY_TOLERANCE and abs(noise_ratio - 1) <= NOISE_TOLERANCE / 100):
                failed.add(stem)
    sought = len(truth["lights"]) - len(skipped)
    within = f"within {SKY_TOLERANCE:g} % of the true sky and {NOISE_TOLERANCE:g} % of the true noise"
    if failed:
        print(f"{len(failed)} of {sought} lights not {within}:", *sorted(failed), sep="\n  ")
    else:
        print(f"All {sought} lights {within}")
    if skipped and not skipped & failed:
        print(f"{len(skipped)} lights skipped, as they should be: nobody took flats of their filter")
    print(f"Calibrated lights: {results}/<night>/<setup>/lights/")
    for page in sorted(results.glob("*/report.html")):
        print(f"How the night went: {page}")
    return not failed


def main() -> None:
    """Check the night named on the command line."""
    parser = argparse.ArgumentParser(description="Compare calibrated lights with the simulated truth.")
    parser.add_argument("raw", type=Path, help="folder that tests/simulator.py wrote")
    parser.add_argument("results", type=Path, help="results folder of the workflow")
    options = parser.parse_args()
    if not (options.raw.resolve().parent / "truth" / "truth.json").exists():
        parser.error(f"no truth beside {options.raw}: make the night with tests/simulator.py")
    sys.exit(0 if check_night(options.raw, options.results) else 1)


if __name__ == "__main__":
    main()
