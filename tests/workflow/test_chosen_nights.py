"""An archive cut by night (the setting nights): what is made for some nights is what a run of all makes of them."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from tests.running import run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night
from tests.workflow.test_certification import shade

FIRST, SECOND, THIRD, LAST = "2024-03-08", "2024-03-09", "2024-03-10", "2024-03-11"
FOUR: dict[str, Any] = {"biases": 4, "darks": {60.0: 4}, "flats": {"V": 6}}
AGES = {kind: {"max_age_days": 1} for kind in ("bias", "dark", "flat")}

Look = dict[str, tuple[bytes, int]]


def make_archive(raw: Path) -> None:
    """Three nights with all they need, and one whose flats and darks are those of the night before."""
    for seed, date in enumerate((FIRST, SECOND, THIRD)):
        make_night(raw / date, date=date, seed=seed, **FOUR)
    make_night(raw / LAST, date=LAST, seed=9, biases=4, darks={}, flats={})


def look(folder: Path) -> Look:
    """Return the products below `results` with their bytes and times of change."""
    results = folder / "results"
    files = [path for path in results.glob("????-??-??/**/*") if path.is_file()]
    return {str(path.relative_to(results)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def read(products: Look, *nights: str) -> dict[str, bytes]:
    """Return the bytes of products, of these nights if there are any."""
    chosen = {path: content for path, (content, _) in products.items()}
    return {path: content for path, content in chosen.items() if not nights or path.startswith(nights)}


def list_nights(paths: Any) -> set[str]:
    return {path.split("/")[0] for path in paths}


def list_rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / "results" / table).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Look]:
    """Return the archive, and what a run of all nights makes of it."""
    folder = tmp_path_factory.mktemp("whole")
    make_archive(folder / "raw")
    _, _, failed = run_due(folder, **AGES)
    assert not failed
    return folder, look(folder)


def start(folder: Path, archive: tuple[Path, Look]) -> None:
    (folder / "raw").symlink_to(archive[0] / "raw")


@pytest.mark.parametrize("night", [FIRST, SECOND, THIRD, LAST])
def test_a_night_by_itself_gives_the_bytes_of_a_run_of_all(
    night: str, whole: tuple[Path, Look], tmp_path: Path
) -> None:
    start(tmp_path, whole)
    nights, made, failed = run_due(tmp_path, nights=night, **AGES)
    assert (failed, nights.warnings) == (set(), [])
    found = look(tmp_path)
    assert read(found, night) == read(whole[1], night)
    assert read(found).items() <= read(whole[1]).items()
    lights = {path for path in made if "/lights/" in path}
    assert list_nights(lights) == {night}
    assert len(lights) == 2
    # its flats are compared with those of the night before; the last one has none of its own
    before = {FIRST: set(), SECOND: {FIRST}, THIRD: {SECOND}, LAST: {SECOND, THIRD}}[night]
    assert list_nights(made) == {night} | before
    others = {path for path in made if not path.startswith(night)}
    assert not [path for path in others if path.endswith("bad_pixels.fits")]


def test_night_after_night_and_then_all_makes_nothing_twice(whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    made: list[str] = []
    for nights in (THIRD, FIRST, f"{FIRST}..{SECOND}", [THIRD, LAST], None, SECOND, None):
        before = look(tmp_path)
        _, now, failed = run_due(tmp_path, nights=nights, **AGES)
        assert not failed
        made += now
        after = look(tmp_path)
        assert {path: after[path] for path in before} == before, nights
    assert len(made) == len(set(made))
    assert set(made) == whole[1].keys()
    assert read(after) == read(whole[1])


def test_what_is_stale_of_another_night_stays(whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    run_due(tmp_path, **AGES)
    before = look(tmp_path)
    changed = {"lights": {"saturation_grow": 1}} | AGES
    _, made, _ = run_due(tmp_path, nights=SECOND, **changed)
    assert {(path.split("/")[0], path.split("/")[2]) for path in made} == {(SECOND, "lights")}
    after = look(tmp_path)
    assert {path for path in before if after[path] != before[path]} == made
    light = next(path for path in before if path.startswith(THIRD) and "/lights/" in path)
    (tmp_path / "results" / light).unlink()
    assert not any(job.due for job in plan_night(tmp_path, nights=SECOND, **changed).jobs.values())


def test_tables_are_of_the_nights_but_for_that_of_frames(whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    run_due(tmp_path, nights=FIRST, **AGES)
    plan_night(tmp_path, nights=FIRST, **AGES)
    assert {row["night"] for row in list_rows(tmp_path, "frames.csv")} == {FIRST, SECOND, THIRD, LAST}
    for table in ("plan.csv", "certification.csv", "detectors.csv"):
        assert {row["night"] for row in list_rows(tmp_path, table)} == {FIRST}, table
    text = (tmp_path / "results" / "plan.txt").read_text()
    assert text.startswith(f"nights {FIRST}: 16 of 54 files: 4 bias, 4 dark, 6 flat, 2 light; 1 night(s)")
    assert not any(night in text for night in (SECOND, THIRD, LAST))


def name_lights(printed: str) -> set[str]:
    """Return the nights whose lights a dry run names."""
    return set(re.findall(r"^Job \d+: \S*/(\d{4}-\d\d-\d\d)/\S+/lights: ", printed, re.MULTILINE))


@pytest.mark.parametrize(
    ("nights", "named"),
    [
        (SECOND, {SECOND}),
        (f"{FIRST}..{SECOND}", {FIRST, SECOND}),
        (f"{FIRST},{THIRD}", {FIRST, THIRD}),
        (f"[{FIRST}, {SECOND}..2024-03-31]", {FIRST, SECOND, THIRD}),
        ("null", {FIRST, SECOND, THIRD}),
    ],
)
def test_the_command_line_takes_nights(nights: str, named: set[str], whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    run = run_snakemake(tmp_path, "-n", config={"nights": nights})
    assert name_lights(run.stdout + run.stderr) == named
    assert ("no dark near 60 s" in run.stderr) == (nights == "null" or "31" in nights)  # of the last night


def test_an_overlay_takes_a_bare_date(whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    (tmp_path / "night.yaml").write_text(f"nights: {THIRD}\n")
    run = run_snakemake(tmp_path, "-n", configfile="night.yaml")
    assert name_lights(run.stdout + run.stderr) == {THIRD}


@pytest.mark.parametrize(
    ("nights", "line"),
    [
        (
            "2024-03-13",
            f"no frame is of 2024-03-13; the nearest night is {LAST} (there are {FIRST}, {SECOND}, {THIRD}, {LAST})",
        ),
        ("2024-13-01", "'2024-13-01' is no date: month must be in 1..12"),
        (
            "03/10/2024",
            "'03/10/2024' is no night such as 2024-03-10, nor a range such as 2024-03-01..2024-03-31",
        ),
        (f"{THIRD}..{FIRST}", f"'{THIRD}..{FIRST}' runs backwards, did you mean '{FIRST}..{THIRD}'?"),
    ],
)
def test_a_wrong_night_is_told_in_one_line(nights: str, line: str, whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    run = run_snakemake(tmp_path, "-n", config={"nights": nights}, expect=1)
    assert "Traceback" not in run.stderr
    assert run.stderr.partition("darkroom: ")[2].splitlines() == [f"config.yaml: nights: {line}"]


def test_an_odd_flat_of_the_night_before_costs_a_night_nothing(tmp_path: Path) -> None:
    """A run of all finds it out, and so compares the next night's with none; so does a run of that night."""
    raw = tmp_path / "all" / "raw"
    make_archive(raw)
    shade(sorted((raw / SECOND).glob("flat*.fits")))
    whole, _, _ = run_due(tmp_path / "all")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "raw").symlink_to(raw)
    nights, made, failed = run_due(tmp_path / "cut", nights=THIRD)
    assert not nights.refusal
    assert {name.split("/")[0] for name in failed} == {SECOND, THIRD}
    assert {path.split("/")[0] for path in nights.failed} == {SECOND} == {path.split("/")[0] for path in whole.failed}
    found, expected = look(tmp_path / "cut"), look(tmp_path / "all")
    assert {path for path in found if path.startswith(THIRD) and "/lights/" in path} <= made
    passed = {path: content for path, content in read(found, THIRD).items() if ".failed." not in path}
    assert passed == {path: content for path, content in read(expected, THIRD).items() if ".failed." not in path}
    (line,) = nights.warnings
    assert f"{SECOND} failed its certification: changed by" in line


