"""Gain and read noise of whole nights: told by header or settings or measured, stated, compared, and put to use."""

import csv
import json
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from darkroom.prepared import Prepared
from tests.camera import Camera
from tests.pulls import Product
from tests.running import find_lights, find_masters, read_header, read_image
from tests.simulator import simulate_night
from tests.workflow.engine import run_due
from tests.workflow.jobs import plan_night

GAIN, READ_NOISE = 1.5, 8.0  # e-/ADU, e-; what is true of the camera
CAMERA = Camera(shape=(96, 112), gain=GAIN, read_noise=READ_NOISE, hot_fraction=0.0)
UNCERTIFIED = {"certification": {"use": False}}
NIGHT = "2024-03-10"


def simulate(folder: Path, **own: Any) -> Path:
    """Write a night of eight biases and flats, four darks and a light, and return its folder; `own` is what differs."""
    counts: dict[str, Any] = {"biases": 8, "darks": {60.0: 4}, "flats": {"V": 8}, "lights": {("V", 60.0): 1}}
    simulate_night(folder / "raw", camera=CAMERA, star_count=4, **counts | own)
    return folder


def tell(folder: Path, gain: float | None = None, read_noise: float | None = None) -> Path:
    """Have the headers of all raw frames tell a gain (e-/ADU) and a read noise (e-), or neither; return the folder."""
    for path in (folder / "raw").iterdir():
        for card, value in (("EGAIN", gain), ("RDNOISE", read_noise)):
            header, data = read_header(path), fits.getdata(path)
            header.remove(card, ignore_missing=True)
            if value is not None:
                header[card] = value
            fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    return folder


def develop(folder: Path, **detector: Any) -> Prepared:
    """Make all of a night in this process with settings of `detector`; return the plan that comes after."""
    nights, _, failed = run_due(folder, **UNCERTIFIED, detector=detector)
    assert not failed
    return nights


def read_light(folder: Path) -> Product:
    [path] = find_lights(folder / "results").values()
    return Product.read(path)


def read_figures(folder: Path, name: str) -> dict[str, Any]:
    [path] = (folder / "results").glob(f"{NIGHT}/*/{name}.json")
    return json.loads(path.read_text())


def list_detectors(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "results" / "detectors.csv").open(newline="") as file:
        return {row["quantity"]: row for row in csv.DictReader(file)}


def find_setup(folder: Path) -> str:
    [path] = (folder / "results").glob(f"{NIGHT}/*/master_bias.fits")
    return path.parent.name


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night whose headers tell what is true; made."""
    folder = tell(simulate(tmp_path_factory.mktemp("told")), GAIN, READ_NOISE)
    develop(folder)
    return folder


@pytest.fixture(scope="module")
def untold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night whose headers tell neither; made."""
    folder = tell(simulate(tmp_path_factory.mktemp("untold")))
    develop(folder)
    return folder


def test_the_header_counts_where_it_alone_tells(tmp_path: Path) -> None:
    folder = tell(simulate(tmp_path, biases=1, darks={60.0: 1}, flats={"V": 1}), GAIN, READ_NOISE)
    develop(folder)
    assert not list(folder.glob(f"results/{NIGHT}/*/*.json")), "one frame of each kind measures nothing"
    for path in [*find_masters(folder / "results").values(), *find_lights(folder / "results").values()]:
        header = read_header(path)
        assert (header["CALGAIN"], header["CALGFROM"]) == (GAIN, "header")
        assert header["CALRON"] == pytest.approx(READ_NOISE / GAIN)
        assert header["CALRFROM"] == "header"
    assert "gain 1.5 (header), read noise 8 (header)" in (folder / "results" / "plan.txt").read_text()


def test_settings_come_before_the_header(told: Path, tmp_path: Path) -> None:
    nights = plan_night(told, **UNCERTIFIED, detector={"gain": 1.25, "read_noise": 5.0})
    assert "gain 1.25 (config.yaml), read noise 5 (config.yaml)" in Path(nights.results, "plan.txt").read_text()
    folder = tell(simulate(tmp_path), GAIN, READ_NOISE)
    for prefer in ("header", "measured"):
        develop(folder, gain=1.25, read_noise=5.0, prefer=prefer)
        header = read_light(folder).header
        assert (header["CALGAIN"], header["CALGFROM"]) == (1.25, "config.yaml")
        assert (header["CALRON"], header["CALRFROM"]) == (4.0, "config.yaml")  # 5 e- are 4 ADU


