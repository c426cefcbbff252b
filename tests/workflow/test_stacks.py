"""Stacks from the command line: places, fluxes, noise and error bars against the truth, and what is left out."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from tests.fields import find_middle, sum_aperture
from tests.running import run_snakemake
from tests.workflow.sky_night import CLOUDY, SETTINGS, SHAPE, TRAILED, write_night

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """The folder of a night that was reduced and stacked, the truth, and what the run said."""
    folder = tmp_path_factory.mktemp("stacks")
    truth = write_night(folder / "raw")
    (folder / "stacks.yaml").write_text(SETTINGS)
    return folder, truth, run_snakemake(folder, configfile="stacks.yaml", cores=2).stderr


def find_stack(folder, name="M67_V_60s", within=""):
    (found,) = folder.glob(f"results/*/*/stacks/{within}{name}.fits")
    return found


def read_truth(folder, truth):
    """The stack's planes, where stars should be on it, and those that are bright, alone and away from the edges."""
    with fits.open(find_stack(folder)) as hdus:
        planes = {hdu.name: hdu.data.astype(float) for hdu in hdus if hdu.is_image}
        header = hdus[0].header
    pointing = truth.pointings[int(header["STACKREF"].split("_")[1][:2])]
    places = truth.field.place(pointing)
    away = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(away, 99)
    inside = ((places > 45) & (places < (SHAPE[1] - 46, SHAPE[0] - 46))).all(axis=1)
    chosen = np.flatnonzero(inside & (away.min(axis=1) > 20) & (truth.field.stars[:, 2] > 1e5))
    return planes, header, pointing, places, chosen


def test_places_and_fluxes_are_the_truth(night):
    folder, truth, _ = night
    planes, header, _, places, chosen = read_truth(folder, truth)
    image = planes["PRIMARY"] - header["SKYLEVEL"]
    assert len(chosen) >= 6
    away = [np.hypot(*(find_middle(image, *places[n], 1.4) - places[n])) for n in chosen]
    assert max(away) < 0.1
    parts = [sum_aperture(image, *places[n], 9) / truth.field.stars[n, 2] / truth.part for n in chosen]
    assert np.abs(np.array(parts) - 1).max() < 0.005


def test_error_bars_are_those_of_the_sky(night):
    folder, truth, _ = night
    planes, header, pointing, _, _ = read_truth(folder, truth)
    stars = truth.field.expect(pointing) - pointing.sky
    sky = (stars < 0.02) & (planes["COVERAGE"] + 60 * planes["REJECTED"] >= 180)
    pulls = (planes["PRIMARY"] - header["SKYLEVEL"])[sky] / planes["UNCERT"][sky]
    assert np.count_nonzero(sky) > 30000
    assert abs(pulls.std() - 1) < 0.05
    assert abs(pulls.mean()) < 0.1


