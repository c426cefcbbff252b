"""Masters that fail their certification: set aside and named, nothing made with them, the next best in their place."""

import csv
import re
import shutil
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from darkroom.prepared import Prepared
from tests.camera import Camera
from tests.running import read_header, run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night

BEFORE, NIGHT = "2024-03-08", "2024-03-10"
FLATS_ONLY = {"dark": {"use": False}, "flat": {"max_age_days": 5}}
ANY_NIGHT = {kind: {"max_age_days": 5} for kind in ("bias", "dark", "flat")}
WARN, STOP = {"certification": {"failed": "warn"}}, {"certification": {"failed": "stop"}}


def spoil(path: Path, pattern: np.ndarray, signal_only: bool = False) -> None:
    """Multiply the signal of a raw frame above its bias of 1000 ADU by a pattern (ny, nx), or add it."""
    header, data = read_header(path), fits.getdata(path).astype(float)
    data = 1000 + (data - 1000) * pattern if signal_only else data + pattern
    fits.PrimaryHDU(data.round().astype(np.uint16), header).writeto(path, overwrite=True)


def shade(paths: list[Path]) -> None:
    """Let a shadow of 20 % fall on flats."""
    pattern = np.ones((48, 56))
    pattern[10:30, 10:40] = 0.8
    for path in paths:
        spoil(path, pattern, signal_only=True)


def simulate(raw: Path) -> None:
    """A good night and, two nights later, another: four biases and darks, six flats, two lights each."""
    four = {"biases": 4, "darks": {60.0: 4}, "flats": {"V": 6}}
    make_night(raw / "n0", date=BEFORE, seed=2, **four)
    make_night(raw / "n1", date=NIGHT, seed=1, **four)


def list_made(paths: set[str]) -> set[str]:
    """Products by night and name: 2024-03-10/lights/light_V_60s_001."""
    return {f"{path.split('/')[0]}/{'/'.join(path.split('/')[2:])}".rsplit(".", 1)[0] for path in paths}


def find_used(results: Path, kind: str, night: str = NIGHT) -> set[str]:
    """The nights whose masters the lights of a night got, by their headers."""
    lights = sorted(results.glob(f"{night}/*/lights/*.fits"))
    assert lights
    return {read_header(light)[f"{kind}FIL"].split("/")[0] for light in lights}


def find_files(results: Path, pattern: str) -> list[str]:
    return sorted(str(path.relative_to(results)) for path in results.glob(pattern))