def test_without_header_and_settings_both_are_measured_from_the_nights_own_pairs(untold: Path) -> None:
    gain, read_noise = read_figures(untold, "gain"), read_figures(untold, "read_noise")
    assert gain["gain"]["pairs"] == 4
    assert gain["gain"]["value"] == pytest.approx(GAIN, abs=3 * gain["gain"]["error"])
    expected = GAIN * (2 / (4 * 96 * 112)) ** 0.5  # of four variances of all pixels
    assert expected < gain["gain"]["error"] < 2 * expected, "not less, and the scatter of four pairs may say more"
    assert read_noise["read_noise"]["pairs"] == 4
    assert read_noise["read_noise"]["value"] == pytest.approx(
        READ_NOISE / GAIN, abs=3 * read_noise["read_noise"]["error"]
    )
    setup = find_setup(untold)
    for path in [*find_masters(untold / "results").values(), *find_lights(untold / "results").values()]:
        header = read_header(path)
        if path.stem == "master_bias":  # in ADU as its read noise is, and without electrons
            assert "CALGAIN" not in header
        else:
            assert header["CALGFROM"] == f"{NIGHT}/{setup}/gain.json"
            assert header["CALGAIN"] == pytest.approx(gain["gain"]["value"], rel=1e-12)
        assert header["CALRFROM"] == f"{NIGHT}/{setup}/read_noise.json"
        assert header["CALRON"] == pytest.approx(read_noise["read_noise"]["value"], rel=1e-12)
    text = (untold / "results" / "plan.txt").read_text()
    assert text.count(f"gain measured on {NIGHT}, read noise measured on {NIGHT}") == 3
    assert text.count(f"gain not needed, read noise measured on {NIGHT}") == 1
    assert not plan_night(untold, **UNCERTIFIED).warnings


def test_measured_figures_agree_with_differences_of_pairs_over_the_whole_frame(untold: Path) -> None:
    """Janesick's equations over all pixels at once, with the median of all biases for the bias."""
    biases, flats = (
        [read_image(path)[:] for path in sorted((untold / "raw").glob(f"{kind}_*"))] for kind in ("bias", "flat")
    )
    pairs = [np.var(one - other) / 2 for one, other in zip(biases[::2], biases[1::2], strict=True)]
    read_variance = np.mean(pairs) - 1 / 12
    inverse_gains = []
    for one, other in zip(flats[::2], flats[1::2], strict=True):
        first, second = (flat - np.median(biases, axis=0) for flat in (one, other))
        ratio = np.median(first) / np.median(second)
        noise = np.var(first - ratio * second) - (1 + ratio**2) * (read_variance + 1 / 12)
        inverse_gains.append(noise / (first.mean() + ratio**2 * second.mean()))
    gain, read_noise = read_figures(untold, "gain")["gain"], read_figures(untold, "read_noise")["read_noise"]
    assert gain["value"] == pytest.approx(1 / np.mean(inverse_gains), abs=gain["error"])
    assert read_noise["value"] == pytest.approx(read_variance**0.5, abs=read_noise["error"])


def test_prefer_says_whether_header_or_frames_are_believed(told: Path, tmp_path: Path) -> None:
    folder = tell(simulate(tmp_path), 1.2, 5.0)
    develop(folder)
    header = read_light(folder).header
    assert (header["CALGAIN"], header["CALGFROM"], header["CALRFROM"]) == (1.2, "header", "header")
    assert header["CALRON"] == pytest.approx(5.0 / 1.2)
    develop(folder, prefer="measured")
    header = read_light(folder).header
    assert header["CALGAIN"] == pytest.approx(GAIN, rel=0.05)
    assert header["CALRON"] == pytest.approx(READ_NOISE / GAIN, rel=0.05)
    assert header["CALGFROM"].endswith("/gain.json")
    assert header["CALRFROM"].endswith("/read_noise.json")
    lone = tell(simulate(tmp_path / "lone", flats={"V": 1}), 1.2, 5.0)
    develop(lone, prefer="measured")
    assert read_light(lone).header["CALGFROM"] == "header", "there is nothing else"


def test_a_right_header_is_not_warned_of(told: Path) -> None:
    assert plan_night(told, **UNCERTIFIED).warnings == []


def test_a_header_off_by_more_than_three_sigma_is_warned_of_with_both_values_and_the_key(tmp_path: Path) -> None:
    folder = tell(simulate(tmp_path), 1.7, 9.0)
    nights = develop(folder)
    rows, setup = list_detectors(folder), find_setup(folder)
    for quantity, header, unit in (("gain", 1.7, "e-/ADU"), ("read_noise", 9.0, "e-")):
        row = rows[quantity]
        measured, error = float(row["measured"]), float(row["error"])
        assert abs(header - measured) > 3 * error
        line = (
            f"{quantity.replace('_', ' ')} of {NIGHT}, setup {setup}: the header says {header:g} {unit}, the frames "
            f"{measured:.4g} +- {error:.2g}; detector.prefer says which counts"
        )
        assert line in nights.warnings
        assert line in (folder / "results" / "plan.txt").read_text()
    assert len(nights.warnings) == 2
    nights = develop(folder, gain=2.0, read_noise=READ_NOISE)
    [line] = nights.warnings
    assert line.startswith(f"gain of {NIGHT}, setup {setup}: config.yaml says 2 e-/ADU, the frames 1.")
    assert line.endswith("; it counts")


