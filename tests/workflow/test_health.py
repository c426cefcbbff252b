"""Health: a frame that is not what it is said to be is named, in the table, the plan and the summary, and left out,
used or the end of the run, as the settings say."""

import csv
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.camera import Camera
from tests.running import find_lights, run_snakemake
from tests.workflow.jobs import make_night, plan_night

CAMERA = Camera(shape=(96, 112))
RNG = np.random.default_rng(20)


def change(path: Path, data=None, **cards) -> None:
    """Write a frame anew with other data or cards."""
    with fits.open(path) as hdus:
        image, header = hdus[0].data, hdus[0].header
        header.update({name.replace("_", "-"): value for name, value in cards.items()})
        fits.PrimaryHDU(image if data is None else data(image).astype(np.uint16), header).writeto(path, overwrite=True)


def add_stars(image: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    stars = sum(
        8000 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 4.5)
        for row, column in zip(np.tile([16, 40, 64, 80], 4), np.repeat([15, 40, 65, 90], 4), strict=True)
    )
    return image + stars


def break_sum(path: Path) -> None:
    """Give a frame its sums, then change one bit of a pixel."""
    with fits.open(path) as hdus:
        fits.PrimaryHDU(hdus[0].data, hdus[0].header).writeto(path, overwrite=True, checksum=True)
    content = bytearray(path.read_bytes())
    content[-5000] ^= 16
    path.write_bytes(content)


# What is done to which frame, and what is then said of it.
AILMENTS = {
    "damaged": ("light_V_60s_002", lambda path: path.write_bytes(path.read_bytes()[:9000]), "truncated: 9000 of"),
    "checksum": ("light_V_60s_002", break_sum, "its pixels are not those of its DATASUM"),
    "empty": ("dark_60s_003", lambda path: change(path, np.zeros_like), "all its pixels are 0 ADU"),
    "saturated": ("light_V_60s_002", lambda path: change(path, lambda data: data * 0 + 65535 - data % 2), "are full"),
    "exposure": (
        "bias_003",
        lambda path: change(path, EXPTIME=30.0, EXPOSURE=30.0),
        "a bias that was exposed for 30 s",
    ),
    "lit": ("dark_60s_003", lambda path: change(path, lambda data: data + RNG.poisson(900, data.shape)), "saw light"),
    "stars": ("flat_V_003", lambda path: change(path, add_stars), "stars"),
    "clock": (
        "light_V_60s_002",
        lambda path: change(path, DATE_OBS="2000-01-01T00:00:10", MJD_OBS=51544.0),
        "never set",
    ),
}


@pytest.fixture
def night(tmp_path):
    three = {"biases": 4, "darks": {60.0: 4}, "flats": {"V": 4}, "lights": {("V", 60.0): 2}}
    make_night(tmp_path / "raw", camera=CAMERA, **three)
    return tmp_path


def read_row(folder: Path, name: str) -> dict[str, str]:
    with (folder / "results" / "frames.csv").open() as file:
        return next(row for row in csv.DictReader(file) if row["name"] == f"{name}.fits")


def test_sound_frames_have_no_ailments(night):
    plan_night(night)
    with (night / "results" / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    assert {(row["health"], row["problem"]) for row in rows} == {("", "")}


@pytest.mark.parametrize("ailment", AILMENTS)
def test_ailing_frame_is_named_and_treated_as_the_settings_say(night, ailment):
    name, spoil, words = AILMENTS[ailment]
    path = night / "raw" / f"{name}.fits"
    spoil(path)

    found = plan_night(night, health={ailment: "leave_out"})
    row = read_row(night, name)
    assert row["health"] == ailment
    assert words in row["problem"]
    assert words in (night / "results" / "plan.txt").read_text()
    assert any(f"{name}.fits" in line and words in line for line in found.warnings)
    assert found.refusal == ""
    assert str(path) not in [frame for job in found.jobs.values() for frame in job.frames]

    stopped = plan_night(night, health={ailment: "stop"})
    assert stopped.refusal.startswith(f"{name}.fits: ")
    assert stopped.refusal.endswith(f"(config.yaml says health.{ailment}: stop)")

    if ailment != "damaged":
        used = plan_night(night, health={ailment: "warn"})
        row = read_row(night, name)
        assert (row["health"], row["problem"]) == (ailment, "")
        assert words in row["notes"]
        assert any(f"{name}.fits" in line and words in line for line in used.warnings)
        assert str(path) in [frame for job in used.jobs.values() for frame in job.frames] or ailment == "clock"


def test_run_names_what_it_left_out_at_its_end_and_makes_the_rest(night):
    for ailment in ("damaged", "empty", "stars"):
        name, spoil, _ = AILMENTS[ailment]
        spoil(night / "raw" / f"{name}.fits")
    (night / "overlay.yaml").write_text("health: {stars: leave_out}\n")
    run = run_snakemake(night, configfile="overlay.yaml")
    summary = run.stderr.partition("Darkroom: ")[2]
    for ailment in ("damaged", "empty", "stars"):
        assert f"{AILMENTS[ailment][0]}.fits: " in summary
    assert [path.stem for path in find_lights(night / "results").values()] == ["light_V_60s_001"]


def test_run_that_is_to_stop_makes_nothing_and_says_why(night):
    AILMENTS["stars"][1](night / "raw" / "flat_V_003.fits")
    (night / "overlay.yaml").write_text("health: {stars: stop}\n")
    run = run_snakemake(night, configfile="overlay.yaml", expect=1)
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("darkroom: ")]
    assert line.startswith("darkroom: flat_V_003.fits: ")
    assert line.endswith("(config.yaml says health.stars: stop)")
    assert not find_lights(night / "results")
