"""What only shows while a run is under way: frames that go or change after the plan, flats that cannot serve."""

import io
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from darkroom.summary import summarise
from tests.running import UNSEEN, find_lights, find_masters, read_header, read_image, run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night, run_job


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def crop(path: Path) -> None:
    fits.PrimaryHDU(fits.getdata(path)[:40], read_header(path)).writeto(path, overwrite=True)


UNCERTIFIED = {"certification": {"use": False}}
GONE = "the raw frame is gone since the plan was made; run snakemake again"
CHANGED = "the raw frame has changed since the plan was made; run snakemake again"
HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (Path.unlink, GONE),
    "garbage": (lambda path: path.write_text("garbage"), CHANGED),
    "empty": (lambda path: path.write_bytes(b""), CHANGED),
    "truncated": (truncate, CHANGED),
    "cropped": (crop, CHANGED),
}


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """Settings without certification, which is no subject here and costs a job for each master."""
    path = tmp_path / "quick.yaml"
    path.write_text("certification: {use: false}\n")
    return path


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("kind", ["bias", "dark", "flat", "light"])
def test_a_frame_that_changes_after_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, harm: str
) -> None:
    make_night(tmp_path / "raw")
    nights = plan_night(tmp_path, **UNCERTIFIED)
    frame = next((tmp_path / "raw").glob(f"{kind}_*"))
    for job in nights.jobs.values():
        if str(frame) not in job.frames:
            run_job(nights, job)
            continue
        act, says = HARM[harm]
        act(frame)
        with pytest.raises(SystemExit, match="1"):
            run_job(nights, job)
        break
    assert capsys.readouterr().err == f"darkroom: {frame}: {says}\n"
    assert (tmp_path / "results" / job.log).read_text().splitlines()[-1] == f"darkroom: {frame}: {says}"
    # the batch's other light is made, and nothing is made by half
    made = [path for path in job.products if (tmp_path / "results" / path).exists()]
    assert len(made) == (1 if kind == "light" else 0)
    assert not [path for path in (tmp_path / "results" / job.products[0]).parent.glob(".*") if path.is_file()]


def test_lights_spoilt_while_a_run_is_under_way_cost_no_other(tmp_path: Path, quick: Path) -> None:
    make_night(tmp_path / "raw", lights={("V", 60.0): 4})
    first, second = (tmp_path / "raw" / f"light_V_60s_00{number}.fits" for number in (1, 2))

    def spoil() -> None:
        for _ in range(3000):
            if find_masters(tmp_path / "results"):  # planned, and the first job has ended
                first.write_text("garbage")
                crop(second)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=spoil)
    thread.start()
    run = run_snakemake(tmp_path, configfile=quick, expect=1)
    thread.join()
    assert f"\ndarkroom: {first}: {CHANGED}\ndarkroom: {second}: {CHANGED}\n" in run.stderr
    assert f"  failed: {first}: {CHANGED}\n  failed: {second}: {CHANGED}\n" in run.stderr
    assert "2 of 4 light(s) calibrated" in run.stderr
    assert "Traceback" not in run.stderr
    assert set(find_lights(tmp_path / "results")) == {"light_V_60s_003", "light_V_60s_004"}
    # what a new plan is made without is a warning and no failure
    again = run_snakemake(tmp_path, configfile=quick)
    assert f"warning: {first.name}: no FITS file" in again.stderr
    assert set(find_lights(tmp_path / "results")) == {"light_V_60s_003", "light_V_60s_004"}


def fill(path: Path, level: float) -> None:
    """Give a raw frame one level all over, with a little noise."""
    data = fits.getdata(path)
    noisy = np.random.default_rng(len(path.name)).normal(level, 3, data.shape).clip(0, 65535)
    fits.PrimaryHDU(noisy.astype(np.uint16), read_header(path)).writeto(path, overwrite=True)


def test_flats_that_cannot_serve_are_named_with_their_key(tmp_path: Path) -> None:
    filters = ("B", "R", "V")
    make_night(tmp_path / "raw", flats=dict.fromkeys(filters, 3), lights={(name, 60.0): 1 for name in filters})
    for number in (1, 2, 3):
        fill(tmp_path / "raw" / f"flat_B_00{number}.fits", 65535)
        fill(tmp_path / "raw" / f"flat_R_00{number}.fits", 1100 + number)  # a bias of 1000 ADU
    fill(tmp_path / "raw" / "flat_V_002.fits", 65535)

    planned = plan_night(tmp_path, **UNCERTIFIED)
    _, _, failed_jobs = run_due(tmp_path, **UNCERTIFIED)
    said = io.StringIO()
    folders = {name: str(tmp_path / name) for name in ("raw", "results")}
    summarise(planned, folders | UNSEEN | UNCERTIFIED, failed=True, stream=said)

    assert {name.split("/")[-1] for name in failed_jobs} == {"master_flat_B", "master_flat_R"}
    for name, reason in (
        ("B", "flat_B_001.fits: saturated: a raw median of 65535 ADU, more than 58982"),
        ("R", "flat_R_001.fits: too faint: a median signal of 10"),
    ):
        lines = said.getvalue().splitlines()
        failed = [line for line in lines if re.match(r"  failed: \S*results/2024-03-10/", line) and reason in line]
        assert len(failed) == 1
        assert f"master_flat_{name}.fits: every flat frame was left out" in failed[0]
        assert "see flat.min_counts and flat.max_counts in config.yaml" in failed[0]
    assert "1 of 3 light(s) calibrated" in said.getvalue()
    results = tmp_path / "results"
    assert list(find_lights(results)) == ["light_V_60s_001"]

    left_out = "left out flat_V_002.fits: saturated: a raw median of 65535 ADU, more than 58982"
    master = find_masters(results)["master_flat_V"]
    assert left_out in "".join(str(line) for line in read_header(master)["HISTORY"])
    assert read_header(master)["NCOMBINE"] == 2
    assert left_out in next(results.glob("logs/make_master_flat/*/*/master_flat_V.log")).read_text()
    assert f"  master_flat_V.fits: {left_out}" in said.getvalue().partition("Darkroom: ")[2]
    assert abs(np.median(read_image(master)) - 1) < 1e-6