@pytest.mark.parametrize(("sigmas", "warned"), [(2.8, False), (-2.8, False), (3.2, True), (-3.2, True)])
def test_three_sigma_is_where_a_warning_begins(sigmas: float, warned: bool, told: Path, tmp_path: Path) -> None:
    figures = read_figures(told, "gain")["gain"]
    nights = plan_night(told, **UNCERTIFIED, detector={"gain": figures["value"] + sigmas * figures["error"]})
    assert any(line.startswith("gain of ") for line in nights.warnings) == warned


def test_figures_and_table_tell_values_errors_and_what_others_say(told: Path) -> None:
    gain, read_noise = read_figures(told, "gain"), read_figures(told, "read_noise")
    electrons = gain["read_noise_electrons"]
    value = gain["read_noise"]["value"] * gain["gain"]["value"]
    relative = hypot(*(gain[name]["error"] / gain[name]["value"] for name in ("gain", "read_noise")))
    assert electrons["value"] == pytest.approx(value)
    assert electrons["error"] == pytest.approx(value * relative)
    assert gain["read_noise"] == read_noise["read_noise"]
    plan_night(told, **UNCERTIFIED)
    rows = list_detectors(told)
    assert rows.keys() == {"gain", "read_noise"}
    for row in rows.values():
        assert (row["night"], row["setup"], row["pairs"], row["config"]) == (NIGHT, find_setup(told), "4", "")
    row = rows["gain"]
    assert (row["unit"], row["header"]) == ("e-/ADU", "1.5")
    assert float(row["measured"]) == pytest.approx(gain["gain"]["value"], abs=1e-5)
    assert float(row["error"]) == pytest.approx(gain["gain"]["error"], abs=1e-5)
    row = rows["read_noise"]
    assert (row["unit"], row["header"]) == ("e-", "8.0")
    assert float(row["measured"]) == pytest.approx(electrons["value"], rel=1e-4)
    assert float(row["error"]) == pytest.approx(electrons["error"], rel=0.2)
    assert float(row["measured"]) == pytest.approx(READ_NOISE, abs=3 * electrons["error"])


def test_electrons_are_exactly_the_gain_times_adu(told: Path) -> None:
    made = {}
    for unit in ("electron", "adu"):
        _, _, failed = run_due(told, **UNCERTIFIED, lights={"unit": unit})
        assert not failed
        made[unit] = read_light(told)
        [path] = find_lights(told / "results").values()
        assert made[unit].header["BUNIT"] == fits.getheader(path, "UNCERT")["BUNIT"] == unit
        assert made[unit].header["CALGAIN"] == GAIN
    adu, electrons = (made[unit].data.astype(np.float32) for unit in ("adu", "electron"))  # as they are stored
    np.testing.assert_array_equal(electrons, adu * np.float32(GAIN))
    np.testing.assert_allclose(made["electron"].uncertainty, made["adu"].uncertainty * GAIN, rtol=2e-7)
    np.testing.assert_array_equal(made["electron"].mask, made["adu"].mask)
    assert "EGAIN" not in made["electron"].header, "true of ADU alone"
    assert made["adu"].header["EGAIN"] == GAIN
    units = {stem: read_header(path)["BUNIT"] for stem, path in find_masters(told / "results").items()}
    assert units == {"master_bias": "adu", "master_dark_60s": "adu", "master_flat_V": ""}


@pytest.mark.parametrize("flats", [{"V": 1}, {}])
def test_an_unknown_gain_gives_adu_without_error_bars_and_is_said(flats: dict[str, int], tmp_path: Path) -> None:
    folder = tell(simulate(tmp_path, flats=flats))
    nights, _, failed = run_due(folder, **UNCERTIFIED, flat={"use": bool(flats)})
    assert not failed
    [path] = find_lights(folder / "results").values()
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "MASK", "RECIPE"]
        header = hdus[0].header
        assert header["BUNIT"] == "adu"
        assert "CALGAIN" not in header
        assert "CALGFROM" not in header
        assert np.isfinite(hdus[0].data).all()
        assert np.median(hdus[0].data) == pytest.approx(300, rel=0.1 if flats else 0.25)
    line = "light_V_60s_001.fits: no error bars: neither header nor frames tell the gain; detector.gain would"
    assert line in nights.warnings
    assert line in (folder / "results" / "plan.txt").read_text()
    assert "gain unknown" in (folder / "results" / "plan.txt").read_text()
    with fits.open(find_masters(folder / "results")["master_bias"]) as hdus:
        assert "UNCERT" in hdus, "the read noise is measured, and a bias needs no gain"
