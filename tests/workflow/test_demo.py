"""The demonstration night, as `make demo` makes it, and what a person meets in a first run."""

import resource
import subprocess
import sys
import time

import pytest

from tests.camera import Camera
from tests.running import REPOSITORY, find_lights, run_snakemake
from tests.simulator import simulate_night
from tests.workflow.engine import run_due

MODULE = (sys.executable, "-m")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demonstration night, simulated and reduced."""
    folder = tmp_path_factory.mktemp("demo")
    simulate = [*MODULE, "tests.simulator", folder / "raw", "--eventful"]
    subprocess.run(simulate, cwd=REPOSITORY, check=True, capture_output=True)
    return folder, run_snakemake(folder, cores=2, config={"stacks": "{use: true}"})


@pytest.mark.slow
def test_demonstration_night_meets_the_truth(demo):
    folder, _ = demo
    check = [*MODULE, "tests.check_demo", folder / "raw", folder / "results"]
    answer = subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "All 18 lights within 0.1 % of the true sky and 3 % of the true noise" in answer.stdout
    assert "2 lights skipped, as they should be" in answer.stdout


@pytest.mark.slow
def test_a_light_spoilt_by_one_adu_does_not_pass(demo):
    """The check of the demonstration itself can fail: 0.3 % of the sky is seen."""
    from astropy.io import fits

    folder, _ = demo
    path = next(iter(find_lights(folder / "results").values()))
    kept = path.read_bytes()
    with fits.open(path, mode="update") as hdus:
        hdus[0].data += 3
    check = [*MODULE, "tests.check_demo", folder / "raw", folder / "results"]
    answer = subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    path.write_bytes(kept)
    assert answer.returncode == 1
    assert path.stem in answer.stdout


@pytest.mark.slow
def test_a_light_made_without_a_flat_does_not_pass(demo):
    folder, _ = demo
    path = next(iter(find_lights(folder / "results").values())).with_name("light_Ha_120s_001.fits")
    path.touch()
    check = [*MODULE, "tests.check_demo", folder / "raw", folder / "results"]
    answer = subprocess.run(check, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    path.unlink()
    assert answer.returncode == 1
    assert "light_Ha_120s_001.fits is calibrated" in answer.stdout


@pytest.mark.slow
def test_a_run_says_how_far_it_is_and_what_it_made(demo):
    _, run = demo
    masters, certificates, batches, figures, bad_pixels, stacks = 4, 4, 2, 2, 1, 2
    jobs = masters + certificates + batches + figures + bad_pixels + stacks + 1  # the last one is Snakemake's own: all
    assert f"{jobs} of {jobs} jobs done (100 %)" in run.stderr
    assert f"1 of {jobs} jobs done" in run.stderr
    assert "left" in run.stderr
    assert "1 night(s), 1 setup(s), 4 master(s); 18 of 20 light(s) calibrated" in run.stderr
    assert "M67_V_60s.fits: left out light_V_60s_003.fits: clouds: " in run.stderr
    assert "M67_B_120s.fits: left out light_B_120s_006.fits: out of focus" in run.stderr
    assert run.stderr.count(": left out ") == 2
    assert "plan.txt" in run.stderr
    assert "Traceback" not in run.stderr


def measure_children() -> float:
    """Seconds of processor that the processes started here have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_the_workflow_is_lint_clean(tmp_path):
    simulate_night(tmp_path / "raw", camera=Camera(shape=(32, 32)))
    answer = run_snakemake(tmp_path, "--lint")
    assert "in a good condition" in answer.stdout + answer.stderr


@pytest.mark.slow
def test_nothing_to_do_is_said_quickly_for_a_night_of_100_frames(tmp_path):
    lights = {(name, seconds): 11 for name in "BV" for seconds in (60.0, 120.0)}
    simulate_night(
        tmp_path / "raw",
        camera=Camera(shape=(64, 64)),
        biases=16,
        darks={60.0: 10, 120.0: 10},
        flats={"B": 10, "V": 10},
        lights=lights,
    )
    assert len(list((tmp_path / "raw").iterdir())) == 100
    nights, _, failed = run_due(tmp_path)
    assert len(nights.lights) == 44
    assert not failed
    start, used = time.monotonic(), measure_children()
    again = run_snakemake(tmp_path, cores=2)
    assert "Nothing to be done" in again.stderr
    assert measure_children() - used < 3  # the clock itself tells of whatever else runs on this machine too
    assert time.monotonic() - start < 10
