"""What is looked at stays true and is made no more often than needed: odd nights, hostile names, runs that fail."""

import csv
import html
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from darkroom.stamps import read_recipe, read_stamp
from darkroom.unfinished import show_unfinished
from tests.running import REPOSITORY, run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night
from tests.workflow.reduced import Night
from tests.workflow.test_certification import shade

SEEN: dict[str, Any] = {"previews": {"use": True}, "report": {"use": True}}
DAYS = ("2024-03-08", "2024-03-10", "2024-03-11")
FOUR = {"biases": 4, "darks": {60.0: 4}, "flats": {"V": 4}}
LENDING = {kind: {"max_age_days": 5} for kind in ("bias", "dark", "flat")}


def list_due(folder: Path, **config: Any) -> set[str]:
    """What is due, by paths below results without the setup."""
    nights = plan_night(folder, **SEEN | config)
    paths = [path.split("/") for job in nights.jobs.values() if job.due for path in job.products]
    return {"/".join([*path[:1], *path[-1 if len(path) < 4 else -2 :]]) if path[1:] else path[0] for path in paths}


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three nights, the second of which has lights alone, and all there is to look at of them."""
    for number, day in enumerate(DAYS):
        own = {"biases": 0, "darks": {}, "flats": {}} if number == 1 else FOUR
        make_night(tmp_path / "raw" / f"n{number}", date=day, seed=number + 1, **own)
    return tmp_path


def test_damaged_frame_is_told_of_on_the_page_of_its_own_folder(three: Path) -> None:
    run_due(three, **SEEN | LENDING)
    raw = three / "raw/n2/light_V_60s_001.fits"
    raw.write_bytes(raw.read_bytes()[:2000])
    page = {f"{DAYS[2]}/report.html", f"{DAYS[2]}/lights.csv"}
    of_the_light = {f"{DAYS[2]}/pairs/light_V_60s.png"}  # another one of the group is shown
    assert list_due(three, **LENDING) - of_the_light == page
    run_due(three, **SEEN | LENDING)
    assert f"n2/{raw.name}" not in (three / f"results/{DAYS[0]}/report.html").read_text()
    assert "truncated" in (three / f"results/{DAYS[2]}/report.html").read_text()


def test_damaged_frame_whose_folder_tells_nothing_is_told_of_on_all_pages(three: Path) -> None:
    (three / "raw/damaged.fits").write_bytes(b"SIMPLE  =")
    run_due(three, **SEEN | LENDING)
    for day in DAYS:
        assert "damaged.fits" in (three / f"results/{day}/report.html").read_text()


def test_pages_are_the_same_whichever_nights_are_chosen(three: Path) -> None:
    raw = three / "raw/n0/light_V_60s_001.fits"
    raw.write_bytes(raw.read_bytes()[:2000])
    for nights in (DAYS[2], None, DAYS[1], DAYS[0], None, [DAYS[0], DAYS[2]]):
        run_due(three, **SEEN | LENDING, nights=nights)
        assert list_due(three, **LENDING, nights=nights) == set(), f"left by a run of {nights}"
        if nights is None:
            for chosen in DAYS:
                assert list_due(three, **LENDING, nights=chosen) == set(), chosen
    assert list_due(three, **LENDING) == set()


def test_page_of_all_nights_keeps_those_whose_frames_are_gone(three: Path) -> None:
    run_due(three, **SEEN | LENDING)
    known = read_recipe(three / "results/trends.html")
    assert known
    for raw in (three / "raw/n0").iterdir():
        raw.unlink()
    run_due(three, **SEEN)
    left = read_recipe(three / "results/trends.html")
    assert left
    for what in ("certificates", "measurements"):
        paths = {one["path"] for one in known[what]}
        assert any(path.startswith(DAYS[0]) for path in paths)
        assert {one["path"] for one in left[what]} == paths
    assert list_due(three) == set()


@pytest.mark.slow
def test_pages_asked_for_by_name_are_up_to_date_though_recipe_files_were_lost(tmp_path: Path) -> None:
    make_night(tmp_path / "raw")
    run_due(tmp_path, **SEEN)
    [page] = (tmp_path / "results").glob("*/report.html")
    table = page.with_name("lights.csv")
    os.utime(table, (time.time() - 1e6, time.time() - 1e6))  # copied, say
    shutil.rmtree(tmp_path / "results/.recipes")
    for path in (page, table):
        assert "Nothing to be done" in run_snakemake(tmp_path, path.relative_to(tmp_path), "-n", seen=True).stdout
    os.utime(table, (time.time() + 1e6, time.time() + 1e6))  # by a clock that was wrong
    assert list_due(tmp_path) == set()
    assert table.stat().st_mtime <= time.time()


def make_unreadable(raw: Path) -> None:
    """Change pixels so that no plan sees it before the frame is read."""
    whole, status = raw.read_bytes(), raw.stat()
    raw.write_bytes(whole[:-5000] + bytes(5000))
    os.utime(raw, ns=(status.st_atime_ns, status.st_mtime_ns))


def end_badly(folder: Path, **config: Any) -> tuple[str, list[dict[str, str]]]:
    """Make what can be made of a night, and the page of a run that failed: its text, and the rows of its table."""
    planned = plan_night(folder, **SEEN | config)
    nights, _, failed = run_due(folder, **SEEN | config)
    assert failed
    [page] = show_unfinished(planned, nights)
    path = folder / "results" / page
    assert read_stamp(path) is None
    with path.with_name("lights.csv").open() as file:
        return read_text(path), list(csv.DictReader(file))


def read_text(page: Path) -> str:
    """What a page says to who reads it."""
    text = re.sub(r"<(script|style)\b.*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def test_page_of_a_run_that_failed_tells_of_each_light_why_it_was_not_made(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", lights={("V", 60.0): 4})
    plan_night(tmp_path, **SEEN)
    for number in (2, 3):
        make_unreadable(tmp_path / f"raw/light_V_60s_00{number}.fits")
    text, rows = end_badly(tmp_path)
    assert [bool(row["light"]) for row in rows] == [True, False, False, True]
    for row in (rows[1], rows[2]):
        assert f"/{row['raw']}: the raw frame has changed" in row["missing"]
        assert row["missing"] in text
        assert row["missing"].count("light_V") == 1
    assert "All is well" not in text


def test_page_of_a_run_that_failed_shows_nothing_that_is_out_of_date(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", lights={("V", 60.0): 2})
    run_due(tmp_path, **SEEN)
    [page] = (tmp_path / "results").glob("*/report.html")
    before = page.read_text()
    assert "All is well" in read_text(page)
    make_unreadable(tmp_path / "raw/bias_002.fits")
    text, rows = end_badly(tmp_path, bias={"combine": {"sigma": 4.0}})
    assert "All is well" not in text
    assert "bias_002.fits: the raw frame has changed" in text
    assert [(row["light"], row["sky"]) for row in rows] == [("", ""), ("", "")]
    assert all("bias_002.fits: the raw frame has changed" in row["missing"] for row in rows)
    assert before.count("data:image/") > page.read_text().count("data:image/")


def test_page_of_a_run_that_was_to_stop_tells_of_the_master_that_failed(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", **FOUR | {"flats": {"V": 6}})
    shade(sorted((tmp_path / "raw").glob("flat_*"))[::2])
    text, rows = end_badly(tmp_path, certification={"failed": "stop"})
    assert f"master flat V of {DAYS[1]} failed its certification" in text
    assert "certification.failed: stop" in text
    assert [row["light"] for row in rows] == ["", ""]


@pytest.mark.slow
def test_page_of_a_run_whose_previews_failed_says_so(tmp_path: Path) -> None:
    night = Night(tmp_path, REPOSITORY, base="previews: {use: true}\nreport: {use: true}\n")
    make_night(night.raw)
    script = night.copy_code() / "scripts/preview_lights.py"
    code = script.read_text()
    assert "    make_all(" in code
    broken = code.replace("    make_all(", "    raise JobProblem('no paint left')\n    make_all(")
    script.write_text(
        broken.replace("from darkroom.job import", "from darkroom.problems import JobProblem\nfrom darkroom.job import")
    )
    night.run(expect=1, cores=2)
    [page] = night.results.glob("*/report.html")
    assert read_stamp(page) is None
    text = read_text(page)
    assert "no paint left" in text
    assert "All is well" not in text
    assert "2 of 2" in text
    script.write_text(code)
    night.run(cores=2)
    assert "All is well" in read_text(page)
    assert read_stamp(page)
    assert "Nothing to be done" in night.run("-n").stdout


def test_frames_are_read_anew_but_once_for_a_change_that_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_night(tmp_path / "raw")
    plan_night(tmp_path)
    other = {"headers": {"names": {"light": ["no_frame_is_called_so"]}}}
    plan_night(tmp_path, **other)
    read: list[Any] = []
    monkeypatch.setattr("darkroom.index._read_all", lambda unread, headers: read.extend(unread) or {})
    plan_night(tmp_path, **other)
    assert read == []