def test_noise_falls_as_the_root_of_the_number(night):
    """By blocks of 20 x 20 pixels, within which resampling makes pixels alike."""
    folder, truth, _ = night
    planes, header, pointing, _, _ = read_truth(folder, truth)
    empty = (truth.field.expect(pointing) - pointing.sky < 0.02) & (planes["COVERAGE"] > 530)
    image = np.where(empty, planes["PRIMARY"], np.nan)[60:-60, 60:-60]
    rows, columns = (length // 20 for length in image.shape)
    blocks = image[: rows * 20, : columns * 20].reshape(rows, 20, columns, 20)
    whole = np.isfinite(blocks).sum(axis=(1, 3)) > 200
    number = np.isfinite(blocks).sum(axis=(1, 3))[whole]
    means = np.nanmean(blocks.transpose(0, 2, 1, 3).reshape(rows, columns, -1)[whole], axis=1) - header["SKYLEVEL"]
    single = np.sqrt(pointing.sky * truth.part + truth.field.read_noise**2)
    assert whole.sum() > 50
    assert (means * np.sqrt(number)).std() / single * 3 == pytest.approx(1, abs=3 / np.sqrt(2 * whole.sum()))


def test_header_tells_of_the_whole(night):
    folder, truth, _ = night
    _, header, _, _, _ = read_truth(folder, truth)
    assert (header["NCOMBINE"], header["LIVETIME"], header["EXPTIME"]) == (9, 540, 60)
    assert (header["DATE-OBS"], header["DATE-END"]) == ("2024-03-11T02:00:00.000", "2024-03-11T02:17:00.000")
    assert header["DATE-AVG"] == "2024-03-11T02:08:30.000"
    assert (header["OBJECT"], header["FILTER"], header["BUNIT"]) == ("M67", "V", "electron")
    assert header["CALSTAT"] == "BF"
    assert "RAWFILE" not in header


def test_poor_lights_are_left_out_and_named(night):
    folder, _, said = night
    with fits.open(find_stack(folder)) as hdus:
        table = hdus["LIGHTS"].data
        history = "".join(map(str, hdus[0].header["HISTORY"]))
    reasons = {row["light"].rsplit("/", 1)[-1]: row["reason"] for row in table}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    assert set(left_out) == {f"m67_{CLOUDY:02d}.fits", f"m67_{TRAILED:02d}.fits"}
    assert left_out[f"m67_{CLOUDY:02d}.fits"].startswith("clouds: its stars have 0.3")
    assert left_out[f"m67_{TRAILED:02d}.fits"].startswith("trailed: stars ")
    assert table["weight"].sum() == pytest.approx(1)
    for name in left_out:
        assert f"left out {name}" in history
        assert f"M67_V_60s.fits: left out {name}" in said


def test_a_field_without_stars_is_a_named_problem_and_fails_nothing(night):
    folder, _, said = night
    assert (
        "blank_V_60s.fits: no stack: none of 3 lights shows the 4 stars that a match needs (they show 0, 0, 0)" in said
    )
    with fits.open(find_stack(folder, "blank_V_60s")) as hdus:
        assert hdus[0].header["NAXIS"] == 0
        assert hdus["LIGHTS"].data["reason"].tolist() == ["no stack"] * 3
    again = run_snakemake(folder, configfile="stacks.yaml")
    assert "nothing to be done" in again.stderr.lower() or "0 of 0" in again.stderr or "Job" not in again.stderr


def test_other_settings_make_stacks_anew_and_nothing_else(night, tmp_path):
    folder, _, _ = night
    shutil.copytree(folder, tmp_path / "copy")
    lights = {path: path.stat().st_mtime_ns for path in (tmp_path / "copy").glob("results/*/*/lights/*.fits")}
    before = find_stack(tmp_path / "copy").read_bytes()
    (tmp_path / "copy" / "flat.yaml").write_text("stacks: {weights: flat, canvas: whole, max_elongation: 9}\n")
    run_snakemake(tmp_path / "copy", configfile=["stacks.yaml", "flat.yaml"])
    with fits.open(find_stack(tmp_path / "copy")) as hdus:
        table, shape = hdus["LIGHTS"].data, hdus[0].data.shape
    assert shape[0] > SHAPE[0]
    assert shape[1] > SHAPE[1]
    assert table["weight"][table["used"]] == pytest.approx(1 / 10)
    assert lights == {path: path.stat().st_mtime_ns for path in lights}
    run_snakemake(tmp_path / "copy", configfile="stacks.yaml")
    assert find_stack(tmp_path / "copy").read_bytes() == before


def test_the_raw_frames_are_stacked_alike_on_request(night):
    folder, truth, _ = night
    target = str(find_stack(folder).relative_to(folder)).replace("/stacks/", "/stacks/raw/")
    run_snakemake(folder, target, configfile="stacks.yaml")
    planes, _, _, places, chosen = read_truth(folder, truth)
    with fits.open(find_stack(folder, within="raw/")) as hdus:
        raw, level = hdus[0].data.astype(float), hdus[0].header["SKYLEVEL"]
        history = [line for line in map(str, hdus[0].header["HISTORY"]) if line.startswith(("left out", "settings"))]
    assert len(history) == 3, "two lights left out, and the settings, each said once"
    assert level > BIAS_LEVEL
    bright = max(chosen, key=lambda n: truth.field.stars[n, 2])
    flux = sum_aperture(raw - level, *places[bright], 9)
    assert flux == pytest.approx(truth.field.stars[bright, 2] * truth.part, rel=0.3)  # the flat is in it
    assert np.hypot(*(find_middle(raw - level, *places[bright], 1.4) - places[bright])) < 0.1
    corner, middle = np.nanmedian(raw[:60, :60]), np.nanmedian(raw[170:230, 180:240])
    assert corner < middle - 10  # vignetted
    assert abs(np.nanmedian(planes["PRIMARY"][:60, :60]) - np.nanmedian(planes["PRIMARY"][170:230, 180:240])) < 3


BIAS_LEVEL = 500 * 1.6  # electrons


def test_plan_names_stacks(night):
    folder, _, _ = night
    plan = (folder / "results" / "plan.txt").read_text()
    assert "M67_V_60s.fits: 11 lights (m67_00.fits ... m67_10.fits)" in plan
    rows = (folder / "results" / "plan.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows].count("stack") == 2