def read_table(results: Path) -> dict[str, dict[str, str]]:
    """The rows of certification.csv by night and name of the master."""
    with (results / "certification.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["master"] for row in rows}) == len(rows)
    return {next(iter(list_made({row["master"]}))): row for row in rows}


def look(folder: Path) -> dict[str, tuple[int, int]]:
    """All products by path, with size and time of change."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".fits", ".json")]
    kept = [path for path in files if not {".cache", ".recipes"} & set(path.parts)]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in kept}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw frames of both nights; half of the second night's flats have a shadow."""
    folder = tmp_path_factory.mktemp("nights") / "raw"
    simulate(folder)
    shade(sorted((folder / "n1").glob("flat_*"))[::2])
    return folder


@pytest.fixture(scope="module")
def command(raw: Path) -> tuple[Path, CompletedProcess[str]]:
    """One command of an observer: the folder it ran in, and what it said."""
    start, folder = raw.parent.parent, raw.parent.name  # its paths start from where the command is given
    (raw.parent / "s.yaml").write_text("dark: {use: false}\nflat: {max_age_days: 5}\n")
    return raw.parent, run_snakemake(start, "--directory", folder, configfile=f"{folder}/s.yaml", cores=2)


@pytest.fixture(scope="module")
def first_run(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, made in this process: the results folder."""
    folder = tmp_path_factory.mktemp("first")
    nights, made, failed = run_due(folder, raw=str(raw), **FLATS_ONLY)
    assert list_made(failed_paths := set(nights.failed)) == {f"{NIGHT}/master_flat_V"}
    assert {name.split("/")[-1] for name in failed} == {"master_flat_V"}
    assert failed_paths
    assert f"{NIGHT}/lights/light_V_60s_002" in list_made(made)
    return folder


@pytest.fixture
def night(raw: Path, first_run: Path, tmp_path: Path) -> "Later":
    """A copy of these results, to be run again."""
    shutil.copytree(first_run / "results", tmp_path / "results")
    return Later(tmp_path, raw)


class Later:
    """What is run later on the same frames."""

    def __init__(self, folder: Path, raw: Path):
        self.folder, self.raw, self.results = folder, raw, folder / "results"

    def run(self, **config: Any) -> tuple[Prepared, set[str], set[str]]:
        nights, made, failed = run_due(self.folder, **{"raw": str(self.raw)} | FLATS_ONLY | config)
        return nights, list_made(made), {next(iter(list_made({f"{name}.x"}))) for name in failed}


LIGHTS = {f"{NIGHT}/lights/light_V_60s_001", f"{NIGHT}/lights/light_V_60s_002"}
FLAT, CERTIFICATE = f"{NIGHT}/master_flat_V", f"{NIGHT}/certificates/master_flat_V"
QUARANTINED = f"quarantine/{NIGHT}/*/master_flat_V.fits"


def test_one_command_sets_the_bad_flat_aside_and_goes_on_with_the_next_best(
    command: tuple[Path, CompletedProcess[str]],
) -> None:
    results, said = command[0] / "results", command[1].stderr
    assert find_used(results, "FLAT") == {BEFORE}
    assert find_used(results, "BIAS") == {NIGHT}
    assert len(find_files(results, QUARANTINED)) == 1
    assert not find_files(results, f"{NIGHT}/*/master_flat_V.fits")
    assert "failed its certification" in said
    assert "quarantine" in said
    assert "times its noise" in said
    assert "4 of 4 light(s) calibrated" in said
    row = read_table(results)[FLAT]
    assert row["verdict"] == "failed"
    assert float(row["residual"]) > 1 or float(row["local_residual"]) > 1
    assert float(row["illumination_change"]) > 0.05
    assert row["failures"] in (results / "plan.txt").read_text()
    passed = {name for name, row in read_table(results).items() if row["verdict"] == "passed"}
    assert passed == {f"{BEFORE}/master_bias", f"{BEFORE}/master_flat_V", f"{NIGHT}/master_bias"}


def test_the_same_command_again_has_nothing_to_do_and_still_names_it(
    command: tuple[Path, CompletedProcess[str]],
) -> None:
    folder, _ = command
    before = look(folder / "results")
    again = run_snakemake(folder, configfile="s.yaml")
    assert "Nothing to be done" in again.stderr
    assert "flat V of 2024-03-10 failed its certification" in again.stderr
    assert look(folder / "results") == before


def test_a_dry_run_changes_nothing_and_names_exactly_what_a_run_makes(
    command: tuple[Path, CompletedProcess[str]],
) -> None:
    """The figures of the failed flat are gone, as if the run had been killed before they were written."""
    folder, _ = command
    results = folder / "results"
    [figures] = results.glob(f"{NIGHT}/*/certificates/master_flat_V.failed.json")
    kept = figures.read_bytes()
    figures.unlink()
    before = look(results)
    dry = run_snakemake(folder, "-n", configfile="s.yaml")
    assert look(results) == before
    foreseen = re.findall(r"^Job \d+: results/(.*)$", dry.stdout, re.MULTILINE)
    assert all(name.startswith(NIGHT) for name in foreseen)
    assert {name.split("/", 2)[-1] for name in foreseen} == {
        "master_flat_V.fits",
        "certificates/master_flat_V.json",
        "bad_pixels.fits",
        "lights: light_V_60s_001.fits, light_V_60s_002.fits",
    }
    figures.write_bytes(kept)


def test_what_lost_its_figures_is_judged_anew(night: Later) -> None:
    [figures] = night.results.glob(f"{NIGHT}/*/certificates/master_flat_V.failed.json")
    for damage in (
        Path.unlink,
        lambda path: path.write_text(path.read_text()[:100]),
        lambda path: path.write_text("[]"),
    ):
        damage(figures)
        _, made, failed = night.run()
        assert made == {FLAT}
        assert failed == {CERTIFICATE}
        assert find_used(night.results, "FLAT") == {BEFORE}
    assert night.run()[1:] == (set(), set())


def test_a_failed_master_left_in_its_place_is_not_used(night: Later) -> None:
    """A run was killed after the verdict and before the master was set aside."""
    [aside] = night.results.glob(QUARANTINED)
    aside.rename(night.results / aside.relative_to(night.results / "quarantine"))
    assert night.run()[1:] == (set(), set())
    assert find_used(night.results, "FLAT") == {BEFORE}


def test_policy_changed_to_and_fro(night: Later) -> None:
    nights, made, failed = night.run(**WARN)
    assert (made, failed) == (LIGHTS | {FLAT, CERTIFICATE, f"{NIGHT}/bad_pixels"}, set())
    assert find_used(night.results, "FLAT") == {NIGHT}
    for _ in range(2):  # the note comes with each run
        assert any("failed its certification and is used all the same" in line for line in nights.warnings)
        nights, made, failed = night.run(**WARN)
        assert made | failed == set()
    assert read_table(night.results)[FLAT]["verdict"] == "failed"

    nights, made, failed = night.run()
    assert (made, failed) == (LIGHTS, set())
    assert find_used(night.results, "FLAT") == {BEFORE}
    assert not find_files(night.results, f"{NIGHT}/*/master_flat_V.fits")

    nights, made, failed = night.run(**STOP)
    assert (made, failed) == (set(), set())
    assert "certification.failed: stop" in nights.refusal


def test_limits_that_it_holds_let_it_pass(night: Later) -> None:
    loose = {"certification": {"residual": 100.0, "noise_excess": 5.0, "flat_change": 0.5}}
    nights, made, failed = night.run(**loose)
    everything = {f"{day}/certificates/master_{name}" for day in (BEFORE, NIGHT) for name in ("bias", "flat_V")}
    assert (made, failed) == (LIGHTS | everything | {FLAT, f"{NIGHT}/bad_pixels"}, set())
    assert not nights.failed
    assert read_table(night.results)[FLAT]["verdict"] == "passed"
    assert find_used(night.results, "FLAT") == {NIGHT}
    assert night.run(**loose)[1:] == (set(), set())


def test_without_its_bad_frames_it_passes(night: Later) -> None:
    exclude = [f"n1/flat_V_{number:03d}.fits" for number in (1, 3, 5)]
    _nights, made, failed = night.run(exclude=exclude)
    assert failed == set()
    assert LIGHTS | {FLAT, CERTIFICATE} <= made
    assert not any(name.startswith(BEFORE) for name in made)
    assert find_used(night.results, "FLAT") == {NIGHT}
    assert read_table(night.results)[FLAT]["verdict"] == "passed"


def test_stop_makes_nothing_of_it_and_later_runs_refuse(raw: Path, tmp_path: Path) -> None:
    config = {"raw": str(raw)} | FLATS_ONLY | STOP
    nights, made, _failed = run_due(tmp_path, **config)
    assert nights.refusal.count("\n") == 0
    assert "1 master(s) failed certification" in nights.refusal
    assert not any("lights" in name for name in made if name.startswith(NIGHT))
    assert not find_files(tmp_path / "results", f"{NIGHT}/*/lights/*.fits")
    (tmp_path / "s.yaml").write_text("dark: {use: false}\nflat: {max_age_days: 5}\ncertification: {failed: stop}\n")
    run = run_snakemake(tmp_path, config={"raw": raw}, configfile="s.yaml", expect=1)
    [refusal] = [line for line in run.stderr.splitlines() if line.startswith("darkroom: ")]
    assert refusal == f"darkroom: {nights.refusal}"
    assert "Traceback" not in run.stderr


def test_certification_not_used_makes_none(raw: Path, tmp_path: Path) -> None:
    nights, made, failed = run_due(tmp_path, raw=str(raw), **FLATS_ONLY, certification={"use": False})
    assert failed == set()
    assert not any("certificates" in name for name in made)
    assert find_used(tmp_path / "results", "FLAT") == {NIGHT}
    assert not nights.warnings
    assert not find_files(tmp_path / "results", "*/*/certificates/*")


def test_lights_without_a_next_best_are_skipped_and_named(raw: Path, tmp_path: Path) -> None:
    nights, made, _ = run_due(tmp_path, raw=str(raw), dark={"use": False})
    assert not nights.refusal  # the other night's lights are made
    assert LIGHTS.isdisjoint(list_made(made))
    assert f"{BEFORE}/lights/light_V_60s_001" in list_made(made)
    [line] = [line for line in nights.warnings if "skipped: no flat in V" in line]
    assert line.startswith("n1/light_V_60s_001.fits, n1/light_V_60s_002.fits ")
    assert nights.summary["skipped"] == 2


def test_a_light_leak_takes_darks_and_flats_with_it(tmp_path: Path) -> None:
    """One bias in four is lit from the side; its night gets all of another night's masters but those of its own."""
    simulate(tmp_path / "raw")
    spoil(tmp_path / "raw/n1/bias_002.fits", np.linspace(0, 60, 56)[None, :])
    nights, _made, failed = run_due(tmp_path, **ANY_NIGHT)
    results = tmp_path / "results"
    assert list_made(set(nights.failed)) == {f"{NIGHT}/master_bias"}
    assert {name.split("/")[-1] for name in failed} == {"master_bias"}
    assert find_used(results, "BIAS") == {BEFORE}
    [dark] = results.glob(f"{NIGHT}/*/master_dark_60s.fits")
    assert read_header(dark)["BIASFIL"].startswith(BEFORE)
    assert find_used(results, "FLAT") == find_used(results, "DARK") == {NIGHT}
    assert "bias_002.fits" in read_table(results)[f"{NIGHT}/master_bias"]["failures"]
    assert run_due(tmp_path, **ANY_NIGHT)[1:] == (set(), set())


def test_without_another_bias_nothing_of_that_night_is_made(tmp_path: Path) -> None:
    simulate(tmp_path / "raw")
    spoil(tmp_path / "raw/n1/bias_002.fits", np.linspace(0, 60, 56)[None, :])
    nights, made, _ = run_due(tmp_path)
    assert {name for name in list_made(made) if name.startswith(NIGHT)} <= {
        f"{NIGHT}/{name}" for name in ("master_bias", "gain", "read_noise")
    }
    assert nights.summary["skipped"] == 2
    assert nights.summary["lights"] == 2


def test_two_masters_that_fail_at_once(tmp_path: Path) -> None:
    simulate(tmp_path / "raw")
    for number in (1, 2):
        spoil(tmp_path / f"raw/n1/dark_60s_{number:03d}.fits", np.linspace(0, 90, 48)[:, None])
    shade(sorted((tmp_path / "raw/n1").glob("flat_*"))[::2])
    nights, _, failed = run_due(tmp_path, **ANY_NIGHT)
    assert list_made(set(nights.failed)) == {f"{NIGHT}/master_dark_60s", FLAT}
    assert {name.split("/")[-1] for name in failed} == {"master_dark_60s", "master_flat_V"}
    assert find_used(tmp_path / "results", "DARK") == find_used(tmp_path / "results", "FLAT") == {BEFORE}


def test_a_master_of_one_frame_is_unproven_and_used(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", biases=1, darks={60.0: 1}, flats={"V": 1})
    _nights, made, failed = run_due(tmp_path)
    assert failed == set()
    assert list_made(made) >= LIGHTS
    table = read_table(tmp_path / "results")
    assert {row["verdict"] for row in table.values()} == {"unproven"}
    assert len(table) == 3
    assert {row["failures"] for row in table.values()} == {""}
    assert (tmp_path / "results/plan.txt").read_text().count("certification: unproven") == 3


def test_only_masters_that_are_used_are_certified(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", darks={60.0: 2, 300.0: 2}, flats={"V": 2, "R": 2})
    nights = plan_night(tmp_path)
    due = {job.name.split("/")[-1] for job in nights.jobs.values() if job.due and job.kind == "certify_master"}
    assert due == {"master_bias", "master_dark_60s", "master_flat_V"}


def test_a_night_without_lights_certifies_every_master(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", lights={}, flats={"V": 2, "R": 2})
    _, made, failed = run_due(tmp_path)
    certified = {name.split("/")[-1] for name in list_made(made) if "/certificates/" in name}
    assert failed == set()
    assert certified == {"master_bias", "master_dark_60s", "master_flat_V", "master_flat_R"}


def test_a_camera_that_was_turned_loses_one_night_not_all(tmp_path: Path) -> None:
    slope = 1 - 0.25 * ((np.arange(56) - 10) / 56.0) ** 2
    for day in range(4):
        folder = tmp_path / "raw" / f"n{day}"
        make_night(folder, date=f"2024-03-{8 + 2 * day:02d}", seed=day + 2, biases=3, flats={"V": 4})
        for path in [*folder.glob("flat*"), *folder.glob("light*")] if day else []:
            spoil(path, slope / np.median(slope), signal_only=True)
    run_due(tmp_path, dark={"use": False})
    flats = [row["verdict"] for name, row in sorted(read_table(tmp_path / "results").items()) if "flat" in name]
    assert flats == ["passed", "failed", "passed", "passed"]


def test_full_flats_fail_where_no_header_tells_the_saturation(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", camera=Camera(shape=(64, 64), saturation=16383), flats={"V": 4}, flat_signal=40000.0)
    run_due(tmp_path, dark={"use": False}, health={"empty": "warn"})  # every pixel of them has one value
    row = read_table(tmp_path / "results")[FLAT]
    assert row["verdict"] == "failed"
    assert "below what read-out and photons explain" in row["failures"]


def test_a_dark_is_judged_by_the_measured_gain(tmp_path: Path) -> None:
    camera = Camera(shape=(160, 160), gain=0.4, read_noise=3.0, dark_current=5.0)
    make_night(tmp_path / "raw", camera=camera, biases=6, darks={60.0: 4}, flats={"V": 4}, flat_signal=20000.0)
    for path in (tmp_path / "raw").glob("*.fits"):
        fits.setval(path, "EGAIN", value=1.5)
    run_due(tmp_path)
    assert read_table(tmp_path / "results")[f"{NIGHT}/master_dark_60s"]["verdict"] == "passed"


@pytest.mark.parametrize("use", [True, False])
def test_a_flat_without_a_good_frame_is_replaced_as_well(use: bool, tmp_path: Path) -> None:
    simulate(tmp_path / "raw")
    for path in (tmp_path / "raw/n1").glob("flat_*"):
        spoil(path, np.full((48, 56), 0.01), signal_only=True)
    nights, _, failed = run_due(tmp_path, **FLATS_ONLY, certification={"use": use})
    assert {name.split("/")[-1] for name in failed} == {"master_flat_V"}
    assert find_used(tmp_path / "results", "FLAT") == {BEFORE}
    said = [line for line in nights.warnings if "master flat V" in line]
    assert len(said) == 1
    assert "every flat frame was left out" in said[0]
    assert "flat.min_counts" in said[0]
    assert run_due(tmp_path, **FLATS_ONLY, certification={"use": use})[1:] == (set(), set()), "nor is it tried again"
    again = {"dark": {"use": False}, "flat": {"min_counts": 10}, "certification": {"use": use}}
    assert FLAT in list_made(run_due(tmp_path, **again)[1])
