"""What is looked at stays true and is made no more often than needed: odd nights, hostile names, runs that fail."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from darkroom.stamps import read_recipe
from tests.running import run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night

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