def test_nothing_is_said_or_counted_of_other_nights(whole: tuple[Path, Look], tmp_path: Path) -> None:
    start(tmp_path, whole)
    run_due(tmp_path)
    assert len(plan_night(tmp_path).warnings) == 2  # the last night has no darks and no flats
    for nights in (SECOND, f"{FIRST}..{THIRD}"):
        cut = plan_night(tmp_path, nights=nights)
        assert cut.warnings == []
        shown = {row["night"] for row in list_rows(tmp_path, "certification.csv")}
        assert shown == ({SECOND} if nights == SECOND else {FIRST, SECOND, THIRD})
        assert cut.summary["skipped"] == 0
        assert cut.summary["nights"] == (1 if nights == SECOND else 3)
        assert cut.summary["lights"] == 2 * cut.summary["nights"]
    (gone,) = (tmp_path / "results").glob(f"{SECOND}/*/lights/*_001.fits")
    gone.rename(gone.with_name("gone.fits"))
    assert plan_night(tmp_path, nights=THIRD).warnings == []
    (line,) = plan_night(tmp_path, nights=SECOND).warnings
    assert line.startswith("left from earlier runs")
    assert line.endswith("lights/gone.fits")


def test_a_night_without_lights_has_its_own_masters_made(whole: tuple[Path, Look], tmp_path: Path) -> None:
    for date in (FIRST, SECOND):
        (tmp_path / "raw" / date).mkdir(parents=True)
        for path in (whole[0] / "raw" / date).iterdir():
            if not (date == SECOND and "light" in path.name):
                (tmp_path / "raw" / date / path.name).symlink_to(path)
    nights, made, _ = run_due(tmp_path, nights=SECOND)
    assert (nights.summary["nights"], nights.summary["masters"]) == (1, 3)
    assert list_nights(nights.masters) == {SECOND}
    assert list_nights(made) == {FIRST, SECOND}  # its flat is compared with that of the night before
    assert plan_night(tmp_path).warnings == []
    assert not {job.name for job in plan_night(tmp_path).jobs.values() if job.due and SECOND in job.name}
