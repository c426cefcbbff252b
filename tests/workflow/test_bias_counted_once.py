"""However bias and darks are switched, a light has its bias taken off once: never twice, never not at all."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from darkroom.settings import SettingsError
from tests.camera import Camera
from tests.running import find_lights, find_masters, read_image, run_snakemake
from tests.simulator import Truth
from tests.workflow.jobs import make_night, plan_night, run_job

# A bias and a dark current that nobody overlooks: 1000 ADU, and 2 ADU/s.
CAMERA = Camera(shape=(48, 56), gain=1.0, bias_level=1000.0, dark_current=2.0, hot_fraction=0, seed=5)
SKY = 3000.0
DARKS = {4.0: 4, 60.0: 4}  # of the flats and of one light; the other light, of 200 s, has none of its own
LIGHTS = {("V", 60.0): 1, ("V", 200.0): 1}
TOLERANCE = 25.0  # ADU; photon noise of a median is 2, an error of the bias 1000, of the dark 120 or more

BOTH = (True, False)
CASES = list(product(BOTH, repeat=6))
NAMES = ("bias frames", "bias.use", "dark.use", "dark.subtract_bias", "flat.use", "flat.subtract_dark")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("night")
    sky = {"light_signal": SKY, "star_count": 0, "flat_signal": 20000.0}
    return folder, make_night(
        folder / "raw", camera=CAMERA, biases=4, darks=DARKS, flats={"V": 3}, lights=LIGHTS, **sky
    )


def develop(raw: Path, folder: Path, **config: Any) -> tuple[str, str]:
    """Make all that can be made of a night; return what was refused and the plan."""
    nights = plan_night(folder, raw=str(raw), **config)
    if not nights.refusal:
        for job in nights.jobs.values():
            run_job(nights, job)
    return nights.refusal, (folder / "results" / "plan.txt").read_text()


def expect_level(exposure: float, dark: bool, flat: bool) -> np.ndarray:
    """Return a light (ny, nx) without its bias, in ADU; dark current and flat are left in where they are not used."""
    scene = np.full(CAMERA.shape, SKY) * CAMERA.flat("V") + (0 if dark else CAMERA.dark_rate() * exposure)
    return scene / CAMERA.flat("V") if flat else scene


@pytest.mark.parametrize("case", CASES, ids=lambda case: "".join("+-"[not on] for on in case))
def test_bias_is_counted_once(case: tuple[bool, ...], night: tuple[Path, Truth], tmp_path: Path) -> None:
    frames, bias, dark, subtract_bias, flat, subtract_dark = case
    config = {
        "exclude": [] if frames else ["bias_*"],
        "bias": {"use": bias},
        "dark": {"use": dark, "subtract_bias": subtract_bias},
        "flat": {"use": flat, "subtract_dark": subtract_dark},
    }
    refusal, plan = develop(night[0] / "raw", tmp_path, **config)

    lights = find_lights(tmp_path / "results")
    free = bias and subtract_bias  # darks that were freed of their bias
    whole = dark and not free
    for exposure in (60.0, 200.0):
        name = f"light_V_{exposure:g}s_001"
        takes_bias = whole or (bias and frames)
        takes_dark = not dark or (exposure == 60.0 if whole else frames)  # a whole dark is not scaled
        flattens = not flat or (whole and subtract_dark) or (bias and frames)
        possible = takes_bias and takes_dark and flattens
        assert (name in lights) == possible, plan
        if possible:
            error = read_image(lights[name]) - expect_level(exposure, dark, flat)
            assert abs(np.median(error)) < TOLERANCE
        else:
            assert refusal or f"{name}.fits skipped: no " in plan
    if lights:
        levels = {"master_bias": 1000.0, "master_dark_60s": 120.0 + 1000 * whole, "master_flat_V": 1.0}
        for name, path in find_masters(tmp_path / "results").items():
            if name in levels:
                assert np.median(read_image(path)) == pytest.approx(levels[name], abs=12)
        if dark:
            assert fits.getheader(find_masters(tmp_path / "results")["master_dark_60s"])["HOLDBIAS"] == whole


@pytest.mark.parametrize(("bias", "subtract_bias"), list(product(BOTH, BOTH)))
def test_a_rate_needs_darks_without_bias(
    night: tuple[Path, Truth], tmp_path: Path, bias: bool, subtract_bias: bool
) -> None:
    config = {"bias": {"use": bias}, "dark": {"subtract_bias": subtract_bias, "per_second": True}}
    if not (bias and subtract_bias):
        with pytest.raises(SettingsError, match=r"dark\.per_second: a rate needs darks free of bias"):
            develop(night[0] / "raw", tmp_path, **config)
        return
    develop(night[0] / "raw", tmp_path, **config)
    for exposure in (60.0, 200.0):
        light = read_image(find_lights(tmp_path / "results")[f"light_V_{exposure:g}s_001"])
        assert abs(np.median(light - SKY)) < TOLERANCE


def test_from_the_command_line_with_whole_darks(night: tuple[Path, Truth], tmp_path: Path) -> None:
    (tmp_path / "whole.yaml").write_text("dark: {subtract_bias: false}\n")
    run = run_snakemake(tmp_path, config={"raw": night[0] / "raw"}, configfile="whole.yaml")
    assert "light_V_200s_001.fits skipped: no dark near 200 s" in run.stderr
    lights = find_lights(tmp_path / "results")
    assert list(lights) == ["light_V_60s_001"]
    assert abs(np.median(read_image(lights["light_V_60s_001"]) - SKY)) < TOLERANCE
    assert fits.getheader(lights["light_V_60s_001"])["CALSTAT"] == "DF"
