"""Hostile files in a folder: each is named in a line, soon and in little memory, and the other frames are reduced."""

import csv
import os
import pickle
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import find_lights, find_masters
from tests.unit.builders import index
from tests.workflow.hostile_files import HOSTILE, PIXELS, make_deep, primary, remove_deep
from tests.workflow.jobs import make_night, plan_night, run_job

LONGEST = 10  # s
MEMORY = 2**29  # bytes that may be asked for besides, nearly all of which nobody touches
UNCERTIFIED = {"certification": {"use": False}}


def run_within_limits(work: Callable[[], Any]) -> Any:
    """What a function returns in a process of its own that may take so much time and memory."""
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
            with os.fdopen(theirs, "wb") as file:
                file.write(pickle.dumps(work()))
        finally:
            os._exit(0)
    os.close(theirs)
    end = time.monotonic() + LONGEST
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail(f"not read within {LONGEST} s")
        time.sleep(0.01)
    with os.fdopen(ours, "rb") as file:
        said = file.read()
    assert said, "it ended with an exception, for want of memory maybe"
    return pickle.loads(said)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_named(tmp_path: Path, name: str) -> None:
    make, line = HOSTILE[name]
    raw = tmp_path / "raw"
    raw.mkdir()
    make(raw / "bad.fits")
    frames = run_within_limits(lambda: [(each.name, each.problem) for each in index(raw).values()])
    (raw / "bad.fits").unlink()
    assert [frame for frame, _ in frames] == ["bad.fits"]
    assert re.fullmatch(line, frames[0][1]), frames[0][1]
    assert frames[0][1].isprintable()
    assert len(frames[0][1]) < 300


def test_folders_deeper_than_a_path_is_long(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    make_deep(raw / "bad.fits")
    try:
        ((name, problem),) = run_within_limits(lambda: [(each.name, each.problem) for each in index(raw).values()])
    finally:
        remove_deep(raw)
    assert set(name) == {"d", "/"}
    assert problem.startswith("cannot be read")


def test_night_among_hostile_files(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_night(raw)
    for number, (make, _) in enumerate(HOSTILE.values()):
        make(raw / f"bad_{number}.fits")
    (raw / "loop").mkdir()
    (raw / "loop" / "again").symlink_to("..")
    (raw / "folder.fits").mkdir()
    shutil.copy(raw / "light_V_60s_001.fits", raw / "light_V_60s_001_copy.fits")

    def reduce_night() -> None:
        nights = plan_night(tmp_path, **UNCERTIFIED)
        for job in nights.jobs.values():
            run_job(nights, job)

    reduce_night()
    results = tmp_path / "results"
    for number in range(len(HOSTILE)):
        (raw / f"bad_{number}.fits").unlink()
    assert sorted(find_lights(results)) == ["light_V_60s_001", "light_V_60s_002"]
    assert len(find_masters(results)) == 3
    with (results / "frames.csv").open() as file:
        problems = {row["name"]: row["problem"] for row in csv.DictReader(file)}
    assert all(problems[f"bad_{number}.fits"] for number in range(len(HOSTILE)))
    assert problems["light_V_60s_001_copy.fits"] == "the same content as light_V_60s_001.fits"
    assert (results / "plan.txt").read_text().replace("\n", "").isprintable()
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "results"}


def test_one_name_in_two_folders_and_in_two_cases(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_night(raw, lights={("V", 60.0): 6})
    places = ["one/a.fits", "two/a.fits", "two/A.FITS", "two/A.fit", "Two/a.fits", "one/[1].fits"]
    for light, place in zip(sorted(raw.glob("light_*")), places, strict=True):
        (raw / place).parent.mkdir(exist_ok=True)
        light.rename(raw / place)
    nights = plan_night(tmp_path, **UNCERTIFIED)
    for job in nights.jobs.values():
        run_job(nights, job)
    made = sorted((tmp_path / "results").glob("*/*/lights/*.fits"))
    assert len({path.name.casefold() for path in made}) == len(places)


def test_file_that_is_replaced_before_it_is_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_night(raw)
    nights = plan_night(tmp_path, **UNCERTIFIED)
    light = raw / "light_V_60s_001.fits"
    content = light.read_bytes()
    light.unlink()
    light.write_bytes(primary(8, 6) + PIXELS)
    *first, last = nights.jobs.values()
    for job in first:
        run_job(nights, job)
    with pytest.raises(SystemExit):
        run_job(nights, last)
    said = (tmp_path / "results" / last.log).read_text()
    assert re.search(r"light_V_60s_001\.fits: the raw frame has changed since the plan was made", said)
    assert "Traceback" not in said
    light.write_bytes(content)
    again = plan_night(tmp_path, **UNCERTIFIED)
    for job in again.jobs.values():
        run_job(again, job)
    assert len(find_lights(tmp_path / "results")) == 2
